package logtest

import (
	"fmt"
	"math"
	"strings"

	"github.com/flowlog/checkpoint/log"
)

func headCases() []Case {
	return []Case{
		{Name: "head/unknown", Rule: "Head of a run that doesn't exist is ErrNotFound", run: headUnknown},
		{Name: "head/given", Rule: "a head reads back as it was given, with the run's id and the revision of the result", run: headGiven},
		{Name: "head/data", Rule: "the data of a head reads back byte for byte", run: headData},
		{Name: "head/replaced", Rule: "a change replaces the whole head", run: headReplaced},
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
	given := []log.Head{
		{Recency: 1, Tail: 1, Sum: 0, Data: []byte(`{}`)},
		{Recency: math.MaxInt64, Tail: log.MaxSeq, Sum: math.MaxUint32, Data: []byte(`{"last":4294967295}`)},
		{Recency: 1_800_000_000_123_456_789, Tail: 1 << 31, Sum: 1 << 31, Data: []byte(`[]`)},
	}
	for i, h := range given {
		id := fmt.Sprint("run-", i)
		h.Run, h.Revision = "another", 77 // to be ignored
		res := t.apply(log.Change{Run: id, Head: h})
		t.wantHead(id, res.Revision, h)
	}
	t.wantNoRun("another")
}

// headData gives JSON that changes when it is parsed and written again.
func headData(t *tester) {
	for i, data := range []string{
		" {\"a\" : 1,\n\t\"a\":2 } ", `{"n":1.0e2,"big":12345678901234567890}`, `"\u00e9\u0000\/"`, `"é😀` + "\u2028" + `"`, `null`,
		`{"s":"` + strings.Repeat("long ", 20_000) + `"}`,
	} {
		id := fmt.Sprint("run-", i)
		h := log.Head{Recency: 1, Tail: 1, Data: []byte(data)}
		res := t.apply(log.Change{Run: id, Head: h})
		t.wantHead(id, res.Revision, h)
	}
}

func headReplaced(t *tester) {
	revision := uint64(0)
	for i, recency := range []uint64{5, 6, 6, 90e9, 2, 1 << 60, 7} {
		h := log.Head{Recency: recency, Tail: 1, Sum: uint32(i), Data: fmt.Appendf(nil, `%q`, strings.Repeat("x", 50-7*i))}
		revision = t.apply(log.Change{Run: "a", Revision: revision, Head: h, Append: records(uint64(i+1), uint64(i+1), "a")}).Revision
		t.wantHead("a", revision, h)
		for _, newest := range []bool{false, true} {
			h.Run, h.Revision = "a", revision
			t.wantPage(log.HeadsRequest{Newest: newest, Limit: 5}, []log.Head{h})
		}
	}
}

// headIDs gives every odd id a run of its own and looks for each under its name.
func headIDs(t *tester) {
	revisions := map[string]uint64{}
	for i, id := range oddIDs() {
		n := uint64(i%3 + 1)
		res := t.applyAll(log.Change{Run: id, Head: head(1, n), Append: records(1, n, id), Add: []log.Segment{segment(1, n, id)}})[0]
		if res.Err != nil {
			t.errorf("run %s can't be made beside those before: %w", quote(id), res.Err)
			continue
		}
		revisions[id] = res.Revision
	}
	for i, id := range oddIDs() {
		n := uint64(i%3 + 1)
		t.wantHead(id, revisions[id], head(1, n))
		t.wantTail(id, records(1, n, id))
		segs := t.segments(id)
		if len(segs) != 1 {
			t.errorf("run %s has %d segments, must have 1", quote(id), len(segs))
			continue
		}
		want := segment(1, n, id)
		want.ID = segs[0].ID
		t.wantSegments(id, []log.Segment{want})
	}
}
