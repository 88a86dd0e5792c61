package log

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/delta"
)

// What the deltas of a chain may take together in memory: so many times the state,
// and so many bytes more for small ones.
const (
	inflatedFactor = 32
	inflatedSlack  = 64 << 20
)

// rebuild returns the state of a record that holds a delta, unchecked, and the
// what was read for it, as chainCost has it. size is the state's, in bytes.
func (r *reader) rebuild(ctx context.Context, rec *record, size int64) ([]byte, int64, error) {
	chain, err := r.chain(ctx, rec)
	if err != nil {
		return nil, 0, err
	}
	read, inflated := stored(chain[len(chain)-1]), int64(0)
	for _, c := range chain[:len(chain)-1] {
		n := inflatedSize(c)
		inflated += n
		read += chainCost(len(c.State), int(n))
	}
	// Writers keep this at about eight times the state. More is no honest chain, and
	// would only take memory.
	if inflated > inflatedFactor*size+inflatedSlack {
		return nil, 0, corrupt(r.run.ID, rec.Seq, fmt.Sprintf("the deltas that its state of %d bytes rests on take %d bytes", size, inflated))
	}
	deltas, whole, err := r.decode(chain)
	if err != nil {
		return nil, 0, err
	}
	state, err := build(deltas, whole)
	return state, read, err
}

// chain reads what a record rests on: the record itself first, then the one that
// it is a delta on, and so on to one that is stored whole.
func (r *reader) chain(ctx context.Context, rec *record) ([]*record, error) {
	chain := []*record{rec}
	page := map[uint64]*record{}
	for !rec.Encoding.Whole() {
		if rec.Encoding != driver.Delta && rec.Encoding != driver.DeltaZstd {
			return nil, corrupt(r.run.ID, chain[0].Seq, fmt.Sprintf("its state rests on that of seq %d, which is %s", rec.Seq, rec.Encoding))
		}
		base, err := r.base(ctx, rec, page)
		if err != nil {
			return nil, err
		}
		// So it comes to an end. A tail's deltas rest on older states, a segment's
		// on newer ones.
		if base.Links >= rec.Links && (rec.first != 0 || base.first == 0) || rec.first == 0 && base.Seq >= rec.Seq {
			return nil, corrupt(r.run.ID, rec.Seq, fmt.Sprintf("its delta rests on seq %d, which can't be", base.Seq))
		}
		if err := base.check(&r.run); err != nil {
			return nil, err
		}
		chain = append(chain, base)
		rec = base
	}
	return chain, nil
}

// base returns the record that rec's delta rests on. page holds those of the tail
// that were read before.
func (r *reader) base(ctx context.Context, rec *record, page map[uint64]*record) (*record, error) {
	for {
		// What a sealed event rests on is in its segment, which may have come after
		// the page, and after the run was looked at.
		if rec.Base < r.run.tail || rec.first != 0 {
			s, err := r.segment(ctx, rec.Base, false)
			if err != nil {
				return nil, err
			}
			if s != nil {
				base, err := s.at(rec.Base, false)
				if err != nil {
					return nil, r.damagedSegment(s.Segment, err)
				}
				return &base, nil
			}
		} else {
			if base, ok := page[rec.Base]; ok {
				return base, nil
			}
			if err := r.around(ctx, rec, page); err != nil {
				return nil, err
			}
			if base, ok := page[rec.Base]; ok {
				return base, nil
			}
		}
		moved, err := r.refresh(ctx)
		if err != nil {
			return nil, err
		}
		if !moved {
			return nil, corrupt(r.run.ID, rec.Seq, fmt.Sprintf("its state is a delta on that of seq %d, which is not there", rec.Base))
		}
	}
}

// around reads the record that rec's delta rests on and those before it in the
// tail, as far as Links reaches: in a run without branches that is its whole
// chain, in a page or a few. Where the run branches just there, it reads the one
// record.
func (r *reader) around(ctx context.Context, rec *record, page map[uint64]*record) error {
	from := rec.Base
	if n := uint64(rec.Links); n < rec.Seq && rec.Seq-n <= rec.Base && rec.Base == rec.Seq-1 {
		from = max(rec.Seq-n, r.run.tail)
	}
	recs, err := r.l.backend.Records(ctx, driver.RecordsRequest{Run: r.run.ID, From: from, To: rec.Base, Reverse: true, Limit: maxLinks + 1, MaxBytes: pageBytes})
	if err != nil {
		return err
	}
	clear(page)
	for i := range recs {
		rec := tailRecord(recs[i])
		page[rec.Seq] = &rec
	}
	return nil
}

// decodeShare is how many records are worth a goroutine of their own.
const decodeShare = 16

// decode returns what the records of a chain hold: deltas, and a state stored
// whole. Decompressing is most of what a long chain costs, so it is shared out.
func (r *reader) decode(chain []*record) (deltas []*delta.Delta, whole []byte, err error) {
	last := len(chain) - 1
	deltas = make([]*delta.Delta, last)
	errs := make([]error, len(chain))
	decode := func(i int) {
		// No state is larger than all up to it together.
		most := max(0, min(r.l.opts.MaxState, chain[i].Bytes))
		if i == last {
			whole, errs[i] = r.l.codec.whole(chain[i], most)
		} else {
			deltas[i], errs[i] = r.l.codec.parse(chain[i], most)
		}
	}
	workers := min(runtime.GOMAXPROCS(0), 1+len(chain)/decodeShare)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(chain); i += workers {
				decode(i)
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, nil, r.damaged(chain[i].Seq, err)
		}
	}
	return deltas, whole, nil
}

// build applies deltas, newest first, to a state. It composes them to one, so
// that no state in between is built; where composing would cost more than it
// saves, it goes half way first.
func build(deltas []*delta.Delta, state []byte) ([]byte, error) {
	all, err := compose(deltas)
	if errors.Is(err, delta.ErrTooComplex) {
		half := len(deltas) / 2
		if state, err = build(deltas[half:], state); err != nil {
			return nil, err
		}
		return build(deltas[:half], state)
	}
	if err != nil {
		return nil, err
	}
	return all.Apply(make([]byte, 0, all.TargetLen()), state)
}

// compose folds deltas, newest first, pairwise: each operation is then copied as
// often as there are levels, not links.
func compose(deltas []*delta.Delta) (*delta.Delta, error) {
	if len(deltas) == 1 {
		return deltas[0], nil
	}
	half := len(deltas) / 2
	newer, err := compose(deltas[:half])
	if err != nil {
		return nil, err
	}
	older, err := compose(deltas[half:])
	if err != nil {
		return nil, err
	}
	return delta.Compose(older, newer)
}
