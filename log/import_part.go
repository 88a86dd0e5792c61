package log

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/segment"
)

// fits checks that a segment is the next of the run, advances the run's summary, and
// returns the segment to store.
func (im *importer) fits(part Part) (driver.Change, error) {
	l, run := im.l, &im.run
	wrong := func(seq uint64, format string, args ...any) (driver.Change, error) {
		return driver.Change{}, corrupt(run.ID, seq, fmt.Sprintf(format, args...))
	}
	x, err := l.segments.ParseIndex(part.Index)
	if err != nil {
		return driver.Change{}, l.reader(*run).damagedPart(err)
	}
	info := x.Info()
	switch {
	case info.Run != run.ID:
		return wrong(run.Last, "the next segment belongs to run %q", driver.Shorten(info.Run))
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
		run.Life = info.Life
	}
	if a := run.row.Anchor; a != nil && a.Seq == run.Last {
		a.Stored = info.Stored
	}
	seg := driver.Segment{First: info.First, Last: info.Last, Size: int64(len(part.Index) + len(part.Data)), Index: part.Index, Data: part.Data}
	s, err := l.reader(*run).unseal(seg, false)
	if err != nil {
		return driver.Change{}, l.reader(*run).damagedPart(err)
	}
	change := driver.Change{Add: []driver.Segment{seg}}
	stored := run.Stored + seg.Size
	for seq := s.First; seq <= s.Last; seq++ {
		rec := new(record)
		if *rec, err = s.record(seq); err != nil {
			return driver.Change{}, l.reader(*run).damagedPart(err)
		}
		h, err := im.admit(rec)
		if err != nil {
			return driver.Change{}, err
		}
		change.Put = append(change.Put, im.block.add(visitOf(&h, rec), rec.Seq)...)
		run.row.LikeVisits = run.row.LikeVisits || likeVisit(h.NodeID)
		if rec.Encoding == driver.Pruned {
			run.row.Pruned++
			run.row.PrunedBytes += h.Size
		}
		run.setLast(&h, &rec.Record)
		run.Class = run.classAfter(&h)
		if seq == s.Last {
			run.tail = rec.Seq + 1
			last := sealedAt(&h, &rec.Record)
			run.row.Sealed = &last
			run.row.Freed = rec.Stored - stored
			run.stand(rec.Seq, rec.Hash, rec.Bytes, rec.Stored)
		}
	}
	return change, nil
}

// admit returns a sealed event's header if an engine of this format could have written
// it: with valid fields, unknown members kept, and the next visit of its node.
func (im *importer) admit(rec *record) (Header, error) {
	run := im.run.ID
	h, err := im.run.parse(&rec.Record)
	if err != nil {
		return h, err
	}
	if err := checkFields(&h); err != nil {
		return h, corrupt(run, rec.Seq, "header: "+err.Error())
	}
	switch {
	case !jsontext.Value(rec.Header).IsValid():
		return h, corrupt(run, rec.Seq, "its header is not JSON, or has a name twice")
	case !bytes.Contains(rec.Header, nodeFilter(h.NodeID)): // what searches look for
		return h, corrupt(run, rec.Seq, fmt.Sprintf("its header does not write its node as %s", nodeFilter(h.NodeID)))
	case len(rec.Header) > MaxHeader:
		return h, corrupt(run, rec.Seq, fmt.Sprintf("its header takes %d bytes; at most %d are allowed", len(rec.Header), MaxHeader))
	case h.Seq == 1 && h.Life != im.run.Life, h.Seq > 1 && h.Life != "":
		return h, corrupt(run, rec.Seq, fmt.Sprintf("incarnation %q in its header", h.Life))
	case h.Kind == None && h.Size > 0:
		return h, corrupt(run, rec.Seq, fmt.Sprintf("a state of %d bytes of kind %q", h.Size, None))
	case rec.Encoding != driver.Plain && rec.Encoding != driver.Delta && rec.Encoding != driver.Pruned:
		return h, corrupt(run, rec.Seq, fmt.Sprintf("its state is stored as %s, which a segment can't have", rec.Encoding))
	case rec.Flags&^driver.Passed != 0:
		return h, &Error{Run: run, Seq: rec.Seq, Reason: fmt.Sprintf("event with flags %#x, which a newer flowlog wrote", rec.Flags), Err: ErrUnsupportedVersion}
	}
	key := keyOf(h.Role, h.NodeID)
	before, ok := im.counts[key]
	if h.Visit != before+1 && (ok || im.manifest.Anchor == nil || h.Visit == 0) {
		return h, &Error{Run: run, Seq: rec.Seq, Reason: fmt.Sprintf("visit of node %q", h.NodeID), Want: fmt.Sprint(before + 1), Have: fmt.Sprint(h.Visit), Err: ErrCorrupt}
	}
	if im.counts == nil {
		im.counts = map[visitKey]uint64{}
	}
	im.counts[key] = h.Visit
	return h, nil
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
