package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// pruneTable is a row for each run that loses something, or was to go and does not; the
// others are summed up.
type pruneTable struct {
	run, events, drop, which, states, frees, gone, keep, why *column
}

func newPruneTable() *pruneTable {
	return &pruneTable{
		run: left("run").in(bold), events: right("events"), drop: right("drop"), which: left("which"), states: right("states"),
		frees: right("frees"), gone: right("gone"), keep: right("keep"), why: &column{name: "why", long: true},
	}
}

// pruneRow is what a row says, of one run or of several.
type pruneRow struct {
	events, drop, keep uint64
	gone, redacted     uint64 // before; redacted ones are gone, too
	states, frees      int64
	which              string
	kept               map[string]uint64 // events, by why they are kept
	why                string            // said first
}

func rowOf(r *checkpoint.PlannedRun) pruneRow {
	row := pruneRow{events: r.Events + r.Pruned, drop: r.Events, gone: r.Pruned, redacted: r.Redacted, states: r.Bytes, frees: r.Freed, which: prunedSeqs(r), kept: map[string]uint64{}}
	for _, k := range r.Kept {
		n := k.Last - k.First + 1
		row.keep += n
		row.events += n
		row.kept[reason(k.Why)] += n
	}
	switch {
	case r.Drop != "":
		row.which, row.why = "the run", r.Drop
	case r.Stays != "":
		row.why = "the run stays: " + r.Stays
		if n := row.kept[r.Stays]; n == row.keep { // that is why all are
			delete(row.kept, r.Stays)
		}
	case r.Unreadable != "":
		row.why = "damaged"
	}
	return row
}

func (a *pruneRow) add(b pruneRow) {
	a.events, a.drop, a.keep = a.events+b.events, a.drop+b.drop, a.keep+b.keep
	a.gone, a.redacted = a.gone+b.gone, a.redacted+b.redacted
	a.states, a.frees = a.states+b.states, a.frees+b.frees
	if a.kept == nil {
		a.kept = map[string]uint64{}
	}
	for why, n := range b.kept {
		a.kept[why] += n
	}
}

// reason is why an event is kept, without the node: there may be many.
func reason(why string) string {
	if strings.HasPrefix(why, "newest of node ") {
		return "newest of its node"
	}
	return why
}

func (t *pruneTable) add(name string, r pruneRow) {
	t.run.add(name)
	t.events.add(humanize.Comma(int64(r.events)))
	t.drop.add(humanize.Comma(int64(r.drop)))
	t.which.add(r.which)
	t.states.add(size(r.states))
	t.frees.add(size(r.frees))
	t.gone.add(goneCell(r.gone, r.redacted))
	t.keep.add(humanize.Comma(int64(r.keep)))
	var words []string
	if r.why != "" {
		words = append(words, printable(r.why))
	}
	for _, why := range slices.SortedFunc(maps.Keys(r.kept), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.kept[b], r.kept[a]), strings.Compare(a, b))
	}) {
		words = append(words, humanize.Comma(int64(r.kept[why]))+" "+printable(why))
	}
	t.why.add(strings.Join(words, ", "))
}

func (t *pruneTable) write(s *screen) {
	columns := []*column{t.run, t.events, t.drop, t.which, t.states, t.frees}
	if t.gone.hasCells() {
		columns = append(columns, t.gone)
	}
	writeTable(s, "", append(columns, t.keep, t.why)...)
}

// goneCell says how many states went before, and how many of these were redacted.
func goneCell(gone, redacted uint64) string {
	switch {
	case gone == 0:
		return ""
	case redacted == 0:
		return humanize.Comma(int64(gone))
	}
	return fmt.Sprintf("%s (%s redacted)", humanize.Comma(int64(gone)), humanize.Comma(int64(redacted)))
}

// prunedSeqs names the events that lose their states as references do, as many as fit
// in a column.
func prunedSeqs(r *checkpoint.PlannedRun) string {
	const most = 20
	text := ""
	for i, events := range r.Prune {
		part := fmt.Sprint(events.First)
		if events.Last > events.First {
			part += fmt.Sprint("..", events.Last)
		}
		if i > 0 {
			part = "," + part
		}
		if len(text)+len(part) > most {
			return text + ",…"
		}
		text += part
	}
	return text
}

// listText lists what the plan says.
func (p *pruner) listText(plan checkpoint.Plan) {
	var all, others pruneRow
	runs, t := 0, newPruneTable()
	byFreed := slices.Clone(plan.Runs)
	slices.SortStableFunc(byFreed, func(a, b checkpoint.PlannedRun) int {
		return cmp.Or(cmp.Compare(b.Freed, a.Freed), cmp.Compare(b.Bytes, a.Bytes))
	})
	for i := range byFreed {
		r := &byFreed[i]
		row := rowOf(r)
		all.add(row)
		if r.Drop == "" && len(r.Prune) == 0 && r.Stays == "" {
			runs++
			others.add(row)
			continue
		}
		t.add(printable(r.Run), row)
	}
	if runs > 0 {
		name := count(runs, "other")
		if runs == len(byFreed) {
			name = count(runs, "run")
		}
		t.add(name, others)
	}
	if len(byFreed) > 1 && runs < len(byFreed) {
		t.add(count(len(byFreed), "run"), all)
	}
	out := p.c.out
	if len(byFreed) > 0 {
		t.write(out)
		out.printf("\n")
	}
	words := make([]string, len(plan.Policies))
	for i, policy := range plan.Policies {
		words[i] = policy.String()
	}
	out.printf("policy: %s\n", printable(inFlags(strings.Join(words, ", "))))
	out.printf("to drop: %s\n", totalText(out, plan.Total()))
}

// totalText says in a line what a plan comes to.
func totalText(s *screen, t compaction.Total) string {
	if t.Events == 0 && t.Dropped == 0 {
		return "nothing"
	}
	var what []string
	if t.Runs > 0 {
		what = append(what, "states of "+count(t.Runs, "run"))
	}
	if t.Dropped > 0 {
		what = append(what, s.paint(red, count(t.Dropped, "whole run")))
	}
	back := "about " + size(t.Freed) + " come back"
	if t.Freed == 0 {
		back = "next to nothing comes back"
	}
	return fmt.Sprintf("%s: %s, %s of states; %s", strings.Join(what, " and "), count(t.Events, "event"), size(t.Bytes), back)
}

// prunedText says in a line what was dropped.
func prunedText(s *screen, r checkpoint.PlanResult) string {
	var what []string
	if r.Runs > 0 {
		what = append(what, "states of "+count(r.Runs, "run"))
	}
	if r.Dropped > 0 {
		what = append(what, count(r.Dropped, "whole run"))
	}
	text := "dropped nothing"
	if len(what) > 0 {
		text = "dropped " + strings.Join(what, " and ") + ": " + count(r.Events, "event")
	}
	if r.After == 0 { // it was stopped before that was known
		return text
	}
	return text + "; " + diskText(s, r.Before, r.After)
}
