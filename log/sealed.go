package log

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/log/segment"
)

// sealed is a segment that was opened for reading. Its events are shown as the
// records that they were: a reader need not know where an event is stored.
//
// In a segment most states are deltas on a newer state, and the newest is stored
// whole; see seal.go.
type sealed struct {
	Segment
	payloads *segment.Reader // nil when only the index was read
	records  []Record        // without their states
	reads    int             // how many states had to be made of more than the one read before
	unfolded *unfolded
}

// at returns the record of an event, with its state if that was read.
func (s *sealed) at(seq uint64, headersOnly bool) (Record, error) {
	rec := s.records[seq-s.First]
	if headersOnly || rec.Encoding == Pruned {
		return rec, nil
	}
	var err error
	if rec.State, err = s.payloads.Payload(seq); err != nil {
		return Record{}, err
	}
	if rec.State == nil {
		rec.State = []byte{}
	}
	rec.alone = s.payloads.Alone(seq)
	return rec, nil
}

// sealedPage reads a page of the events of one segment, from seq on.
func (r *reader) sealedPage(ctx context.Context, seq uint64, req RecordsRequest) ([]Record, error) {
	s, err := r.segment(ctx, seq, req.HeadersOnly)
	if err != nil || s == nil {
		return nil, err
	}
	last, step := min(req.To, s.Last), 1
	if req.Reverse {
		last, step = max(req.From, s.First), -1
	}
	var recs []Record
	var size int64
	for {
		rec, err := s.at(seq, req.HeadersOnly)
		if err != nil && len(recs) > 0 {
			return recs, nil // what comes before the damage is there
		}
		if err != nil {
			return nil, r.damagedSegment(s.Segment, err)
		}
		size += int64(len(rec.Header) + len(rec.State))
		if req.MaxBytes > 0 && size > req.MaxBytes && len(recs) > 0 {
			return recs, nil
		}
		recs = append(recs, rec)
		if len(recs) == req.Limit || seq == last {
			return recs, nil
		}
		seq += uint64(step)
	}
}

// segment opens the segment that holds an event, or returns nil if there is none.
// The last one opened is kept.
func (r *reader) segment(ctx context.Context, seq uint64, indexOnly bool) (*sealed, error) {
	if s := r.open; s != nil && s.First <= seq && seq <= s.Last && (indexOnly || s.payloads != nil) {
		return s, nil
	}
	segs, err := r.segments(ctx)
	if err != nil {
		return nil, err
	}
	// Where the row of a segment is damaged, two may seem to hold the event: the
	// other one should not suffer from it.
	var damage error
	for _, seg := range slices.Backward(segs) {
		if seq < seg.First || seq > seg.Last {
			continue
		}
		s, err := r.openSegment(ctx, seg, indexOnly)
		if err == nil {
			return s, nil
		}
		if damage = err; !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupportedVersion) {
			break
		}
	}
	return nil, damage
}

// openSegment opens a segment that is listed, or returns nil if it is gone.
func (r *reader) openSegment(ctx context.Context, listed Segment, indexOnly bool) (*sealed, error) {
	seg, err := r.l.backend.Segment(ctx, SegmentRequest{Run: r.run.ID, ID: listed.ID, IndexOnly: indexOnly})
	if errors.Is(err, ErrNotFound) { // it was merged into another since
		return nil, nil
	}
	if err != nil {
		return nil, r.damagedSegment(listed, err)
	}
	s, err := r.unseal(seg, indexOnly)
	if err != nil {
		return nil, r.damagedSegment(seg, err)
	}
	r.open = s
	return s, nil
}

// segments lists the run's segments.
func (r *reader) segments(ctx context.Context) ([]Segment, error) {
	if r.segs != nil {
		return r.segs, nil
	}
	segs, err := r.l.backend.Segments(ctx, r.run.ID)
	if err != nil {
		return nil, fmt.Errorf("%slist segments: %w", place(r.run.ID, 0), err)
	}
	r.segs = segs
	return segs, nil
}

func (r *reader) damagedSegment(s Segment, err error) error {
	what := fmt.Sprintf("segment %d, of the events %d to %d: %v", s.ID, s.First, s.Last, err)
	switch {
	case errors.Is(err, segment.ErrUnsupportedVersion):
		return &Error{Run: r.run.ID, Seq: s.First, Reason: what, Err: ErrUnsupportedVersion}
	case errors.Is(err, segment.ErrTooLarge):
		return &Error{Run: r.run.ID, Seq: s.First, Reason: what + "; raise the limit for states to read it", Err: ErrTooLarge}
	case errors.Is(err, segment.ErrCorrupt), errors.Is(err, ErrCorrupt):
		return &Error{Run: r.run.ID, Seq: s.First, Reason: what, Err: ErrCorrupt}
	}
	return fmt.Errorf("%sread segment %d: %w", place(r.run.ID, s.First), s.ID, err)
}

// unseal opens a segment and checks that it is the one that belongs there: that
// its events are those of this life of the run, and that the hash chain leads
// through them.
func (r *reader) unseal(seg Segment, indexOnly bool) (*sealed, error) {
	x, err := r.l.segments.ParseIndex(seg.Index)
	if err != nil {
		return nil, err
	}
	info := x.Info()
	if info.Run != r.run.ID || info.Life != r.run.Life || info.First != seg.First || info.Last != seg.Last {
		return nil, fmt.Errorf("%w: it holds the events %d to %d of run %q, incarnation %s", ErrCorrupt, info.First, info.Last, displayID(info.Run), info.Life)
	}
	s := &sealed{Segment: seg, records: make([]Record, len(x.Entries()))}
	s.Index, s.Data = nil, nil
	if !indexOnly {
		if s.payloads, err = r.l.segments.NewReader(x, seg.Data); err != nil {
			return nil, err
		}
	}
	hash, bytes, stored := Digest(info.Prev), info.Bytes, info.Stored
	for i, e := range x.Entries() {
		size, sum, err := stateOf(info.Run, e.Seq, e.Header)
		if err != nil {
			return nil, err
		}
		hash = chainAfter(e.Seq-1, hash, e.Header, sum)
		bytes, stored = bytes+size, stored+e.Stored
		rec := &s.records[i]
		*rec = Record{
			Seq: e.Seq, Recency: info.Recency, Encoding: Encoding(e.Kind), Base: e.Base, Links: uint32(x.Depth(e.Seq)),
			Bytes: bytes, Stored: stored, Hash: hash, Header: e.Header, StateLen: e.Len,
			sealed: max(e.Stored, 1), sealedState: e.StoredPayload, first: seg.First, shared: e.Shared,
		}
		rec.Sum = recordSum(info.Life, rec)
	}
	if hash != Digest(info.Hash) {
		return nil, fmt.Errorf("%w: the hash chain does not lead through it (want %s, have %s)", ErrCorrupt, Digest(info.Hash), hash)
	}
	return s, nil
}
