package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// show returns the verb that shows one event.
func (c *cli) show() *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use: "show RUN[@EVENT]",
		Example: `  flowlog show @last
  flowlog show essay-x7kq@5
  flowlog show 'essay-x7kq@review#2'
  flowlog show @last@3 --raw > state.json
  flowlog show @last -o json | jq .state.files`,
		Short: "Show one event and its state.",
		Long: `Show writes the facts of one event and then its state, indented if it is JSON.

RUN is a run's id, the beginning of it if no other begins so, or @last.
EVENT is a seq, head for the newest (as without one), a node for its newest visit,
or NODE#N for its Nth. Quote what holds a #.`,
		Args: arguments("RUN"),
	}
	output := outputFlag(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "the state alone, byte for byte")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if raw && *output != formatText {
			return usage("--raw and -o %s can't both be had: --raw is the state alone", *output)
		}
		store, err := c.open()
		if err != nil {
			return err
		}
		defer store.Close()
		l := looker{store, cmd.Context()}
		run, seq, err := l.event(args[0])
		if err != nil {
			return err
		}
		if raw {
			return c.showRaw(l, run, seq)
		}
		return c.showEvent(l, run, seq, *output)
	}
	return cmd
}

func (c *cli) showRaw(l looker, run checkpoint.Run, seq uint64) error {
	cp, err := l.store.LoadSeq(l.ctx, run.ID, seq)
	if err != nil {
		return err
	}
	_, err = c.out.Write(cp.State)
	return err
}

func (c *cli) showEvent(l looker, run checkpoint.Run, seq uint64, f format) error {
	e, err := l.entry(run, seq)
	if err != nil {
		return err
	}
	if f != formatText {
		return writeJSON(c.out, f, e.json())
	}
	c.facts(e)
	c.out.printf("\n")
	if e.Pruned {
		return c.showPruned(l, e)
	}
	c.showState(e)
	return nil
}

// entry returns an event with its state.
func (l looker) entry(run checkpoint.Run, seq uint64) (entry, error) {
	e := entry{}
	for ev, err := range l.store.History(l.ctx, run.ID, checkpoint.HistoryOptions{From: seq, To: seq}) {
		if err != nil {
			return e, err
		}
		e.Event = ev
	}
	for _, err := range l.store.History(l.ctx, run.ID, checkpoint.HistoryOptions{To: seq, Node: e.NodeID, HeadersOnly: true}) {
		if err != nil {
			return e, err
		}
		e.Visit++
	}
	return e, nil
}

// facts writes what is known of an event besides its state.
func (c *cli) facts(e entry) {
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
	fact("event", "%d%s", e.Seq, from)
	fact("visit", "%s#%d", e.NodeID, e.Visit)
	fact("next", "%s", next(e.NextNode))
	at := e.CreatedAt.UTC().Format(time.RFC3339Nano)
	if c.out.tty {
		at += ", " + ago(e.CreatedAt, time.Now())
	}
	fact("time", "%s", at)
	if o := e.Origin; o != nil {
		fact("origin", "%s@%d", o.RunID, o.Seq)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Metadata.Labels)) {
		fact("label", "%s=%s", name, e.Metadata.Labels[name])
	}
	fact("state", "%s of %s, stored as %s in %s with its header", count(e.Size, "byte"), e.Kind, e.Encoding, count(e.Stored, "byte"))
	fact("sha256", "%s", e.SHA256)
	fact("hash", "%s", e.Hash)
}

// showPruned says who dropped a state, and when.
func (c *cli) showPruned(l looker, e entry) error {
	var pruned *checkpoint.PrunedError
	if _, err := l.store.LoadSeq(l.ctx, e.RunID, e.Seq); !errors.As(err, &pruned) {
		return err
	}
	by := ""
	if pruned.Policy != "" {
		by = fmt.Sprintf(" by %q at %s", pruned.Policy, pruned.At.UTC().Format(time.RFC3339))
	}
	c.out.printf("%s\n", printable(fmt.Sprintf("The state was pruned%s.", by)))
	return nil
}

func (c *cli) showState(e entry) {
	var indented bytes.Buffer
	if e.Kind == checkpoint.KindBytes || json.Indent(&indented, bytes.TrimSpace(e.State), "", "  ") != nil {
		c.preview(e.State)
		return
	}
	text := indented.String()
	if c.out.tty {
		text = printableText(text)
	}
	c.out.printf("%s\n", text)
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
