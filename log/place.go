package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// prepare makes the change for the pending appends, and answers those that can't be
// appended.
func (l *Log) prepare(b *batch) {
	id := b.pending[0].Header.RunID
	b.pending = slices.DeleteFunc(b.pending, func(p *pending) bool {
		// Only a retry can take long enough to matter.
		if b.tries == 0 || p.ctx.Err() == nil {
			return false
		}
		p.finish(fmt.Errorf("%safter %d conflicts with other writers, nothing was written: %w", place(id, 0), b.tries, p.ctx.Err()))
		return true
	})
	if len(b.pending) == 0 {
		return
	}
	if err := l.position(b, id); err != nil {
		b.fail(err)
		return
	}
	b.change = driver.Change{Run: id, Revision: b.run.revision, Append: b.record[:0]}
	b.headed = b.run.revision == 0
	if len(b.pending) > 1 {
		b.change.Append = make([]driver.Record, 0, len(b.pending))
	}
	was := b.run.Class
	b.pending = slices.DeleteFunc(b.pending, func(p *pending) bool {
		if len(b.change.Append) > 0 && (p.Begin || p.Expect != nil && !b.run.at(*p.Expect)) {
			b.later = append(b.later, p)
			return true
		}
		done, err := l.place(b, p)
		if err != nil && b.cached {
			b.fresh = true // the run may have been deleted, and begun anew, by others
			return false
		}
		if done || err != nil {
			p.finish(err)
		}
		return done || err != nil
	})
	if b.cached && b.fresh {
		b.pending, b.later = append(b.pending, b.later...), nil
		l.prepare(b)
		return
	}
	if len(b.pending) == 0 {
		return
	}
	if b.class = uint8(b.run.Class); b.run.Class != was {
		b.change.Class = &b.class
	}
	if b.headed {
		var err error
		if b.change.Head, err = b.run.head(); err != nil {
			b.fail(err)
		}
	}
}

// at reports whether a position is the run's newest event.
func (r *Run) at(p Position) bool {
	return p.Seq == r.Last && (p.Hash.IsZero() || p.Hash == r.Hash)
}

// position finds the run's newest position, from memory if possible.
func (l *Log) position(b *batch, id string) error {
	lr, ok := l.live.get(id)
	b.cached = ok && !lr.stale && !b.fresh && b.tries == 0 && lr.run.lastErr == nil && !b.expectsOther(&lr.run)
	if b.cached {
		b.run, b.block = lr.run, lr.block
		return nil
	}
	run, err := l.settled(context.Background(), id) // who saves to a run goes before who imports it
	switch {
	case errors.Is(err, ErrNotFound):
		run = newRun(id)
	case err != nil:
		return err
	case run.damage() != nil:
		return run.damage()
	}
	b.run = run
	b.block, err = l.reader(run).openBlock(context.Background())
	return err
}

// expectsOther reports whether an append can succeed only if the run has changed since
// it was last read.
func (b *batch) expectsOther(run *Run) bool {
	return slices.ContainsFunc(b.pending, func(p *pending) bool {
		return p.Begin || p.From.Seq > run.Last || p.Expect != nil && !run.at(*p.Expect)
	})
}

// place gives an event its seq, parent and hash and adds its record to the change. It
// returns done for a repeated append that is already stored.
func (l *Log) place(b *batch, p *pending) (done bool, err error) {
	run := &b.run
	if p.Begin && run.Last > 0 {
		return false, &Error{Run: run.ID, Reason: fmt.Sprintf("the run exists, with %d events, and must not; use another id, or go on with this one", run.Events()), Err: ErrConflict}
	}
	if p.Expect != nil && !run.at(*p.Expect) {
		if done, err = l.repeated(b, p); done || err != nil {
			return done, err
		}
		return false, run.movedOn(*p.Expect)
	}
	from, err := l.continued(b, p)
	if err != nil {
		return false, err
	}
	if run.Last >= MaxSeq {
		return false, &Error{Run: run.ID, Reason: fmt.Sprintf("the run has %d events, the most that a run can have", run.Last), Err: ErrTooLarge}
	}
	visit, err := l.visitNumber(b, &p.Header)
	if err != nil {
		return false, err
	}
	if p.from != nil && (!p.from.of(run) || p.links(run.Last+1) > maxLinks) {
		p.encoded = l.codec.encode(p.State, nil) // its base may be gone, or is too far away
	}
	p.Header.Visit = visit.n
	b.change.Append = append(b.change.Append, driver.Record{})
	rec, header := &b.change.Append[len(b.change.Append)-1], b.header[:0]
	if len(b.change.Append) > 1 {
		header = make([]byte, 0, len(b.header))
	}
	if err := p.record(rec, run, from, header, l.Now()); err != nil {
		b.change.Append = b.change.Append[:len(b.change.Append)-1]
		return false, err
	}
	run.setLast(&p.Header, rec)
	run.Class = run.classAfter(&p.Header)
	b.change.Put = append(b.change.Put, b.block.add(visit, rec.Seq)...)
	if likeVisit(p.Header.NodeID) && !run.row.LikeVisits {
		run.row.LikeVisits, b.headed = true, true
	}
	p.made = &snapshot{
		event: Event{Hash: rec.Hash, Encoding: rec.Encoding, Stored: int64(len(rec.Header) + len(rec.State)), StateStored: int64(len(rec.State)), Base: rec.Base},
		life:  run.Life, rewrites: run.row.Rewrites, tail: run.tail, links: rec.Links, chain: p.chain,
	}
	return false, nil
}

// movedOn says that a position is not the run's newest event.
func (r *Run) movedOn(p Position) error {
	e := &Error{Run: r.ID, Reason: "the run has moved on; load its newest event and decide again",
		Want: fmt.Sprint("last seq ", p.Seq), Have: fmt.Sprint("last seq ", r.Last), Err: ErrConflict}
	if p.Seq == r.Last {
		return otherLife(r.ID, p, r.Hash)
	}
	return e
}

// otherLife says that there is another event at a position, or no event if hash is zero.
func otherLife(run string, p Position, have Digest) error {
	e := &Error{Run: run, Seq: p.Seq, Reason: "the position is of another life of the run: the run was deleted since, or restored to an earlier state, and written anew; load it again and decide again",
		Want: p.Hash.String(), Have: have.String(), Err: ErrConflict}
	if have.IsZero() {
		e.Have = "no such event"
	}
	return e
}

// parent is the event that another continues from.
type parent struct {
	seq  uint64 // 0 for none
	line line
}

// continued decides which event the new one continues from.
func (l *Log) continued(b *batch, p *pending) (parent, error) {
	run, from := &b.run, p.From
	switch {
	case p.Root:
		return parent{}, nil
	case from.Seq == 0 && p.Expect != nil:
		from = Position{Seq: p.Expect.Seq} // it was compared
	case from.Seq == 0:
		if from.Seq = run.Tip; from.Seq <= run.Anchor && run.line.Recoverable != from.Seq {
			return parent{seq: from.Seq}, nil // it was dropped, and its line with it
		}
	}
	switch {
	case from.Seq == 0:
		return parent{}, nil
	case run.Last == 0:
		return parent{}, notFound(run.ID, from.Seq, "there is no such run to continue: it was deleted, or never begun")
	case from.Seq > run.Last && !from.Hash.IsZero():
		return parent{}, otherLife(run.ID, from, Digest{})
	case from.Seq > run.Last:
		return parent{}, notFound(run.ID, from.Seq, fmt.Sprintf("there is no such event to continue from; the run's last seq is %d", run.Last))
	case from.Seq == run.Last:
		if !run.at(from) {
			return parent{}, otherLife(run.ID, from, run.Hash)
		}
		return parent{from.Seq, run.line}, nil
	case from.Hash.IsZero() && from.Seq == run.Tip && run.line.Recoverable == run.Tip:
		return parent{from.Seq, run.line}, nil
	}
	if n := run.Last - from.Seq; n < uint64(len(b.change.Append)) {
		rec := &b.change.Append[uint64(len(b.change.Append))-1-n]
		return heldTo(run.ID, from, rec)
	}
	rec, err := l.reader(*run).record(context.Background(), from.Seq, true)
	if err != nil {
		return parent{}, err
	}
	if err := rec.check(run); err != nil {
		return parent{}, err
	}
	return heldTo(run.ID, from, &rec.Record)
}

// heldTo returns a record as a parent if it matches a position.
func heldTo(run string, p Position, rec *driver.Record) (parent, error) {
	if !p.Hash.IsZero() && p.Hash != rec.Hash {
		return parent{}, otherLife(run, p, rec.Hash)
	}
	return parent{rec.Seq, lineOf(rec)}, nil
}

// record makes the event that follows the last of run, and its header. It uses buf, which
// must be empty, if that has room.
func (p *pending) record(rec *driver.Record, run *Run, from parent, buf []byte, now time.Time) error {
	h := &p.Header
	h.Seq, h.Parent, h.Life = run.Last+1, from.seq, ""
	if h.Seq == 1 {
		h.Life = run.Life
	}
	header, err := h.append(buf, run.row.Common)
	if err != nil {
		return err
	}
	if len(header) > MaxHeader {
		return tooLargeHeader(h, len(header))
	}
	*rec = driver.Record{Seq: h.Seq, Encoding: p.encoding, Base: p.base, Links: uint32(p.links(h.Seq)), StateHash: h.SHA256, Header: header, State: p.bytes}
	standOn(rec, run, from, h.Role)
	// The order of runs by age must not depend on clocks alone: within one run, recency
	// grows whatever the clocks do.
	rec.Recency = min(max(run.recency+1, uint64(max(0, now.UnixNano()))), math.MaxInt64)
	rec.Bytes = run.Bytes + run.row.PrunedBytes + h.Size
	rec.Stored = run.Stored + run.row.Freed + int64(len(rec.Header)+len(rec.State))
	rec.Hash = chainAfter(run.Last, run.Hash, run.row.Common.frames(), header, h.SHA256)
	rec.Sum = recordSum(run.Life, rec)
	return nil
}

// standOn sets the line of the event that follows the last of run.
func standOn(rec *driver.Record, run *Run, from parent, role Role) {
	rec.Recoverable, rec.Since, rec.Tip = from.line.Recoverable, from.line.Since, run.Tip
	if role != Recoverable {
		rec.Flags |= driver.Passed
		return
	}
	if rec.Recoverable == 0 || rec.Recoverable != run.Tip { // the line begins, or others came between
		rec.Since = rec.Seq
	}
	rec.Recoverable, rec.Tip = rec.Seq, rec.Seq
}

// tooLargeHeader names the largest part of a header.
func tooLargeHeader(h *Header, size int) error {
	advice, most := "use shorter or fewer labels", 0
	for k, v := range h.Metadata.Labels {
		most += len(k) + len(v)
	}
	if e := h.Envelope; e != nil && len(e.Prefix)+len(e.Suffix) > most {
		advice = "use a smaller Envelope"
	}
	return &Error{Run: h.RunID, Reason: fmt.Sprintf("header of %d bytes is over the limit of %d; %s", size, MaxHeader, advice), Err: ErrTooLarge}
}

// repeated checks whether the event that p would make is already stored, because an
// earlier try succeeded and its answer was lost.
func (l *Log) repeated(b *batch, p *pending) (bool, error) {
	seq := p.Expect.Seq + 1
	if seq > b.run.Last {
		return false, nil
	}
	ctx, r := context.Background(), l.reader(b.run)
	rec, err := r.record(ctx, seq, true)
	if err != nil {
		return false, err
	}
	ev, err := r.header(rec)
	if err == nil {
		err = r.explain(ctx, rec, &ev)
	}
	if err != nil {
		return false, err
	}
	h := p.Header
	h.Seq, h.Parent, h.Life, h.Visit, h.Writer = seq, p.From.Seq, ev.Life, ev.Visit, ev.Writer
	if h.Parent == 0 && !p.Root {
		h.Parent = p.Expect.Seq
	}
	if p.untimed {
		h.CreatedAt = ev.CreatedAt
	}
	header, err := h.marshal(b.run.row.Common)
	if err != nil || h.SHA256 != ev.SHA256 || !bytes.Equal(header, rec.Header) {
		return false, nil
	}
	if !p.Expect.Hash.IsZero() && chainAfter(p.Expect.Seq, p.Expect.Hash, b.run.row.Common.frames(), rec.Header, rec.StateHash) != rec.Hash {
		return false, nil
	}
	p.Header, p.made, p.repeated = ev.Header, &snapshot{event: ev}, true
	return true, nil
}
