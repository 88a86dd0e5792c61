package drivertest

import (
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// kind is a kind of change of a run that rich made.
type kind struct {
	name string
	make func(r runState) driver.Change // Run and Revision are filled in
}

// tagOfAll is what the contents of the runs of kinds name in place of the run.
const tagOfAll = "all"

// kinds are all kinds of changes. That of a new run is made where there is none.
func kinds() []kind {
	tag := tagOfAll
	put, remove := []driver.Entry{entry("key", "new"), entry("new", "")}, []driver.EntryRange{only("other")}
	return []kind{
		{"a new run", func(runState) driver.Change {
			return driver.Change{Head: head(1, 2), Append: records(1, 2, tag), Put: put}
		}},
		{"a new run without records", func(runState) driver.Change { return driver.Change{Head: head(1, 0), Class: class(2)} }},
		{"an append", func(runState) driver.Change { return driver.Change{Append: records(7, 9, tag)} }},
		{"an append with a class", func(runState) driver.Change { return driver.Change{Append: records(7, 7, tag), Class: class(4)} }},
		{"an append with entries", func(runState) driver.Change {
			return driver.Change{Append: records(7, 7, tag), Put: put, Remove: remove}
		}},
		{"a head", func(runState) driver.Change { return driver.Change{Head: head(5, 6)} }},
		{"a head with a class", func(runState) driver.Change { return driver.Change{Head: head(5, 6), Class: class(4)} }},
		{"a head with entries", func(runState) driver.Change { return driver.Change{Head: head(5, 6), Put: put, Remove: remove} }},
		{"a rewrite", func(runState) driver.Change {
			return driver.Change{Head: head(5, 6), Rewrite: records(5, 6, "rewritten"), Remove: []driver.EntryRange{{}}}
		}},
		{"a seal", func(runState) driver.Change {
			return driver.Change{Last: 6, Head: head(6, 6), Add: []driver.Segment{segment(5, 5, tag)}}
		}},
		{"a merge", func(r runState) driver.Change {
			return driver.Change{Head: head(5, 6), Add: []driver.Segment{segment(1, 4, tag)}, Retire: retiring(r.segments...)}
		}},
		{"a truncation", func(r runState) driver.Change {
			return driver.Change{Last: 6, Head: head(5, 6), Retire: retiring(r.segments[0])}
		}},
		{"everything", func(r runState) driver.Change {
			return driver.Change{
				Last: 6, Head: head(6, 8), Class: class(9), Append: records(7, 8, tag), Rewrite: records(6, 6, "rewritten"),
				Add: []driver.Segment{segment(1, 5, tag)}, Retire: retiring(r.segments...), Put: put, Remove: remove,
			}
		}},
		{"a drop", func(runState) driver.Change { return driver.Change{Drop: true} }},
		{"a drop of a last event", func(runState) driver.Change { return driver.Change{Drop: true, Last: 6} }},
	}
}

// prepare makes the runs that the kinds of changes need, by the names that name gives,
// and returns the changes.
func (t *tester) prepare(name func(i int) string) []driver.Change {
	all := kinds()
	for i := range all {
		if i >= 2 {
			richAs(t, name(i), tagOfAll)
		}
	}
	states := map[string]runState{}
	for _, r := range t.dump() {
		states[r.head.Run] = r
	}
	changes := make([]driver.Change, len(all))
	for i, k := range all {
		r := states[name(i)]
		changes[i] = k.make(r)
		changes[i].Run, changes[i].Revision = name(i), r.head.Revision
	}
	return changes
}

func applyTwice(t *tester) {
	changes := t.prepare(func(i int) string { return fmt.Sprintf("run-%02d", i) })
	for i, c := range changes {
		what := kinds()[i].name
		t.apply(c)
		want := t.dump()
		for range 2 { // before and after the dead are erased
			t.wantConflict(what+", made a second time,", t.applyAll(c)[0])
			t.wantDump(want, "after "+what+" was made a second time")
			t.purge()
		}
	}
	want := t.dump()
	for i, res := range t.applyAll(changes...) {
		t.wantConflict(kinds()[i].name+", made a second time beside others,", res)
	}
	t.wantDump(want, "after all changes were made a second time")
}
