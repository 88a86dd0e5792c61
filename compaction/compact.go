// Package compaction decides when the events of a run are sealed, and does so: on
// request with [Compact], or by itself while a store is open with a [Compactor].
// How it is done, without losing anything, is the engine's: see [log.Log.Seal].
//
// Sealing loses nothing, so it needs nobody's leave. Dropping states and runs does: it
// is done where a [Policy] is given, by a [Plan] that says first what goes and why the
// rest stays. [NewPlan] makes it and [Plan.Run] follows it, or a Compactor does both
// again and again if a Retention asks for it.
package compaction

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// Options say what Compact does.
type Options struct {
	// Idle is how long a run must have had no event to be sealed whole. Of other
	// runs only what fills a segment is sealed. 0 takes all runs.
	Idle time.Duration
	// Progress, if not nil, is called now and then, from the goroutine that
	// called Compact. It must not use the log: writers may be waiting for it.
	Progress func(Progress)
}

// Step is what Compact, or Plan.Run, is at.
type Step string

// The steps, in order; Purging also comes in between.
const (
	Waiting    Step = "waiting"  // for another process that compacts
	Checking   Step = "checking" // whether the storage is whole
	Sealing    Step = "sealing"
	Pruning    Step = "pruning" // what a plan says
	Purging    Step = "purging"
	Reclaiming Step = "reclaiming"
)

// Progress is how far Compact, or Plan.Run, has come in a step. Done and Total are
// events when sealing and when pruning, and bytes of the file when reclaiming; Total is 0 where it is not known.
type Progress struct {
	Step        Step
	Done, Total int64
	Sealed      log.SealStats // so far
}

// Report is what Compact did.
type Report struct {
	Sealed log.SealStats
	// Runs were sealed, or some of their events.
	Runs int
	// Skipped are the runs that could not be sealed, because something in them
	// is damaged: with why. They are as they were.
	Skipped []Skipped
	// Before and After are what the storage took on disk, in bytes; 0 where it
	// takes none. Reclaimed is by how much it became smaller in the last step.
	Before, After, Reclaimed int64
}

// Skipped is a run that could not be sealed, and why.
type Skipped struct {
	Run string
	Err error
}

// abandoned is how long an import must have come no further for what it stored to be
// removed: it was killed. One that is only slow fails then, and says so.
const abandoned = 10 * time.Minute

// LeaseTime is how long a process that compacts keeps others from it at a time: how
// long one that was killed is waited for, at most.
const LeaseTime = 30 * time.Second

// leaseRetry is how often the lease is asked for while another has it.
const leaseRetry = 100 * time.Millisecond

// Compact seals what can be, erases what that replaced, and gives the disk space
// back. While another process compacts the same storage, it waits. A storage that is
// damaged itself, rather than what is in it, is left as it is, with an error that is
// [log.ErrCorrupt].
//
// It can be stopped by ctx at any time, and called again to go on: each step is
// durable and complete in itself. Reading and writing go on meanwhile.
func Compact(ctx context.Context, l *log.Log, opts Options) (Report, error) {
	w := &worker{log: l, holder: rand.Text(), progress: opts.Progress}
	if err := w.wait(ctx); err != nil {
		return w.report, err
	}
	defer w.giveBack()
	var err error
	if w.report.Before, _, err = l.Space(ctx); err != nil {
		return w.report, err
	}
	w.say(Checking, 0, 0)
	if err = l.Check(ctx); err != nil {
		w.report.After = w.report.Before
		return w.report, fmt.Errorf("nothing was compacted: %w", err)
	}
	err = w.compact(ctx, opts.Idle)
	w.giveBack() // which writes: bbolt's file grows by that
	// Also when it was stopped: what was reached is kept.
	after, _, spaceErr := l.Space(context.WithoutCancel(ctx))
	w.report.After = after
	if err == nil {
		err = spaceErr
	}
	return w.report, err
}

func (w *worker) compact(ctx context.Context, idle time.Duration) error {
	if err := w.seal(ctx, idle); err != nil {
		return err
	}
	if _, err := w.log.Sweep(ctx, time.Now().Add(-abandoned)); err != nil {
		return err
	}
	if err := w.purge(ctx); err != nil {
		return err
	}
	var err error
	w.report.Reclaimed, err = w.reclaim(ctx)
	return err
}

// reclaim gives disk space back.
func (w *worker) reclaim(ctx context.Context) (int64, error) {
	w.say(Reclaiming, 0, 0)
	// The lease is not extended meanwhile: a storage that is being copied takes no
	// writes, and it does no harm if others work.
	n, err := w.log.Reclaim(ctx, func(r driver.Reclaimed) { w.say(Reclaiming, r.Done, r.Total) })
	if err != nil {
		return n, fmt.Errorf("reclaim disk space: %w", err)
	}
	return n, nil
}

// worker is one who compacts.
type worker struct {
	log      *log.Log
	holder   string
	pace     func()    // of log.SealOptions, or nil
	rest     int       // for how many times as long as it took it rests after erasing a slice
	dead     int64     // bytes that were replaced and wait to be erased
	stuck    error     // why they could not be
	until    time.Time // of the lease
	since    time.Time // when it was taken
	progress func(Progress)
	report   Report
}

func (w *worker) say(step Step, done, total int64) {
	if w.progress != nil {
		w.progress(Progress{Step: step, Done: done, Total: total, Sealed: w.report.Sealed})
	}
}

// lease takes the lease, or extends it when half of it is over.
func (w *worker) lease(ctx context.Context) (bool, error) {
	now := time.Now()
	if w.until.Sub(now) > LeaseTime/2 {
		return true, nil
	}
	ok, err := w.log.Lease(ctx, w.holder, LeaseTime)
	if ok {
		if w.until.IsZero() {
			w.since = now
		}
		w.until = now.Add(LeaseTime)
	}
	return ok, err
}

// wait waits for the lease.
func (w *worker) wait(ctx context.Context) error {
	for {
		ok, err := w.lease(ctx)
		if ok || err != nil {
			return err
		}
		w.say(Waiting, 0, 0)
		select {
		case <-time.After(leaseRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// giveBack gives the lease back, if it is held.
func (w *worker) giveBack() {
	if !w.until.IsZero() {
		// It ends by itself if this fails.
		w.log.Lease(context.Background(), w.holder, -time.Second)
		w.until = time.Time{}
	}
}

// seal seals runs that had no event for so long whole, of others what fills a segment. With
// 0 it seals all of them, also those that were saved under a clock that was ahead.
func (w *worker) seal(ctx context.Context, idle time.Duration) error {
	since := w.log.Now().Add(-idle)
	var tails []log.Tail
	var total, done int64
	for t, err := range w.log.Tails(ctx) {
		switch {
		case err != nil && t.Run != "":
			w.skip(t.Run, err)
		case err != nil:
			return err
		default:
			tails = append(tails, t)
			total += int64(t.Events)
		}
	}
	for _, t := range tails {
		w.say(Sealing, done, total)
		if err := w.wait(ctx); err != nil { // it may have been lost, to one who works now
			return err
		}
		err := w.sealRun(ctx, t.Run, idle <= 0 || !t.At.After(since), func(events int64) { w.say(Sealing, done+events, total) })
		if err != nil {
			return err
		}
		done += int64(t.Events)
	}
	w.say(Sealing, total, total)
	return nil
}

// sealRun seals one run. Damage in it is noted, and no reason to stop.
func (w *worker) sealRun(ctx context.Context, run string, whole bool, progress func(events int64)) error {
	if ok, err := w.lease(ctx); err != nil || !ok {
		return errors.Join(err, errBusy)
	}
	before := w.report.Sealed
	stats, err := w.log.Seal(ctx, run, log.SealOptions{Whole: whole, Pace: w.pace, Progress: func(s log.SealStats) {
		replaced := before.Before + s.Before - w.report.Sealed.Before
		w.report.Sealed = before
		w.report.Sealed.Add(s)
		w.lease(ctx) // if it is lost, two do the same work, and one of them in vain
		if progress != nil {
			progress(int64(s.Events))
		}
		w.replaced(ctx, replaced)
	}})
	w.report.Sealed = before
	w.report.Sealed.Add(stats)
	if stats.Segments > 0 {
		w.report.Runs++
	}
	switch {
	case w.stuck != nil: // nothing that is wrong with the run
		return w.stuck
	case errors.Is(err, log.ErrNotFound): // it was deleted
		return nil
	case errors.Is(err, log.ErrCorrupt), errors.Is(err, log.ErrUnsupportedVersion), errors.Is(err, log.ErrTooLarge):
		w.skip(run, err)
		return nil
	}
	return err
}

// maxSkipped bounds what a report lists.
const maxSkipped = 100

func (w *worker) skip(run string, err error) {
	if len(w.report.Skipped) < maxSkipped {
		w.report.Skipped = append(w.report.Skipped, Skipped{run, err})
	}
}

// purgeAfter is how many bytes that were replaced wait to be erased, before anything
// else is replaced: by so much, and a segment, the storage may grow while it is worked on.
const purgeAfter = 16 << 20

// replaced notes that so many bytes are dead, and erases them when they are many,
// unless it is stuck.
func (w *worker) replaced(ctx context.Context, bytes int64) error {
	if w.dead += bytes; w.stuck == nil && w.dead >= purgeAfter {
		w.stuck = w.purge(ctx)
	}
	return w.stuck
}

// purge erases what is dead, slice by slice, and rests after each.
func (w *worker) purge(ctx context.Context) error {
	w.dead = 0
	for {
		w.say(Purging, 0, 0)
		w.lease(ctx)
		start := time.Now()
		more, err := w.log.Purge(ctx)
		if err != nil || !more {
			return err
		}
		if w.rest == 0 {
			continue
		}
		if pause(ctx, time.Duration(w.rest)*time.Since(start)); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
