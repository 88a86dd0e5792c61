package main

import (
	"errors"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// tailFlags are what tail is asked for.
type tailFlags struct {
	follow bool
	events int
	output *format
}

// tail returns the verb that shows the newest events, and those that come.
func (c *cli) tail() *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use: "tail [RUN]",
		Example: `  flowlog tail @last
  flowlog tail @last -f             and what comes, as it comes
  flowlog tail -f -n 0              what comes, of all runs
  flowlog tail -f -o jsonl | jq --unbuffered -r '.run_id + " " + .node_id'`,
		Short: "Show the newest events, and follow a run or all as they come.",
		Long: `Tail shows the newest events of a run, or of all runs, as history does: the time, how
long after the event that it continues from each came, the size of the state, and
what changed in it. With -f it goes on with each event that any program appends,
until Ctrl-C; then the exit code is 130. Of several runs, the one that was saved to last
comes last.

A bbolt store can't be followed: while it is open here, no program can write to it.

RUN is a run's id, the beginning of it if no other begins so, or @last.`,
		Args: between(0, 1),
	}
	f.output = outputFlag(cmd)
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with what comes")
	cmd.Flags().IntVarP(&f.events, "events", "n", 10, "how many events to begin with")
	c.completeRuns(cmd, 0)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case f.events < 0:
			return usage("-n %d: it is a number of events, 0 or more", f.events)
		case f.follow && *f.output == formatJSON:
			return usage("-f and -o json can't both be had: an array that goes on is none; -o jsonl gives a JSON value a line")
		}
		r, err := c.redactor()
		if err != nil {
			return err
		}
		c.noPager = c.noPager || f.follow
		at, err := c.place() // before the store is open, see kindOf
		if err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error {
			if f.follow && at.kind == boltKind {
				return usage("a bbolt store can't be followed: while it is open here, no program can write to it; leave -f out")
			}
			t := &tailer{tailFlags: f, l: l}
			t.h = &historian{cli: c, l: l, historyFlags: historyFlags{output: f.output}, redactor: r}
			if len(args) == 1 {
				run, err := l.wholeRun("tail", args[0])
				if err != nil {
					return err
				}
				t.run = &run
			}
			return t.show()
		})
	}
	return cmd
}

// tailer shows events one after the other.
type tailer struct {
	tailFlags
	l    looker
	h    *historian
	run  *checkpoint.Run                // nil for all
	seen map[string]checkpoint.Position // the last events of all runs when it began

	table *tailTable // of text
	list  *jsonList  // of JSON
}

func (t *tailer) show() error {
	newest, err := t.newest()
	if err != nil {
		return err
	}
	if *t.output == formatText {
		t.table = newTailTable(t, newest)
	} else {
		t.list = &jsonList{screen: t.h.out, format: *t.output}
	}
	for _, ev := range newest {
		if err := t.add(ev); err != nil {
			return err
		}
	}
	if t.table != nil {
		t.table.flush(t.h.out)
	} else if !t.follow {
		t.list.end()
	}
	if !t.follow {
		return nil
	}
	if err := t.h.out.flush(); err != nil {
		return err
	}
	return t.watch()
}

// watch shows what comes.
func (t *tailer) watch() error {
	opts := checkpoint.WatchOptions{HeadersOnly: true, From: 1, Seen: t.seen}
	if t.run != nil {
		opts.Run, opts.Seen = t.run.ID, map[string]checkpoint.Position{t.run.ID: t.run.Position()}
	}
	for ev, err := range t.l.store.Watch(t.l.ctx, opts) {
		var damaged *checkpoint.Error
		if t.run == nil && errors.As(err, &damaged) && errors.Is(err, checkpoint.ErrCorrupt) {
			t.h.say("left out from here on: %v", err)
			continue
		}
		if err != nil {
			return err
		}
		err = t.add(ev)
		if errors.Is(err, checkpoint.ErrNotFound) {
			continue // it was deleted since
		}
		if err != nil {
			return err
		}
		if t.table != nil {
			t.table.flush(t.h.out)
		}
		if err := t.h.out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// newest returns the events to begin with, oldest first. The store knows when each run's
// newest event was appended. Earlier events are placed by CreatedAt, never after the event
// that follows them.
func (t *tailer) newest() ([]*checkpoint.Event, error) {
	runs, err := t.newestRuns()
	if err != nil || t.events == 0 {
		return nil, err
	}
	type placed struct {
		*checkpoint.Event
		at time.Time
	}
	var list []placed
	for _, run := range runs {
		at := run.SavedAt
		for ev, err := range t.l.headers(run, listing{backward: true, limit: t.events}) {
			if err != nil {
				return nil, err
			}
			if ev.Seq != run.Last && ev.CreatedAt.Before(at) {
				at = ev.CreatedAt
			}
			list = append(list, placed{ev, at})
		}
	}
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b placed) int { return a.at.Compare(b.at) })
	var events []*checkpoint.Event
	for _, p := range list[max(len(list)-t.events, 0):] {
		events = append(events, p.Event)
	}
	return events, nil
}

// newestRuns returns the runs that were saved to last: so many events are of that many
// runs at most. To follow all runs it lists them by id, since one that is saved to
// meanwhile changes its place in the order of time.
func (t *tailer) newestRuns() ([]checkpoint.Run, error) {
	if t.run != nil {
		return []checkpoint.Run{*t.run}, nil
	}
	t.seen = map[string]checkpoint.Position{}
	var runs []checkpoint.Run
	keep := func() {
		slices.SortStableFunc(runs, func(a, b checkpoint.Run) int { return b.SavedAt.Compare(a.SavedAt) })
		runs = runs[:min(len(runs), t.events)]
	}
	for run, err := range t.l.store.Runs(t.l.ctx, checkpoint.RunsOptions{ByID: t.follow}) {
		if err != nil && run.ID == "" {
			return nil, err
		}
		t.seen[run.ID] = run.Position()
		if err == nil {
			runs = append(runs, run)
		}
		if !t.follow && len(runs) >= t.events {
			break
		}
		if len(runs) >= 2*min(t.events, 1<<20)+1000 {
			keep()
		}
	}
	keep()
	return runs, nil
}

// add shows an event, of which only the header is known.
func (t *tailer) add(ev *checkpoint.Event) error {
	for st, err := range t.l.steps([]entry{{ev}}) {
		if err != nil {
			return err
		}
		header := *st.Event
		header.State = nil
		r := row{entry: entry{&header}}
		if r.took, r.timed, err = t.took(ev); err != nil {
			return err
		}
		t.h.tell(&r, st, st.changes())
		if t.table != nil {
			t.table.add(t.h.out, r)
			return nil
		}
		return t.list.add(r.facts())
	}
	return nil
}

// took returns how long after the event before it one came; not known where someone
// went back.
func (t *tailer) took(ev *checkpoint.Event) (time.Duration, bool, error) {
	if ev.Parent == 0 || ev.Parent != ev.Seq-1 || isAside(ev) {
		return 0, false, nil
	}
	for before, err := range t.l.store.History(t.l.ctx, ev.RunID, checkpoint.HistoryOptions{From: ev.Parent, To: ev.Parent, HeadersOnly: true}) {
		if errors.Is(err, checkpoint.ErrCorrupt) {
			break
		}
		if err != nil {
			return 0, false, err
		}
		var p prior
		p.waited(ev.CreatedAt.Sub(before.CreatedAt))
		return p.took, p.timed, nil
	}
	return 0, false, nil
}

// tailTable is a table that grows at its end.
type tailTable struct {
	*historyTable
	run     *column // nil if all are of one
	columns []*column
	begun   bool
}

func newTailTable(t *tailer, newest []*checkpoint.Event) *tailTable {
	span := checkpoint.Run{CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if len(newest) > 0 {
		span.CreatedAt = newest[0].CreatedAt
	}
	table := &tailTable{historyTable: newHistoryTable(t.h.clockOf(span), false)}
	if t.run == nil {
		table.run = left("run")
		table.columns = append(table.columns, table.run)
	}
	h := table.historyTable
	if t.follow {
		table.makeRoom(newest)
	}
	table.columns = append(table.columns, h.seq, h.visit, h.from, h.at, h.took, h.size, h.changes)
	return table
}

// makeRoom makes the columns as wide as what comes is likely to be: it does not stand
// elsewhere than the rows before, then.
func (t *tailTable) makeRoom(newest []*checkpoint.Event) {
	t.seq.least, t.visit.least, t.from.least = len("99999"), len("summarize#100"), len("99999")
	t.took.least, t.size.least = len("59m59s "), len("1000 KiB ")
	for _, ev := range newest {
		t.visit.least = max(t.visit.least, text.StringWidth(visitName(ev.NodeID, ev.Role, 100)))
	}
	if t.run != nil {
		t.run.least = len("a-run-with-its-id")
	}
}

func (t *tailTable) add(s *screen, r row) {
	if t.run != nil {
		t.run.add(printable(r.RunID))
	}
	t.historyTable.add(r.entry)
	t.addChanges(s, r, nil)
}

// flush writes the rows since the last time.
func (t *tailTable) flush(s *screen) {
	if len(t.seq.cells) == 0 {
		return
	}
	writeRows(s, "", !t.begun, t.columns...)
	t.begun = true
	for _, c := range []*column{t.run, t.seq, t.visit, t.from, t.next, t.at, t.took, t.size, t.stored, t.kept, t.changes} {
		if c != nil {
			c.cells = nil
		}
	}
}
