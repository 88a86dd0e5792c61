package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// pending is an append on its way. Its caller owns it until it is queued, the
// writer from then until done is closed, then its caller again.
type pending struct {
	Append
	encoded
	ctx     context.Context
	copied  []byte // the state, for the next to be compared with
	untimed bool   // the caller gave no CreatedAt
	done    chan struct{}
	made    *snapshot // of the event as it was appended, or was there already
	err     error
}

// finish answers the caller, with p.made if err is nil.
func (p *pending) finish(err error) {
	p.err = err
	close(p.done)
}

func (p *pending) finished() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (l *Log) enqueue(p *pending) {
	l.mu.Lock()
	l.queue = append(l.queue, p)
	l.mu.Unlock()
}

// await waits until p is finished. Whoever finds the writer's slot free takes
// all that is queued and commits it for everybody, so that appends which arrive
// while a commit is under way share the next, and nobody waits on a timer.
func (l *Log) await(ctx context.Context, p *pending) {
	for !p.finished() {
		select {
		case <-p.done:
		case l.writer <- struct{}{}:
			if !p.finished() {
				l.commitQueued()
			}
			l.release()
		case <-ctx.Done():
			if l.withdraw(p) {
				p.finish(fmt.Errorf("%swaiting for its turn, nothing was written: %w", place(p.Header.RunID, 0), ctx.Err()))
				return
			}
			<-p.done // the writer has it: the outcome is near
		}
	}
}

func (l *Log) queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// withdraw takes an append back that no writer has taken yet.
func (l *Log) withdraw(p *pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, p)
	if i < 0 {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	return true
}

// batch is what a commit does to one run.
type batch struct {
	run Run // as it is after the change
	// seen is the newest event that had gone through this Log when the batch
	// was first looked at: what its first append continues from unless it says
	// otherwise. It stays so when a conflict makes the batch try again.
	seen    uint64
	reborn  bool // the run was deleted since
	tries   int
	pending []*pending
	// later are appends that can only be judged when what goes before them in
	// the same batch is decided.
	later  []*pending
	change Change
	// Room for the change's first record, and its header unless that is long.
	record [1]Record
	header [384]byte
}

// commitQueued commits all that is queued. The caller holds the writer's slot.
func (l *Log) commitQueued() {
	if l.company {
		// Those whom the last commit has answered are about to append again:
		// let them come along, as long as some do. A lone writer is spared the
		// 15 µs that this takes.
		for before := -1; l.queued() > before; {
			before = l.queued()
			runtime.Gosched()
		}
	}
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	l.company = len(queue) > 1
	if err := l.writable(context.Background()); err != nil {
		for _, p := range queue {
			p.finish(err)
		}
		return
	}
	batches := l.byRun(queue)
	for len(batches) > 0 {
		batches = l.commit(batches)
	}
	l.alone = alone{} // the events are their callers'
}

// alone is the memory of a commit of one event, to be used again by the next: what
// a small event takes beside its sync is for a third to touch memory that is new.
type alone struct {
	batch   batch
	batches [1]*batch
	changes [1]Change
}

// byRun sorts appends into a batch for each run.
func (l *Log) byRun(queue []*pending) []*batch {
	if len(queue) == 1 {
		l.alone.batch = batch{pending: queue}
		l.alone.batches[0] = &l.alone.batch
		return l.alone.batches[:]
	}
	batches := make([]*batch, 0, len(queue))
	runs := make(map[string]*batch, len(queue))
	for i, p := range queue {
		if b, ok := runs[p.Header.RunID]; ok {
			b.pending = append(b.pending, p)
			continue
		}
		b := &batch{pending: queue[i : i+1 : i+1]} // the next of this run makes it a copy
		runs[p.Header.RunID] = b
		batches = append(batches, b)
	}
	return batches
}

// commit makes one try and returns the batches that met a conflict.
func (l *Log) commit(batches []*batch) (again []*batch) {
	batches = slices.DeleteFunc(batches, func(b *batch) bool {
		l.prepare(b)
		return len(b.pending) == 0
	})
	if len(batches) == 0 {
		return nil
	}
	changes := slices.Grow(l.alone.changes[:0], len(batches))
	for _, b := range batches {
		changes = append(changes, b.change)
	}
	results, err := l.apply(changes)
	for i, b := range batches {
		switch {
		case err != nil:
			l.live.doubt(b.change.Run)
			b.fail(err)
		case results[i].Err == nil:
			b.run.revision = results[i].Revision
			l.succeed(b)
			if len(b.later) > 0 {
				again = append(again, &batch{pending: b.later})
			}
		case errors.Is(results[i].Err, ErrConflict):
			l.live.doubt(b.change.Run)
			b.tries++
			b.pending, b.later = append(b.pending, b.later...), nil
			again = append(again, b)
		default:
			l.live.doubt(b.change.Run)
			b.fail(results[i].Err)
		}
	}
	return again
}

func (b *batch) fail(err error) {
	for _, p := range append(b.pending, b.later...) {
		p.finish(fmt.Errorf("%sappend: %w", place(p.Header.RunID, 0), err))
	}
	b.pending, b.later = nil, nil
}

// succeed remembers the run and answers the callers.
func (l *Log) succeed(b *batch) {
	p := b.pending[len(b.pending)-1]
	p.made.event.Header, p.made.event.State = p.Header.clone(), p.copied
	l.live.wrote(b.run, p.made)
	if l.opts.Grown != nil && !l.opts.AllPlain && b.run.worthSealing() {
		l.opts.Grown(b.run.ID)
	}
	for _, p := range b.pending {
		p.finish(nil)
	}
}

// prepare makes the change that appends what is pending, answering those that
// can't be appended.
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
	err := l.position(b, id)
	if err != nil {
		b.fail(err)
		return
	}
	b.change = Change{Run: id, Revision: b.run.revision, Append: b.record[:0]}
	if len(b.pending) > 1 {
		b.change.Append = make([]Record, 0, len(b.pending))
	}
	next := b.seen
	b.pending = slices.DeleteFunc(b.pending, func(p *pending) bool {
		if p.CheckAfter && p.After != b.run.Last && len(b.change.Append) > 0 {
			b.later = append(b.later, p)
			return true
		}
		done, err := l.place(b, p, &next)
		if done || err != nil {
			p.finish(err)
		}
		return done || err != nil
	})
	if len(b.pending) == 0 {
		return
	}
	if b.run.revision == 0 {
		if b.change.Head, err = b.run.head(); err != nil {
			b.fail(err)
		}
	}
}

// position finds out where the run stands, from memory if that may do.
func (l *Log) position(b *batch, id string) error {
	lr, ok := l.live.get(id)
	if ok && !lr.stale && b.tries == 0 && lr.run.lastErr == nil && !b.expectsOther(&lr.run) {
		b.run, b.seen = lr.run, lr.seen
		return nil
	}
	before := b.run.Life
	run, err := l.settled(context.Background(), id) // who saves to a run goes before who imports it
	switch {
	case errors.Is(err, ErrNotFound):
		run = newRun(id)
	case err != nil:
		return err
	case run.damage() != nil:
		return run.damage()
	}
	switch {
	case b.tries > 0 && before == run.Life: // seen stays
	case b.tries > 0, ok && lr.run.Life != run.Life:
		// What was seen is gone with an earlier life of the run, or was never
		// there: the append continues from nothing that is.
		b.seen, b.reborn = 0, true
	case ok:
		b.seen = lr.seen
	default:
		b.seen = run.Last
	}
	if b.seen > run.Last { // the run was deleted, and an export of it from before imported
		b.seen, b.reborn = 0, true
	}
	b.run = run
	return nil
}

// expectsOther reports whether an append only makes sense if the run has moved
// on since it was last looked at.
func (b *batch) expectsOther(run *Run) bool {
	return slices.ContainsFunc(b.pending, func(p *pending) bool {
		return p.Parent > run.Last || p.CheckAfter && p.After != run.Last
	})
}

// place gives an event its seq, parent and hash and adds its record to the
// change. It returns done for a repeated append that is already there.
//
// next is what an append continues from that doesn't say: the batch's first one
// from what was seen, the others from the one before.
func (l *Log) place(b *batch, p *pending, next *uint64) (done bool, err error) {
	run := &b.run
	if p.CheckAfter && p.After != run.Last {
		if done, err = l.repeated(b, p); done || err != nil {
			return done, err
		}
		return false, &Error{Run: run.ID, Reason: "the run has moved on; load its newest event and decide again",
			Want: fmt.Sprint("last seq ", p.After), Have: fmt.Sprint("last seq ", run.Last), Err: ErrConflict}
	}
	parent, err := p.parent(b, *next)
	if err != nil {
		return false, err
	}
	if run.Last >= MaxSeq {
		return false, &Error{Run: run.ID, Reason: fmt.Sprintf("the run has %d events, the most that a run can have", run.Last), Err: ErrTooLarge}
	}
	if p.from != nil && (!p.from.of(run) || p.links(run.Last+1) > maxLinks) {
		p.encoded = l.codec.encode(p.State, nil) // its base may be gone, or is too far away
	}
	b.change.Append = append(b.change.Append, Record{})
	rec, header := &b.change.Append[len(b.change.Append)-1], b.header[:0]
	if len(b.change.Append) > 1 {
		header = make([]byte, 0, len(b.header))
	}
	if err := p.record(rec, run, parent, header); err != nil {
		b.change.Append = b.change.Append[:len(b.change.Append)-1]
		return false, err
	}
	run.setLast(&p.Header, rec)
	*next = run.Last
	p.made = &snapshot{
		event: Event{Hash: rec.Hash, Encoding: rec.Encoding, Stored: stored(rec), StateStored: int64(len(rec.State)), Base: rec.Base},
		life:  run.Life, rewrites: run.row.Rewrites, tail: run.tail, links: rec.Links, chain: p.chain,
	}
	return false, nil
}

// parent decides what the event continues from.
func (p *pending) parent(b *batch, next uint64) (uint64, error) {
	switch {
	case p.Root:
		return 0, nil
	case p.Parent > b.run.Last, p.Parent != 0 && b.reborn:
		return 0, notFound(b.run.ID, p.Parent, fmt.Sprintf("there is no such event to continue from; the run's last seq is %d", b.run.Last))
	case p.Parent != 0:
		return p.Parent, nil
	case p.CheckAfter:
		return p.After, nil
	}
	return next, nil
}

// record makes the event that follows the last of run, and its header, in buf if that
// has room, which must be empty.
func (p *pending) record(rec *Record, run *Run, parent uint64, buf []byte) error {
	h := &p.Header
	h.Seq, h.Parent, h.Life = run.Last+1, parent, ""
	if h.Seq == 1 {
		h.Life = run.Life
	}
	header, err := h.append(buf)
	if err != nil {
		return err
	}
	if len(header) > MaxHeader {
		return &Error{Run: h.RunID, Reason: fmt.Sprintf("header of %d bytes is over the limit of %d; use fewer or shorter labels", len(header), MaxHeader), Err: ErrTooLarge}
	}
	*rec = Record{Seq: h.Seq, Encoding: p.encoding, Base: p.base, Links: uint32(p.links(h.Seq)), Header: header, State: p.bytes}
	// The order of runs by age must not depend on clocks alone: of one run it
	// goes forward whatever they do.
	rec.Recency = max(run.recency+1, uint64(max(0, time.Now().UnixNano())))
	rec.Bytes = run.Bytes + run.row.PrunedBytes + h.Size
	rec.Stored = run.Stored + run.row.Freed + stored(rec)
	rec.Hash = chainAfter(run.Last, run.Hash, header, h.SHA256)
	rec.Sum = recordSum(run.Life, rec)
	return nil
}

// repeated looks whether the event that p would make is there already, because
// an earlier try succeeded and its answer was lost.
func (l *Log) repeated(b *batch, p *pending) (bool, error) {
	seq := p.After + 1
	if seq > b.run.Last {
		return false, nil
	}
	ctx, r := context.Background(), l.reader(b.run)
	recs, err := r.records(ctx, RecordsRequest{From: seq, To: seq, HeadersOnly: true, Limit: 1})
	if err != nil {
		return false, err
	}
	rec := &recs[0]
	ev, err := r.header(rec)
	if err == nil {
		err = r.explain(ctx, &ev)
	}
	if err != nil {
		return false, err
	}
	parent := p.Parent
	if parent == 0 && !p.Root {
		parent = p.After
	}
	h := p.Header
	h.Seq, h.Parent, h.Life = seq, parent, ev.Life
	if p.untimed {
		h.CreatedAt = ev.CreatedAt
	}
	header, err := h.marshal()
	if err != nil || !bytes.Equal(header, rec.Header) {
		return false, nil
	}
	p.Header, p.made = ev.Header, &snapshot{event: ev}
	return true, nil
}
