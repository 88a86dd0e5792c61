package logtest

import (
	"bytes"
	"errors"
	"math"
	"slices"

	"github.com/flowlog/checkpoint/log"
)

// head returns the head of a run that must exist.
func (t *tester) head(id string) log.Head {
	h, err := t.b.Head(t.ctx, id)
	if err != nil {
		t.fatalf("Head of run %s returned the error %w", quote(id), err)
	}
	return h
}

// revision returns the revision of a run, 0 if there is none.
func (t *tester) revision(id string) uint64 {
	h, err := t.b.Head(t.ctx, id)
	if err != nil && !errors.Is(err, log.ErrNotFound) {
		t.fatalf("Head of run %s returned the error %w", quote(id), err)
	}
	return h.Revision
}

func (t *tester) records(req log.RecordsRequest) []log.Record {
	recs, err := t.b.Records(t.ctx, req)
	if err != nil {
		t.fatalf("Records %s returned the error %w", request(req), err)
	}
	return recs
}

func (t *tester) segments(id string) []log.Segment {
	segs, err := t.b.Segments(t.ctx, id)
	if err != nil {
		t.fatalf("Segments of run %s returned the error %w", quote(id), err)
	}
	return segs
}

func (t *tester) heads(req log.HeadsRequest) []log.Head {
	heads, err := t.b.Heads(t.ctx, req)
	if err != nil {
		t.fatalf("Heads %s returned the error %w", listing(req), err)
	}
	return heads
}

// wantHead expects a run's row as given, at the revision of a result, and the last
// record of its tail.
func (t *tester) wantHead(id string, revision uint64, row *log.Head, tail []log.Record) {
	if d := diffHead(headOf(id, revision, row, tail), t.head(id)); d != "" {
		t.errorf("Head of run %s: %s", quote(id), d)
	}
}

// wantHeads expects the same of Head and of both orders of Heads.
func (t *tester) wantHeads(id string, revision uint64, row *log.Head, tail []log.Record) {
	t.wantHead(id, revision, row, tail)
	for _, newest := range []bool{false, true} {
		req := log.HeadsRequest{Newest: newest, Limit: math.MaxInt32}
		heads := t.heads(req)
		i := slices.IndexFunc(heads, func(h log.Head) bool { return h.Run == id })
		if i < 0 {
			t.errorf("Heads %s: got %s, must have %s", listing(req), ids(heads), quote(id))
		} else if d := diffHead(headOf(id, revision, row, tail), heads[i]); d != "" {
			t.errorf("Heads %s: run %s: %s", listing(req), quote(id), d)
		}
	}
}

// wantRecords expects a page.
func (t *tester) wantRecords(req log.RecordsRequest, want []log.Record) {
	have := t.records(req)
	if d := diffRecords(want, have, req.HeadersOnly); d != "" {
		t.errorf("Records %s: %s", request(req), d)
	}
}

// wantTail expects all records of a run.
func (t *tester) wantTail(id string, want []log.Record) {
	t.wantRecords(whole(id), want)
}

// whole asks for all records of a run at once.
func whole(id string) log.RecordsRequest {
	return log.RecordsRequest{Run: id, From: 1, To: log.MaxSeq, Limit: math.MaxInt32}
}

// wantSegments expects the segments of a run, in the list and one by one. The
// wanted have their ids, and are in ascending order.
func (t *tester) wantSegments(id string, want []log.Segment) {
	listed := slices.Clone(want)
	for i := range listed {
		listed[i].Index, listed[i].Data = nil, nil
	}
	if d := diffSegments(listed, t.segments(id)); d != "" {
		t.errorf("Segments of run %s: %s", quote(id), d)
	}
	for _, s := range want {
		have, err := t.b.Segment(t.ctx, log.SegmentRequest{Run: id, ID: s.ID})
		if err != nil {
			t.errorf("Segment %d of run %s returned the error %w", s.ID, quote(id), err)
		} else if d := diffSegment(s, have); d != "" {
			t.errorf("Segment %d of run %s: %s", s.ID, quote(id), d)
		}
	}
}

// wantNoSegment expects that a run has no such segment.
func (t *tester) wantNoSegment(id string, segment uint64) {
	s, err := t.b.Segment(t.ctx, log.SegmentRequest{Run: id, ID: segment})
	if !errors.Is(err, log.ErrNotFound) {
		t.errorf("Segment %d of run %s must be ErrNotFound, got %s, error %v", segment, quote(id), describeSegment(s), err)
	}
}

// wantNoRun expects that nothing can be seen of a run.
func (t *tester) wantNoRun(id string) {
	if h, err := t.b.Head(t.ctx, id); !errors.Is(err, log.ErrNotFound) {
		t.errorf("Head of run %s must be ErrNotFound, got revision %d, error %v", quote(id), h.Revision, err)
	}
	if recs := t.records(whole(id)); len(recs) > 0 {
		t.errorf("Records of run %s must be none, got %s", quote(id), seqs(recs))
	}
	if segs := t.segments(id); len(segs) > 0 {
		t.errorf("Segments of run %s must be none, got %d", quote(id), len(segs))
	}
	for _, newest := range []bool{false, true} {
		for _, h := range t.heads(log.HeadsRequest{Prefix: id, Newest: newest, Limit: 1000}) {
			if h.Run == id {
				t.errorf("Heads must not list run %s", quote(id))
			}
		}
	}
}

func (t *tester) wantConflict(what string, res log.Result) {
	if !errors.Is(res.Err, log.ErrConflict) {
		t.errorf("%s must be ErrConflict, got %v", what, res.Err)
	}
}

// runState is all that can be read of a run.
type runState struct {
	head     log.Head
	records  []log.Record
	segments []log.Segment
}

// dump reads the whole storage. It believes nobody that what is returned is the
// caller's.
func (t *tester) dump() []runState {
	var all []runState
	for _, h := range t.heads(log.HeadsRequest{Limit: 1000}) {
		r := runState{head: cloneHead(h), records: cloneRecords(t.records(whole(h.Run)))}
		for _, s := range t.segments(h.Run) {
			s, err := t.b.Segment(t.ctx, log.SegmentRequest{Run: h.Run, ID: s.ID})
			if err != nil {
				t.fatalf("Segment %d of run %s, which is listed, returned the error %w", s.ID, quote(h.Run), err)
			}
			s.Index, s.Data = bytes.Clone(s.Index), bytes.Clone(s.Data)
			r.segments = append(r.segments, s)
		}
		all = append(all, r)
	}
	return all
}

// wantDump expects the storage as it was when it was dumped, and ends the case if
// it is not: what comes next would start from elsewhere.
func (t *tester) wantDump(want []runState, when string) {
	have := t.dump()
	if len(have) != len(want) {
		t.fatalf("%s there are %d runs, must be %d", when, len(have), len(want))
	}
	same := true
	for i := range want {
		for _, d := range []string{
			diffHead(want[i].head, have[i].head),
			diffRecords(want[i].records, have[i].records, false),
			diffSegments(want[i].segments, have[i].segments),
		} {
			if d != "" {
				t.errorf("%s run %s differs: %s", when, quote(want[i].head.Run), d)
				same = false
			}
		}
	}
	if !same {
		panic(stop{})
	}
}
