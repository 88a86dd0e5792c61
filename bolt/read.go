package bolt

import (
	"bytes"
	"context"
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

// view reads in a transaction on the file in use.
func (b *Backend) view(ctx context.Context, f func(*transaction) error) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for {
		err := b.current.Load().view(f)
		if !retired(err) {
			return b.explain(err)
		}
	}
}

// run is one that exists, in a transaction. Its bytes are those of the pages.
type run struct {
	id     string
	rk     uint64
	head   driver.Head // without place, class, last and tip
	bucket *tree
	damage error // not nil if the row is damaged and head was salvaged
}

// find returns a run, nil if there is none. Its row may be damaged: see load.
func find(tx *transaction, id string) (*run, error) {
	heads, err := bucket(tx, headsBucket)
	if err != nil {
		return nil, err
	}
	v := heads.Get([]byte(id))
	if v == nil {
		return nil, nil
	}
	return load(tx, id, v)
}

// load returns the run that has a row. What a damaged row said is found elsewhere.
func load(tx *transaction, id string, row []byte) (*run, error) {
	runs, err := bucket(tx, runsBucket)
	if err != nil {
		return nil, err
	}
	h, damage := decodeRow(id, row)
	if damage != nil {
		if h, err = salvageHead(tx, runs, id, row); err != nil {
			return nil, errors.Join(damage, err)
		}
	}
	r := &run{id: id, rk: numberOf(h.Revision), head: h, damage: damage}
	if r.bucket = runs.Bucket(runKey(r.rk)); r.bucket == nil {
		return nil, corrupt(id, 0, "the run's events are missing")
	}
	if damage != nil {
		r.head.Tail = r.unsealed()
	}
	return r, nil
}

// last returns the newest record of the tail, nil if the tail is empty, and the end of the
// run's bucket.
func (r *run) last() (*stored, end, error) {
	e, c, err := r.end()
	if err != nil || e.seq == 0 || e.seq < r.head.Tail {
		return nil, e, err
	}
	k, v := c.Prev()
	if isState(k) {
		k, v = c.Prev()
	}
	if seq, ok := isRecord(k); !ok || seq != e.seq {
		return nil, e, corrupt(r.id, e.seq, "the run's last event is missing")
	}
	last, err := decodeRecord(r.id, r.rk, e.seq, v)
	return last, e, err
}

// where returns the run's head, with its newest record. A damaged record has only a
// seq, which the engine recognises as damage.
func (r *run) where(tip bool) driver.Head {
	h := r.head
	h.Data = bytes.Clone(h.Data)
	last, e, err := r.last()
	h.Place, h.Class = e.at, e.class
	switch {
	case err != nil:
		h.Last = &driver.Record{Seq: r.salvageEnd()}
	case last != nil:
		rec := last.record()
		h.Last, h.Recency = &rec, max(h.Recency, rec.Recency)
		if tip {
			h.Tip = r.tip(last)
		}
	}
	h.Recency = max(h.Recency, h.Place) // if the row or the record is damaged
	return h
}

// tip returns the record that the last one names, nil if it is not in the tail.
func (r *run) tip(last *stored) *driver.Record {
	seq := last.rec.Tip
	if seq < r.head.Tail || seq > last.rec.Seq || seq == 0 {
		return nil
	}
	var err error
	if seq != last.rec.Seq {
		last, err = decodeRecord(r.id, r.rk, seq, r.bucket.Get(recordKey(seq)))
	}
	if err == nil {
		var rec driver.Record
		if rec, err = last.whole(r.bucket); err == nil {
			return &rec
		}
	}
	return &driver.Record{Seq: seq}
}

// Head implements [driver.Backend].
func (b *Backend) Head(ctx context.Context, req driver.HeadRequest) (h driver.Head, err error) {
	err = b.view(ctx, func(tx *transaction) error {
		r, err := find(tx, req.Run)
		if err != nil {
			return err
		}
		if r == nil {
			return driver.ErrNotFound
		}
		h = r.where(req.Tip)
		return nil
	})
	if err != nil {
		return driver.Head{}, err
	}
	return h, nil
}

// Records implements [driver.Backend].
func (b *Backend) Records(ctx context.Context, req driver.RecordsRequest) (out []driver.Record, err error) {
	err = b.view(ctx, func(tx *transaction) error {
		out = nil
		r, err := find(tx, req.Run)
		if r == nil || err != nil {
			return err
		}
		var size int64
		return r.each(max(req.From, r.head.Tail), min(req.To, driver.MaxSeq), req.Reverse, func(s *stored) (bool, error) {
			size += int64(len(s.header))
			if !req.HeadersOnly {
				size += s.rec.StateLen
			}
			if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
				return false, nil
			}
			rec, err := s.copy(r.bucket, !req.HeadersOnly)
			if err != nil {
				return false, err
			}
			out = append(out, rec)
			return len(out) < req.Limit, nil
		})
	})
	if err != nil && (len(out) == 0 || !errors.Is(err, driver.ErrCorrupt)) {
		return nil, err
	}
	return out, nil // the records before the damage are sound
}

// each calls f with the stored events of a range until it returns false.
func (r *run) each(from, to uint64, reverse bool, f func(*stored) (bool, error)) error {
	if from > to {
		return nil
	}
	c := r.bucket.Cursor()
	step := c.Next
	k, v := c.Seek(recordKey(from))
	if reverse {
		step = c.Prev
		k, v = before(c, append(stateKey(to), 0)) // which follows all of that event's keys
	}
	for ; k != nil; k, v = step() {
		seq, ok := isRecord(k)
		switch {
		case isState(k):
			continue
		case k[0] != 'r', ok && (seq < from || seq > to):
			return nil
		case !ok:
			return corrupt(r.id, 0, "unexpected key among the run's events")
		}
		s, err := decodeRecord(r.id, r.rk, seq, v)
		if err != nil {
			return err
		}
		if more, err := f(s); err != nil || !more {
			return err
		}
	}
	return nil
}
