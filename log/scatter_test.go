package log_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// hit is one damaged byte.
type hit struct {
	what string
	// first and last are the events of the record or segment that it is in; of the
	// head, which is needed by none, they are 0.
	first, last uint64
	// record, segment and head change what is read.
	record  func(*driver.Record)
	segment func(*driver.Segment)
	head    func(*driver.Head)
}

// struck is a storage with one damaged byte.
type struck struct {
	*tapped
	hit hit
}

func (s *largeSpecimen) strike(t *testing.T, h hit) *log.Log {
	b := &struck{tapped: &tapped{Backend: s.b.Backend}, hit: h}
	if h.record != nil {
		b.onRecord = func(run string, r *driver.Record) bool {
			if run == largeRun && r.Seq == h.first {
				h.record(r)
			}
			return true
		}
	}
	l, err := log.Open(b, small) // many of them: the caller closes it, and does not keep it
	require.NoError(t, err)
	return l
}

func (b *struck) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	h, err := b.tapped.Head(ctx, req)
	if err == nil && req.Run == largeRun && b.hit.head != nil {
		b.hit.head(&h)
	}
	return h, err
}

func (b *struck) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	segs := b.all(ctx, req.Run, true)
	segs = slices.DeleteFunc(segs, func(s driver.Segment) bool { return s.First < req.From || s.First > req.To })
	slices.SortFunc(segs, func(x, y driver.Segment) int { return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(x.ID, y.ID)) })
	if req.Reverse {
		slices.Reverse(segs)
	}
	return segs[:min(len(segs), req.Limit)], nil
}

func (b *struck) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	var found *driver.Segment
	segs := b.all(ctx, req.Run, false)
	for i, s := range segs {
		if s.First <= req.Seq && req.Seq <= s.Last && (found == nil || s.First > found.First) {
			found = &segs[i]
		}
	}
	switch {
	case found == nil:
		return driver.Segment{}, driver.ErrNotFound
	case found.ID == req.Have:
		found.Index, found.Data = nil, nil
	case req.IndexOnly:
		found.Data = nil
	}
	return *found, nil
}

// all returns the segments of a run as they are found, with the damaged one.
func (b *struck) all(ctx context.Context, run string, bare bool) []driver.Segment {
	segs, err := b.tapped.Segments(ctx, driver.SegmentsRequest{Run: run, From: 1, To: log.MaxSeq, Limit: 1000})
	for i := range segs {
		if !bare && err == nil {
			segs[i], err = b.tapped.Segment(ctx, driver.SegmentRequest{Run: run, Seq: segs[i].First})
		}
		if run == largeRun && b.hit.segment != nil && segs[i].First == b.hit.first {
			b.hit.segment(&segs[i])
		}
	}
	if err != nil {
		panic(err)
	}
	return segs
}

// scatter draws a byte of the run's rows.
func (s *largeSpecimen) scatter(r *rand.Rand) hit {
	y := s.layout
	switch r.IntN(20) {
	case 0:
		return s.scatterHead(r)
	case 1, 2, 3, 4, 5, 6, 7, 8, 9:
		return s.scatterSegment(r, y.segments[r.IntN(len(y.segments))])
	}
	rec := y.records[r.IntN(len(y.records))]
	var changes []string
	all := flips(&rec)
	for field := range all {
		changes = append(changes, field)
	}
	slices.Sort(changes)
	changes = slices.DeleteFunc(changes, func(f string) bool { return f == "StateLen" }) // a driver finds it out
	field := changes[r.IntN(len(changes))]
	n := r.IntN(len(all[field]))
	return hit{what: fmt.Sprintf("%s of record %d", field, rec.Seq), first: rec.Seq, last: rec.Seq, record: all[field][n]}
}

// flip changes a byte of a slice.
func flip(b []byte, r *rand.Rand) (at int, x byte) {
	return r.IntN(len(b)), byte(1 + r.IntN(255))
}

func (s *largeSpecimen) scatterSegment(r *rand.Rand, seg driver.Segment) hit {
	whole, err := s.b.Backend.Segment(context.Background(), driver.SegmentRequest{Run: largeRun, Seq: seg.First})
	if err != nil {
		panic(err)
	}
	h := hit{first: seg.First, last: seg.Last}
	switch r.IntN(8) {
	case 0, 1, 2:
		at, x := flip(whole.Index, r)
		h.what = fmt.Sprintf("byte %d of the index", at)
		h.segment = func(s *driver.Segment) {
			if s.Index != nil {
				s.Index[at] ^= x
			}
		}
	case 3, 4, 5:
		at, x := flip(whole.Data, r)
		h.what = fmt.Sprintf("byte %d of the data", at)
		h.segment = func(s *driver.Segment) {
			if s.Data != nil {
				s.Data[at] ^= x
			}
		}
	case 6:
		n := uint64(1+r.IntN(255)) << (8 * r.IntN(4))
		h.what, h.segment = fmt.Sprintf("first, by %x,", n), func(s *driver.Segment) { s.First ^= n }
	case 7:
		n := uint64(1+r.IntN(255)) << (8 * r.IntN(4))
		h.what, h.segment = fmt.Sprintf("last, by %x,", n), func(s *driver.Segment) { s.Last ^= n }
	}
	h.what += fmt.Sprintf(" of the segment %d to %d", seg.First, seg.Last)
	return h
}

func (s *largeSpecimen) scatterHead(r *rand.Rand) hit {
	at, x := flip(s.layout.head.Data, r)
	n := uint64(1+r.IntN(255)) << (8 * r.IntN(4))
	return []hit{
		{what: fmt.Sprintf("byte %d of the head", at), head: func(h *driver.Head) { h.Data[at] ^= x }},
		{what: fmt.Sprintf("tail of the head, by %x", n), head: func(h *driver.Head) { h.Tail ^= n }},
		{what: "sum of the head", head: func(h *driver.Head) { h.Sum ^= uint32(n) }},
	}[r.IntN(3)]
}

// TestScatteredDamage damages one byte of a run of 2,000 events at a time.
func TestScatteredDamage(t *testing.T) {
	t.Parallel()
	s := newLargeSpecimen(t)
	t.Logf("%d segments, a tail of %d, at most %d depend on one", len(s.layout.segments), len(s.layout.records), requireBound(t, s.b, largeRun))
	t.Run("anywhere", func(t *testing.T) { t.Parallel(); s.anywhere(t) })
	t.Run("each byte of the head", func(t *testing.T) { t.Parallel(); s.withoutHead(t) })
}

// anywhere damages bytes of all rows: at most 256 events can't be read, all others
// are as they were, and Verify names the place. What can't matter: StateLen, which
// drivers find out anew, and recency and revision of the row, which only order.
func (s *largeSpecimen) anywhere(t *testing.T) {
	n := 16
	if os.Getenv("FLOWLOG_LONG") == "1" {
		n = 1000
	}
	if testing.Short() {
		n = 4
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	most, total := 0, 0
	for i := range n {
		h := s.scatter(r)
		l := s.strike(t, h)
		lost := s.lost(t, l, h, i == 0)
		require.LessOrEqual(t, lost, mostDependents, "%s (seed %d)", h.what, seed)
		s.named(t, l, h)
		most, total = max(most, lost), total+lost
		require.NoError(t, l.Close())
	}
	t.Logf("%d damaged bytes (seed %d): at most %d events of %d were lost, %d in the mean", n, seed, most, largeSize, total/n)
}

// withoutHead damages each byte of the row of a run: all its events can
// be read all the same.
func (s *largeSpecimen) withoutHead(t *testing.T) {
	for at := range s.layout.head.Data {
		for _, x := range []byte{1, 1 << (at % 8)} {
			h := hit{what: fmt.Sprintf("byte %d of the head, by %x", at, x), head: func(h *driver.Head) { h.Data[at] ^= x }}
			l := s.strike(t, h)
			for _, seq := range []uint64{1, 1000, largeSize} {
				ev, err := l.At(t.Context(), largeRun, seq)
				require.NoError(t, err, h.what)
				s.fine(t, h, ev, seq, nil)
			}
			_, err := l.Append(t.Context(), event(largeRun, "next"))
			require.ErrorIs(t, err, log.ErrCorrupt, h.what)
			require.NoError(t, l.Close())
		}
	}
}

// depends reports whether an event needs what was hit.
func (s *largeSpecimen) depends(seq uint64, h hit) bool {
	return s.layout.needs[seq][unit{segment: h.segment != nil, first: h.first}]
}

// lost reads the events and counts those that can't be read: by At, those that
// depend on what was hit and some others, or all; as a history, those that don't.
func (s *largeSpecimen) lost(t *testing.T, l *log.Log, h hit, all bool) int {
	lost := 0
	for seq := uint64(1); seq <= largeSize; seq++ {
		if all || s.depends(seq, h) || seq%61 == 0 {
			ev, err := l.At(t.Context(), largeRun, seq)
			if !s.fine(t, h, ev, seq, err) {
				lost++
			}
		}
	}
	for next := uint64(1); next <= largeSize; next++ {
		for ev, err := range l.History(t.Context(), largeRun, log.HistoryOptions{From: next}) {
			if !s.fine(t, h, ev, next, err) {
				break
			}
			next++
		}
		for s.depends(next, h) {
			next++
		}
	}
	return lost
}

// fine reports whether an event was read, as it was; if not, it must depend on what
// was hit.
func (s *largeSpecimen) fine(t *testing.T, h hit, ev *log.Event, seq uint64, err error) bool {
	want := s.events[seq-1]
	if want.Pruned && (errors.Is(err, log.ErrPruned) || err == nil && ev.Pruned) {
		return true
	}
	if err != nil {
		require.True(t, errors.Is(err, log.ErrCorrupt) || errors.Is(err, log.ErrUnsupportedVersion), "%s: seq %d: %v", h.what, seq, err)
		require.True(t, s.depends(seq, h), "%s: seq %d does not depend on it: %v", h.what, seq, err)
		return false
	}
	require.Equal(t, seq, ev.Seq)
	same := bytes.Equal(want.State, ev.State) && want.Hash == ev.Hash && want.Seq == ev.Seq && want.SHA256 == ev.SHA256 && want.NodeID == ev.NodeID
	require.True(t, same, "%s: seq %d is another event", h.what, seq)
	return true
}

// named wants Verify to find the place.
func (s *largeSpecimen) named(t *testing.T, l *log.Log, h hit) {
	rep, err := l.Verify(t.Context(), largeRun)
	require.NoError(t, err, h.what)
	require.False(t, rep.Intact(), h.what)
	if h.head == nil {
		require.True(t, h.first <= rep.BrokenAt && rep.BrokenAt <= h.last, "%s: %s", h.what, rep)
	}
}
