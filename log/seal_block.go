package log

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/delta"
	"github.com/flowlog/checkpoint/log/segment"
)

// In a segment a state is a delta on a newer one: of its first child if that is in
// the segment, else of the next event. The newest is stored whole. So the state
// that a recovery wants needs no other; and since states mostly grow, the older is
// nearly all copies from the newer, while a delta the other way holds all that was
// new, beside the newest state that holds it too. Of 200 states of an agent that
// grow to 650 KB, newest whole and the others on it take 0.33 of the last state;
// the oldest whole, the others on it and the newest whole again 0.66.

// What of states is held in memory while a block is made, in bytes; beyond it, a
// state's delta is on the next event's that comes, and not on its child's.
const blockHeld = 64 << 20

// plainBlock is the size of states up to which they are stored whole: they lie side
// by side, compressed together, which finds what they share.
const plainBlock = 4 << 10

// block is a segment before it is in force.
type block struct {
	driver.Segment
	retire []driver.Segment // by ID and First
	last   sealedLast
	stats  SealStats
	// The events dropped while the block was made, and by what; and the number and
	// bytes of the states that they still had.
	dropped     []uint64
	by          *dropper
	pruned      uint64
	prunedBytes int64
	front       *front // what goes with it from the run's beginning, or nil
}

// dropping names the states to drop while a block is made, and the number of the note
// that will say so.
type dropping struct {
	d    *dropper
	seqs []uint64 // ascending
	note uint64
}

// names reports whether an event is among them. A nil dropping names no event.
func (d *dropping) names(seq uint64) bool {
	if d == nil {
		return false
	}
	_, ok := slices.BinarySearch(d.seqs, seq)
	return ok
}

// build makes a segment of consecutive events, without the states that drop names. If the
// segment has grown large, it may end before plan.to, unless it replaces segments.
func (r *reader) build(ctx context.Context, plan sealPlan, drop *dropping) (*block, error) {
	bases, err := r.bases(ctx, plan, drop)
	if err != nil {
		return nil, err
	}
	b := &builder{r: r, w: r.l.segments.NewWriter(), drop: drop, bases: bases, block: &block{retire: plan.retire}}
	if drop != nil {
		b.by = drop.d
	}
	info := segment.Info{Run: r.run.ID, Life: r.run.Life, Suite: suiteSHA256, First: plan.from}
	if a := r.run.row.Anchor; a != nil && a.Seq == plan.from-1 {
		info.Prev, info.Bytes, info.Stored = a.Hash, a.Bytes, a.Stored
	} else if plan.from > 1 {
		before, err := r.records(ctx, driver.RecordsRequest{From: plan.from - 1, To: plan.from - 1, HeadersOnly: true, Limit: 1})
		if err != nil {
			return nil, err
		}
		info.Prev, info.Bytes, info.Stored = before[0].Hash, before[0].Bytes, before[0].Stored
	}
	// States that go are not read.
	for rec, err := range r.scan(ctx, HistoryOptions{From: plan.from, To: plan.to, HeadersOnly: drop != nil}) {
		if err != nil {
			return nil, err
		}
		if err := b.add(ctx, rec); err != nil {
			return nil, err
		}
		info.Last, info.Hash, info.Recency = rec.Seq, rec.Hash, rec.Recency
		if len(plan.retire) == 0 && (b.w.Size() >= sealBytes || b.deltas >= sealDeltas) {
			break
		}
	}
	return b.finish(ctx, info)
}

// breathe is called between states.
func (r *reader) breathe(ctx context.Context) error {
	if r.pace != nil {
		r.pace()
	}
	return ctx.Err()
}

// bases chooses what each event's delta is to be on: the seqs of the first child,
// or of the next event, that has a state; 0 for the last of them.
func (r *reader) bases(ctx context.Context, plan sealPlan, drop *dropping) (map[uint64]uint64, error) {
	bases := make(map[uint64]uint64, plan.to-plan.from+1)
	var last uint64 // with a state, of those seen
	childless := map[uint64]bool{}
	for rec, err := range r.scan(ctx, HistoryOptions{From: plan.from, To: plan.to, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		h, err := r.header(rec)
		if err != nil {
			return nil, err
		}
		if h.Pruned || drop.names(rec.Seq) {
			continue
		}
		if last != 0 {
			bases[last] = rec.Seq
		}
		if childless[h.Parent] {
			bases[h.Parent] = rec.Seq
			delete(childless, h.Parent)
		}
		last, childless[rec.Seq] = rec.Seq, true
	}
	return bases, nil
}

// builder makes a block.
type builder struct {
	*block
	r      *reader
	w      *segment.Writer
	drop   *dropping
	bases  map[uint64]uint64
	held   []heldState // that wait for their base, ascending
	bytes  int64       // of held
	deltas int64
}

type heldState struct {
	entry segment.Entry
	state []byte
}

// add takes the next event.
func (b *builder) add(ctx context.Context, rec *record) error {
	if err := b.r.breathe(ctx); err != nil {
		return err
	}
	ev, err := b.r.header(rec)
	if err != nil {
		return err
	}
	b.stats.Events++
	b.stats.States += ev.Size
	b.stats.Before += stored(rec)
	b.last = sealedAt(&ev.Header, &rec.Record)
	if b.drop.names(rec.Seq) {
		if err := b.forget(ctx, rec, &ev); err != nil {
			return err
		}
	}
	e := segment.Entry{Seq: rec.Seq, Header: rec.Header, Digest: rec.StateHash, Hash: rec.Hash, Meta: rec.meta()}
	if ev.Pruned {
		e.Kind = uint8(driver.Pruned)
		return b.w.Add(e, nil)
	}
	if b.drop != nil {
		recs, err := b.r.records(ctx, driver.RecordsRequest{From: rec.Seq, To: rec.Seq, Limit: 1})
		if err != nil {
			return err
		}
		rec = &recs[0]
	}
	s, err := b.r.load(ctx, rec)
	if err != nil {
		return err
	}
	h := heldState{entry: e, state: s.event.State}
	if err := b.base(h, false); err != nil {
		return err
	}
	b.held = append(b.held, h)
	b.bytes += int64(len(h.state))
	return nil
}

// forget drops the state of an event, if there is something to change.
func (b *builder) forget(ctx context.Context, rec *record, ev *Event) error {
	changes, err := b.r.changes(ctx, rec, b.by.kind)
	if err != nil || !changes {
		return err
	}
	if !ev.Pruned {
		b.pruned++
		b.prunedBytes += ev.Size
	}
	b.dropped = append(b.dropped, rec.Seq)
	ev.Pruned, rec.note = true, b.drop.note
	return nil
}

// base writes the states that wait for this one; all of them, if there comes no
// other.
func (b *builder) base(on heldState, all bool) error {
	var err error
	b.held = slices.DeleteFunc(b.held, func(h heldState) bool {
		if err != nil || !all && b.bases[h.entry.Seq] != on.entry.Seq && b.bytes <= blockHeld {
			return false
		}
		b.bytes -= int64(len(h.state))
		err = b.write(h, &on)
		return true
	})
	return err
}

// write writes a state, as a delta if that is much smaller.
func (b *builder) write(h heldState, on *heldState) error {
	e := h.entry
	// Who wants a small state should not have to read a huge one for it.
	if on != nil && len(h.state) > plainBlock && len(on.state)/64 <= len(h.state) {
		d := delta.Encode(nil, on.state, h.state)
		if len(d) <= len(h.state)/2 {
			b.deltas += int64(len(d))
			e.Kind, e.Base = uint8(driver.Delta), on.entry.Seq
			return b.w.Add(e, d)
		}
	}
	e.Kind = uint8(driver.Plain)
	return b.w.Add(e, h.state)
}

// finish ends the segment and reads it back.
func (b *builder) finish(ctx context.Context, info segment.Info) (*block, error) {
	if n := len(b.held); n > 0 {
		newest := b.held[n-1]
		b.held = b.held[:n-1]
		if err := b.base(newest, true); err != nil {
			return nil, err
		}
		if err := b.write(newest, nil); err != nil {
			return nil, err
		}
	}
	// Large states make a difference: they are not needed beside those read back.
	b.held, b.r.recent = nil, [3]*snapshot{}
	b.Segment = driver.Segment{First: info.First, Last: info.Last}
	var err error
	if b.Index, b.Data, err = b.w.Finish(info); err != nil {
		return nil, err
	}
	b.Size = int64(len(b.Index) + len(b.Data))
	b.stats.Segments, b.stats.After = 1, b.Size
	return b.block, b.r.readBack(ctx, b.Segment)
}

// readBack makes every state of a segment from its bytes and holds it to its hash.
func (r *reader) readBack(ctx context.Context, seg driver.Segment) error {
	s, err := r.unseal(seg, false)
	if err != nil {
		return r.damagedSegment(seg, err)
	}
	uses := map[uint64]int{}
	for _, e := range s.index.Entries() {
		uses[e.Base]++
	}
	states := map[uint64][]byte{} // that others are still to be made of
	var free []byte               // the memory of one that is done with
	for seq := s.Last; seq >= s.First; seq-- {
		if err := r.breathe(ctx); err != nil {
			return err
		}
		rec, err := s.at(seq, false)
		if err != nil {
			return r.damagedSegment(seg, err)
		}
		if rec.Encoding == driver.Pruned {
			continue
		}
		h, err := r.run.parse(&rec.Record)
		if err != nil {
			return err
		}
		state := rec.State
		if rec.Encoding == driver.Delta {
			base, ok := states[rec.Base]
			if !ok {
				return corrupt(r.run.ID, rec.Seq, fmt.Sprintf("the segment's delta rests on seq %d, which is not there", rec.Base))
			}
			d, err := delta.Parse(rec.State, int(h.Size))
			if err != nil {
				return r.damaged(rec.Seq, err)
			}
			if int64(cap(free)) < h.Size { // most are smaller than the one before
				free = make([]byte, 0, h.Size)
			}
			if state, err = d.Apply(free[:0], base); err != nil {
				return r.damaged(rec.Seq, err)
			}
			free = nil
			if uses[rec.Base]--; uses[rec.Base] == 0 {
				delete(states, rec.Base)
				if s.encoding(rec.Base) == driver.Delta { // else it is the segment's
					free = base
				}
			}
		}
		if sum := Digest(sha256.Sum256(state)); sum != h.SHA256 {
			return mismatch(r.run.ID, rec.Seq, h.SHA256, sum)
		}
		if uses[rec.Seq] > 0 {
			states[rec.Seq] = state
		} else if rec.Encoding == driver.Delta && free == nil {
			free = state
		}
	}
	return nil
}
