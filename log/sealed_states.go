package log

import (
	"context"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/delta"
)

// unfoldOps bounds the operations of an unfolded segment, of 40 bytes each.
const unfoldOps = 1 << 19

// unfolded is a segment prepared for reading its events in order. Its deltas lead
// from the newest state to the oldest, so the state of each is one composed delta
// away from a state stored whole, and it takes no longer to go forward through it
// than backward.
type unfolded struct {
	deltas map[uint64]*delta.Delta // by seq; of no state that is stored whole
	roots  map[uint64]uint64       // the event that such a delta applies to
	root   uint64                  // the one whose state is at hand
	state  []byte
	ops    int // of all deltas
}

// unfold composes the deltas of a segment as far as memory allows. States that are
// left out, as are damaged ones and those that rest on them, are read one by one.
func (r *reader) unfold(s *sealed) *unfolded {
	u := &unfolded{deltas: map[uint64]*delta.Delta{}, roots: map[uint64]uint64{}}
	for seq := s.Last; seq >= s.First; seq-- {
		if s.encoding(seq) != driver.Delta {
			continue
		}
		rec, err := s.at(seq, false)
		if err != nil {
			continue
		}
		d, err := r.l.codec.parse(&rec, min(r.l.opts.MaxState, rec.Bytes))
		if err != nil {
			continue
		}
		root := rec.Base
		if base, ok := u.deltas[rec.Base]; ok {
			root = u.roots[rec.Base]
			if d, err = delta.Compose(base, d); err != nil {
				continue
			}
		} else if !s.encoding(rec.Base).Whole() {
			continue // that one was left out
		}
		if u.ops += d.Ops(); u.ops > unfoldOps {
			break
		}
		u.deltas[rec.Seq], u.roots[rec.Seq] = d, root
	}
	return u
}

// unfolded returns the state of an event of a segment if the segment is being read
// in order, else nil.
func (r *reader) unfolded(ctx context.Context, rec *record, size int64) ([]byte, error) {
	s, err := r.segment(ctx, rec.Seq, false)
	if err != nil || s == nil {
		return nil, err
	}
	if s.reads++; s.reads == 1 {
		return nil, nil // it may be the only one
	}
	if s.unfolded == nil {
		s.unfolded = r.unfold(s)
	}
	u := s.unfolded
	d, ok := u.deltas[rec.Seq]
	if !ok {
		return nil, nil
	}
	if root := u.roots[rec.Seq]; root != u.root {
		whole, err := s.at(root, false)
		if err != nil {
			return nil, r.damagedSegment(s.Segment, err)
		}
		u.root, u.state = root, whole.State
	}
	b, err := d.Apply(make([]byte, 0, size), u.state)
	if err != nil {
		return nil, r.damaged(rec.Seq, err)
	}
	return b, nil
}
