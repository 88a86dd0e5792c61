package log

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/segment"
)

// sealed is a segment that was opened for reading. Its events are shown as the
// records that they were, but without checksums: see record.check.
//
// In a segment most states are deltas on a newer state, and the newest is stored
// whole; see seal.go.
type sealed struct {
	driver.Segment
	index    *segment.Index
	payloads *segment.Reader // nil when only the index was read
	sums     []runningSum    // by event
	common   []byte          // what the hash chain has of the run's Common
	proved   []bool          // by group: whether its hashes in sums are computed and proved
	revision uint64          // the run's revision when the segment was last known to be in force
	reads    int             // number of states that needed more than the one read before
	unfolded *unfolded
}

// MaxUnhashed is the size in bytes up to which a sealed state that is stored whole has no
// stored hash: its hash is computed. If the state is dropped, the hash is stored instead.
const MaxUnhashed = segment.MaxSmall

// runningSum is what a record has of the events up to and including its own, and its
// state's hash.
type runningSum struct {
	hash, state   Digest
	bytes, stored int64
}

// prove computes the hashes of the group of events that an event is in, and checks that
// the hash chain leads through them, from the group before to the next.
func (s *sealed) prove(seq uint64) error {
	g := int(seq-s.First) / segment.GroupEntries
	if s.proved[g] {
		return nil
	}
	entries := s.index.Entries()
	from, to := g*segment.GroupEntries, int(s.groupEnd(seq)-s.First)+1
	hash := Digest(s.index.Info().Prev)
	if from > 0 {
		hash = entries[from-1].Hash
	}
	for i := from; i < to; i++ {
		e, sum := &entries[i], &s.sums[i]
		state, err := s.index.Digest(e.Seq)
		if err != nil {
			return &groupError{entries[from].Seq, err}
		}
		hash = chainAfter(e.Seq-1, hash, s.common, e.Header, state)
		sum.hash, sum.state = hash, state
	}
	if want := Digest(entries[to-1].Hash); hash != want {
		return &groupError{entries[from].Seq, fmt.Errorf("%w: the hash chain does not lead through its events %d to %d (want %s, have %s)", ErrCorrupt, entries[from].Seq, entries[to-1].Seq, want, hash)}
	}
	s.proved[g] = true
	return nil
}

// groupError is damage of a group of a segment's events.
type groupError struct {
	first uint64 // of the events
	error
}

func (e *groupError) Unwrap() error { return e.error }

// groupEnd returns the last event of the group that an event is in.
func (s *sealed) groupEnd(seq uint64) uint64 {
	g := (seq - s.First) / segment.GroupEntries
	return min(s.First+(g+1)*segment.GroupEntries-1, s.Last)
}

// record returns the record of an event without its state. It has no checksum.
func (s *sealed) record(seq uint64) (record, error) {
	if err := s.prove(seq); err != nil {
		return record{}, err
	}
	e, sum := &s.index.Entries()[seq-s.First], &s.sums[seq-s.First]
	rec := record{
		Record: driver.Record{
			Seq: seq, Recency: s.index.Info().Recency, Encoding: Encoding(e.Kind), Base: e.Base, Links: uint32(s.index.Depth(seq)),
			Bytes: sum.bytes, Stored: sum.stored, Hash: sum.hash, StateHash: sum.state, Header: e.Header, StateLen: e.Len,
		},
		sealed: max(e.Stored, 1), sealedState: e.StoredPayload, first: s.First, shared: e.Shared,
	}
	rec.setMeta(e.Meta) // unseal found it sound
	return rec, nil
}

// encoding returns how the state of an event is stored.
func (s *sealed) encoding(seq uint64) Encoding { return Encoding(s.index.Entries()[seq-s.First].Kind) }

// at returns the record of an event, with its state if that was read.
func (s *sealed) at(seq uint64, headersOnly bool) (record, error) {
	rec, err := s.record(seq)
	if err != nil || headersOnly || rec.Encoding == driver.Pruned {
		return rec, err
	}
	if rec.State, err = s.payloads.Payload(seq); err != nil {
		return record{}, err
	}
	if rec.State == nil {
		rec.State = []byte{}
	}
	rec.alone = s.payloads.Alone(seq)
	return rec, nil
}

// sealedPage reads a page of the events of one segment, from seq on.
func (r *reader) sealedPage(ctx context.Context, seq uint64, req driver.RecordsRequest) ([]record, error) {
	s, err := r.segment(ctx, seq, req.HeadersOnly)
	if err != nil || s == nil {
		return nil, err
	}
	last, step := min(req.To, s.Last), 1
	n := last - seq
	if req.Reverse {
		last, step = max(req.From, s.First), -1
		n = seq - last
	}
	recs := make([]record, 0, min(n+1, uint64(req.Limit), pageStates))
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

// segment opens the segment that holds an event, or returns nil if there is none. The last
// one opened is kept.
func (r *reader) segment(ctx context.Context, seq uint64, indexOnly bool) (*sealed, error) {
	indexOnly = indexOnly && !r.whole
	if s := r.open; s != nil && s.First <= seq && seq <= s.Last && (indexOnly || s.payloads != nil) {
		return s, nil
	}
	r.close()
	kept := r.l.opened.take(r.run.ID, r.run.Life, seq)
	req := driver.SegmentRequest{Run: r.run.ID, Seq: seq, IndexOnly: indexOnly}
	if kept != nil && (indexOnly || kept.payloads != nil) {
		if kept.revision == r.run.revision {
			r.open = kept
			return kept, nil
		}
		req.Have = kept.ID
	}
	seg, err := r.l.backend.Segment(ctx, req)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return r.otherSegment(ctx, seq, indexOnly, r.damagedSegment(driver.Segment{First: seq, Last: seq}, err))
	case req.Have != 0 && seg.ID == req.Have:
		kept.revision = r.run.revision
		r.open = kept
		return kept, nil
	}
	s, err := r.unseal(seg, indexOnly)
	if err != nil {
		return r.otherSegment(ctx, seq, indexOnly, r.damagedSegment(seg, err))
	}
	r.open = s
	return s, nil
}

// otherSegment looks for another segment that holds an event. If a row is damaged, two
// segments may seem to hold it, and the sound one must stay readable.
func (r *reader) otherSegment(ctx context.Context, seq uint64, indexOnly bool, damage error) (*sealed, error) {
	if !unreadable(damage) {
		return nil, damage
	}
	segs, err := r.listSegments(ctx, driver.SegmentsRequest{From: max(seq, sealEvents) - sealEvents + 1, To: seq, Reverse: true, Limit: 2 * sealEvents})
	if err != nil {
		return nil, damage
	}
	for _, seg := range segs {
		if seg.Last < seq {
			continue
		}
		// Nearer to the beginning there is only the sound one.
		found, err := r.l.backend.Segment(ctx, driver.SegmentRequest{Run: r.run.ID, Seq: seg.First, IndexOnly: indexOnly})
		if err != nil || found.ID != seg.ID {
			continue
		}
		if s, err := r.unseal(found, indexOnly); err == nil {
			r.open = s
			return s, nil
		}
	}
	return nil, damage
}

// close releases the open segment for the next reader.
func (r *reader) close() {
	if r.open != nil && r.run.headErr == nil { // else it was opened with values guessed from a damaged head
		r.l.opened.put(r.run.ID, r.open)
	}
	r.open = nil
}

// segmentsFrom lists a page of the run's segments that begin from seq on.
func (r *reader) segmentsFrom(ctx context.Context, seq uint64, limit int) ([]driver.Segment, error) {
	return r.listSegments(ctx, driver.SegmentsRequest{From: seq, To: MaxSeq, Limit: limit})
}

// lastSegment returns the run's last segment, nil if it has no segment.
func (r *reader) lastSegment(ctx context.Context) (*driver.Segment, error) {
	segs, err := r.listSegments(ctx, driver.SegmentsRequest{From: 1, To: MaxSeq, Reverse: true, Limit: 1})
	if err != nil || len(segs) == 0 {
		return nil, err
	}
	return &segs[0], nil
}

func (r *reader) damagedSegment(s driver.Segment, err error) error {
	what, first := err.Error(), s.First
	if s.ID > 0 { // else its row can't be read
		what = fmt.Sprintf("segment %d, of the events %d to %d: %s", s.ID, s.First, s.Last, what)
	}
	if g, ok := errors.AsType[*groupError](err); ok {
		first = g.first
	}
	switch {
	case errors.Is(err, segment.ErrUnsupportedVersion):
		return &Error{Run: r.run.ID, Seq: first, Reason: what, Err: ErrUnsupportedVersion}
	case errors.Is(err, segment.ErrTooLarge):
		return &Error{Run: r.run.ID, Seq: first, Reason: what + "; raise the limit for states to read it", Err: ErrTooLarge}
	case errors.Is(err, segment.ErrCorrupt), errors.Is(err, ErrCorrupt):
		return &Error{Run: r.run.ID, Seq: first, Reason: what, Err: ErrCorrupt}
	}
	return fmt.Errorf("%sread segment %d: %w", place(r.run.ID, first), s.ID, err)
}

// unseal opens a segment and checks that it belongs there: its events must be those of
// this life of the run. What the hash chain says of them is seen when they are read.
func (r *reader) unseal(seg driver.Segment, indexOnly bool) (*sealed, error) {
	x, err := r.l.segments.ParseIndex(seg.Index)
	if err != nil {
		return nil, err
	}
	info := x.Info()
	if info.Suite != suiteSHA256 {
		return nil, fmt.Errorf("%w: suite %d of hash and cipher; this flowlog knows %d", ErrUnsupportedVersion, info.Suite, suiteSHA256)
	}
	if info.Run != r.run.ID || info.Life != r.run.Life || info.First != seg.First || info.Last != seg.Last {
		return nil, fmt.Errorf("%w: it holds the events %d to %d of run %q, incarnation %s", ErrCorrupt, info.First, info.Last, driver.Shorten(info.Run), info.Life)
	}
	s := &sealed{Segment: seg, index: x, revision: r.run.revision, sums: make([]runningSum, len(x.Entries()))}
	s.Index, s.Data = nil, nil
	if !indexOnly {
		if s.payloads, err = r.l.segments.NewReader(x, seg.Data); err != nil {
			return nil, err
		}
	}
	common, err := r.inherited(x)
	if err != nil {
		return nil, err
	}
	s.common = common.frames()
	s.proved = make([]bool, (len(s.sums)+segment.GroupEntries-1)/segment.GroupEntries)
	bytes, stored := info.Bytes, info.Stored
	for i, e := range x.Entries() {
		if (Encoding(e.Kind) == driver.Delta) != (e.Base != 0) {
			return nil, fmt.Errorf("%w: event %d is stored as %s, with the base %d", ErrCorrupt, e.Seq, Encoding(e.Kind), e.Base)
		}
		size, err := sizeOf(info.Run, e.Seq, e.Header)
		if err != nil {
			return nil, err
		}
		bytes, stored = bytes+size, stored+e.Stored
		s.sums[i].bytes, s.sums[i].stored = bytes, stored
		if _, err := parseMeta(e.Seq, e.Meta); err != nil {
			return nil, fmt.Errorf("event %d: %w", e.Seq, err)
		}
	}
	return s, nil
}

// inherited returns what the events of a segment inherit from event 1.
func (r *reader) inherited(x *segment.Index) (Common, error) {
	if x.Info().First > 1 {
		return r.run.row.Common, r.run.beginErr
	}
	var first storedHeader
	if err := json.Unmarshal(x.Entries()[0].Header, &first); err != nil {
		return Common{}, fmt.Errorf("%w: header of event 1: %w", ErrCorrupt, err)
	}
	return first.common(), nil
}

// A sealed event's meta consists of varints: its flags; how many seqs back Recoverable
// and Tip are, 0 for the event itself; Since; and the number of the note that says why
// its state was dropped.
func (r *record) meta() []byte {
	b := make([]byte, 0, 16)
	for _, n := range [...]uint64{uint64(r.Flags), r.Seq - r.Recoverable, r.Seq - r.Tip, r.Since, r.note} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (r *record) setMeta(meta []byte) error {
	nums, err := parseMeta(r.Seq, meta)
	if err != nil {
		return err
	}
	r.Flags, r.Recoverable, r.Tip, r.Since, r.note = driver.Flags(nums[0]), r.Seq-nums[1], r.Seq-nums[2], nums[3], nums[4]
	return nil
}

func parseMeta(seq uint64, meta []byte) (nums [5]uint64, err error) {
	for i := range nums {
		n, size := binary.Uvarint(meta)
		if size <= 0 {
			return nums, fmt.Errorf("%w: its meta ends early", ErrCorrupt)
		}
		nums[i], meta = n, meta[size:]
	}
	if len(meta) > 0 || nums[0] > 255 || nums[1] > seq || nums[2] > seq || nums[3] > seq {
		return nums, fmt.Errorf("%w: its meta is %v", ErrCorrupt, nums)
	}
	return nums, nil
}

// sizeOf returns the size of the state from a stored header. If the header is written as
// marshal writes it, sizeOf does not read the rest. The search includes quotes, which no
// string in the header can hold.
func sizeOf(run string, seq uint64, header []byte) (int64, error) {
	const key = `,"size":`
	if i := bytes.LastIndex(header, []byte(key)); i >= 0 {
		digits := header[i+len(key):]
		if n := bytes.IndexAny(digits, ",}"); n > 0 {
			if size, err := strconv.ParseInt(string(digits[:n]), 10, 64); err == nil && size >= 0 {
				return size, nil
			}
		}
	}
	var h struct {
		Size int64 `json:"size"`
	}
	if err := json.Unmarshal(header, &h); err != nil || h.Size < 0 {
		return 0, corrupt(run, seq, fmt.Sprintf("header without a size: %v", err))
	}
	return h.Size, nil
}
