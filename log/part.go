package log

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/flowlog/checkpoint/log/segment"
)

// fits checks that a part is the next of a run, and moves the run's summary on.
func (l *Log) fits(run *Run, part Part) (Segment, error) {
	wrong := func(seq uint64, format string, args ...any) (Segment, error) {
		return Segment{}, corrupt(run.ID, seq, fmt.Sprintf(format, args...))
	}
	x, err := l.segments.ParseIndex(part.Index)
	if err != nil {
		return Segment{}, l.reader(*run).damagedPart(err)
	}
	info := x.Info()
	switch {
	case info.Run != run.ID:
		return wrong(run.Last, "what follows is of run %q", displayID(info.Run))
	case info.First != run.Last+1:
		return wrong(run.Last, "what follows begins with seq %d", info.First)
	case Digest(info.Prev) != run.Hash:
		return wrong(info.First, "the hash chain is broken (want %s, have %s)", Digest(info.Prev), run.Hash)
	case info.Last > MaxSeq || info.Last-info.First >= sealEvents:
		return wrong(info.First, "a segment of %d events, up to seq %d; it can have %d", info.Last-info.First+1, info.Last, sealEvents)
	case info.Recency == 0 || info.Recency > math.MaxInt64 || info.Recency < run.recency:
		return wrong(info.First, "recency %d after %d", info.Recency, run.recency)
	case info.Bytes != run.Bytes+run.row.PrunedBytes:
		return wrong(info.First, "running total of the states' bytes (want %d, have %d)", run.Bytes+run.row.PrunedBytes, info.Bytes)
	case info.Stored > math.MaxInt64/2:
		return wrong(info.First, "running total of stored bytes %d", info.Stored)
	case run.Life == "":
		run.Life, run.row.Life = info.Life, info.Life
	}
	if a := run.row.Anchor; a != nil && a.Seq == run.Last {
		a.Stored = info.Stored
	}
	seg := Segment{First: info.First, Last: info.Last, Size: int64(len(part.Index) + len(part.Data)), Index: part.Index, Data: part.Data}
	s, err := l.reader(*run).unseal(seg, false)
	if err != nil {
		return Segment{}, l.reader(*run).damagedPart(err)
	}
	stored := run.Stored + seg.Size
	for i := range s.records {
		rec := &s.records[i]
		h, err := canonical(run.ID, rec)
		if err != nil {
			return Segment{}, err
		}
		if rec.Encoding == Pruned {
			run.row.Pruned++
			run.row.PrunedBytes += h.Size
		}
		run.setLast(&h, rec)
		if i == len(s.records)-1 {
			run.tail = rec.Seq + 1
			last := sealedAt(&h, rec)
			run.row.Sealed = &last
			run.row.Freed = rec.Stored - stored
			run.stand(rec.Seq, rec.Hash, rec.Bytes, rec.Stored)
		}
	}
	return seg, nil
}

// damagedPart gives an error of package segment to the run, at what follows.
func (r *reader) damagedPart(err error) error {
	seq := r.run.Last + 1
	switch {
	case errors.Is(err, segment.ErrUnsupportedVersion):
		return &Error{Run: r.run.ID, Seq: seq, Reason: err.Error(), Err: ErrUnsupportedVersion}
	case errors.Is(err, segment.ErrTooLarge):
		return &Error{Run: r.run.ID, Seq: seq, Reason: err.Error() + "; raise the limit for states to read it", Err: ErrTooLarge}
	}
	return r.damaged(seq, fmt.Errorf("%w: %w", ErrCorrupt, err))
}

// canonical returns a sealed event's header if it is one that this engine writes,
// byte for byte.
func canonical(run string, rec *Record) (Header, error) {
	h, err := parseHeader(run, rec.Seq, rec.Header)
	if err != nil {
		return h, err
	}
	if err := checkHeader(&h); err != nil {
		return h, corrupt(run, rec.Seq, "header: "+err.Error())
	}
	text, err := h.marshal()
	if err != nil {
		return h, err
	}
	switch {
	case !bytes.Equal(text, rec.Header):
		return h, corrupt(run, rec.Seq, "its header is not as flowlog writes one")
	case len(text) > MaxHeader:
		return h, corrupt(run, rec.Seq, fmt.Sprintf("its header takes %d bytes, and can take %d", len(text), MaxHeader))
	case h.Seq > 1 && h.Life != "":
		return h, corrupt(run, rec.Seq, "an incarnation in the middle of the run")
	case rec.Encoding != Plain && rec.Encoding != Delta && rec.Encoding != Pruned:
		return h, corrupt(run, rec.Seq, fmt.Sprintf("its state is stored as %s, which a segment can't have", rec.Encoding))
	}
	return h, nil
}
