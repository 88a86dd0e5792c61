package drivertest

import (
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

func dropCases() []Case {
	return []Case{
		{Name: "drop/all", Rule: "Drop removes the run with all its records, segments, entries and slots", run: dropAll},
		{Name: "drop/others", Rule: "Drop leaves all other runs as they are", run: dropOthers},
		{Name: "drop/last", Rule: "a Drop that expects another last event than the run's is ErrConflict, and drops nothing", run: dropLast},
		{Name: "drop/ignores", Rule: "with Drop, all fields of a change but Run, Revision and Last are ignored", run: dropIgnores},
		{Name: "drop/new-life", Rule: "a run made anew sees nothing of its earlier life", run: dropNewLife},
		{Name: "drop/revision", Rule: "a revision never comes back, not even after the run was dropped and made anew", run: dropRevision},
		{Name: "purge/live", Rule: "Purge erases nothing but what is dead", run: purgeLive},
		{Name: "purge/ends", Rule: "Purge reports that more is left until all is erased", run: purgeEnds},
	}
}

// rich gives a run a tail, dead records, segments in force and retired, entries and a
// slot.
func rich(t *tester, id string) { richAs(t, id, id) }

// richAs is rich for a run whose contents don't name it.
func richAs(t *tester, id, tag string) {
	revision := t.apply(driver.Change{Run: id, Head: head(1, 6), Append: records(1, 6, tag)}).Revision
	sealed := []driver.Segment{segment(1, 1, tag), segment(2, 2, tag), segment(3, 4, tag)}
	res := t.apply(driver.Change{Run: id, Revision: revision, Head: head(5, 6), Add: sealed})
	t.apply(driver.Change{
		Run: id, Revision: res.Revision, Head: head(5, 6), Add: []driver.Segment{segment(1, 2, tag)}, Retire: retiring(numbered(sealed, res.Added)[:2]...),
		Put: []driver.Entry{entry("key", "value of "+tag), entry("other", "")},
	})
	t.setSlot(driver.SlotChange{Run: id, Key: slotKey, Value: []byte("slot of " + tag)})
}

func dropAll(t *tester) {
	rich(t, "a")
	t.drop("a")
	for range 2 {
		t.wantNoRun("a")
		t.wantNoSegment("a", 1, 2, 3, 4)
		t.wantNoSlot("a", slotKey)
		t.purge()
	}
}

func dropOthers(t *tester) {
	ids := []string{"a", "a\x00notes", "b", "A", "aa"}
	for _, id := range ids {
		rich(t, id)
	}
	all := t.dump()
	for _, id := range ids {
		t.drop(id)
		all = slices.DeleteFunc(all, func(r runState) bool { return r.head.Run == id })
		t.wantDump(all, "after another run was dropped")
		t.purge()
		t.wantDump(all, "after another run was dropped and erased")
	}
}

func dropLast(t *tester) {
	rich(t, "a")
	all := t.dump()
	drop := driver.Change{Run: "a", Revision: t.revision("a"), Drop: true}
	for _, drop.Last = range []uint64{1, 4, 5, 7, driver.MaxSeq} {
		t.wantConflict(fmt.Sprintf("a drop that expects the last event %d, while it is 6,", drop.Last), t.applyAll(drop)[0])
		t.wantDump(all, "after a conflict")
	}
	t.extend("a", drop.Revision, 7, 7)
	drop.Last = 6
	t.wantConflict("a drop that was planned before an append", t.applyAll(drop)[0])
	drop.Last = 7
	t.apply(drop)
	t.wantNoRun("a")
	// The last event may be in a segment.
	t.apply(driver.Change{Run: "b", Head: head(5, 4), Add: []driver.Segment{segment(1, 4, "b")}})
	drop = driver.Change{Run: "b", Revision: t.revision("b"), Drop: true, Last: 3}
	t.wantConflict("a drop that expects the last event 3, while it is 4 and sealed,", t.applyAll(drop)[0])
	drop.Last = 4
	t.apply(drop)
	t.wantNoRun("b")
}

func dropIgnores(t *tester) {
	rich(t, "a")
	rich(t, "b")
	all := t.dump()
	t.apply(driver.Change{
		Run: "a", Revision: t.head("a").Revision, Drop: true, Head: head(1, 9),
		Append: records(20, 22, "a"), Rewrite: records(5, 5, "x"), Add: []driver.Segment{segment(5, 5, "a")}, Retire: retiring(all[1].segments...),
		Class: class(3), Put: []driver.Entry{entry("new", "")}, Remove: []driver.EntryRange{{}},
	})
	t.wantNoRun("a")
	t.wantDump(all[1:], "after another run was dropped")
	t.purge()
	t.wantNoRun("a")
	t.wantDump(all[1:], "after another run was dropped and erased")
	t.apply(driver.Change{Run: "b", Revision: t.head("b").Revision, Drop: true, Append: records(1, 1, "b")})
	t.wantNoRun("b")
}

func dropNewLife(t *tester) {
	for life := range 4 {
		tag := fmt.Sprint("life ", life)
		rich(t, "a")
		t.drop("a")
		if life%2 == 1 {
			t.purge()
		}
		// The new life is shorter than the old.
		h := head(2, 2)
		res := t.apply(driver.Change{Run: "a", Head: h, Append: records(2, 2, tag), Add: []driver.Segment{segment(1, 1, tag)}})
		for range 2 {
			t.wantHead("a", res.Revision, h, records(2, 2, tag))
			t.wantTail("a", records(2, 2, tag))
			t.wantSegments("a", numbered([]driver.Segment{segment(1, 1, tag)}, res.Added))
			t.wantNoSegment("a", 2, 3, 4)
			t.wantEntries("a")
			t.wantNoSlot("a", slotKey)
			t.purge()
		}
		t.drop("a")
	}
}

// dropRevision gives a run several lives of equal and of different length.
func dropRevision(t *tester) {
	seen := map[uint64]bool{}
	for life, changes := range []uint64{3, 3, 1, 1, 5, 2} {
		var revision uint64
		var had []uint64
		for i := range changes {
			revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: head(1, i+1), Append: records(i+1, i+1, "a")}).Revision
			if seen[revision] {
				t.errorf("change %d of life %d gave the run revision %d, which it had in an earlier life", i+1, life+1, revision)
			}
			had = append(had, revision)
		}
		for old := range seen {
			t.wantConflict("a change at a revision of an earlier life", t.applyAll(driver.Change{Run: "a", Revision: old, Head: head(1, 1)})[0])
			t.wantConflict("an append at a revision of an earlier life", t.applyAll(driver.Change{Run: "a", Revision: old, Append: records(changes+1, changes+1, "a")})[0])
			t.wantConflict("a drop at a revision of an earlier life", t.applyAll(driver.Change{Run: "a", Revision: old, Drop: true})[0])
		}
		for _, revision := range had[:len(had)-1] {
			t.wantConflict("an append at a revision of before", t.applyAll(driver.Change{Run: "a", Revision: revision, Append: records(changes+1, changes+1, "a")})[0])
		}
		for _, revision := range had {
			seen[revision] = true
		}
		t.drop("a")
		for old := range seen {
			t.wantConflict("a change at a revision of a dropped run", t.applyAll(driver.Change{Run: "a", Revision: old, Head: head(1, 1)})[0])
		}
		if life%2 == 0 {
			t.purge()
		}
	}
}

func purgeLive(t *tester) {
	t.purge() // of an empty storage
	for _, id := range []string{"a", "a\x00notes", "b"} {
		rich(t, id)
	}
	all := t.dump()
	for range 2 {
		t.purge()
		t.wantDump(all, "after Purge")
	}
}

// purgeEnds has more to erase than one slice can hold.
func purgeEnds(t *tester) {
	const n = 600
	t.create("a", n)
	t.create("b", n)
	h := t.head("b")
	sealed := []driver.Segment{segment(1, n-1, "b")}
	res := t.apply(driver.Change{Run: "b", Revision: h.Revision, Head: head(n, n), Add: sealed})
	t.drop("a")
	rich(t, "c")
	t.drop("c")
	t.purge()
	if more, err := purge(t.ctx, t.b); more || err != nil {
		t.errorf("Purge of what was erased returned %v and the error %v", more, err)
	}
	t.wantNoRun("a")
	t.wantNoRun("c")
	t.wantTail("b", records(n, n, "b"))
	t.wantSegments("b", numbered(sealed, res.Added))
}
