package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// diffFlags are what diff is asked for.
type diffFlags struct {
	stat, patch bool
	at          string
	output      *format
}

// diff returns the verb that compares two states.
func (c *cli) diff() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use: "diff [REF] REF",
		Example: `  flowlog diff '@last@review#2'                what that step changed
  flowlog diff @last@5..12                     between two events
  flowlog diff 'essay-x7kq@review#1' 'review#2'
  flowlog diff essay-x7kq nightly-2            between two runs' newest
  flowlog diff @last@12 --stat                 which values, and how large
  flowlog diff @last@12 --path 'messages[-1]'
  flowlog diff @last@12 --patch > step.json    as a JSON Patch (RFC 6902)`,
		Short: "Show what differs between two events, in full.",
		Long: `Diff shows what differs between the states of two events; of one event, between
the one that it continues from and itself: of a fork's first event that is the one
that was forked. Values are compared as JSON: numbers
exactly, objects whatever the order of their members, elements of arrays by their
content. Of texts of several lines the lines that differ are shown; what long texts
have in common is left out and said to be.

` + refHelp + `
The second may leave out its run, and be written behind two dots.

The exit code is 0 if nothing differs, and 1 if something does.`,
		Args: between(1, 2, "REF"),
	}
	f.output = outputFlag(cmd)
	cmd.Flags().BoolVar(&f.stat, "stat", false, "only which values differ, and their sizes in bytes")
	cmd.Flags().BoolVar(&f.patch, "patch", false, "a JSON Patch (RFC 6902) that makes the second state of\nthe first")
	cmd.Flags().StringVar(&f.at, "path", "", "only what is at this path of the states")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := statediff.ParsePath(f.at)
		switch {
		case err != nil:
			return usage("--path: %v", err)
		case f.patch && (f.stat || f.at != "" || *f.output != formatText):
			return usage("--patch can't be had with --stat, --path or -o: it is the whole difference, as JSON")
		case f.stat && *f.output != formatText:
			return usage("--stat and -o %s can't both be had: the sizes are in the JSON", *f.output)
		}
		r, err := c.redactor()
		if err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error {
			before, after, err := l.toCompare(args)
			if err != nil {
				return err
			}
			d := compareEvents(before, after)
			d.c, d.diffFlags, d.redactor = c, f, r
			return d.show(path)
		})
	}
	c.completeRefs(cmd)
	return cmd
}

// toCompare returns the two events that the arguments name, with their states.
func (l looker) toCompare(args []string) (before, after *checkpoint.Event, err error) {
	old, now, ok := ref{}, ref{}, true
	if len(args) == 2 {
		old, now, err = l.pair(args[0], args[1])
	} else {
		old, now, ok, err = l.span(args[0])
	}
	if err == nil && !ok {
		now.run, now.seq, err = l.event(args[0])
	}
	if err != nil {
		return nil, nil, err
	}
	if after, err = l.withState(now); err != nil {
		return nil, nil, err
	}
	if ok {
		before, err = l.withState(old)
	} else {
		before, err = l.prior(after)
	}
	return before, after, err
}

// prior returns the event that one continues from, with its state, or says why there is
// none.
func (l looker) prior(e *checkpoint.Event) (*checkpoint.Event, error) {
	before, err := l.store.Prior(l.ctx, e)
	gone, isGone := errors.AsType[*checkpoint.OriginError](err)
	switch {
	case isGone:
		return nil, notFound("event %d of run %q was forked from %s, which is no longer there: %s; `flowlog show %s` shows its state",
			e.Seq, e.RunID, originName(&gone.Origin), gone.Reason, quote(event(e)))
	case err != nil:
		return nil, err
	case before == nil:
		return nil, notFound("event %d of run %q is a beginning, there is nothing before it; `flowlog show %s` shows its state",
			e.Seq, e.RunID, quote(event(e)))
	}
	return before, hasState(before)
}

// difference is what differs between two events.
type difference struct {
	c *cli
	diffFlags
	redactor
	step         // the second event
	before entry // the first one
	shown  []statediff.Change
}

// compareEvents compares two events with their states.
func compareEvents(before, after *checkpoint.Event) *difference {
	d := &difference{}
	d.before.Event, d.step = before, compare(stateOf(before), stateOf(after))
	d.step.Event = after
	return d
}

// withState returns an event with its state, or says why it has none.
func (l looker) withState(r ref) (*checkpoint.Event, error) {
	ev, err := l.read(r.run.ID, checkpoint.HistoryOptions{From: r.seq, To: r.seq})
	if err == nil {
		err = hasState(ev)
	}
	if err != nil {
		return nil, err
	}
	return ev, nil
}

// hasState returns an error that says why an event has no state, nil if it has one.
func hasState(e *checkpoint.Event) error {
	switch {
	case e.PrunedBy != nil:
		return e.PrunedBy
	case e.Kind == checkpoint.KindNone && e.Parent > 0:
		return notFound("event %d of run %q has no state, it is of role %q; the event that it continues from is %s", e.Seq, e.RunID, e.Role, quote(fmt.Sprintf("%s@%d", e.RunID, e.Parent)))
	case e.Kind == checkpoint.KindNone:
		return notFound("event %d of run %q has no state, it is of role %q", e.Seq, e.RunID, e.Role)
	}
	return nil
}

func (d *difference) show(path statediff.Path) error {
	if d.diff != nil {
		d.shown = d.diff.Changes
	}
	if d.at != "" {
		if !has(d.old, path) && !has(d.new, path) {
			_, err := path.In(d.new)
			return notFound("neither state has anything at %s%s`flowlog show %s --paths` lists what there is", d.at, nearby(d.new, err), quote(event(d.Event)))
		}
		d.shown = d.under(path)
	}
	var err error
	switch {
	case d.patch:
		err = d.writePatch()
	case *d.output == formatJSON:
		err = writeJSON(d.c.out, formatJSON, d.facts())
	case *d.output == formatJSONL:
		for _, change := range d.changesJSON(d.shown, d.redactor) {
			if err := writeJSON(d.c.out, formatJSONL, change); err != nil {
				return err
			}
		}
	default:
		d.text()
	}
	if err == nil && !d.equal() {
		return &exitError{code: codeDiffers}
	}
	return err
}

// equal reports whether nothing that was asked for differs.
func (d *difference) equal() bool { return d.diff != nil && len(d.shown) == 0 }

func (d *difference) writePatch() error {
	if d.diff == nil {
		return usage("there is no patch: the %s state is not JSON", d.notJSON())
	}
	patch := statediff.Diff{Changes: d.masked(d.shown, d.redactor)}
	d.c.out.printf("%s\n", patch.Patch())
	return nil
}

// notJSON says which of two states that are not compared is not JSON.
func (d *difference) notJSON() string {
	if d.why == whyOldNotJSON {
		return "first"
	}
	return "second"
}

// differenceJSON is a difference as -o json gives it.
type differenceJSON struct {
	Old         eventJSON    `json:"old"`
	New         eventJSON    `json:"new"`
	Equal       bool         `json:"equal"`
	NotCompared string       `json:"not_compared,omitempty"`
	Changes     []changeJSON `json:"changes"`
	Coarse      []coarseJSON `json:"coarse,omitempty"`
}

func (d *difference) facts() differenceJSON {
	doc := differenceJSON{
		Old: d.before.json(), New: d.step.json(), Equal: d.equal(), NotCompared: d.why,
		Changes: d.changesJSON(d.shown, d.redactor),
	}
	doc.Old.State, doc.Old.StateBase64, doc.New.State, doc.New.StateBase64 = nil, nil, nil, nil
	if d.diff != nil {
		doc.Coarse = coarseFacts(d.diff.Coarse)
	}
	return doc
}
