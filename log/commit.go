package log

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// pending is an append in progress. Its caller owns it until it is queued, then the
// writer until done is closed, then the caller again.
type pending struct {
	Append
	encoded
	ctx      context.Context
	copied   []byte // the state, for the next to be compared with
	untimed  bool   // the caller gave no CreatedAt
	repeated bool   // an earlier try appended the event
	done     chan struct{}
	made     *snapshot // of the event as it was appended, or was there already
	err      error
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

// await waits until p is finished. A caller that finds the writer's slot free takes the
// whole queue and commits it for everybody. So appends that arrive during a commit share
// the next one, and nobody waits on a timer.
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
			// The writer has it, and releases it unless the commit has begun.
			select {
			case <-p.done:
			case l.writer <- struct{}{}: // it may have put it back
				l.release()
			}
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

// requeue puts appends back at the front of the queue.
func (l *Log) requeue(batches []*batch) {
	var all []*pending
	for _, b := range batches {
		all = append(append(all, b.pending...), b.later...)
	}
	l.mu.Lock()
	l.queue = append(all, l.queue...)
	l.mu.Unlock()
}

// batch is what a commit does to one run.
type batch struct {
	run     Run // as it is after the change
	block   openBlock
	cached  bool // run is as it is remembered
	fresh   bool // the cached run is not enough
	headed  bool // the change has a head
	tries   int
	pending []*pending
	// later holds appends that depend on the outcome of earlier ones in the same
	// batch.
	later  []*pending
	change driver.Change
	class  uint8
	// Room for the change's first record, and its header unless that is long.
	record [1]driver.Record
	header [384]byte
}

// commitQueued commits all that is queued. The caller holds the writer's slot.
func (l *Log) commitQueued() {
	if l.lastShared {
		// The callers that the last commit answered are about to append again: wait for
		// them as long as more arrive. A lone writer skips this and saves 15 µs.
		for before := -1; l.queued() > before; {
			before = l.queued()
			runtime.Gosched()
		}
	}
	queue := l.takeQueue()
	l.lastShared = len(queue) > 1
	if err := l.writable(context.Background()); err != nil {
		for _, p := range queue {
			p.finish(err)
		}
		return
	}
	batches := l.byRun(queue)
	for len(batches) > 0 {
		var left bool
		if batches, left = l.commit(batches); left {
			// A caller's context ended, perhaps that of this goroutine: another caller
			// takes over.
			l.requeue(batches)
			break
		}
	}
	l.single = singleCommit{} // the callers own the events
}

// takeQueue takes the queued appends, up to the backend's limit for one call.
func (l *Log) takeQueue() []*pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.queue)
	if most := l.limits.Apply; most > 0 {
		var size int64
		for i, p := range l.queue {
			if size += int64(len(p.bytes)) + MaxHeader + maxBlockEntries; size > most && i > 0 {
				n = i
				break
			}
		}
	}
	queue := l.queue[:n:n]
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	return queue
}

// singleCommit is the memory of a commit of one event, to be used again by the next: what
// a small event takes beside its sync is for a third to touch memory that is new.
type singleCommit struct {
	batch   batch
	batches [1]*batch
	changes [1]driver.Change
}

// byRun sorts appends into a batch for each run.
func (l *Log) byRun(queue []*pending) []*batch {
	if len(queue) == 1 {
		l.single.batch = batch{pending: queue}
		l.single.batches[0] = &l.single.batch
		return l.single.batches[:]
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

// commit makes one try and returns the batches to try again. left says that the commit
// was cancelled before it began, because a caller's ctx was done.
func (l *Log) commit(batches []*batch) (again []*batch, left bool) {
	batches = slices.DeleteFunc(batches, func(b *batch) bool {
		l.prepare(b)
		return len(b.pending) == 0
	})
	if len(batches) == 0 {
		return nil, false
	}
	changes := slices.Grow(l.single.changes[:0], len(batches))
	for _, b := range batches {
		changes = append(changes, b.change)
	}
	ctx, release := patience(batches)
	results, err := l.apply(ctx, changes)
	calledOff := err != nil && ctx.Err() != nil && notApplied(err)
	release()
	if calledOff {
		return l.dismiss(batches, err), true
	}
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
	return again, false
}

func notApplied(err error) bool {
	var e *driver.NotAppliedError
	return errors.As(err, &e)
}

// patience returns a context that is done as soon as one caller's context is done, and
// a function that releases it.
func patience(batches []*batch) (context.Context, func()) {
	if len(batches) == 1 && len(batches[0].pending) == 1 {
		return batches[0].pending[0].ctx, func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	release := []func(){cancel}
	for _, b := range batches {
		for _, p := range b.pending {
			if p.ctx.Err() != nil {
				cancel() // AfterFunc would do it in a goroutine, and perhaps too late
			} else if p.ctx.Done() != nil {
				stop := context.AfterFunc(p.ctx, cancel)
				release = append(release, func() { stop() })
			}
		}
	}
	return ctx, func() {
		for _, f := range release {
			f()
		}
	}
}

// dismiss answers the callers whose ctx is done and returns the batches of the others.
func (l *Log) dismiss(batches []*batch, err error) []*batch {
	var left []*batch
	for _, b := range batches {
		l.live.doubt(b.change.Run)
		all := slices.DeleteFunc(append(b.pending, b.later...), func(p *pending) bool {
			if p.ctx.Err() == nil {
				return false
			}
			p.finish(fmt.Errorf("%swaiting for the storage: %w: %w", place(p.Header.RunID, 0), p.ctx.Err(), err))
			return true
		})
		if len(all) > 0 {
			left = append(left, &batch{pending: all})
		}
	}
	return left
}

func (b *batch) fail(err error) {
	for _, p := range append(b.pending, b.later...) {
		p.finish(fmt.Errorf("%sappend: %w", place(p.Header.RunID, 0), err))
	}
	b.pending, b.later = nil, nil
}

// succeed remembers the run and answers the callers.
func (l *Log) succeed(b *batch) {
	b.run.Class = Class(b.class)
	var newest *snapshot
	for _, p := range slices.Backward(b.pending) {
		if p.Header.Role == Recoverable {
			p.made.event.Header, p.made.event.State = p.Header.clone(), p.copied
			newest = p.made
			break
		}
	}
	b.block.trim()
	l.live.wrote(b.run, newest, b.block)
	if l.opts.Grown != nil && !l.opts.AllPlain && b.run.worthSealing() {
		l.opts.Grown(b.run.ID)
	}
	for _, p := range b.pending {
		p.finish(nil)
	}
}
