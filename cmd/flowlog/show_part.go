package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// showPart shows the state without the facts: as it is, one value of it, or where
// there are values.
func (c *cli) showPart(l looker, run checkpoint.Run, seq uint64, f showFlags, path statediff.Path, r redactor) error {
	e, err := l.withState(ref{run, seq})
	if err != nil {
		return err
	}
	state := r.in(e.State).value(e.State, "")
	if f.raw && f.at == "" {
		if c.out.tty && e.Kind == checkpoint.KindBytes {
			c.out.printf("%s", printableText(string(state)))
			return nil
		}
		_, err = c.out.Write(state)
		return err
	}
	if e.Kind == checkpoint.KindBytes {
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
		return c.writePaths(l.ctx, value, at, *f.output)
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
func (c *cli) writePaths(ctx context.Context, value []byte, at statediff.Pointer, f format) error {
	doc, err := statediff.Parse(value)
	if err != nil {
		return err
	}
	list, err := pathsOf(ctx, doc)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Path = at + list[i].Path
	}
	if f == formatText {
		return c.pathsText(ctx, list)
	}
	out := jsonList{screen: c.out, format: f}
	for _, p := range list {
		if out.n%listPace == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := out.add(p); err != nil {
			return err
		}
	}
	out.end()
	return nil
}

// pathsText writes values as a table, some at a time: of millions the first are there at
// once.
func (c *cli) pathsText(ctx context.Context, list []pathSize) error {
	path, kind, items, sizes := &column{name: "path", long: true}, left("type"), right("items"), right("size")
	for _, p := range list { // they are plain ASCII
		kind.least = max(kind.least, len(p.Type))
		items.least = max(items.least, len(itemCount(p)))
		sizes.least = max(sizes.least, len(size(int64(p.Size))))
	}
	for at, page := range slices.Collect(slices.Chunk(list, listPace)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, c := range []*column{path, kind, items, sizes} {
			c.cells = nil
		}
		for _, p := range page {
			path.add(printable(p.Path.Dotted()))
			kind.add(p.Type)
			items.add(itemCount(p))
			sizes.add(size(int64(p.Size)))
		}
		writeRows(c.out, "", at == 0, sizes, kind, items, path)
		if err := c.out.flush(); err != nil {
			return err
		}
	}
	return nil
}
