package main

import (
	"fmt"
	"time"

	"github.com/flowlog/checkpoint"
)

// historyTable is the table of a run's events.
type historyTable struct {
	tree     *tree // nil if it is not to be drawn
	backward bool
	time     func(time.Time) string

	rows     int
	branches bool // an event does not continue from the one before

	seq, branch, visit, from, next, at, took, size, stored, kept, marks, changes *column
}

func newHistoryTable(format func(time.Time) string, backward bool) *historyTable {
	return &historyTable{
		time: format, backward: backward,
		seq: right("seq").in(faint), branch: left("").in(blue), visit: left("visit").in(bold), from: right("from"),
		next: left("next"), at: left("time").in(faint), took: right("took"), size: right("state"), stored: right("stored"),
		kept: left("as").in(faint), marks: left("marks"), changes: &column{name: "changes", long: true},
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
	t.visit.add(e.visit())
	t.from.add(from)
	t.next.add(next(e.NextNode))
	t.at.add(t.time(e.CreatedAt))
	t.size.add(stateSize(e.Event))
	t.stored.add(size(e.Stored))
	t.kept.add(keptAs(e.Event))
}

// stateSize says how large an event's state is.
func stateSize(e *checkpoint.Event) string {
	if e.Kind == checkpoint.KindNone {
		return "-"
	}
	return size(e.Size)
}

// addChanges adds what the event of the last row changed; nil marks none.
func (t *historyTable) addChanges(s *screen, r row, marked *peaks) {
	cell := ""
	if r.timed {
		cell = took(r.took)
	}
	t.took.add(mark(s, cell, marked != nil && marked.isSlowest(r)))
	t.changes.add(r.brief)
	t.took.name, t.size.name = "took ", "state "
	last := len(t.size.cells) - 1
	t.size.cells[last] = mark(s, t.size.cells[last], marked != nil && marked.isLargest(r))
}

// handedSign marks an event that another writer wrote than the one before.
const handedSign = "»"

// addHanded marks, behind their seqs, events at which the writer changes. Where each event
// has a writer of its own, as of programs that save one event each, that says nothing.
func (t *historyTable) addHanded(s *screen, rows []row) {
	handed, there := 0, 0
	for _, r := range rows {
		if r.there {
			there++
		}
		if r.handed {
			handed++
		}
	}
	if handed == 0 || handed == there {
		return
	}
	t.seq.name += " "
	for i, r := range rows {
		sign := " "
		if r.handed {
			sign = s.paint(blue, handedSign)
		}
		t.seq.cells[i] += sign
	}
}

// mark puts a * behind what stands out, and the width of one behind all else.
func mark(s *screen, cell string, standsOut bool) string {
	if standsOut {
		return s.paint(red, cell+"*")
	}
	return cell + " "
}

// writeStored writes how the events are stored.
func (t *historyTable) writeStored(s *screen, indent string) {
	writeTable(s, indent, append(append(t.who(), t.next, t.at, t.size, t.stored, t.kept), t.said()...)...)
}

// writeChanges writes what the events changed.
func (t *historyTable) writeChanges(s *screen) {
	writeTable(s, "", append(append(append(t.who(), t.at, t.took, t.size), t.said()...), t.changes)...)
}

// who are the columns that say which event it is.
func (t *historyTable) who() []*column {
	columns := []*column{t.seq}
	if t.tree != nil && t.tree.worthDrawing() {
		columns = append(columns, t.branch)
	}
	columns = append(columns, t.visit)
	if t.branches {
		columns = append(columns, t.from)
	}
	return columns
}

// said is the column of pins and labels, where there are some.
func (t *historyTable) said() []*column {
	if !t.marks.hasCells() {
		return nil
	}
	return []*column{t.marks}
}

// summary says what a run's states take, and what they cost to keep.
func summary(s *screen, run checkpoint.Run) string {
	text := fmt.Sprintf("%s, %s of states, stored in %s", count(run.Events(), "event"), size(run.Bytes), size(run.Stored))
	if run.Pruned > 0 {
		text = fmt.Sprintf("%s, %d without a state; the other %d hold %s of states, stored in %s",
			count(run.Events(), "event"), run.Pruned, run.Events()-run.Pruned, size(run.Bytes), size(run.Stored))
	}
	if run.Bytes > run.Stored {
		text += ": " + s.paint(green, times(run.Bytes, run.Stored)+" less")
	}
	return text
}
