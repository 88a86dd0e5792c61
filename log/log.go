package log

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/delta"
	"github.com/flowlog/checkpoint/log/segment"
)

// Options tune a [Log]. The zero value is good.
type Options struct {
	// MaxState is the largest state accepted, in bytes. Default 100 MiB.
	MaxState int64
	// PlainMax is the size in bytes up to which a state is stored as it is, readable with
	// the database's own tools. Default 4 KiB. A negative value stores no state so.
	PlainMax int
	// AllPlain stores every state as it is, readable and uncompressed, and seals no
	// event.
	AllPlain bool
	// CacheBytes bounds the memory for the newest states of live runs, kept so that
	// the next state can be compared with them. Default 64 MiB.
	CacheBytes int64
	// ReadOnly makes every write fail with ErrReadOnly.
	ReadOnly bool
	// Clock says what time it is, for the time of new events and notes, and for how long
	// ago a run was saved to. Default time.Now.
	Clock func() time.Time
	// Grown, if not nil, is called after an append to a run whose tail has enough events
	// to seal. It is called with a lock held and must return at once.
	Grown func(run string)
}

func (o Options) withDefaults() Options {
	if o.MaxState <= 0 {
		o.MaxState = 100 << 20
	}
	if o.PlainMax == 0 {
		o.PlainMax = 4 << 10
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.MaxState = min(o.MaxState, mostState)
	return o
}

// Now returns the time by Options.Clock.
func (l *Log) Now() time.Time { return l.opts.Clock() }

// mostState is the largest limit for states, in bytes: SQLite holds values of up to a
// billion bytes, and a delta may be a little larger than its state.
const mostState = 1_000_000_000 - 1<<20

// Log is a set of runs on one backend. It is safe for concurrent use. It must be closed.
type Log struct {
	backend  driver.Backend
	limits   driver.Limits
	opts     Options
	codec    codec
	segments *segment.Codec
	live     *liveRuns
	opened   *openSegments
	word     string // names this Log as the writer of its events

	// writer is held by whoever changes the backend: it has one slot.
	writer chan struct{}
	// lastShared says that the last commit was shared; owned by the holder of writer.
	lastShared bool
	single     singleCommit // owned likewise

	mu     sync.Mutex // guards all below
	queue  []*pending // appends that nobody has taken yet
	closed bool
	failed error // the failed sync after which nothing is written any more
}

// Open returns a Log on a backend, which it owns from then on: [Log.Close] closes it.
func Open(b driver.Backend, opts Options) (*Log, error) {
	Prepare()
	opts = opts.withDefaults()
	l := &Log{backend: b, word: strings.ToLower(rand.Text()[:8]), writer: make(chan struct{}, 1)}
	if lb, ok := b.(driver.Limiter); ok {
		l.limits = lb.Limits()
	}
	if l.limits.State > 0 {
		opts.MaxState = min(opts.MaxState, l.limits.State)
	}
	var err error
	if l.codec, err = newCodec(opts); err != nil {
		return nil, err
	}
	if l.segments, err = segment.NewCodec(segment.Options{MaxPayload: opts.MaxState + delta.MaxOverhead}); err != nil {
		return nil, err
	}
	l.opts, l.live, l.opened = opts, newLiveRuns(opts.CacheBytes), newOpenSegments(min(openBytes, opts.CacheBytes))
	return l, nil
}

// Prepare begins what the first read in a process would wait for, and returns at once. Call
// it before a backend is opened, so that both go on at the same time; Open calls it too.
//
// It has encoding/json look at the stored types, which takes 150 µs, once in a process. The
// goroutine for it ends by itself, and touches nothing that can be closed.
var Prepare = sync.OnceFunc(func() {
	go func() {
		empty := []byte("{}")
		json.Unmarshal(empty, new(row))
		json.Unmarshal(empty, new(storedHeader))
	}()
})

// Close waits for the commit under way, fails the appends that are still queued with
// ErrClosed and closes the backend. A second Close does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	l.writer <- struct{}{}
	defer func() { <-l.writer }()
	return l.backend.Close()
}

// MaxState returns the largest state that is accepted, in bytes.
func (l *Log) MaxState() int64 { return l.opts.MaxState }

// Writer returns the random word that names this Log in the events that it writes.
func (l *Log) Writer() string { return l.word }

// readable returns why nothing can be read: the Log is closed or ctx is done.
func (l *Log) readable(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// writable returns why nothing can be written.
func (l *Log) writable(ctx context.Context) error {
	if err := l.readable(ctx); err != nil {
		return err
	}
	if l.opts.ReadOnly {
		return fmt.Errorf("%w: it was opened read-only", ErrReadOnly)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return fmt.Errorf("%w since a sync failed (%v): nothing was written now; close the store, make sure that its disk is sound, and open it again", ErrReadOnly, l.failed)
	}
	return nil
}

// acquire takes the writer's slot.
func (l *Log) acquire(ctx context.Context) error {
	select {
	case l.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := l.writable(ctx); err != nil {
		l.release()
		return err
	}
	return nil
}

func (l *Log) release() { <-l.writer }

// apply passes changes to the backend and latches the Log if their outcome is unknown.
// The caller holds the writer's slot. ctx counts until the commit begins.
func (l *Log) apply(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
	results, err := l.backend.Apply(ctx, driver.ApplyRequest{Changes: changes})
	if err == nil && len(results) != len(changes) {
		err = fmt.Errorf("backend returned %d results for %d changes", len(results), len(changes))
	}
	return results, l.outcome(err)
}

// outcome says what an error of a driver's Apply or SetSlot means to the caller, and
// latches the Log if the outcome is unknown. Before that, the caller has dealt with the
// errors of SetSlot that are answers.
func (l *Log) outcome(err error) error {
	var lost *driver.LostError
	switch {
	case err == nil, notApplied(err), errors.Is(err, ErrClosed):
		return err
	case errors.As(err, &lost): // the storage is sound
		return fmt.Errorf("%w: %w: the change may have been made, or may still be made; check before you repeat it; an append with an expected position can be repeated safely", ErrUnknownOutcome, err)
	}
	l.mu.Lock()
	l.failed = err
	l.mu.Unlock()
	return fmt.Errorf("%w: %w: the change may have been made or not; open the store again and look", ErrUnknownOutcome, err)
}

// applyOne applies one change. The caller holds the writer's slot.
func (l *Log) applyOne(ctx context.Context, c driver.Change) (driver.Result, error) {
	results, err := l.apply(ctx, []driver.Change{c})
	if err != nil {
		return driver.Result{}, err
	}
	return results[0], results[0].Err
}
