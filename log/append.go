package log

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// Append is an event to be appended.
type Append struct {
	// Header is what the caller says of the event. RunID, NodeID and Kind are
	// needed; a zero CreatedAt becomes the time of the call; Seq, Parent, Size,
	// SHA256 and Life are the log's and ignored.
	Header Header
	// State is not kept or changed after Append returned.
	State []byte
	// Check, if not nil, says what is wrong with State. It may be called in
	// another goroutine, while the state is being hashed and compared; if it
	// returns an error, Append returns that and writes nothing.
	Check func() error
	// Parent is the seq of the event that this one continues from; 0 for the
	// newest that went through this Log, in either direction, or if none did
	// while the last 65,536 runs were used, for the run's last.
	Parent uint64
	// Root makes an event that continues from none.
	Root bool
	// After is the seq that must be the run's last, if CheckAfter is set: 0 for
	// a run that must not exist. It is then also the default for Parent.
	After      uint64
	CheckAfter bool
}

// Append appends an event to its run and returns it as it was stored, without
// its state.
//
// Durability: a nil error means durable and visible. [ErrUnknownOutcome] means
// that a sync failed. With any other error nothing was written.
//
// Order: the event's seq is the run's last plus one, assigned under one lock,
// also if another process appends to the same run meanwhile: the event keeps
// its parent and takes the next seq.
//
// Errors: [ErrConflict] when CheckAfter is set and After is not the run's last
// seq, unless the event after it is the very one that is being appended, which
// makes a repetition answer like the first time; [ErrNotFound] for a Parent that
// is not there; [ErrInvalid] and [ErrTooLarge] for what can't be stored;
// [ErrReadOnly]; [ErrClosed]; ctx.Err() when ctx was done before the event's
// turn came.
func (l *Log) Append(ctx context.Context, a Append) (Event, error) {
	if err := checkID("run id", a.Header.RunID); err != nil {
		return Event{}, err
	}
	return l.append(ctx, a)
}

// append is Append also for companion logs.
func (l *Log) append(ctx context.Context, a Append) (Event, error) {
	if err := checkHeader(&a.Header); err != nil {
		return Event{}, err
	}
	if size := int64(len(a.State)); size > l.opts.MaxState {
		return Event{}, &Error{Run: a.Header.RunID, Reason: fmt.Sprintf("state of %d bytes is over the limit of %d; raise the limit, or keep large things elsewhere and their names in the state", size, l.opts.MaxState), Err: ErrTooLarge}
	}
	if err := l.writable(ctx); err != nil {
		return Event{}, err
	}
	p := &pending{Append: a, ctx: ctx, done: make(chan struct{})}
	p.untimed = a.Header.CreatedAt.IsZero()
	if p.untimed {
		p.Header.CreatedAt = time.Now()
	}
	p.Header.CreatedAt = p.Header.CreatedAt.Round(0).UTC()
	p.Header.Size = int64(len(a.State))
	if err := l.digest(ctx, p); err != nil {
		return Event{}, err
	}
	l.enqueue(p)
	l.await(ctx, p)
	if p.err != nil {
		return Event{}, p.err
	}
	ev := p.made.event
	ev.Header, ev.State = p.Header, nil // what made has is not for giving away
	return ev, nil
}

// parallelMin is the size in bytes from which on a state is checked, hashed and
// compared at the same time: below, starting goroutines costs more than it saves.
const parallelMin = 32 << 10

// digest does all that an append needs of its state before its turn comes.
func (l *Log) digest(ctx context.Context, p *pending) error {
	if len(p.State) < parallelMin {
		if err := p.check(); err != nil {
			return err
		}
		p.hash()
		p.keep()
		return l.compare(ctx, p)
	}
	return l.digestAtOnce(ctx, p)
}

// digestAtOnce does on several processors what digest does.
func (l *Log) digestAtOnce(ctx context.Context, p *pending) error {
	var wg sync.WaitGroup
	var bad error
	wg.Go(p.hash)
	wg.Go(func() { bad = p.check() })
	wg.Go(p.keep)
	err := l.compare(ctx, p)
	wg.Wait()
	if bad != nil {
		return bad
	}
	return err
}

func (p *pending) hash() { p.Header.SHA256 = sha256.Sum256(p.State) }

// keep copies the state: the caller may change it later, and the next is compared
// with it.
func (p *pending) keep() { p.copied = append([]byte{}, p.State...) }

func (p *pending) check() error {
	if p.Check == nil {
		return nil
	}
	return p.Check()
}

// compare chooses how to store the state.
func (l *Log) compare(ctx context.Context, p *pending) error {
	base, err := l.base(ctx, &p.Append)
	if err != nil {
		return err
	}
	p.encoded = l.codec.encode(p.State, base)
	return nil
}

// base returns the state that a new one is to be compared with: its parent's,
// from memory or read back; nil if there is none or it can't be read, since any
// state can also be stored whole.
func (l *Log) base(ctx context.Context, a *Append) (*snapshot, error) {
	if a.Root || l.opts.AllPlain || len(a.State) <= l.opts.PlainMax {
		return nil, nil
	}
	parent := a.Parent
	if parent == 0 && a.CheckAfter {
		parent = a.After
	}
	lr, ok := l.live.get(a.Header.RunID)
	if ok && parent == 0 {
		parent = lr.seen
	}
	run, err := lr.run, error(nil)
	if !ok || lr.stale { // it may have been sealed, and its newest state with it
		if run, err = l.run(ctx, a.Header.RunID); err != nil {
			return nil, ctx.Err()
		}
	}
	if parent == 0 {
		parent = run.Last
	}
	if lr.newest.of(&run) && lr.newest.event.Seq == parent {
		return lr.newest, nil
	}
	s, err := l.snapshot(ctx, run, parent)
	if err != nil || s.event.Pruned {
		return nil, ctx.Err()
	}
	return s, nil
}
