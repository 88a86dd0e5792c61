package main

import (
	"bytes"
	"encoding/json"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// showPart shows the state without the facts: as it is, one value of it, or where
// there are values.
func (c *cli) showPart(l looker, run checkpoint.Run, seq uint64, f showFlags, path statediff.Path, r redactor) error {
	cp, err := l.store.LoadSeq(l.ctx, run.ID, seq)
	if err != nil {
		return err
	}
	state := r.in(cp.State).value(cp.State, "")
	if f.raw && f.at == "" {
		_, err = c.out.Write(state)
		return err
	}
	if cp.Kind == checkpoint.KindBytes {
		return usage("the state of event %d of run %q is not JSON, so it has no paths; --raw gives all of it", seq, run.ID)
	}
	at, err := path.In(state)
	if err != nil {
		return notFound("%s", noValue(ref{run, seq}, f.at, state, err))
	}
	value, err := statediff.Lookup(state, at)
	switch {
	case err != nil:
		return err
	case f.raw:
		_, err = c.out.Write(value)
		return err
	case f.paths:
		return c.writePaths(value, at, *f.output)
	case *f.output != formatText:
		return writeJSON(c.out, *f.output, valueJSON{run.ID, seq, at, len(value), value})
	}
	text := readable(value)
	if c.out.tty {
		text = printableText(text)
	}
	c.out.printf("%s\n", text)
	return nil
}

// readable returns a value as people read it: what a string says, and objects and
// arrays indented.
func readable(value []byte) string {
	var words string
	if value[0] == '"' && json.Unmarshal(value, &words) == nil {
		return words
	}
	var indented bytes.Buffer
	if json.Indent(&indented, value, "", "  ") == nil {
		return indented.String()
	}
	return string(value)
}

// valueJSON is a value of a state as -o json gives it.
type valueJSON struct {
	RunID string            `json:"run_id"`
	Seq   uint64            `json:"seq"`
	Path  statediff.Pointer `json:"path"`
	Size  int               `json:"size"` // in bytes
	Value json.RawMessage   `json:"value"`
}

// writePaths lists the values in one that is at a place of the state.
func (c *cli) writePaths(value []byte, at statediff.Pointer, f format) error {
	doc, err := statediff.Parse(value)
	if err != nil {
		return err
	}
	list := pathsOf(doc)
	for i := range list {
		list[i].Path = at + list[i].Path
	}
	switch f {
	case formatJSON:
		return writeJSON(c.out, f, list)
	case formatJSONL:
		for _, p := range list {
			if err := writeJSON(c.out, f, p); err != nil {
				return err
			}
		}
		return nil
	}
	path, kind, items, sizes := &column{name: "path", long: true}, left("type"), right("items"), right("size")
	for _, p := range list {
		path.add(printable(p.Path.Dotted()))
		kind.add(p.Type)
		items.add(itemCount(p))
		sizes.add(size(int64(p.Size)))
	}
	if len(list) > 0 {
		writeTable(c.out, "", sizes, kind, items, path)
	}
	return nil
}
