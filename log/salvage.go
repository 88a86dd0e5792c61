package log

import (
	"context"
	"errors"
	"math"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/segment"
)

// derive makes the summary of a run whose head is damaged from what is there a second time, as
// far as reading needs it: from the first event, or the note that says that it was dropped,
// the segments and the newest record. What was pruned is not counted, and nothing is written
// to the run.
func (l *Log) derive(ctx context.Context, h driver.Head, damage error) (Run, error) {
	run := summary(&h)
	run.Life, run.tail, run.headErr, run.beginErr = "", 1, damage, damage
	r := l.reader(run)
	defer r.close()
	first, err := r.segmentsFrom(ctx, 1, 1)
	if err != nil {
		return Run{}, err
	}
	last, err := r.lastSegment(ctx)
	if err != nil {
		return Run{}, err
	}
	if len(first) > 0 && last != nil {
		return r.deriveSealed(ctx, h, first[0], *last)
	}
	recs, err := l.backend.Records(ctx, driver.RecordsRequest{Run: h.Run, From: 1, To: 1, HeadersOnly: true, Limit: 1})
	if err != nil {
		return Run{}, err
	}
	if len(recs) == 0 || h.Last == nil {
		return Run{}, damage
	}
	hdr, err := r.run.parse(&recs[0])
	if err != nil || checkSum(h.Run, hdr.Life, &recs[0]) != nil {
		return Run{}, errors.Join(damage, err)
	}
	r.run.Life = hdr.Life
	r.run.begunBy(&hdr)
	r.run.standAt(h.Last)
	return r.run, nil
}

// deriveSealed is derive for a run with segments.
func (r *reader) deriveSealed(ctx context.Context, h driver.Head, first, last driver.Segment) (Run, error) {
	r.run.Anchor = first.First - 1                    // but the number of its note is unknown
	for _, s := range []driver.Segment{last, first} { // one of them may also be damaged
		info, err := r.infoOf(ctx, s)
		if err != nil {
			continue
		}
		r.run.Life = info.Life
		r.run.tail = last.Last + 1
		if err := r.deriveBeginning(ctx); err != nil {
			return Run{}, err
		}
		if h.Last != nil && h.Last.Seq >= r.run.tail {
			r.run.standAt(h.Last)
			return r.run, nil
		}
		if h.Tail != r.run.tail { // so there may be events that the backend takes for dead
			r.run.lastErr = r.run.headErr
		}
		newest, err := r.segment(ctx, last.Last, true)
		if err == nil && newest == nil {
			err = r.run.headErr
		}
		var end record
		var hdr Header
		if err == nil {
			if end, err = newest.record(last.Last); err != nil {
				err = r.damagedSegment(newest.Segment, err)
			}
		}
		if err == nil {
			hdr, err = r.run.parse(&end.Record)
		}
		if err != nil {
			r.run.Last, r.run.lastErr = last.Last, err
			return r.run, nil
		}
		r.run.setLast(&hdr, &end.Record)
		return r.run, nil
	}
	return Run{}, r.run.headErr
}

// deriveBeginning reads what the run's first event said: from that event, or if it was
// dropped from the note that says so. If that is damaged too, later events can't be read.
func (r *reader) deriveBeginning(ctx context.Context) error {
	if r.run.Anchor == 0 {
		s, err := r.segment(ctx, 1, true)
		if err == nil && s != nil {
			var rec record
			if rec, err = s.record(1); err == nil {
				var h Header
				if h, err = r.run.parse(&rec.Record); err == nil {
					r.run.begunBy(&h)
				}
			}
		}
		if unreadable(err) {
			return nil
		}
		return err
	}
	req := driver.EntriesRequest{
		Run: r.run.ID, EntryRange: driver.EntryRange{From: noteKey(1), To: noteKey(math.MaxUint64)}, Reverse: true, Limit: pageHeaders, MaxBytes: pageBytes,
	}
	for {
		page, err := r.l.entries(ctx, req)
		if err != nil && !unreadable(err) {
			return err
		}
		if err != nil || len(page) == 0 {
			return nil
		}
		for _, e := range page {
			n := readNote(r.run.ID, 0, e.Value)
			if a := n.anchor(); n.err == nil && n.Kind == noteKindAnchor && a.Seq == r.run.Anchor { // a wrong one does not fit the hash chain
				r.run.began(a.Began, a.Common)
				return nil
			}
		}
		req.To = page[len(page)-1].Key
	}
}

// infoOf returns what a segment says of itself.
func (r *reader) infoOf(ctx context.Context, s driver.Segment) (segment.Info, error) {
	seg, err := r.l.backend.Segment(ctx, driver.SegmentRequest{Run: r.run.ID, Seq: s.First, IndexOnly: true})
	if err != nil {
		return segment.Info{}, err
	}
	x, err := r.l.segments.ParseIndex(seg.Index)
	if err != nil {
		return segment.Info{}, err
	}
	return x.Info(), nil
}
