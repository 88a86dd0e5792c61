package drivertest

import (
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// appendRevision appends alone and in company, one record and several.
func appendRevision(t *tester) {
	ids := []string{"a", "a\x00notes", "b", "c", "d"}
	revisions := make([]uint64, len(ids))
	for i, id := range ids {
		revisions[i] = t.create(id, 1)
	}
	last := uint64(1)
	for _, n := range []uint64{1, 3, 1} {
		for _, together := range []int{len(ids), 1} {
			var changes []driver.Change
			for i, id := range ids[:together] {
				changes = append(changes, driver.Change{Run: id, Revision: revisions[i], Append: records(last+1, last+n, id)})
			}
			for i, res := range t.applyAll(changes...) {
				switch id := ids[i]; {
				case res.Err != nil:
					t.fatalf("an append to run %s has the result %w", quote(id), res.Err)
				case res.Revision != revisions[i]:
					t.errorf("an append to run %s at revision %d has a result with revision %d", quote(id), revisions[i], res.Revision)
				}
				t.wantHead(ids[i], revisions[i], head(1, 1), records(1, last+n, ids[i]))
			}
			last += n
			if together > 1 {
				continue
			}
			// The others catch up, so that all continue at the same seq.
			for i, id := range ids[1:] {
				t.extend(id, revisions[i+1], last-n+1, last)
			}
		}
	}
}

// misfit is an append that does not follow on the run's last event.
type misfit struct {
	what   string
	change driver.Change
}

// ends makes runs that end in every way, and returns what can't be appended.
func ends(t *tester) []misfit {
	var out []misfit
	crowd(t) // whose last is 6, and tail 5
	t.create("empty", 0)
	t.create("sealed", 4)
	t.apply(driver.Change{Run: "sealed", Revision: t.revision("sealed"), Head: head(5, 4), Add: []driver.Segment{segment(1, 4, "sealed")}})
	t.apply(driver.Change{Run: "imported", Head: head(301, 300), Add: []driver.Segment{segment(1, 300, "imported")}})
	for _, end := range []struct {
		id   string
		seqs []uint64
	}{
		{"a", []uint64{1, 2, 4, 5, 6, 8, 9, 1000, driver.MaxSeq - 2}},
		{"c", []uint64{1, 5, 6, 8}},
		{"empty", []uint64{2, 3, 7}},
		{"sealed", []uint64{1, 4, 6, 7}},
		{"imported", []uint64{1, 300, 302}},
		{"new", []uint64{2, 6, 7}},
	} {
		revision := t.revision(end.id)
		tail := uint64(1)
		if revision != 0 {
			tail = t.head(end.id).Tail
		}
		for _, seq := range end.seqs {
			for _, n := range []uint64{1, 3} {
				c := driver.Change{Run: end.id, Revision: revision, Append: records(seq, seq+n-1, "misfit"), Class: class(8), Put: []driver.Entry{entry("misfit", "")}, Remove: []driver.EntryRange{{}}}
				what := fmt.Sprintf("an append of seq %d to %d to run %s", seq, seq+n-1, quote(end.id))
				if revision != 0 {
					out = append(out, misfit{what, c})
				}
				c.Head = head(tail, seq+n-1)
				out = append(out, misfit{what + " with a new row", c})
			}
		}
	}
	return out
}

func appendConflict(t *tester) {
	misfits := ends(t)
	for range 2 { // before and after the dead are erased
		for _, m := range misfits {
			t.wantConflict(m.what, t.applyAll(m.change)[0])
		}
		t.purge()
	}
}

// appendConflictNothing tries what does not fit alone and beside what does.
func appendConflictNothing(t *tester) {
	misfits := ends(t)
	all := t.dump()
	fits := 0
	for i, m := range misfits {
		if i%3 == 0 {
			if c := m.change; c.Head != nil && c.Revision != 0 {
				c.Rewrite = records(5, 6, "misfit")
				c.Retire = []driver.Segment{{ID: 1, First: 1}, {ID: 2, First: 3}, {ID: 3, First: 1}, {ID: 4, First: 3}, {ID: 5, First: 1}}
				t.applyAll(c)
			}
		}
		if i%11 != 10 {
			t.applyAll(m.change)
			continue
		}
		t.wantDump(all, "after "+m.what+" and those before")
		changes := []driver.Change{m.change}
		for range 4 {
			fits++
			id := fmt.Sprint("fits-", fits)
			changes = append(changes, driver.Change{Run: id, Head: head(1, 2), Append: records(1, 2, id)})
		}
		t.wantConflict(m.what, t.applyAll(changes...)[0])
		for i, c := range changes[1:] {
			t.wantTail(c.Run, records(1, 2, c.Run))
			changes[i+1] = driver.Change{Run: c.Run, Revision: t.revision(c.Run), Drop: true}
		}
		t.applyAll(changes[1:]...)
		t.wantDump(all, "after "+m.what+" beside others")
	}
	t.wantNoRun("new")
	t.purge()
	t.wantDump(all, "after conflicts and Purge")
	for _, r := range all { // nothing is in the way of what does follow
		last := lastOf(r.head)
		t.extend(r.head.Run, r.head.Revision, last+1, last+2)
		t.wantTail(r.head.Run, append(r.records, records(last+1, last+2, r.head.Run)...))
	}
}

// appendSealed seals all that there is and appends again, several times, alone and in
// company.
func appendSealed(t *tester) {
	for _, runs := range []int{1, 5} {
		revisions, tails := make([]uint64, runs), make([][]driver.Record, runs)
		id := func(i int) string { return fmt.Sprint("run-", runs, "-", i) }
		each := func(change func(id string) driver.Change) {
			var changes []driver.Change
			for i := range runs {
				c := change(id(i))
				c.Run, c.Revision = id(i), revisions[i]
				changes = append(changes, c)
			}
			for i, res := range t.applyAll(changes...) {
				if res.Err != nil {
					t.fatalf("a change of run %s has the result %w", quote(id(i)), res.Err)
				}
				revisions[i] = res.Revision
			}
		}
		row, last := head(1, 2), uint64(2)
		each(func(id string) driver.Change { return driver.Change{Head: row, Append: records(1, 2, id)} })
		for round := range 4 {
			tail := row.Tail
			row = head(last+1, last)
			each(func(id string) driver.Change {
				return driver.Change{Head: row, Add: []driver.Segment{segment(tail, last, id)}}
			})
			for i := range runs {
				t.wantHead(id(i), revisions[i], row, nil)
				t.wantTail(id(i), nil)
			}
			if round%2 == 0 {
				t.purge()
			}
			n := uint64(round + 1)
			each(func(id string) driver.Change { return driver.Change{Append: records(last+1, last+n, id)} })
			each(func(id string) driver.Change { return driver.Change{Append: records(last+n+1, last+n+1, id)} })
			for i := range runs {
				tails[i] = records(last+1, last+n+1, id(i))
				t.wantHead(id(i), revisions[i], row, tails[i])
				t.wantTail(id(i), tails[i])
			}
			last += n + 1
		}
	}
	// A change may seal all, and append to it, at once.
	revision := t.create("b", 3)
	row := head(4, 4)
	revision = t.apply(driver.Change{Run: "b", Revision: revision, Head: row, Append: records(4, 4, "b"), Add: []driver.Segment{segment(1, 3, "b")}}).Revision
	t.wantHead("b", revision, row, records(4, 4, "b"))
	t.wantTail("b", records(4, 4, "b"))
}

// sideBySide lets one append and the other change the row, each having seen the
// run before the other did.
func sideBySide(here, there *tester) {
	revision := here.create("a", 3)
	there.extend("a", revision, 4, 4)
	row := head(1, 3)
	seen, revision := revision, here.apply(driver.Change{Run: "a", Revision: revision, Head: row, Rewrite: records(2, 2, "new")}).Revision
	want := records(1, 4, "a")
	want[1] = record(2, "new")
	there.wantHead("a", revision, row, want)
	there.wantTail("a", want)

	there.wantConflict("an append at the revision before", there.applyAll(driver.Change{Run: "a", Revision: seen, Append: records(5, 5, "a")})[0])
	there.extend("a", revision, 5, 5)
	there.extend("a", revision, 6, 6)
	row = head(6, 5)
	sealed := []driver.Segment{segment(1, 5, "a")}
	res := here.apply(driver.Change{Run: "a", Revision: revision, Head: row, Add: sealed})
	there.wantHead("a", res.Revision, row, records(6, 6, "a"))
	there.wantTail("a", records(6, 6, "a"))
	there.wantSegments("a", numbered(sealed, res.Added))

	// A change of the row that appends as well is an append.
	there.extend("a", res.Revision, 7, 7)
	late := driver.Change{Run: "a", Revision: res.Revision, Head: head(6, 7), Append: records(7, 7, "late")}
	here.wantConflict("a new row with an append after what another appended to", here.applyAll(late)[0])
	there.wantHead("a", res.Revision, row, records(6, 7, "a"))
	late.Append = records(8, 8, "a")
	res = here.apply(late)
	there.wantHead("a", res.Revision, late.Head, records(6, 8, "a"))
	there.wantTail("a", records(6, 8, "a"))
}
