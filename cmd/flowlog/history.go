package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// history returns the verb that shows the events of a run.
func (c *cli) history() *cobra.Command {
	var list listing
	cmd := &cobra.Command{
		Use: "history RUN",
		Example: `  flowlog history essay-x7kq
  flowlog history @last --backward --limit 20
  flowlog history @last --node review
  flowlog history @last -o jsonl | jq 'select(.stored > 5000)'`,
		Short: "Show the events of a run, as a tree.",
		Long: `History shows the events of a run, oldest first: the visit (review#2 is the second
event of the node review, over all branches), the event that it continues from if
that is not the one before, the node to go on with, the time, the size of the
state, what header and state take in the store, and how the state is kept there.
A pruned event is drawn hollow.

RUN is a run's id, the beginning of it if no other begins so, or @last.`,
		Args: arguments("RUN"),
	}
	output := outputFlag(cmd)
	cmd.Flags().IntVar(&list.limit, "limit", 0, "the most to show; 0 for all")
	cmd.Flags().StringVar(&list.node, "node", "", "only events of this node")
	cmd.Flags().BoolVar(&list.backward, "backward", false, "newest first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if list.limit < 0 {
			return usage("--limit %d: it is a number of events, or 0 for all", list.limit)
		}
		store, err := c.open()
		if err != nil {
			return err
		}
		defer store.Close()
		l := looker{store, cmd.Context()}
		run, err := l.run(args[0])
		if err != nil {
			return err
		}
		return c.showHistory(l, run, list, *output)
	}
	return cmd
}

func (c *cli) showHistory(l looker, run checkpoint.Run, list listing, f format) error {
	var shown int
	var err error
	switch f {
	case formatText:
		shown, err = c.historyText(l, run, list)
	case formatJSON:
		shown, err = c.historyJSON(l, run, list)
	case formatJSONL:
		for e, err := range l.entries(run, list) {
			if err != nil {
				return err
			}
			shown++
			if err := writeJSON(c.out, f, e.json()); err != nil {
				return err
			}
		}
	}
	switch {
	case err != nil:
		return err
	case shown == 0:
		return noMatch("run %q has no event of node %q; `flowlog history %s` shows all", run.ID, list.node, quote(run.ID))
	case uint64(shown) < run.Last:
		c.say("%d of the run's %s", shown, count(run.Last, "event"))
	}
	return nil
}

func (c *cli) historyJSON(l looker, run checkpoint.Run, list listing) (int, error) {
	doc := struct {
		Run    runJSON     `json:"run"`
		Events []eventJSON `json:"events"`
	}{runFacts(run), []eventJSON{}}
	for e, err := range l.entries(run, list) {
		if err != nil {
			return 0, err
		}
		doc.Events = append(doc.Events, e.json())
	}
	return len(doc.Events), writeJSON(c.out, formatJSON, doc)
}

func (c *cli) historyText(l looker, run checkpoint.Run, list listing) (int, error) {
	layout, zone := isoTime, time.UTC
	if c.out.tty {
		layout, zone = clock(run.CreatedAt, run.UpdatedAt), time.Local
	}
	t := newHistoryTable(func(at time.Time) string { return at.In(zone).Format(layout) }, list.backward)
	if list.node == "" { // else there are gaps between the rows
		var err error
		if t.tree, err = l.tree(run); err != nil {
			return 0, err
		}
	}
	for e, err := range l.entries(run, list) {
		if err != nil {
			return 0, err
		}
		t.add(e)
	}
	if t.rows == 0 {
		return 0, nil
	}
	t.write(c.out, "")
	c.out.printf("\n%s\n", summary(c.out, run))
	return t.rows, nil
}

// historyTable is the table of a run's events.
type historyTable struct {
	tree     *tree // nil if it is not to be drawn
	backward bool
	time     func(time.Time) string

	rows     int
	branches bool // an event does not continue from the one before

	seq, branch, visit, from, next, at, size, stored, kept *column
}

func newHistoryTable(format func(time.Time) string, backward bool) *historyTable {
	return &historyTable{
		time: format, backward: backward,
		seq: right("seq").in(faint), branch: left("").in(blue), visit: left("visit").in(bold), from: right("from"),
		next: left("next"), at: left("time").in(faint), size: right("state"), stored: right("stored"), kept: left("as").in(faint),
	}
}

func (t *historyTable) add(e entry) {
	t.rows++
	from := ""
	if e.Parent != e.Seq-1 {
		t.branches = true
		from = fmt.Sprint(e.Parent)
		if e.Parent == 0 {
			from = "new"
		}
	}
	t.seq.add(fmt.Sprint(e.Seq))
	if t.tree != nil {
		t.branch.add(t.tree.row(e.Seq, e.Pruned, t.backward))
	}
	t.visit.add(visitName(e.NodeID, e.Visit))
	t.from.add(from)
	t.next.add(next(e.NextNode))
	t.at.add(t.time(e.CreatedAt))
	t.size.add(size(e.Size))
	t.stored.add(size(e.Stored))
	t.kept.add(e.Encoding.String())
}

func (t *historyTable) write(s *screen, indent string) {
	columns := []*column{t.seq}
	if t.tree != nil && t.tree.worthDrawing() {
		columns = append(columns, t.branch)
	}
	columns = append(columns, t.visit)
	if t.branches {
		columns = append(columns, t.from)
	}
	writeTable(s, indent, append(columns, t.next, t.at, t.size, t.stored, t.kept)...)
}

func visitName(node string, visit int) string { return fmt.Sprintf("%s#%d", printable(node), visit) }

// summary says what a run's states take, and what they cost to keep.
func summary(s *screen, run checkpoint.Run) string {
	text := fmt.Sprintf("%s, %s of states, stored in %s", count(run.Last, "event"), size(run.Bytes), size(run.Stored))
	if run.Pruned > 0 {
		text = fmt.Sprintf("%s, %d pruned; the other %d hold %s of states, stored in %s",
			count(run.Last, "event"), run.Pruned, run.Last-run.Pruned, size(run.Bytes), size(run.Stored))
	}
	if run.Bytes > run.Stored {
		text += ": " + s.paint(green, times(run.Bytes, run.Stored)+" less")
	}
	return text
}
