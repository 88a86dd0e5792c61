package log

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// WatchOptions choose what to watch. The zero value is all that is appended to any
// run from now on.
type WatchOptions struct {
	// Run is the run to follow; empty for all.
	Run string
	// From is the first seq wanted of each run that is there when the iteration
	// begins: 1 for all of them, 0 for those only that are appended later. Of a run
	// that begins later all are wanted.
	From uint64
	// Seen overrides From for the runs in it, by id: Watch yields the events after that
	// position, to continue an earlier Watch. If the run has no event or another one
	// there, it was begun anew, and Watch yields all its events. A position without a
	// hash is a bare seq. Watch does not change Seen; the caller must not change it while
	// the iteration begins.
	Seen map[string]Position
	// HeadersOnly leaves the states unread.
	HeadersOnly bool
	// Every is how often to look whether anything was written. The default is 50
	// milliseconds.
	Every time.Duration
}

// What the looks of a Watch are spaced and bounded by.
const (
	watchEvery = 50 * time.Millisecond
	// quietRuns is how many runs without news, newest first, end a look at all runs.
	quietRuns = 32
	// mostQuiet is how many runs without news end it in any case, such as runs that were
	// saved under a clock that was ahead: what comes behind them is left to the next look
	// at all runs.
	mostQuiet = 4096
	// sweepEvery is how often all runs are looked at if anything was written: a clock
	// that was set back makes what is new look old, and runs that were deleted need
	// not be remembered.
	sweepEvery = 5 * time.Second
)

// Watch streams events as they are appended, by whatever process, and waits for
// more. Only an error ends it: ctx.Err() when ctx is done, ErrClosed when the Log is
// closed.
//
// Order: of each run by seq, without gaps but for what was dropped before it came. A run
// that doesn't exist is waited for. If a run is deleted, and begun anew or restored to an
// earlier state, Watch yields its events from the first one again. It does not report
// that the run was deleted.
//
// Cost: each WatchOptions.Every, a call of [driver.Versioner], if the backend has it.
// If anything was written, a look at the run, or at the runs that had the newest
// events, and at up to 4,096 more that were saved under a clock that was ahead. Of all runs some 200 bytes each are remembered, and they are listed when the
// iteration begins, and again after 5 seconds or more in which anything was written.
// There is no goroutine, and nothing is held while the caller works.
//
// Errors: those of [Log.History] end it, but for a run that was deleted; if all runs
// are followed, a damaged one comes with its error, is left out from then on, and the
// others go on.
func (l *Log) Watch(ctx context.Context, opts WatchOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		w := &watcher{l: l, ctx: ctx, opts: opts, yield: yield, known: map[string]followed{}}
		if err := w.watch(); !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// errEnough says that the caller wants no more.
var errEnough = errors.New("enough")

// watcher is one iteration of Watch.
type watcher struct {
	l     *Log
	ctx   context.Context
	opts  WatchOptions
	yield func(*Event, error) bool

	known  map[string]followed // by run
	begun  bool                // known has the runs of the beginning
	swept  time.Time           // when all runs were looked at
	looked uint64              // when the last look began
	newest uint64              // the recency of the newest run of the last look
	slow   time.Duration       // how long that took
}

// followed is how far a run was given.
type followed struct {
	life   string
	at     Position // of the last event given; only its seq is known if the hash is zero
	broken bool
}

// behind reports whether the run may have something new.
func (f *followed) behind(run *Run) bool {
	return f.life != run.Life || !f.broken && (f.at.Seq < run.Last || !f.at.Hash.IsZero() && f.at != run.Position())
}

// watch goes on until there is an error.
func (w *watcher) watch() error {
	if w.opts.Run != "" {
		if err := checkID("run id", w.opts.Run); err != nil {
			return err
		}
	}
	every := w.opts.Every
	if every <= 0 {
		every = watchEvery
	}
	versioner, cheap := w.l.backend.(driver.Versioner)
	var version int64
	dirty := false // something was written since the last sweep
	for {
		if err := w.l.readable(w.ctx); err != nil {
			return err
		}
		changed := true
		if cheap {
			now, err := versioner.Version(w.ctx)
			if err != nil {
				return err
			}
			changed, version = !w.begun || now != version, now
		}
		dirty = dirty || changed
		began := time.Now()
		switch {
		case w.opts.Run != "":
			if changed {
				if err := w.one(); err != nil {
					return err
				}
			}
		case !w.begun, dirty && began.Sub(w.swept) > max(sweepEvery, 20*w.slow):
			if err := w.sweep(); err != nil {
				return err
			}
			dirty, w.swept, w.slow = false, time.Now(), time.Since(began)
		case changed:
			if err := w.recent(); err != nil {
				return err
			}
		}
		w.begun = true
		// Where a look takes long, it must not be all that is done.
		select {
		case <-time.After(max(every, time.Since(began))):
		case <-w.ctx.Done():
		}
	}
}

// one looks at the run that is followed.
func (w *watcher) one() error {
	run, err := w.l.run(w.ctx, w.opts.Run)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case run.damage() != nil:
		return run.damage()
	}
	return w.follow(run)
}

// sweep looks at all runs.
func (w *watcher) sweep() error {
	before := w.known
	w.known = make(map[string]followed, len(before))
	for run, err := range w.l.Runs(w.ctx, RunsOptions{ByID: true}) {
		if f, ok := before[run.ID]; ok {
			w.known[run.ID] = f
		}
		if err = w.met(run, err); err != nil {
			return err
		}
	}
	return nil
}

// recent looks at the runs that had events last.
func (w *watcher) recent() error {
	var news []Run
	// What was saved since is not older than the last look, unless a clock was wrong.
	now := uint64(max(0, w.l.Now().UnixNano()))
	quiet, before := 0, min(w.newest, w.looked, now)
	w.looked = now
	for run, err := range w.l.Runs(w.ctx, RunsOptions{page: leastPage}) {
		f := w.known[run.ID]
		w.newest = max(w.newest, run.recency)
		switch {
		case err != nil:
			if err := w.met(run, err); err != nil {
				return err
			}
		case f.behind(&run):
			news, quiet = append(news, run), 0
			continue
		}
		// Runs are in order except for the lag of their places.
		if quiet++; quiet >= quietRuns && run.listed.place+driver.Lag < before || quiet == mostQuiet {
			break
		}
	}
	for _, run := range slices.Backward(news) {
		if err := w.follow(run); err != nil {
			return err
		}
	}
	return nil
}

// met follows a run that was listed, or tells once what is wrong with it.
func (w *watcher) met(run Run, err error) error {
	if err == nil {
		return w.follow(run)
	}
	return w.leaveOut(run.ID, followed{life: w.known[run.ID].life}, err)
}

// leaveOut tells what is wrong with a run, once. Anything that is not wrong with the
// run ends the iteration.
func (w *watcher) leaveOut(id string, f followed, err error) error {
	damaged := errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsupportedVersion) || errors.Is(err, ErrTooLarge)
	if id == "" || id == w.opts.Run || !damaged {
		return err
	}
	if w.known[id].broken {
		return nil
	}
	f.broken = true
	w.known[id] = f
	if !w.yield(nil, err) {
		return errEnough
	}
	return nil
}

// there reports whether a run has an event at a position.
func (w *watcher) there(run Run, p Position) (bool, error) {
	switch {
	case p.Seq == 0, p.Hash.IsZero(), p.Seq == run.Last:
		return p.Seq <= run.Last && (p.Seq != run.Last || p.Seq == 0 || run.at(p)), nil
	case p.Seq > run.Last:
		return false, nil
	}
	r := w.l.reader(run)
	defer r.close()
	rec, err := r.record(w.ctx, p.Seq, true)
	if err == nil {
		err = rec.check(&run)
	}
	if errors.Is(err, ErrDropped) {
		return true, nil // the events after it exist, or were dropped with it
	}
	if err != nil {
		return false, err
	}
	return rec.Hash == p.Hash, nil
}

// follow gives what is new of a run.
func (w *watcher) follow(run Run) error {
	f, ok := w.known[run.ID]
	seen, was := w.opts.Seen[run.ID]
	switch {
	case f.life == run.Life:
	case ok || w.begun:
		f = followed{life: run.Life}
	case was && seen.Seq > run.Last: // it was of an earlier life
		f = followed{life: run.Life}
	case was:
		f = followed{life: run.Life, at: seen}
	case w.opts.From == 0:
		f = followed{life: run.Life, at: run.Position()}
	default:
		f = followed{life: run.Life, at: Position{Seq: w.opts.From - 1}}
	}
	defer func() { w.known[run.ID] = f }()
	if !f.behind(&run) {
		return nil
	}
	// A run can be deleted, and written anew from an earlier state of the same life.
	switch there, err := w.there(run, f.at); {
	case errors.Is(err, ErrNotFound):
		return nil // it was deleted just now
	case unreadable(err): // what comes after it may be sound
	case err != nil:
		return err
	case !there:
		f.at = Position{}
	}
	for ev, err := range w.l.history(w.ctx, run, HistoryOptions{From: f.at.Seq + 1, To: run.Last, HeadersOnly: w.opts.HeadersOnly}) {
		if errors.Is(err, ErrNotFound) {
			return nil // it was deleted; if it is begun anew, the next look tells
		}
		if err != nil {
			err = w.leaveOut(run.ID, f, err)
			f.broken = true
			return err
		}
		if !w.yield(ev, nil) {
			return errEnough
		}
		f.at = ev.Position()
	}
	return nil
}
