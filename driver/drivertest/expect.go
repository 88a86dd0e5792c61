package drivertest

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// head returns the head of a run that must exist.
func (t *tester) head(id string) driver.Head {
	h, err := t.b.Head(t.ctx, driver.HeadRequest{Run: id})
	if err != nil {
		t.fatalf("Head of run %s returned the error %w", quote(id), err)
	}
	return h
}

// revision returns the revision of a run, 0 if there is none.
func (t *tester) revision(id string) uint64 {
	h, err := t.b.Head(t.ctx, driver.HeadRequest{Run: id})
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		t.fatalf("Head of run %s returned the error %w", quote(id), err)
	}
	return h.Revision
}

func (t *tester) records(req driver.RecordsRequest) []driver.Record {
	recs, err := t.b.Records(t.ctx, req)
	if err != nil {
		t.fatalf("Records %s returned the error %w", request(req), err)
	}
	return recs
}

// whole asks for all records of a run at once.
func whole(id string) driver.RecordsRequest {
	return driver.RecordsRequest{Run: id, From: 1, To: driver.MaxSeq, Limit: math.MaxInt32}
}

// segments lists all segments of a run.
func (t *tester) segments(id string) []driver.Segment {
	segs, err := t.b.Segments(t.ctx, allSegments(id))
	if err != nil {
		t.fatalf("Segments of run %s returned the error %w", quote(id), err)
	}
	return segs
}

// allSegments asks for all segments of a run at once.
func allSegments(id string) driver.SegmentsRequest {
	return driver.SegmentsRequest{Run: id, From: 1, To: driver.MaxSeq, Limit: math.MaxInt32}
}

func (t *tester) heads(req driver.HeadsRequest) []driver.Head {
	heads, err := t.b.Heads(t.ctx, req)
	if err != nil {
		t.fatalf("Heads %s returned the error %w", listing(req), err)
	}
	return heads
}

func (t *tester) entries(req driver.EntriesRequest) []driver.Entry {
	entries, err := t.b.Entries(t.ctx, req)
	if err != nil {
		t.fatalf("Entries %s returned the error %w", entryListing(req), err)
	}
	return entries
}

// allEntries asks for all entries of a run at once.
func allEntries(id string) driver.EntriesRequest {
	return driver.EntriesRequest{Run: id, Limit: math.MaxInt32}
}

// wantHead expects a run's row as given, at the revision of a result, and the last
// record of its tail.
func (t *tester) wantHead(id string, revision uint64, row *driver.Head, tail []driver.Record) {
	if d := diffHead(headOf(id, revision, row, tail), t.head(id)); d != "" {
		t.errorf("Head of run %s: %s", quote(id), d)
	}
}

// wantHeads expects the same of Head and of both orders of Heads.
func (t *tester) wantHeads(id string, revision uint64, row *driver.Head, tail []driver.Record) {
	t.wantHead(id, revision, row, tail)
	for _, newest := range []bool{false, true} {
		req := driver.HeadsRequest{Newest: newest, Limit: math.MaxInt32}
		heads := t.heads(req)
		i := slices.IndexFunc(heads, func(h driver.Head) bool { return h.Run == id })
		if i < 0 {
			t.errorf("Heads %s: got %s, must have %s", listing(req), ids(heads), quote(id))
		} else if d := diffHead(headOf(id, revision, row, tail), heads[i]); d != "" {
			t.errorf("Heads %s: run %s: %s", listing(req), quote(id), d)
		}
	}
}

// wantRecords expects a page.
func (t *tester) wantRecords(req driver.RecordsRequest, want []driver.Record) {
	have := t.records(req)
	if d := diffRecords(want, have, req.HeadersOnly); d != "" {
		t.errorf("Records %s: %s", request(req), d)
	}
}

// wantTail expects all records of a run.
func (t *tester) wantTail(id string, want []driver.Record) {
	t.wantRecords(whole(id), want)
}

// wantSegments expects the segments of a run, in the list and by the first and the last
// seq of each. The wanted have their ids, and are in ascending order.
func (t *tester) wantSegments(id string, want []driver.Segment) {
	listed := slices.Clone(want)
	for i := range listed {
		listed[i].Index, listed[i].Data = nil, nil
	}
	if d := diffSegments(listed, t.segments(id)); d != "" {
		t.errorf("Segments of run %s: %s", quote(id), d)
	}
	for _, s := range want {
		t.wantSegment(id, s.First, s)
		t.wantSegment(id, s.Last, s)
	}
}

// wantSegment expects the segment that holds an event.
func (t *tester) wantSegment(id string, seq uint64, want driver.Segment) {
	have, err := t.b.Segment(t.ctx, driver.SegmentRequest{Run: id, Seq: seq})
	if err != nil {
		t.errorf("Segment with seq %d of run %s returned the error %w", seq, quote(id), err)
	} else if d := diffSegment(want, have); d != "" {
		t.errorf("Segment with seq %d of run %s: %s", seq, quote(id), d)
	}
}

// wantNoSegment expects that no segment of a run holds any of these events.
func (t *tester) wantNoSegment(id string, seqs ...uint64) {
	for _, seq := range seqs {
		s, err := t.b.Segment(t.ctx, driver.SegmentRequest{Run: id, Seq: seq})
		if !errors.Is(err, driver.ErrNotFound) {
			t.errorf("Segment with seq %d of run %s must be ErrNotFound, got %s, error %v", seq, quote(id), describeSegment(s), err)
		}
	}
}

// wantEntries expects all entries of a run.
func (t *tester) wantEntries(id string, want ...driver.Entry) {
	t.wantEntryPage(allEntries(id), want)
}

// wantEntryPage expects a page of entries.
func (t *tester) wantEntryPage(req driver.EntriesRequest, want []driver.Entry) {
	if d := diffEntries(want, t.entries(req)); d != "" {
		t.errorf("Entries %s: %s", entryListing(req), d)
	}
}

// wantNoRun expects that nothing can be seen of a run.
func (t *tester) wantNoRun(id string) {
	if h, err := t.b.Head(t.ctx, driver.HeadRequest{Run: id}); !errors.Is(err, driver.ErrNotFound) {
		t.errorf("Head of run %s must be ErrNotFound, got revision %d, error %v", quote(id), h.Revision, err)
	}
	if recs := t.records(whole(id)); len(recs) > 0 {
		t.errorf("Records of run %s must be none, got %s", quote(id), seqs(recs))
	}
	if segs := t.segments(id); len(segs) > 0 {
		t.errorf("Segments of run %s must be none, got %d", quote(id), len(segs))
	}
	if entries := t.entries(allEntries(id)); len(entries) > 0 {
		t.errorf("Entries of run %s must be none, got %s", quote(id), keys(entries))
	}
	for _, newest := range []bool{false, true} {
		for _, h := range t.heads(driver.HeadsRequest{Prefix: id, Newest: newest, Limit: 1000}) {
			if h.Run == id {
				t.errorf("Heads must not list run %s", quote(id))
			}
		}
	}
}

func (t *tester) wantNotFound(what string, err error) {
	if !errors.Is(err, driver.ErrNotFound) {
		t.errorf("%s must be ErrNotFound, got error %v", what, err)
	}
}

// wantConflict expects a conflict. The head beside it, if there is one, must be the
// run's.
func (t *tester) wantConflict(what string, res driver.Result) {
	if !errors.Is(res.Err, driver.ErrConflict) {
		t.errorf("%s must be ErrConflict, got %v", what, res.Err)
		return
	}
	if res.Head == nil {
		return
	}
	now, err := t.b.Head(t.ctx, driver.HeadRequest{Run: res.Head.Run})
	if err != nil {
		t.errorf("%s is ErrConflict with a head of run %s, of which Head returned the error %w", what, quote(res.Head.Run), err)
	} else if d := diffHead(now, *res.Head); d != "" {
		t.errorf("%s is ErrConflict, and in the head beside it %s", what, d)
	}
}

// purge erases a slice of what is dead.
func purge(ctx context.Context, b driver.Backend) (more bool, err error) {
	res, err := b.Purge(ctx, driver.PurgeRequest{})
	return res.More, err
}
