package drivertest

import (
	"fmt"
	"math"

	"github.com/flowlog/checkpoint/driver"
)

func changeCases() []Case {
	return []Case{
		{Name: "apply/new", Rule: "revision 0 means that the run doesn't exist: a change at revision 0 makes the run, and no run has it", run: applyNew},
		{Name: "apply/conflict", Rule: "a change that expects another revision than the run's is ErrConflict", run: applyConflict},
		{Name: "apply/conflict-nothing", Rule: "a change that is ErrConflict does nothing", run: applyConflictNothing},
		{Name: "apply/independent", Rule: "a conflict does not keep the other changes of the same Apply from being made", run: applyIndependent},
		{Name: "apply/conflict-head", Rule: "the head beside ErrConflict is the run's, with Last and without Tip, and nil if there is no such run", run: applyConflictHead},
		{Name: "apply/twice", Rule: "a change that was made is ErrConflict the second time, and does nothing", run: applyTwice},
		{Name: "apply/order", Rule: "Apply returns a result for each change, in the same order", run: applyOrder},
		{Name: "apply/revision", Rule: "every change with a Head gives the run a new revision, which is the result's", run: applyRevision},
		{Name: "apply/append-revision", Rule: "an append leaves the revision and the row as they are", run: appendRevision},
		{Name: "apply/append-conflict", Rule: "an append whose first seq does not follow the run's last event, being too low or too high, is ErrConflict", run: appendConflict},
		{Name: "apply/append-conflict-nothing", Rule: "a change whose append does not follow the run's last event does nothing", run: appendConflictNothing},
		{Name: "apply/append-sealed", Rule: "an append follows the run's last event also where that is in a segment", run: appendSealed},
		{Name: "apply/side-by-side", Rule: "an append and another's change of the row don't exclude each other unless the revision differs", run: func(t *tester) {
			sideBySide(t, t)
		}},
		{Name: "apply/many", Rule: "one Apply may change many runs", run: applyMany},
		{Name: "apply/company", Rule: "a change does the same alone and beside others in one Apply", run: applyCompany},
		{Name: "apply/everything", Rule: "one change may append, rewrite, add, retire, put, remove, and replace the head and the class", run: applyEverything},
	}
}

func applyNew(t *tester) {
	for _, id := range []string{"a", "a\x00notes", "b"} {
		for _, n := range []uint64{0, 3} { // without records and with
			id := fmt.Sprint(id, n)
			revision := t.create(id, n)
			if h := t.head(id); h.Revision == 0 || h.Revision != revision {
				t.errorf("Head of the new run %s has revision %d, the result had %d", quote(id), h.Revision, revision)
			}
			t.wantConflict("a second change of run "+quote(id)+" at revision 0", t.applyAll(driver.Change{Run: id, Head: head(1, 0)})[0])
		}
	}
}

// crowd makes runs with all that runs can have and returns a dump.
func crowd(t *tester) []runState {
	for _, id := range []string{"a", "a\x00notes", "b", "c"} {
		revision := t.create(id, 6)
		sealed := []driver.Segment{segment(1, 2, id), segment(3, 4, id)}
		t.apply(driver.Change{Run: id, Revision: revision, Head: head(5, 6), Add: sealed, Put: []driver.Entry{entry("key", id)}})
	}
	return t.dump()
}

// strangers are revisions that a run doesn't have.
func strangers(all []runState, run int) []uint64 {
	revision := all[run].head.Revision
	out := []uint64{0, revision - 1, revision + 1, revision ^ 1<<63, revision + 1<<32, math.MaxUint64}
	for i, r := range all {
		if i != run {
			out = append(out, r.head.Revision)
		}
	}
	return out
}

// wrongs are changes of all kinds of a run at a revision that it doesn't have.
func wrongs(r runState, revision uint64) []driver.Change {
	id, h := r.head.Run, head(5, 7)
	var out []driver.Change
	if revision != 0 { // a new run has a Head
		out = append(out, driver.Change{Run: id, Revision: revision, Append: records(7, 7, "wrong"), Class: class(8), Put: []driver.Entry{entry("wrong", "wrong")}})
	}
	return append(out, []driver.Change{
		{Run: id, Revision: revision, Head: h},
		{Run: id, Revision: revision, Head: h, Append: records(7, 7, "wrong"), Class: class(8)},
		{Run: id, Revision: revision, Head: h, Put: []driver.Entry{entry("wrong", "wrong")}, Remove: []driver.EntryRange{{}}},
		{Run: id, Revision: revision, Head: h, Rewrite: records(5, 6, "wrong")},
		{Run: id, Revision: revision, Head: h, Add: []driver.Segment{segment(5, 5, "wrong")}},
		{Run: id, Revision: revision, Head: h, Retire: retiring(r.segments[0])},
		{Run: id, Revision: revision, Drop: true},
	}...)
}

func applyConflictHead(t *tester) {
	rich(t, "a")
	revision := t.revision("a")
	t.apply(driver.Change{Run: "a", Revision: revision, Class: class(7), Append: []driver.Record{tipped(7, 7, "a"), tipped(8, 7, "a")}})
	t.apply(driver.Change{Run: "sealed", Head: head(3, 2), Add: []driver.Segment{segment(1, 2, "sealed")}})
	for _, c := range []driver.Change{
		{Run: "a", Head: head(1, 1), Append: records(1, 1, "wrong")},
		{Run: "a", Revision: revision + 1, Append: records(9, 9, "wrong")},
		{Run: "a", Revision: revision, Append: records(8, 8, "wrong")},
		{Run: "a", Revision: revision, Append: records(10, 10, "wrong")},
		{Run: "a", Revision: revision, Last: 6, Head: head(5, 6)},
		{Run: "a", Revision: revision, Last: 6, Drop: true},
		{Run: "a", Drop: true},
		{Run: "sealed", Head: head(1, 0)},
		{Run: "sealed", Revision: t.revision("sealed"), Append: records(2, 2, "wrong")},
		{Run: "no such run", Revision: 7, Head: head(1, 0)},
		{Run: "no such run", Revision: 7, Append: records(1, 1, "wrong")},
		{Run: "no such run", Revision: 7, Drop: true},
	} {
		res := t.applyAll(c)[0]
		t.wantConflict("a change of run "+quote(c.Run), res)
		switch {
		case res.Head == nil: // a backend may leave it out
		case res.Head.Run != c.Run:
			t.errorf("the head beside the conflict of run %s is of run %s", quote(c.Run), quote(res.Head.Run))
		case c.Run == "no such run":
			t.errorf("there is a head beside the conflict of a run that doesn't exist")
		}
	}
}

func applyConflict(t *tester) {
	all := crowd(t)
	for i, r := range all {
		for _, revision := range strangers(all, i) {
			for _, c := range wrongs(r, revision) {
				what := fmt.Sprintf("a change of run %s at revision %d, while it has %d,", quote(c.Run), revision, r.head.Revision)
				t.wantConflict(what, t.applyAll(c)[0])
			}
		}
	}
	for _, revision := range []uint64{1, all[0].head.Revision, math.MaxUint64} {
		what := fmt.Sprintf("at revision %d of a run that doesn't exist", revision)
		t.wantConflict("a change "+what, t.applyAll(driver.Change{Run: "new", Revision: revision, Head: head(1, 1), Append: records(1, 1, "new")})[0])
		t.wantConflict("an append "+what, t.applyAll(driver.Change{Run: "new", Revision: revision, Append: records(1, 1, "new")})[0])
		t.wantConflict("a drop "+what, t.applyAll(driver.Change{Run: "new", Revision: revision, Drop: true})[0])
	}
}

func applyConflictNothing(t *tester) {
	all := crowd(t)
	for i, r := range all {
		for _, revision := range strangers(all, i)[:3] {
			for _, c := range wrongs(r, revision) {
				t.applyAll(c)
			}
		}
		t.wantDump(all, fmt.Sprintf("after conflicts on run %s", quote(r.head.Run)))
	}
	t.applyAll(driver.Change{Run: "new", Revision: 9, Head: head(1, 1), Append: records(1, 1, "new")})
	t.wantNoRun("new")
	t.purge()
	t.wantDump(all, "after conflicts and Purge")
	// Nothing is in the way of the same change at the right revision.
	for _, r := range all {
		t.extend(r.head.Run, r.head.Revision, 7, 7)
		t.wantTail(r.head.Run, records(5, 7, r.head.Run))
	}
	t.create("new", 2)
	t.wantTail("new", records(1, 2, "new"))
}

// applyIndependent puts conflicts at every place of a batch of changes, of both
// kinds.
func applyIndependent(t *tester) {
	const n = 4
	for pattern := range 1 << n {
		var changes []driver.Change
		for i := range n {
			c := driver.Change{Run: fmt.Sprintf("run-%d-%d", pattern, i), Head: head(1, 2), Append: records(1, 2, "x")}
			switch {
			case pattern>>i&1 == 0:
			case i%2 == 0:
				c.Revision = 1 << 40
			default:
				c.Append = records(2, 3, "x")
			}
			changes = append(changes, c)
		}
		for i, res := range t.applyAll(changes...) {
			switch {
			case pattern>>i&1 == 1:
				t.wantConflict(fmt.Sprintf("change %d of pattern %04b", i, pattern), res)
				t.wantNoRun(changes[i].Run)
			case res.Err != nil:
				t.errorf("change %d of %d, beside conflicts as in %04b, was not made: %w", i+1, n, pattern, res.Err)
			default:
				t.wantTail(changes[i].Run, records(1, 2, "x"))
			}
		}
	}
}

// applyOrder makes a batch of which every change can be told by its result.
func applyOrder(t *tester) {
	all := crowd(t)
	results := t.applyAll(
		driver.Change{Run: "z", Head: head(1, 1), Append: records(1, 1, "z")},
		driver.Change{Run: all[2].head.Run, Revision: 0, Head: head(1, 1)},
		driver.Change{Run: all[0].head.Run, Revision: all[0].head.Revision, Head: head(7, 6), Add: []driver.Segment{segment(5, 5, "a"), segment(6, 6, "a")}},
		driver.Change{Run: all[3].head.Run, Revision: all[3].head.Revision, Drop: true},
		driver.Change{Run: "m", Revision: 5, Head: head(1, 0)},
		driver.Change{Run: "0", Head: head(3, 2), Add: []driver.Segment{segment(1, 2, "0")}},
		driver.Change{Run: all[1].head.Run, Revision: all[1].head.Revision, Append: records(7, 7, "x")},
		driver.Change{Run: "1", Head: head(1, 2), Append: records(2, 2, "1")},
	)
	for i, conflict := range []bool{1: true, 4: true, 6: false, 7: true} {
		if conflict {
			t.wantConflict(fmt.Sprintf("result %d", i), results[i])
		} else if results[i].Err != nil {
			t.errorf("result %d is %w, must be none", i, results[i].Err)
		}
	}
	for i, n := range []int{0, 0, 2, 0, 0, 1, 0, 0} {
		if len(results[i].Added) != n {
			t.errorf("result %d has %d ids of added segments, must have %d", i, len(results[i].Added), n)
		}
	}
	for i, id := range []string{0: "z", 2: all[0].head.Run, 5: "0", 6: all[1].head.Run} {
		if id != "" && t.head(id).Revision != results[i].Revision {
			t.errorf("result %d has revision %d, Head of run %s has %d", i, results[i].Revision, quote(id), t.head(id).Revision)
		}
	}
}

func applyRevision(t *tester) {
	seen := map[uint64]bool{0: true}
	var revision uint64
	for i := range uint64(20) {
		c := driver.Change{Run: "a", Revision: revision, Head: head(1, 1)} // the same again is a change, too
		if i == 0 {
			c.Append = records(1, 1, "a")
		}
		res := t.apply(c)
		if have := t.head("a").Revision; have != res.Revision {
			t.errorf("the result has revision %d, then Head has %d", res.Revision, have)
		}
		if seen[res.Revision] {
			t.errorf("change %d gave the run revision %d, which it had before", i+1, res.Revision)
		}
		seen[res.Revision] = true
		t.wantConflict("the same change again, at the revision before,", t.applyAll(c)[0])
		revision = res.Revision
	}
}

func applyMany(t *tester) {
	const n = 100
	revisions := make([]uint64, n)
	for round := range uint64(2) {
		var changes []driver.Change
		for i := range n {
			id := fmt.Sprintf("run-%03d", i)
			c := driver.Change{Run: id, Revision: revisions[i], Append: records(round+1, round+1, id)}
			if round == 0 {
				c.Head = head(1, 1)
			}
			changes = append(changes, c)
		}
		for i, res := range t.applyAll(changes...) {
			if res.Err != nil {
				t.fatalf("change %d of %d has the result %w", i+1, n, res.Err)
			}
			revisions[i] = res.Revision
		}
	}
	for i := range n {
		id := fmt.Sprintf("run-%03d", i)
		t.wantHead(id, revisions[i], head(1, 1), records(1, 2, id))
		t.wantTail(id, records(1, 2, id))
	}
}

func applyEverything(t *tester) {
	sealed := []driver.Segment{segment(1, 2, "a"), segment(3, 4, "a")}
	res := t.apply(driver.Change{
		Run: "a", Head: head(5, 8), Append: records(5, 8, "a"), Add: sealed,
		Put: []driver.Entry{entry("w", "w"), entry("x", "x"), entry("y", "y")},
	})
	merged := []driver.Segment{segment(1, 5, "a")}
	h := head(6, 10)
	again := t.apply(driver.Change{
		Run: "a", Revision: res.Revision, Last: 8, Head: h, Class: class(6), Append: records(9, 10, "a"), Rewrite: records(7, 8, "new"),
		Add: merged, Retire: retiring(numbered(sealed, res.Added)...),
		Remove: []driver.EntryRange{only("x"), only("y")}, Put: []driver.Entry{entry("y", "new"), entry("z", "")},
	})
	want := append(records(6, 6, "a"), append(records(7, 8, "new"), records(9, 10, "a")...)...)
	for range 2 {
		wanted := headOf("a", again.Revision, h, want)
		wanted.Class = 6
		if d := diffHead(wanted, t.head("a")); d != "" {
			t.errorf("Head of run %s: %s", quote("a"), d)
		}
		t.wantTail("a", want)
		t.wantSegments("a", numbered(merged, again.Added))
		t.wantEntries("a", entry("w", "w"), entry("y", "new"), entry("z", ""))
		t.purge()
	}
}
