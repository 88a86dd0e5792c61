package drivertest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/flowlog/checkpoint/driver"
)

func sealingCases() []Case {
	return []Case{
		{Name: "seal/last", Rule: "a change that expects another last event than the run's is ErrConflict, and nothing of it is done", run: sealLast},
		{Name: "seal/paging", Rule: "a page that is read after its beginning was sealed has what is left of the tail, and the segments have the rest", run: func(t *tester) { sealPaging(t, t) }},
		{Name: "seal/purge", Rule: "Purge between seals and merges leaves all that is in force", run: sealPurge},
		{Name: "seal/front", Rule: "events below the tail that are in no segment are gone", run: sealFront},
		{Name: "seal/one", Rule: "of several seals of the same events exactly one is made", run: func(t *tester) { oneSeal(t, t.b) }},
		{Name: "seal/appends", Rule: "events that are appended while others are sealed stay in the tail", run: func(t *tester) { sealAndAppend(t, t.b, t.b) }},
		{Name: "seal/readers", Rule: "an event is in the tail or in a segment at all times, also while it is sealed", run: func(t *tester) { sealAndRead(t, t.b, t.b) }},
	}
}

// sealingHandleCases are those of sealingCases that take two handles.
func sealingHandleCases() []Case {
	return []Case{
		{Name: "handles/seal-paging", Rule: "a page that is read after another handle sealed its beginning has what is left of the tail", run: func(t *tester) { sealPaging(t, t.another()) }},
		{Name: "handles/one-seal", Rule: "of several seals of the same events exactly one is made, through any handles", run: func(t *tester) {
			oneSeal(t, t.b, t.another().b, t.another().b)
		}},
		{Name: "handles/seal-appends", Rule: "events that one handle appends while another seals stay in the tail", run: func(t *tester) { sealAndAppend(t, t.b, t.another().b) }},
		{Name: "handles/seal-readers", Rule: "a handle sees an event in the tail or in a segment at all times, also while another handle seals it", run: func(t *tester) { sealAndRead(t, t.b, t.another().b) }},
	}
}

// sealFront drops a run's oldest events.
func sealFront(t *tester) {
	rich(t, "a") // 1 to 4 are sealed
	h := t.head("a")
	retire := retiring(t.segments("a")...)
	t.extend("a", h.Revision, 7, 9)
	front := []driver.Segment{segment(8, 8, "front")}
	added := t.apply(driver.Change{Run: "a", Revision: t.head("a").Revision, Last: 9, Head: head(9, 9), Add: front, Retire: retire}).Added
	for range 2 {
		t.wantSegments("a", numbered(front, added))
		t.wantNoSegment("a", 1, 4, 5, 7, 9)
		t.wantTail("a", []driver.Record{record(9, "a")})
		t.purge()
	}
	// A segment may also go alone.
	h = t.head("a")
	t.extend("a", h.Revision, 10, 10)
	t.apply(driver.Change{Run: "a", Revision: h.Revision, Last: 10, Head: head(9, 10), Retire: retiring(numbered(front, added)...)})
	t.wantSegments("a", nil)
	t.wantTail("a", []driver.Record{record(9, "a"), record(10, "a")})
}

func sealLast(t *tester) {
	revision := t.create("a", 4)
	want := t.dump()
	seal := driver.Change{Run: "a", Revision: revision, Head: head(4, 4), Add: []driver.Segment{segment(1, 3, "a")}, Rewrite: records(4, 4, "new")}
	for _, last := range []uint64{1, 3, 5, driver.MaxSeq} {
		c := seal
		c.Last = last
		t.wantConflict(fmt.Sprintf("a seal that expects the last event %d, while it is 4,", last), t.applyAll(c)[0])
		t.wantDump(want, "after a conflict")
	}
	t.extend("a", revision, 5, 5)
	seal.Last = 4
	t.wantConflict("a seal that was planned before an append", t.applyAll(seal)[0])
	t.wantTail("a", records(1, 5, "a"))
	seal.Last = 5
	added := t.apply(seal).Added
	t.wantTail("a", append(records(4, 4, "new"), record(5, "a")))
	t.wantSegments("a", numbered(seal.Add, added))
	// The last event may be in a segment, too.
	h := t.head("a")
	t.apply(driver.Change{Run: "a", Revision: h.Revision, Last: 5, Head: head(6, 5), Add: []driver.Segment{segment(4, 5, "a")}})
	merge := driver.Change{Run: "a", Revision: t.head("a").Revision, Head: head(6, 5), Retire: retiring(numbered(seal.Add, added)...), Add: []driver.Segment{segment(1, 3, "b")}}
	merge.Last = 4
	t.wantConflict("a change that expects the last event 4, while it is 5 and sealed,", t.applyAll(merge)[0])
	merge.Last = 5
	t.apply(merge)
}

// sealPaging reads pages in both directions and seals, through another handle,
// between them.
func sealPaging(t, sealer *tester) {
	for _, reverse := range []bool{false, true} {
		id := fmt.Sprint("reverse ", reverse)
		recs := records(1, 12, id)
		revision := t.create(id, 12)
		req := driver.RecordsRequest{Run: id, From: 1, To: driver.MaxSeq, Reverse: reverse, Limit: 3}
		t.wantRecords(req, page(recs, req))
		before := uint64(1)
		for _, tail := range []uint64{6, 8, 13} {
			res := sealer.apply(driver.Change{Run: id, Revision: revision, Head: head(tail, 12), Add: []driver.Segment{segment(before, tail-1, id)}})
			if tail == 8 {
				sealer.purge()
			}
			revision, before = res.Revision, tail
			if req.From += 2; reverse {
				req.From, req.To = 1, 14-tail/2
			}
			t.wantRecords(req, page(recs[tail-1:], req))
			segs := t.segments(id)
			if len(segs) == 0 || segs[len(segs)-1].Last != tail-1 {
				t.errorf("the tail of run %s begins at %d, and its segments don't end before: there are %d", quote(id), tail, len(segs))
			}
		}
	}
}

// sealPurge seals and merges, and erases a slice after each.
func sealPurge(t *tester) {
	rich(t, "b")
	const n = 20
	var last uint64
	revision := t.create("a", 0)
	for round := range uint64(9) {
		t.extend("a", revision, last+1, last+n)
		last += n
		h, segs := t.head("a"), t.segments("a")
		c := driver.Change{Run: "a", Revision: revision, Head: head(last-4, last), Add: []driver.Segment{segment(h.Tail, last-5, "a")}, Rewrite: records(last, last, "a")}
		if round%3 == 2 {
			c.Add[0] = segment(1, last-5, "a")
			c.Retire = retiring(segs...)
		}
		revision = t.apply(c).Revision
		want := t.dump()
		if _, err := purge(t.ctx, t.b); err != nil {
			t.fatalf("Purge returned the error %w", err)
		}
		t.wantDump(want, "after a slice of Purge")
	}
	want := t.dump()
	t.purge()
	t.wantDump(want, "after Purge of all")
	t.wantTail("a", records(last-4, last, "a"))
}

// oneSeal lets several seal the same events at once.
func oneSeal(t *tester, handles ...driver.Backend) {
	revision := t.create("a", 0)
	var want []driver.Segment
	for round := range uint64(8) {
		first := 4*round + 1
		t.extend("a", revision, first, first+3)
		results := make([]driver.Result, 6)
		tag := func(i int) string { return fmt.Sprint("sealer ", i) }
		t.together(len(results), func(i int) error {
			res, err := handles[i%len(handles)].Apply(t.ctx, driver.ApplyRequest{Changes: []driver.Change{
				{Run: "a", Revision: revision, Last: first + 3, Head: head(first+4, first+3), Add: []driver.Segment{segment(first, first+3, tag(i))}},
			}})
			if err != nil {
				return failed("Apply", err)
			}
			if len(res) != 1 || res[0].Err == nil && len(res[0].Added) != 1 {
				return fmt.Errorf("there are %d results for 1 change that adds a segment, or not one id", len(res))
			}
			results[i] = res[0]
			return nil
		})
		made := 0
		for i, res := range results {
			switch {
			case errors.Is(res.Err, driver.ErrConflict):
			case res.Err == nil && len(res.Added) == 0:
				t.fatalf("sealer %d has no result", i)
			case res.Err != nil:
				t.errorf("a seal has the result %w, must be none or ErrConflict", res.Err)
			default:
				made++
				revision = res.Revision
				want = append(want, numbered([]driver.Segment{segment(first, first+3, tag(i))}, res.Added)...)
			}
		}
		if made != 1 {
			t.fatalf("of %d seals of the events %d to %d, %d were made", len(results), first, first+3, made)
		}
	}
	for _, b := range handles {
		t.on(b).wantSegments("a", want)
		t.on(b).wantTail("a", nil)
	}
}

// sealAndAppend lets two append to a run while another seals what it has seen of
// it, without a word about its last event.
func sealAndAppend(t *tester, appender, sealer driver.Backend) {
	const each = 24
	seal := func(h driver.Head) driver.Change {
		c := driver.Change{Run: "a", Revision: h.Revision, Head: head(h.Tail, lastOf(h))}
		if lastOf(h) > h.Tail {
			c.Head.Tail = lastOf(h)
			c.Add = []driver.Segment{segment(h.Tail, lastOf(h)-1, "a")}
		}
		return c
	}
	t.create("a", 1)
	var appended atomic.Int64
	t.together(3, func(i int) error {
		if i < 2 {
			defer appended.Add(1)
			for range each {
				err := insist(t, appender, "a", func(h driver.Head) driver.Change {
					return driver.Change{Run: "a", Revision: h.Revision, Append: records(lastOf(h)+1, lastOf(h)+1, "a")}
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
		for appended.Load() < 2 {
			if err := insist(t, sealer, "a", seal); err != nil {
				return err
			}
			if _, err := purge(t.ctx, sealer); err != nil {
				return failed("Purge", err)
			}
			runtime.Gosched()
		}
		return nil
	})
	const last = 2*each + 1
	if err := insist(t, sealer, "a", seal); err != nil {
		t.fatalf("%w", err)
	}
	for _, b := range []driver.Backend{appender, sealer} {
		t := t.on(b)
		h := t.head("a")
		t.wantTail("a", records(h.Tail, last, "a"))
		if lastOf(h) != last {
			t.errorf("the last event is %d, must be %d", lastOf(h), last)
		}
		next := uint64(1)
		for _, s := range t.segments("a") {
			if s.First != next {
				t.errorf("%s follows one that ends at %d", describeSegment(s), next-1)
			}
			next = s.Last + 1
		}
		if next != h.Tail {
			t.errorf("the segments end at %d, and the tail begins at %d", next-1, h.Tail)
		}
	}
}

// sealAndRead appends, seals and merges while others read.
func sealAndRead(t *tester, writer, reader driver.Backend) {
	revision, last, tail := t.create("a", 1), uint64(1), uint64(1)
	var live []driver.Segment
	write := func(i int) error {
		c := driver.Change{Run: "a", Revision: revision}
		if i%2 == 0 {
			c.Append = records(last+1, last+3, "a")
			last += 3
		} else {
			c.Add = []driver.Segment{segment(tail, last-1, "a")}
			if i%8 == 7 {
				c.Add, c.Retire, live = []driver.Segment{segment(1, last-1, "a")}, live, nil
			}
			tail = last
			c.Head = head(tail, last)
		}
		res, err := applyOne(t, writer, c)
		revision, live = res.Revision, append(live, retiring(numbered(c.Add, res.Added)...)...)
		if err == nil && i%5 == 4 {
			_, err = purge(t.ctx, writer)
		}
		return err
	}
	t.watch(40, write, func() error { return readSealed(t, reader) })
}

// readSealed reads the tail, then the segments: what the tail no longer had, they
// must have; then a segment in two parts, unless it is gone.
func readSealed(t *tester, b driver.Backend) error {
	recs, err := b.Records(t.ctx, whole("a"))
	if err != nil {
		return failed("Records", err)
	}
	segs, err := b.Segments(t.ctx, allSegments("a"))
	if err != nil {
		return failed("Segments", err)
	}
	end := uint64(0)
	if n := len(segs); n > 0 {
		end = segs[n-1].Last
	}
	if len(recs) > 0 && recs[0].Seq > end+1 {
		return fmt.Errorf("the tail began at %d, then the segments ended at %d", recs[0].Seq, end)
	}
	h, err := b.Head(t.ctx, driver.HeadRequest{Run: "a"})
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return failed("Head", err)
	}
	if h.Tail <= end && end > 0 {
		return fmt.Errorf("the segments ended at %d, then the tail began at %d", end, h.Tail)
	}
	for _, s := range slices.Backward(segs) {
		for _, indexOnly := range []bool{true, false} {
			if err := readSegment(t, b, s, indexOnly); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSegment reads the segment that holds the first event of one that was listed. It
// may be another by now that holds more, but is never missing.
func readSegment(t *tester, b driver.Backend, listed driver.Segment, indexOnly bool) error {
	have, err := b.Segment(t.ctx, driver.SegmentRequest{Run: "a", Seq: listed.First, IndexOnly: indexOnly})
	if err != nil {
		return failed(fmt.Sprintf("Segment with seq %d, which was sealed,", listed.First), err)
	}
	if have.First > listed.First || have.Last < listed.Last {
		return fmt.Errorf("%s was listed, then %s holds its first event", describeSegment(listed), describeSegment(have))
	}
	want := segment(have.First, have.Last, "a")
	if want.ID = have.ID; indexOnly {
		want.Data = nil
	}
	if d := diffSegment(want, have); d != "" {
		return errors.New(d)
	}
	return nil
}
