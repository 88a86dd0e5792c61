package drivertest

import (
	"reflect"

	"github.com/flowlog/checkpoint/driver"
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

func scribbleHead(h driver.Head) {
	scribble(h.Data)
	for _, r := range []*driver.Record{h.Last, h.Tip} {
		if r != nil {
			scribble(r.Header)
			scribble(r.State)
			*r = driver.Record{}
		}
	}
}

func scribbleEntries(entries []driver.Entry) {
	for i := range entries {
		scribble(entries[i].Key)
		scribble(entries[i].Value)
		entries[i] = driver.Entry{}
	}
}

func scribbleRecords(recs []driver.Record) {
	for i := range recs {
		scribble(recs[i].Header)
		scribble(recs[i].State)
		recs[i] = driver.Record{}
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
			for _, h := range t.heads(driver.HeadsRequest{Newest: newest, Limit: 10}) {
				scribbleHead(h)
			}
		}
		for _, headersOnly := range []bool{false, true} {
			for _, reverse := range []bool{false, true} {
				scribbleRecords(t.records(driver.RecordsRequest{Run: "a", From: 1, To: 6, Reverse: reverse, HeadersOnly: headersOnly, Limit: 10}))
			}
		}
		for _, s := range t.segments("a") {
			s, err := t.b.Segment(t.ctx, driver.SegmentRequest{Run: "a", Seq: s.First})
			if err != nil {
				t.fatalf("Segment returned the error %w", err)
			}
			scribble(s.Index)
			scribble(s.Data)
		}
		clear(t.segments("a"))
		h, err := t.b.Head(t.ctx, driver.HeadRequest{Run: "a", Tip: true})
		if err != nil {
			t.fatalf("Head returned the error %w", err)
		}
		scribbleHead(h)
		scribbleEntries(t.entries(allEntries("a")))
		if s, ok := t.slot("a", slotKey); ok {
			scribble(s.Value)
		}
		t.wantDump(want, "after what was returned was written over")
	}
	res := t.apply(driver.Change{Run: "c", Head: head(2, 1), Add: []driver.Segment{segment(1, 1, "c")}})
	id := res.Added[0]
	clear(res.Added)
	t.wantSegments("c", numbered([]driver.Segment{segment(1, 1, "c")}, []uint64{id}))
}

// bytesApart writes into the room behind each returned slice, as append does.
func bytesApart(t *tester) {
	recs := ten(t)
	given := []driver.Entry{entry("a", "1"), entry("b", "2"), entry("c", "3")}
	revision := t.apply(driver.Change{Run: "a", Revision: t.revision("a"), Head: head(1, 10), Put: given}).Revision
	for _, reverse := range []bool{false, true} {
		req := driver.RecordsRequest{Run: "a", From: 1, To: 10, Reverse: reverse, Limit: 10}
		have := t.records(req)
		for _, r := range have {
			scribble(r.Header[len(r.Header):cap(r.Header)])
			scribble(r.State[len(r.State):cap(r.State)])
		}
		if d := diffRecords(page(recs, req), have, false); d != "" {
			t.errorf("after appending to the slices of a page: %s", d)
		}
	}
	entries := t.entries(allEntries("a"))
	for _, e := range entries {
		scribble(e.Key[len(e.Key):cap(e.Key)])
		scribble(e.Value[len(e.Value):cap(e.Value)])
	}
	if d := diffEntries(given, entries); d != "" {
		t.errorf("after appending to the slices of a page of entries: %s", d)
	}
	heads := t.heads(driver.HeadsRequest{Limit: 10})
	if len(heads) != 2 {
		t.fatalf("there are %d runs, must be 2", len(heads))
	}
	for _, h := range heads {
		scribble(h.Data[len(h.Data):cap(h.Data)])
		if h.Last != nil {
			scribble(h.Last.Header[len(h.Last.Header):cap(h.Last.Header)])
		}
	}
	for i, tail := range [][]driver.Record{recs, records(1, 10, "notes")} {
		want := headOf(heads[i].Run, heads[i].Revision, head(1, 1), tail)
		if heads[i].Run == "a" {
			want = headOf("a", revision, head(1, 10), tail)
		}
		if d := diffHead(want, heads[i]); d != "" {
			t.errorf("after appending to the slices of a list of heads: %s", d)
		}
	}
}

// everything is a batch of changes with all that changes can have.
func everything(t *tester) []driver.Change {
	sealed := []driver.Segment{segment(1, 1, "a"), segment(2, 2, "a")}
	res := t.apply(driver.Change{
		Run: "a", Head: head(3, 4), Append: records(3, 4, "a"), Add: sealed, Put: []driver.Entry{entry("a", "old"), entry("c", "kept")},
	})
	last := t.create("d", 2)
	return []driver.Change{
		{
			Run: "a", Revision: res.Revision, Head: head(4, 6), Append: records(5, 6, "new"), Rewrite: records(4, 4, "new"),
			Add: []driver.Segment{segment(1, 3, "a")}, Retire: retiring(numbered(sealed, res.Added)...), Class: class(4),
			Put: []driver.Entry{entry("b", "new")}, Remove: []driver.EntryRange{only("a")},
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
			*c.Head = driver.Head{}
		}
		scribbleRecords(c.Append)
		scribbleRecords(c.Rewrite)
		for i := range c.Add {
			scribble(c.Add[i].Index)
			scribble(c.Add[i].Data)
			c.Add[i] = driver.Segment{}
		}
		clear(c.Retire)
		if c.Class != nil {
			*c.Class = 99
		}
		scribbleEntries(c.Put)
		for i := range c.Remove {
			scribble(c.Remove[i].From)
			scribble(c.Remove[i].To)
			c.Remove[i] = driver.EntryRange{}
		}
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
