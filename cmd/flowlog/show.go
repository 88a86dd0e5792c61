package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// showFlags are what show is asked for.
type showFlags struct {
	raw, meta, paths bool
	at               string
	output           *format
}

// show returns the verb that shows one event.
func (c *cli) show() *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use: "show REF",
		Example: `  flowlog show @last
  flowlog show essay-x7kq@5 --meta
  flowlog show 'essay-x7kq@review#2' --paths
  flowlog show @last --path 'messages[-1].content'
  flowlog show @last@3 --raw > state.json
  flowlog show @last -o json | jq .state.files`,
		Short: "Show one event and its state, or a part of it.",
		Long: `Show writes the facts of one event and then its state, indented if it is JSON. With
--path it writes one value of the state: of a string what it says. --paths lists
where there are values, of what type and how large. A path is a JSON Pointer, as
/messages/0/content, or as people write it: messages[-1].content.

` + refHelp,
		Args: arguments("REF"),
	}
	f.output = outputFlag(cmd)
	cmd.Flags().BoolVar(&f.raw, "raw", false, "the state alone, or the value at --path, byte for byte")
	cmd.Flags().BoolVar(&f.meta, "meta", false, "only the facts, without the state")
	cmd.Flags().BoolVar(&f.paths, "paths", false, "the paths of all values, with types and sizes")
	cmd.Flags().StringVar(&f.at, "path", "", "only what is at this path of the state")
	c.completeRefs(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := statediff.ParsePath(f.at)
		switch {
		case err != nil:
			return usage("--path: %v", err)
		case f.raw && *f.output != formatText:
			return usage("--raw and -o %s can't both be had: --raw is the state alone", *f.output)
		case f.meta && (f.raw || f.paths || f.at != ""):
			return usage("--meta can't be had with --raw, --path or --paths: it leaves the state out")
		case f.raw && f.paths:
			return usage("--raw and --paths can't both be had: --raw is the state alone")
		}
		r, err := c.redactor()
		if err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error {
			run, seq, err := l.event(args[0])
			if err != nil {
				return err
			}
			if f.raw || f.paths || f.at != "" {
				return c.showPart(l, run, seq, f, path, r)
			}
			return c.showEvent(l, run, seq, f, r)
		})
	}
	return cmd
}

func (c *cli) showEvent(l looker, run checkpoint.Run, seq uint64, f showFlags, r redactor) error {
	ev, err := l.read(run.ID, checkpoint.HistoryOptions{From: seq, To: seq})
	if err != nil {
		return err
	}
	e := entry{ev}
	e.State = r.in(e.State).value(e.State, "")
	if f.meta {
		e.State = nil
	}
	begins, err := c.beginning(l, e, f.output, r)
	if err != nil {
		return err
	}
	marks, err := l.store.Marks(l.ctx, run.ID)
	if err != nil {
		return err
	}
	begins.entry = e
	begins.mark(marks)
	if *f.output != formatText {
		return writeJSON(c.out, *f.output, begins.facts())
	}
	c.facts(begins, marks.Run.Pinned)
	if f.meta {
		return nil
	}
	if e.Kind == checkpoint.KindNone && (e.Failure == nil || e.Failure.Stack == "") {
		return nil
	}
	c.out.printf("\n")
	if e.Pruned {
		c.out.printf("%s\n", printable(goneText(e.PrunedBy)))
		return nil
	}
	if e.Failure != nil && e.Failure.Stack != "" {
		c.out.printf("%s\n", c.readable(e.Failure.Stack))
	}
	if e.Kind != checkpoint.KindNone {
		c.showState(e)
	}
	return nil
}

// beginning returns what is to be told of the change that a fork's first event begins
// with; of any other event nothing.
func (c *cli) beginning(l looker, e entry, output *format, r redactor) (row, error) {
	if e.ForkedFrom() == nil {
		return row{}, nil
	}
	h := &historian{cli: c, l: l, historyFlags: historyFlags{output: output}, redactor: r}
	for st, err := range l.steps([]entry{e}) {
		told := row{entry: e}
		if err == nil {
			h.tell(&told, st, st.changes())
		}
		return told, err
	}
	return row{}, notFound("run %q has no event %d any more", e.RunID, e.Seq)
}

// facts writes what is known of an event besides its state. Where a fork begins it says
// what that changed.
func (c *cli) facts(e row, runPinned bool) {
	fact := func(name, format string, args ...any) {
		c.out.printf("%s %s\n", c.out.paint(faint, fmt.Sprintf("%-8s", name)), printable(fmt.Sprintf(format, args...)))
	}
	fact("run", "%s", e.RunID)
	if e.Metadata.GraphID != "" {
		fact("graph", "%s", e.Metadata.GraphID)
	}
	from := fmt.Sprintf(", continues from %d", e.Parent)
	if e.Parent == 0 {
		from = ", a beginning"
	}
	if e.ForkedFrom() != nil {
		from = ", the beginning of a fork"
	}
	fact("event", "%d%s", e.Seq, from)
	fact("visit", "%s", e.visit())
	fact("next", "%s", next(e.NextNode))
	at := e.CreatedAt.UTC().Format(time.RFC3339Nano)
	if c.relative() {
		at += ", " + ago(e.CreatedAt, time.Now())
	}
	fact("time", "%s", at)
	if e.brief != "" {
		c.out.printf("%s %s\n", c.out.paint(faint, "origin  "), e.brief)
	}
	switch {
	case e.pinned:
		fact("pinned", "prune keeps its state")
	case runPinned:
		fact("pinned", "its run is: prune keeps all states of it")
	}
	for _, name := range slices.Sorted(maps.Keys(e.labels)) {
		fact("label", "%s=%s", name, e.labels[name])
	}
	c.failure(e.Failure, fact)
	kept := "stored as " + keptAs(e.Event) + " in %s with its header"
	if e.Pruned {
		kept = keptAs(e.Event) + "; its header is stored in %s"
	}
	if e.Kind == checkpoint.KindNone {
		fact("state", "none; the header is stored in %s", count(e.Stored, "byte"))
	} else {
		fact("state", "%s of %s, "+kept, count(e.Size, "byte"), e.Kind, count(e.Stored, "byte"))
		fact("sha256", "%s", e.SHA256)
	}
	fact("hash", "%s", e.Hash)
}

func (c *cli) showState(e entry) {
	var indented bytes.Buffer
	if e.Kind == checkpoint.KindBytes || json.Indent(&indented, bytes.TrimSpace(e.State), "", "  ") != nil {
		c.preview(e.State)
		return
	}
	c.out.printf("%s\n", c.readable(indented.String()))
}

// readable returns a text of several lines as it is, for a terminal without what that obeys.
func (c *cli) readable(text string) string {
	if c.out.tty {
		return printableText(text)
	}
	return text
}

// previewBytes is how much is shown of a state that is not JSON.
const previewBytes = 256

// preview shows the beginning of a state that is not JSON: as text if it is one,
// else in hex.
func (c *cli) preview(state []byte) {
	shown := state[:min(len(state), previewBytes)]
	if isText(shown) {
		c.out.printf("%s\n", strconv.Quote(string(shown)))
	} else {
		c.out.printf("%s", hex.Dump(shown))
	}
	if rest := len(state) - len(shown); rest > 0 {
		c.out.printf("… and %s; --raw gives all\n", count(rest, "more byte"))
	}
}

// isText reports whether bytes look like text that may be cut off at the end.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return len(b) < utf8.UTFMax && !utf8.FullRune(b)
		}
		if !strings.ContainsRune("\t\r\n", r) && !isHarmless(r) {
			return false
		}
		b = b[n:]
	}
	return true
}
