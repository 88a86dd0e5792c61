package drivertest

import (
	"fmt"
	"math"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

func headCases() []Case {
	return []Case{
		{Name: "head/unknown", Rule: "Head of a run that doesn't exist is ErrNotFound", run: headUnknown},
		{Name: "head/given", Rule: "a head reads back as it was given, with the run's id and the revision of the result", run: headGiven},
		{Name: "head/data", Rule: "the data of a head reads back byte for byte", run: headData},
		{Name: "head/replaced", Rule: "a Head replaces the whole row", run: headReplaced},
		{Name: "head/last", Rule: "Head.Last is the newest record of the tail, without its state, as soon as it was written", run: headLast},
		{Name: "head/last-none", Rule: "Head.Last is nil while the tail is empty, and Recency is then the row's", run: headLastNone},
		{Name: "head/recency", Rule: "Head.Recency is that of the row or of the newest record, whichever is larger", run: headRecency},
		{Name: "head/life", Rule: "a run keeps its Life and Suite, and has others in its next life", run: headLife},
		{Name: "head/ids", Rule: "ids are compared as bytes", run: headIDs},
	}
}

func headUnknown(t *tester) {
	t.wantNoRun("a")
	t.create("a\x00notes", 1)
	t.create("b", 1)
	for _, id := range []string{"a", "a\x00", "b\x00notes", "B", "b ", "%", "_"} {
		t.wantNoRun(id)
	}
}

func headGiven(t *tester) {
	given := []driver.Head{
		{Recency: 1, Tail: 1, Sum: 0, Data: []byte(`{}`)},
		{Recency: math.MaxInt64, Tail: driver.MaxSeq, Sum: math.MaxUint32, Data: []byte(`{"last":4294967295}`)},
		{Recency: 1_800_000_000_123_456_789, Tail: 1 << 31, Sum: 1 << 31, Data: []byte(`[]`)},
	}
	for i, h := range given {
		h.Life, h.Suite = [16]byte{0: 0xff, 3: byte(i), 15: 1}, uint8(127*i+1)
		c := driver.Change{Run: fmt.Sprint("run-", i), Head: &h}
		if h.Tail > 1 {
			c.Add = []driver.Segment{segment(1, h.Tail-1, c.Run)}
		}
		ignored := record(9, "ignored")
		h.Run, h.Revision, h.Place, h.Class, h.Last, h.Tip = "another", 77, 1, 5, &ignored, &ignored // these are the backend's
		res := t.apply(c)
		t.wantHeads(c.Run, res.Revision, &h, nil)
	}
	t.wantNoRun("another")
}

// headData gives JSON that changes when it is parsed and written again, and what is no
// text.
func headData(t *tester) {
	for i, data := range []string{
		" {\"a\" : 1,\n\t\"a\":2 } ", `{"n":1.0e2,"big":12345678901234567890}`, `"\u00e9\u0000\/"`, `"é😀` + "\u2028" + `"`, `null`,
		`{"s":"` + strings.Repeat("long ", 20_000) + `"}`, "\x00\xff\xfe no JSON", "",
	} {
		id := fmt.Sprint("run-", i)
		h := &driver.Head{Recency: 1, Tail: 1, Data: []byte(data)}
		res := t.apply(driver.Change{Run: id, Head: h})
		t.wantHead(id, res.Revision, h, nil)
	}
}

func headReplaced(t *tester) {
	revision := uint64(0)
	for i, recency := range []uint64{2, 6, 6, 90e9, 91e9, 1 << 59, 1 << 60} {
		h := &driver.Head{Recency: recency, Suite: uint8(i * i), Tail: 1, Sum: uint32(i), Data: fmt.Appendf(nil, `%q`, strings.Repeat("x", 50-7*i))}
		revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: h}).Revision
		t.wantHeads("a", revision, h, nil)
	}
	// Records have no part in it.
	h := &driver.Head{Recency: 1<<60 + 1, Tail: 1, Data: []byte(`{}`)}
	revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: h, Append: records(1, 2, "a")}).Revision
	t.extend("a", revision, 3, 3)
	t.wantHeads("a", revision, h, records(1, 3, "a"))
}

// headLast writes the newest record in every way, alone and in company.
func headLast(t *tester) {
	for n := range uint64(5) {
		id := fmt.Sprint("run-", n)
		company := func() (out []driver.Change) {
			for i := range n {
				other := fmt.Sprint("other-", n, i)
				out = append(out, driver.Change{Run: other, Revision: t.revision(other), Head: head(1, 0)})
			}
			return out
		}
		do := func(c driver.Change) uint64 {
			results := t.applyAll(append(company(), c)...)
			if results[n].Err != nil {
				t.fatalf("a change beside %d others has the result %w", n, results[n].Err)
			}
			return results[n].Revision
		}
		tail := records(1, 2, id)
		row := head(1, 2)
		revision := do(driver.Change{Run: id, Head: row, Append: tail})
		t.wantHeads(id, revision, row, tail)
		for seq := uint64(3); seq < 6; seq++ {
			more := records(seq, seq, id)
			more[0].State = noise(int(seq) * 2000)
			do(driver.Change{Run: id, Revision: revision, Append: more})
			tail = append(tail, more...)
			t.wantHeads(id, revision, row, tail)
		}
		tail[4] = record(5, "rewritten")
		revision = do(driver.Change{Run: id, Revision: revision, Head: row, Rewrite: tail[4:]})
		t.wantHeads(id, revision, row, tail)
		row = head(5, 5)
		revision = do(driver.Change{Run: id, Revision: revision, Head: row, Add: []driver.Segment{segment(1, 4, id)}})
		t.wantHeads(id, revision, row, tail)
		t.purge()
		t.wantHeads(id, revision, row, tail)
	}
}

func headLastNone(t *tester) {
	row := head(1, 0)
	revision := t.create("a", 0)
	t.wantHeads("a", revision, row, nil)
	t.create("b", 3) // its records are not those of a
	t.extend("a", revision, 1, 4)
	t.wantHeads("a", revision, row, records(1, 4, "a"))
	row = head(5, 4)
	revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: row, Add: []driver.Segment{segment(1, 4, "a")}}).Revision
	for range 2 {
		t.wantHeads("a", revision, row, nil)
		t.purge()
	}
	t.extend("a", revision, 5, 5)
	t.wantHeads("a", revision, row, records(5, 5, "a"))
}

func headRecency(t *tester) {
	recencies := []uint64{1, 2, 59e9, 60e9, 90e9, 60e10, 1 << 62, math.MaxInt64}
	for i, ofRow := range recencies {
		for j, ofLast := range recencies {
			id := fmt.Sprint("run-", i, j)
			row, tail := head(1, 0), records(1, 1, id)
			row.Recency, tail[0].Recency = ofRow, ofLast
			revision := t.apply(driver.Change{Run: id, Head: row}).Revision
			t.apply(driver.Change{Run: id, Revision: revision, Append: tail})
			t.wantHead(id, revision, row, tail)
			req := driver.HeadsRequest{Prefix: id, Newest: true, Limit: 10}
			t.wantPage(req, []driver.Head{headOf(id, revision, row, tail)})
		}
	}
}

// headLife appends, seals and begins anew.
func headLife(t *tester) {
	for life := range byte(3) {
		row := head(1, 2)
		row.Life, row.Suite = [16]byte{0: life, 15: 0xff - life}, 100*life
		revision := t.apply(driver.Change{Run: "a", Head: row, Append: records(1, 2, "a")}).Revision
		t.extend("a", revision, 3, 4)
		t.wantHeads("a", revision, row, records(1, 4, "a"))
		next := head(4, 4)
		next.Life, next.Suite = row.Life, row.Suite
		revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: next, Add: []driver.Segment{segment(1, 3, "a")}}).Revision
		t.extend("a", revision, 5, 5)
		t.wantHeads("a", revision, next, records(4, 5, "a"))
		t.drop("a")
		if life == 1 {
			t.purge()
		}
	}
}

// headIDs gives every odd id a run of its own and looks for each under its name.
func headIDs(t *tester) {
	revisions := map[string]uint64{}
	for i, id := range oddIDs() {
		n := uint64(i%3 + 1)
		c := driver.Change{Run: id, Head: head(n+1, 2*n), Append: records(n+1, 2*n, id), Add: []driver.Segment{segment(1, n, id)}}
		res := t.applyAll(c)[0]
		if res.Err != nil {
			t.errorf("run %s can't be made beside those before: %w", quote(id), res.Err)
			continue
		}
		revisions[id] = res.Revision
	}
	for i, id := range oddIDs() {
		n := uint64(i%3 + 1)
		t.wantHead(id, revisions[id], head(n+1, 2*n), records(n+1, 2*n, id))
		t.wantTail(id, records(n+1, 2*n, id))
		segs := t.segments(id)
		if len(segs) != 1 {
			t.errorf("run %s has %d segments, must have 1", quote(id), len(segs))
			continue
		}
		want := segment(1, n, id)
		want.ID = segs[0].ID
		t.wantSegments(id, []driver.Segment{want})
	}
}
