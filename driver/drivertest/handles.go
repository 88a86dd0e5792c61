package drivertest

import (
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

func handleCases() []Case {
	return []Case{
		{Name: "handles/see", Rule: "what one handle wrote every other sees once Apply returned", run: handlesSee},
		{Name: "handles/exclude", Rule: "compare-and-sets of several handles exclude each other", run: handlesExclude},
		{Name: "handles/appends", Rule: "appends of several handles after the same event exclude each other", run: handlesAppends},
		{Name: "handles/side-by-side", Rule: "an append through one handle and a change of the row through another don't exclude each other unless the revision differs", run: func(t *tester) {
			sideBySide(t, t.another())
		}},
		{Name: "handles/moves", Rule: "Heads with Newest follows the last event of each run, whichever handle wrote it", run: func(t *tester) {
			headsMove(t, t.another())
		}},
		{Name: "handles/ids", Rule: "several handles never give out the same revision or the same segment id", run: handlesIDs},
		{Name: "handles/close", Rule: "Close of one handle leaves the others as they are", run: handlesClose},
		{Name: "handles/one-winner", Rule: "of several changes that expect the same revision exactly one is made, through any handles", run: func(t *tester) {
			oneWinner(t, t.b, t.another().b, t.another().b)
		}},
		{Name: "handles/one-append", Rule: "of several appends after the same seq exactly one is made, through any handles", run: func(t *tester) {
			oneAppend(t, t.b, t.another().b, t.another().b)
		}},
		{Name: "handles/none-lost", Rule: "a change that one handle acknowledged is visible to all at once and stays, also while others write", run: func(t *tester) {
			noneLost(t, t.b, t.another().b)
		}},
		{Name: "handles/whole-changes", Rule: "a handle sees the change of another whole or not at all", run: func(t *tester) { wholeChanges(t, t.b, t.another().b) }},
		{Name: "handles/whole-merges", Rule: "a handle sees another replace segments all at once", run: func(t *tester) { wholeMerges(t, t.b, t.another().b) }},
		{Name: "handles/whole-lists", Rule: "a page of heads has every run once, however another handle changes their recencies", run: func(t *tester) {
			wholeLists(t, t.b, t.another().b)
		}},
		{Name: "handles/whole-entries", Rule: "a handle sees the entries of another's change together, and when it sees its records", run: func(t *tester) {
			wholeEntries(t, t.b, t.another().b)
		}},
		{Name: "handles/whole-tips", Rule: "a head and its tip are of one snapshot, also while another handle appends and seals", run: func(t *tester) {
			wholeTips(t, t.b, t.another().b)
		}},
		{Name: "handles/slots", Rule: "a slot that one handle set every other sees, and sets only at its version", run: handlesSlots},
		{Name: "handles/one-slot", Rule: "of several changes of a slot that expect the same version exactly one is made, through any handles", run: func(t *tester) {
			oneSlot(t, t.b, t.another().b, t.another().b)
		}},
	}
}

// handlesSee lets two handles take turns, each finding what the other left.
func handlesSee(t *tester) {
	here, there := t, t.another()
	here.wantNoRun("a")
	there.wantNoRun("a")
	for range 4 {
		rich(here, "a")
		there.wantDump(here.dump(), "after another handle made and changed a run")
		h := there.head("a")
		given := []driver.Segment{segment(5, 5, "a")}
		put := []driver.Entry{entry("key", "there"), entry("new", "there")}
		res := there.apply(driver.Change{
			Run: "a", Revision: h.Revision, Head: head(6, 8), Append: records(7, 8, "there"), Rewrite: records(6, 6, "there"),
			Add: given, Retire: retiring(there.segments("a")[0]), Class: class(2), Put: put,
		})
		here.wantClass("a", 2)
		here.wantEntries("a", put[0], put[1], entry("other", ""))
		here.wantTail("a", records(6, 8, "there"))
		here.wantDump(there.dump(), "after another handle changed a run")
		here.apply(driver.Change{Run: "a", Revision: res.Revision, Class: class(0), Append: records(9, 9, "a"), Remove: []driver.EntryRange{{}}})
		there.wantHead("a", res.Revision, head(6, 8), records(9, 9, "a"))
		there.wantEntries("a")
		there.wantDump(here.dump(), "after another handle appended")
		there.drop("a")
		here.wantNoRun("a")
		there.purge()
		here.wantNoRun("a")
		here, there = there, here
	}
}

func handlesExclude(t *tester) {
	here, there := t, t.another()
	revision := here.create("a", 1)
	there.wantConflict("a second change at revision 0", there.applyAll(driver.Change{Run: "a", Head: head(1, 1)})[0])
	for seq := uint64(2); seq < 8; seq++ {
		c := driver.Change{Run: "a", Revision: revision, Head: head(1, seq), Append: records(seq, seq, "a")}
		revision = here.apply(c).Revision
		c.Append = records(seq, seq, "loser")
		there.wantConflict("the change of another handle at the same revision", there.applyAll(c)[0])
		there.wantConflict("the drop of another handle at the same revision", there.applyAll(driver.Change{Run: "a", Revision: c.Revision, Drop: true})[0])
		here.wantTail("a", records(1, seq, "a"))
		here, there = there, here
	}
	there.drop("a")
	here.wantConflict("a change of a run that another handle dropped", here.applyAll(driver.Change{Run: "a", Revision: revision, Head: head(1, 9)})[0])
	here.create("a", 1)
	there.wantConflict("a change of a run that another handle made anew", there.applyAll(driver.Change{Run: "a", Revision: revision, Head: head(1, 9)})[0])
}

func handlesAppends(t *tester) {
	here, there := t, t.another()
	revision := here.create("a", 1)
	for seq := uint64(2); seq < 10; seq++ {
		c := driver.Change{Run: "a", Revision: revision, Append: records(seq, seq, "a")}
		here.apply(c)
		for range 2 {
			c.Append = records(seq, seq, "loser")
			there.wantConflict("an append after what another handle appended to", there.applyAll(c)[0])
			c.Append = records(seq+2, seq+2, "loser")
			there.wantConflict("an append that leaves a gap after another handle's", there.applyAll(c)[0])
		}
		there.wantTail("a", records(1, seq, "a"))
		if seq%3 != 0 { // the same handle may append again, too
			here, there = there, here
		}
	}
	there.drop("a")
	here.wantConflict("an append to a run that another handle dropped", here.applyAll(driver.Change{Run: "a", Revision: revision, Append: records(10, 10, "a")})[0])
	there.create("a", 9)
	here.wantConflict("an append to a run that another handle made anew", here.applyAll(driver.Change{Run: "a", Revision: revision, Append: records(10, 10, "a")})[0])
	here.wantTail("a", records(1, 9, "a"))
}

func handlesIDs(t *tester) {
	here, there := t, t.another()
	revisions := map[uint64]bool{}
	segments := map[uint64]string{}
	for round := range 6 {
		var revision uint64
		for _, t := range []*tester{here, there, here} {
			t.newIDs(segments, "a", fmt.Sprint("round ", round))
			h := t.head("a")
			if revision = h.Revision; revisions[revision] {
				t.errorf("run %q has revision %d again", "a", revision)
			}
			revisions[revision] = true
		}
		there.drop("a")
		if round%2 == 0 {
			here.purge()
		}
		here, there = there, here
	}
}

func handlesClose(t *tester) {
	rich(t, "a")
	want := t.dump()
	for range 2 {
		there := t.another()
		there.wantDump(want, "to another handle")
		if err := there.b.Close(); err != nil {
			t.errorf("Close of another handle returned %w", err)
		}
		if _, err := there.b.Head(t.ctx, driver.HeadRequest{Run: "a"}); !errors.Is(err, driver.ErrClosed) {
			t.errorf("Head through a closed handle returned the error %v, must be ErrClosed", err)
		}
		t.wantDump(want, "after another handle was closed")
	}
	there := t.another()
	if err := t.b.Close(); err != nil {
		t.errorf("Close of the first handle returned %w", err)
	}
	there.wantDump(want, "after the first handle was closed")
	there.create("b", 2)
	there.wantTail("b", records(1, 2, "b"))
}

// handlesSlots lets two handles take turns with a slot.
func handlesSlots(t *tester) {
	here, there := t, t.another()
	here.create("a", 1)
	for _, id := range []string{"a", ""} {
		set := here.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("0")})
		for i := range 6 {
			there.wantSlot(id, "k", set)
			there.wantSlotConflict("which another handle set", driver.SlotChange{Run: id, Key: "k", Value: []byte("wrong")})
			here.wantSlot(id, "k", set)
			before := set
			set = there.setSlot(driver.SlotChange{Run: id, Key: "k", Version: set.Version, Value: fmt.Append(nil, i)})
			here.wantSlot(id, "k", set)
			here.wantSlotConflict("which another handle set anew", driver.SlotChange{Run: id, Key: "k", Version: before.Version, Value: []byte("wrong")})
			here, there = there, here
		}
		there.setSlot(driver.SlotChange{Run: id, Key: "k", Version: set.Version})
		here.wantNoSlot(id, "k")
		short := here.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("short"), TTL: shortTTL})
		here.lapse()
		there.wantNoSlot(id, "k")
		again := there.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("again")})
		if again.Version == short.Version || again.Version == set.Version {
			t.errorf("slot %s of run %s has version %d again", quote("k"), quote(id), again.Version)
		}
		here.wantSlot(id, "k", again)
	}
	set := here.setSlot(driver.SlotChange{Run: "a", Key: "gone", Value: []byte("v")})
	there.wantSlot("a", "gone", set)
	there.drop("a")
	here.wantNoSlot("a", "gone")
}
