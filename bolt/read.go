package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// view reads in a transaction on the file in use.
func (b *Backend) view(ctx context.Context, f func(*bbolt.Tx) error) error {
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
	head   log.Head
	bucket *bbolt.Bucket
	damage error // the row is damaged: head was salvaged
}

// find returns a run, nil if there is none. Its row may be damaged: see load.
func find(tx *bbolt.Tx, id string) (*run, error) {
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
func load(tx *bbolt.Tx, id string, row []byte) (*run, error) {
	runs, err := bucket(tx, runsBucket)
	if err != nil {
		return nil, err
	}
	h, damage := decodeHead(id, row)
	if damage != nil {
		if h, err = salvageHead(tx, runs, id, row); err != nil {
			return nil, errors.Join(damage, err)
		}
	}
	r := &run{id: id, rk: runKey(h.Revision), head: h, damage: damage}
	if r.bucket = runs.Bucket(numberKey(r.rk)); r.bucket == nil {
		return nil, corrupt(id, 0, "the run's events are missing")
	}
	if damage != nil {
		r.head.Tail = r.unsealed()
	}
	return r, nil
}

func (r *run) stored(seq uint64, v []byte) (*stored, error) {
	s := &stored{run: r.id, rk: r.rk, seq: seq, value: v}
	return s, s.check()
}

// last returns the newest record of the tail, nil if the tail is empty.
func (r *run) last() (*stored, error) {
	c := r.bucket.Cursor()
	k, v := c.Last()
	end, ok := decodeEnd(r.rk, v)
	if !ok || !bytes.Equal(k, endKey) {
		return nil, corrupt(r.id, 0, "the end of the run's events is missing")
	}
	if end < r.head.Tail {
		return nil, nil
	}
	if k, v = c.Prev(); isState(k) {
		k, v = c.Prev()
	}
	if seq, ok := isRecord(k); !ok || seq != end {
		return nil, corrupt(r.id, end, "the run's last event is missing")
	}
	return r.stored(end, v)
}

// where returns the run's head, with its newest record. If that is damaged, it has
// a seq and nothing else, which the engine takes for what it is.
func (r *run) where() log.Head {
	h := r.head
	h.Data = bytes.Clone(h.Data)
	last, err := r.last()
	switch {
	case err != nil:
		h.Last = &log.Record{Seq: r.salvageEnd()}
	case last != nil:
		rec := last.record()
		h.Last, h.Recency = &rec, max(h.Recency, rec.Recency)
	}
	return h
}

// Head implements [log.Backend].
func (b *Backend) Head(ctx context.Context, id string) (h log.Head, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		r, err := find(tx, id)
		if err != nil {
			return err
		}
		if r == nil {
			return log.ErrNotFound
		}
		h = r.where()
		return nil
	})
	return h, err
}

// Records implements [log.Backend].
func (b *Backend) Records(ctx context.Context, req log.RecordsRequest) (out []log.Record, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		out = nil
		r, err := find(tx, req.Run)
		if r == nil || err != nil {
			return err
		}
		var size int64
		return r.each(max(req.From, r.head.Tail), req.To, req.Reverse, func(s *stored) (bool, error) {
			size += int64(s.headerLen())
			if !req.HeadersOnly {
				size += s.stateLen()
			}
			if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
				return false, nil
			}
			rec := s.record()
			if !req.HeadersOnly {
				if rec.State, err = s.state(r.bucket); err != nil {
					return false, err
				}
			}
			out = append(out, rec)
			return len(out) < req.Limit, nil
		})
	})
	if err != nil && (len(out) == 0 || !errors.Is(err, log.ErrCorrupt)) {
		return nil, err
	}
	return out, nil // what comes before the damage is there
}

// each calls f with the stored events of a range until it returns false.
func (r *run) each(from, to uint64, reverse bool, f func(*stored) (bool, error)) error {
	if from > to {
		return nil
	}
	c := r.bucket.Cursor()
	k, v := c.Seek(recordKey(from))
	step := c.Next
	if reverse {
		step = c.Prev
		if k, _ = c.Seek(recordKey(to + 1)); k != nil && to < log.MaxSeq {
			k, v = c.Prev()
		} else {
			k, v = c.Last()
		}
	}
	for ; k != nil; k, v = step() {
		seq, ok := isRecord(k)
		switch {
		case isState(k), reverse && bytes.Equal(k, endKey):
			continue
		case bytes.Equal(k, endKey), len(k) > 0 && k[0] == 'g', ok && (seq < from || seq > to):
			return nil
		case !ok:
			return corrupt(r.id, 0, "there is a key among the run's events that is none")
		}
		s, err := r.stored(seq, v)
		if err != nil {
			return err
		}
		if more, err := f(s); err != nil || !more {
			return err
		}
	}
	return nil
}

// Segments implements [log.Backend].
func (b *Backend) Segments(ctx context.Context, id string) (out []log.Segment, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		out = nil
		r, err := find(tx, id)
		if r == nil || err != nil {
			return err
		}
		c := r.bucket.Cursor()
		for k, v := c.First(); len(k) > 0 && k[0] == 'g'; k, v = c.Next() {
			n, ok := isSegment(k)
			if !ok {
				continue
			}
			// A damaged one is listed with what it seems to hold, so that the others
			// are read; its contents are not.
			if s, err := decodeSegment(id, r.rk, n, v); err == nil || len(v) == segmentSize {
				out = append(out, s)
			}
		}
		slices.SortFunc(out, func(x, y log.Segment) int { return cmp.Compare(x.First, y.First) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Segment implements [log.Backend].
func (b *Backend) Segment(ctx context.Context, req log.SegmentRequest) (s log.Segment, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		r, err := find(tx, req.Run)
		if err != nil {
			return err
		}
		if r == nil {
			return log.ErrNotFound
		}
		header := r.bucket.Get(segmentKey(req.ID))
		if header == nil {
			return log.ErrNotFound
		}
		if s, err = decodeSegment(req.Run, r.rk, req.ID, header); err != nil {
			return err
		}
		var get func(part []byte) []byte
		if b := r.bucket.Bucket(contentKey(req.ID)); b != nil {
			get = b.Get
		} else {
			blocks, err := bucket(tx, blocksBucket)
			if err != nil {
				return err
			}
			get = func(part []byte) []byte { return getPieces(blocks, append(blockKey(r.rk, req.ID), part...)) }
		}
		if s.Index, err = segmentPart(req.Run, r.rk, req.ID, header, get(firstKey), kindIndex); err != nil || req.IndexOnly {
			return err
		}
		s.Data, err = segmentPart(req.Run, r.rk, req.ID, header, get(secondKey), kindData)
		return err
	})
	if err != nil {
		return log.Segment{}, err
	}
	return s, nil
}
