package logtest

import (
	"reflect"

	"github.com/flowlog/checkpoint/log"
)

func ownershipCases() []Case {
	return []Case{
		{Name: "bytes/returned", Rule: "what is returned belongs to the caller: changing it changes nothing stored", run: bytesReturned},
		{Name: "bytes/apart", Rule: "what is returned belongs to the caller: appending to one slice changes no other", run: bytesApart},
		{Name: "bytes/given", Rule: "Apply does not keep a slice that it was given", run: bytesGiven},
		{Name: "bytes/unchanged", Rule: "Apply does not change what it was given", run: bytesUnchanged},
	}
}

// scribble writes over a slice.
func scribble(b []byte) {
	for i := range b {
		b[i] = 0xa5
	}
}

func scribbleHead(h log.Head) {
	scribble(h.Data)
	if h.Last != nil {
		scribble(h.Last.Header)
		*h.Last = log.Record{}
	}
}

func scribbleRecords(recs []log.Record) {
	for i := range recs {
		scribble(recs[i].Header)
		scribble(recs[i].State)
		recs[i] = log.Record{}
	}
}

// bytesReturned reads everything in every way, writes over it, and expects that
// nobody notices.
func bytesReturned(t *tester) {
	rich(t, "a")
	rich(t, "b")
	want := t.dump()
	for range 3 {
		scribbleHead(t.head("a"))
		for _, newest := range []bool{false, true} {
			for _, h := range t.heads(log.HeadsRequest{Newest: newest, Limit: 10}) {
				scribbleHead(h)
			}
		}
		for _, headersOnly := range []bool{false, true} {
			for _, reverse := range []bool{false, true} {
				scribbleRecords(t.records(log.RecordsRequest{Run: "a", From: 1, To: 6, Reverse: reverse, HeadersOnly: headersOnly, Limit: 10}))
			}
		}
		for _, s := range t.segments("a") {
			s, err := t.b.Segment(t.ctx, log.SegmentRequest{Run: "a", ID: s.ID})
			if err != nil {
				t.fatalf("Segment returned the error %w", err)
			}
			scribble(s.Index)
			scribble(s.Data)
		}
		clear(t.segments("a"))
		t.wantDump(want, "after what was returned was written over")
	}
	res := t.apply(log.Change{Run: "c", Head: head(2, 1), Add: []log.Segment{segment(1, 1, "c")}})
	id := res.Added[0]
	clear(res.Added)
	t.wantSegments("c", numbered([]log.Segment{segment(1, 1, "c")}, []uint64{id}))
}

// bytesApart writes into the room behind each returned slice, as append does.
func bytesApart(t *tester) {
	recs := ten(t)
	for _, reverse := range []bool{false, true} {
		req := log.RecordsRequest{Run: "a", From: 1, To: 10, Reverse: reverse, Limit: 10}
		have := t.records(req)
		for _, r := range have {
			scribble(r.Header[len(r.Header):cap(r.Header)])
			scribble(r.State[len(r.State):cap(r.State)])
		}
		if d := diffRecords(page(recs, req), have, false); d != "" {
			t.errorf("after appending to the slices of a page: %s", d)
		}
	}
	heads := t.heads(log.HeadsRequest{Limit: 10})
	if len(heads) != 2 {
		t.fatalf("there are %d runs, must be 2", len(heads))
	}
	for _, h := range heads {
		scribble(h.Data[len(h.Data):cap(h.Data)])
		if h.Last != nil {
			scribble(h.Last.Header[len(h.Last.Header):cap(h.Last.Header)])
		}
	}
	for i, tail := range [][]log.Record{recs, records(1, 10, "notes")} {
		want := headOf(heads[i].Run, heads[i].Revision, head(1, 1), tail)
		if d := diffHead(want, heads[i]); d != "" {
			t.errorf("after appending to the slices of a list of heads: %s", d)
		}
	}
}

// everything is a batch of changes with all that changes can have.
func everything(t *tester) []log.Change {
	res := t.apply(log.Change{Run: "a", Head: head(3, 4), Append: records(3, 4, "a"), Add: []log.Segment{segment(1, 1, "a"), segment(2, 2, "a")}})
	last := t.create("d", 2)
	return []log.Change{
		{
			Run: "a", Revision: res.Revision, Head: head(4, 6), Append: records(5, 6, "new"), Rewrite: records(4, 4, "new"),
			Add: []log.Segment{segment(1, 3, "a")}, Retire: res.Added,
		},
		{Run: "b", Head: head(1, 2), Append: records(1, 2, "b")},
		{Run: "c", Revision: 5, Head: head(1, 2), Append: records(1, 2, "conflict")},
		{Run: "d", Revision: last, Append: records(3, 4, "d")},
	}
}

func bytesGiven(t *tester) {
	changes := everything(t)
	t.applyAll(changes...)
	want := t.dump()
	if len(want) != 3 {
		t.fatalf("there are %d runs, must be 3", len(want))
	}
	if d := diffRecords(append(records(4, 4, "new"), records(5, 6, "new")...), want[0].records, false); d != "" {
		t.errorf("run a after a change: %s", d)
	}
	for _, c := range changes {
		if c.Head != nil {
			scribbleHead(*c.Head)
			*c.Head = log.Head{}
		}
		scribbleRecords(c.Append)
		scribbleRecords(c.Rewrite)
		for i := range c.Add {
			scribble(c.Add[i].Index)
			scribble(c.Add[i].Data)
			c.Add[i] = log.Segment{}
		}
		clear(c.Retire)
	}
	clear(changes)
	t.wantDump(want, "after what was given was written over")
}

func bytesUnchanged(t *tester) {
	changes := everything(t)
	before := cloneChanges(changes)
	t.applyAll(changes...)
	if !reflect.DeepEqual(before, changes) {
		t.errorf("the changes are not what they were before Apply")
	}
}
