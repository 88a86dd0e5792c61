package compaction

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// BackgroundOptions tune a Compactor. The zero value is good.
type BackgroundOptions struct {
	// Idle is how long a run must have had no event to be sealed whole. Default
	// 10 minutes.
	Idle time.Duration
	// Logger is told what could not be sealed and why, and of each pass of the
	// Retention. Default slog.Default().
	Logger *slog.Logger
	// Retention asks for states and runs to be dropped as well.
	Retention Retention
}

// DefaultIdle is how long a run must have had no event to be sealed whole by a
// Compactor.
const DefaultIdle = 10 * time.Minute

// rest is how many times as long as it worked a Compactor rests, so that writers get
// their turn: a transaction that erases, or a piece of sealing.
const rest = 3

// turn is how long a Compactor keeps others from compacting at a time, while there is
// more to do.
const turn = 500 * time.Millisecond

// Compactor seals in the background, while its log is in use: the tail of a run as
// soon as it fills a segment, and whole runs that have gone idle. Several of them,
// in several processes, may share a storage: one works at a time.
//
// Nothing is ever dropped by it but for a [Retention].
//
// Disk space is left for use again, not given back: [Compact] does that.
type Compactor struct {
	opts  BackgroundOptions
	wake  chan struct{} // has one place
	stop  context.CancelFunc
	ended chan struct{}

	unreadable map[string]bool // runs that the last pass of the Retention could not read; run's own

	mu    sync.Mutex
	grown map[string]bool // runs whose tails fill a segment; false for those that can't be sealed
}

// New returns a Compactor that does not work yet. Its Grown is to be given to
// log.Open, and what that returns to Start.
func New(opts BackgroundOptions) *Compactor {
	if opts.Idle <= 0 {
		opts.Idle = DefaultIdle
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &Compactor{opts: opts, wake: make(chan struct{}, 1), ended: make(chan struct{}), grown: map[string]bool{}}
}

// Grown tells that the tail of a run fills a segment. It returns at once.
func (c *Compactor) Grown(run string) {
	c.mu.Lock()
	_, known := c.grown[run]
	if !known {
		c.grown[run] = true
	}
	c.mu.Unlock()
	if known {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Start begins to work on a log. It must be called once, before Close.
func (c *Compactor) Start(l *log.Log) {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() {
		defer close(c.ended)
		c.run(ctx, l)
	}()
}

// Close stops the work and waits for the step at hand: at most one transaction, and
// the time to read or compress one state.
func (c *Compactor) Close() {
	c.stop()
	<-c.ended
}

func (c *Compactor) run(ctx context.Context, l *log.Log) {
	// Nobody needs an idle run sealed to the second.
	idle := time.NewTicker(max(c.opts.Idle/4, 10*time.Millisecond))
	defer idle.Stop()
	var passes <-chan time.Time
	if c.opts.Retention.Every > 0 {
		passes = time.After(0)
	}
	var seen time.Time  // idle runs up to then have been sealed
	var swept time.Time // when imports that were killed were last looked for
	for {
		w := &worker{log: l, holder: rand.Text(), rest: rest}
		var err error
		work := func() { w.pace = pacer(ctx) } // waiting does not count as work
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
			work()
			err = c.sealGrown(ctx, w)
		case <-passes:
			work()
			var next time.Duration
			next, err = c.retain(ctx, w)
			passes = time.After(next)
		case now := <-idle.C:
			work()
			until := l.Now().Add(-c.opts.Idle)
			err = c.sealGrown(ctx, w) // what another process kept from being sealed
			if err == nil {
				err = c.sealIdle(ctx, w, seen, until)
			}
			if err == nil {
				seen = until
			}
			if err == nil && now.Sub(swept) >= sweepEvery {
				swept = now
				err = c.sweep(ctx, w, now)
			}
		}
		if err == nil && w.report.Runs > 0 {
			err = w.purge(ctx)
		}
		w.giveBack()
		c.complain(ctx, w, err)
		if errors.Is(err, log.ErrClosed) || errors.Is(err, log.ErrReadOnly) {
			return
		}
	}
}

// sealGrown seals what fills a segment.
func (c *Compactor) sealGrown(ctx context.Context, w *worker) error {
	for {
		run, ok := c.next()
		if !ok {
			return nil
		}
		if ok, err := w.lease(ctx); err != nil || !ok {
			c.again(run)
			return errors.Join(err, errBusy)
		}
		if err := w.sealRun(ctx, run, false, nil); err != nil {
			c.again(run)
			return err
		}
		if err := w.purge(ctx); err != nil {
			return err
		}
		w.takeTurns(ctx)
	}
}

// takeTurns lets others compact who wait for it, once in a turn.
func (w *worker) takeTurns(ctx context.Context) {
	if time.Since(w.since) > turn {
		w.giveBack()
		pause(ctx, 2*leaseRetry) // who waits asks again meanwhile
	}
}

// next takes a run whose tail fills a segment.
func (c *Compactor) next() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for run, can := range c.grown {
		if can {
			delete(c.grown, run)
			return run, true
		}
	}
	return "", false
}

// again puts a run back.
func (c *Compactor) again(run string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.grown[run] = true
}

// placeLag is how much later than placed a run's last event may have come.
const placeLag = time.Duration(driver.Lag)

// sealIdle seals the runs whose last event came after seen and not after until.
func (c *Compactor) sealIdle(ctx context.Context, w *worker, seen, until time.Time) error {
	var runs []string
	for t, err := range w.log.Tails(ctx) {
		if err != nil && t.Run == "" {
			return err
		}
		if !t.Placed.Add(placeLag).After(seen) {
			break
		}
		if err == nil && t.At.After(seen) && !t.At.After(until) {
			runs = append(runs, t.Run)
		}
	}
	for _, run := range runs {
		if ok, err := w.lease(ctx); err != nil || !ok {
			return errors.Join(err, errBusy)
		}
		if err := w.sealRun(ctx, run, true, nil); err != nil {
			return err
		}
	}
	return nil
}

// sweepEvery is how often a Compactor looks for imports that were killed: it goes
// through all runs for it.
const sweepEvery = time.Hour

// sweep removes what imports that were killed have left behind.
func (c *Compactor) sweep(ctx context.Context, w *worker, now time.Time) error {
	n, err := w.log.Sweep(ctx, now.Add(-abandoned))
	if err == nil && n > 0 {
		err = w.purge(ctx)
	}
	return err
}

// paceStep is how long a Compactor seals in one piece: a writer on a small machine
// feels it, and sealing is in no hurry.
const paceStep = 500 * time.Microsecond

// pacer returns a function to be called often while working.
func pacer(ctx context.Context) func() {
	began := time.Now()
	return func() {
		if worked := time.Since(began); worked >= paceStep {
			pause(ctx, rest*worked)
			began = time.Now()
		}
	}
}

// errBusy: another process compacts.
var errBusy = errors.New("another process compacts")

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// complain logs what went wrong. Nothing is lost by it: it is tried again later.
func (c *Compactor) complain(ctx context.Context, w *worker, err error) {
	for _, s := range w.report.Skipped {
		c.mu.Lock()
		_, known := c.grown[s.Run]
		c.grown[s.Run] = false // not with every append again
		c.mu.Unlock()
		if !known {
			c.opts.Logger.Warn("flowlog: a run can't be sealed", "error", s.Err)
		}
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errBusy) && !errors.Is(err, log.ErrClosed) {
		c.opts.Logger.Warn("flowlog: sealing stopped and will be tried again", "error", err)
	}
}
