package log

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
)

// Append is an event to be appended. Without From, Root, Expect and Begin it continues
// from the run's newest recoverable event, as the storage holds it, and begins a run that
// doesn't exist.
type Append struct {
	// Header describes the event. RunID, NodeID and Kind are required. A zero CreatedAt
	// becomes the time of the call. The log sets Seq, Parent, Size, SHA256, Visit,
	// Writer and Life itself and ignores the caller's.
	Header Header
	// State is not kept or changed after Append returned.
	State []byte
	// Check, if not nil, returns an error if State is invalid. It may be called in
	// another goroutine, while the state is being hashed and compared. If it returns
	// an error, Append returns that error and writes nothing.
	Check func() error
	// From is the event that this one continues from. With a hash it must be that very
	// event: an event of another life of the run is refused. If Seq is zero, Expect
	// decides, or else the run.
	From Position
	// Root makes an event that continues from none.
	Root bool
	// Expect, if not nil, must be the run's newest event. Its seq is at least 1. Its
	// hash is compared if it has one. It is then also the default for From.
	Expect *Position
	// Begin says that the run must not exist. It is strict: the second of two equal first
	// events is also refused.
	Begin bool
}

// Appended is the appended event, without its state.
type Appended struct {
	Event
	// Repeated says that an earlier try already appended the event.
	Repeated bool
}

// Append appends an event to its run and returns it as stored.
//
// Durability: a nil error means durable and visible. [ErrUnknownOutcome] means that a
// sync failed or that an answer was lost. After any other error nothing was written.
//
// Order: the event's seq is the run's last plus one, assigned under one lock. If another
// process appends to the same run meanwhile, the event keeps its parent and takes the
// next seq.
//
// Errors: [ErrConflict] for a position of another life of the run, when Expect is set and
// is not the run's newest event, or when Begin is set and the run exists. With Expect,
// Append recognises a repetition, because the event after Expect is the one being
// appended, by the same writer or another. It then returns the first answer, with
// Repeated set. [ErrNotFound] for a missing From; [ErrInvalid] and [ErrTooLarge] for an
// event that can't be stored; [ErrReadOnly]; [ErrClosed]; [ErrLocked]; ctx.Err() when ctx
// was done before the commit began.
func (l *Log) Append(ctx context.Context, a Append) (Appended, error) {
	if err := checkID("run id", a.Header.RunID); err != nil {
		return Appended{}, err
	}
	if err := checkHeader(&a.Header); err != nil {
		return Appended{}, err
	}
	if a.Expect != nil && a.Expect.Seq == 0 {
		return Appended{}, fmt.Errorf("%w expectation: seq 0 is no event; use Begin if the run must not exist", ErrInvalid)
	}
	if a.Header.Kind == None && len(a.State) > 0 {
		return Appended{}, fmt.Errorf("%w state of %d bytes: its kind is %q", ErrInvalid, len(a.State), None)
	}
	if size := int64(len(a.State)); size > l.opts.MaxState {
		return Appended{}, &Error{Run: a.Header.RunID, Reason: fmt.Sprintf("state of %d bytes is over the limit of %d; raise the limit, or store large data elsewhere and its name in the state", size, l.opts.MaxState), Err: ErrTooLarge}
	}
	if err := l.writable(ctx); err != nil {
		return Appended{}, err
	}
	p := &pending{Append: a, ctx: ctx, done: make(chan struct{})}
	p.untimed = a.Header.CreatedAt.IsZero()
	if p.untimed {
		p.Header.CreatedAt = l.Now()
	}
	p.Header.CreatedAt = p.Header.CreatedAt.Round(0).UTC()
	if !p.Header.StartedAt.IsZero() {
		p.Header.StartedAt = p.Header.StartedAt.Round(0).UTC()
		if took := p.Header.CreatedAt.Sub(p.Header.StartedAt); !p.Header.StartedAt.Add(took).Equal(p.Header.CreatedAt) {
			return Appended{}, fmt.Errorf("%w started_at %s: it is more than 292 years from created_at %s", ErrInvalid, p.Header.StartedAt, p.Header.CreatedAt)
		}
	}
	if f := p.Header.Failure; f != nil && !f.NotBefore.IsZero() {
		utc := *f
		utc.NotBefore = f.NotBefore.Round(0).UTC()
		p.Header.Failure = &utc
	}
	p.Header.Size, p.Header.Writer = int64(len(a.State)), l.word
	if err := l.digest(ctx, p); err != nil {
		return Appended{}, err
	}
	l.enqueue(p)
	l.await(ctx, p)
	if p.err != nil {
		return Appended{}, p.err
	}
	out := Appended{Event: p.made.event, Repeated: p.repeated}
	out.Header, out.State = p.Header, nil // made keeps its own
	return out, nil
}

// parallelMin is the size in bytes from which a state is checked, hashed and compared in
// parallel. For smaller states, starting goroutines costs more than it saves.
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

// keep copies the state: the caller may change it later, and the next state is
// compared with it.
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

// base returns the state to compare a new one with: its parent's, from memory or read
// back. It returns nil if there is no such state or it can't be read, since any state can
// also be stored whole.
func (l *Log) base(ctx context.Context, a *Append) (*snapshot, error) {
	if a.Root || a.Begin || l.opts.AllPlain || len(a.State) <= l.opts.PlainMax {
		return nil, nil
	}
	parent := a.From.Seq
	if parent == 0 && a.Expect != nil {
		parent = a.Expect.Seq
	}
	lr, ok := l.live.get(a.Header.RunID)
	run, err := lr.run, error(nil)
	if !ok || lr.stale { // it may have been sealed, and its newest state with it
		if run, err = l.run(ctx, a.Header.RunID); err != nil {
			return nil, ctx.Err()
		}
	}
	if parent == 0 {
		parent = run.Tip
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
