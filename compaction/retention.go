package compaction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/flowlog/checkpoint/log"
)

// Retention asks a Compactor to drop what policies name, again and again. The zero value
// asks for nothing.
type Retention struct {
	// Every is how long after the end of a pass the next begins, but at least 0.2 seconds,
	// so that other processes get their turn. The first begins at once.
	Every time.Duration
	// Policies are those that each pass plans by.
	Policies []Policy
	// Report, if not nil, is called after each pass, in its own goroutine; the Compactor waits
	// for it to return. It may use the log, compact it, and close it.
	Report func(Pass)
}

// Pass is what a Compactor did once for a Retention: the plan, what running it did, and
// what went wrong, which will be tried again.
type Pass struct {
	Plan   Plan
	Result Result
	Err    error
}

// Check returns what is wrong with the retention, as ErrInvalid.
func (r Retention) Check() error {
	if r.Every == 0 && len(r.Policies) == 0 && r.Report == nil {
		return nil
	}
	if r.Every <= 0 {
		return fmt.Errorf("%w retention every %s: the time between two passes must be more than 0", log.ErrInvalid, r.Every)
	}
	if len(r.Policies) == 0 {
		return fmt.Errorf("%w retention without a policy: it would keep everything", log.ErrInvalid)
	}
	for _, p := range r.Policies {
		if err := p.check(); err != nil {
			return fmt.Errorf("retention: %w", err)
		}
	}
	return nil
}

// busyAgain is how long after another process was found at work a pass is tried again,
// at most.
const busyAgain = time.Minute

// retain makes a pass and returns when the next is due.
func (c *Compactor) retain(ctx context.Context, w *worker) (time.Duration, error) {
	r := &c.opts.Retention
	var pass Pass
	ok, err := w.lease(ctx)
	if err == nil && !ok {
		return min(r.Every, busyAgain), nil
	}
	if err == nil {
		pass.Plan, err = newPlan(ctx, w.log, w.pace, r.Policies)
	}
	if err == nil {
		err = pass.Plan.follow(ctx, w, &pass.Result, func(ctx context.Context) error {
			w.takeTurns(ctx)
			return w.wait(ctx)
		})
	}
	if err == nil { // also what was dropped before a crash
		err = w.purge(ctx)
	}
	if ctx.Err() != nil || errors.Is(err, log.ErrClosed) {
		return r.Every, err
	}
	pass.Err = err
	w.giveBack() // the report may compact
	c.tell(ctx, &pass)
	return max(r.Every, 2*leaseRetry), nil // who waits for the lease asks again meanwhile
}

// tell logs and reports a pass.
func (c *Compactor) tell(ctx context.Context, pass *Pass) {
	unreadable := c.tellUnreadable(ctx, pass)
	res, level, args := &pass.Result, slog.LevelDebug, []any{}
	if res.Events+uint64(res.Dropped+len(res.Skipped)) > 0 {
		level = slog.LevelInfo
	}
	if len(res.Skipped) > 0 {
		args = append(args, "first_skipped", res.Skipped[0].Err)
	}
	if pass.Err != nil {
		level, args = slog.LevelWarn, append(args, "error", pass.Err)
	}
	c.opts.Logger.Log(ctx, level, "flowlog: retention", append([]any{
		"runs", len(pass.Plan.Runs), "pruned_runs", res.Runs, "dropped_runs", res.Dropped, "events", res.Events,
		"skipped_runs", len(res.Skipped), "unreadable_runs", unreadable}, args...)...)
	if f := c.opts.Retention.Report; f != nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f(*pass)
		}()
		select {
		case <-done:
		case <-ctx.Done(): // it may be the report that waits for Close
		}
	}
}

// tellUnreadable logs the runs that are damaged and so left alone, and returns how many
// there are. What the pass before told already is no warning again.
func (c *Compactor) tellUnreadable(ctx context.Context, pass *Pass) int {
	now := map[string]bool{}
	for i := range pass.Plan.Runs {
		r := &pass.Plan.Runs[i]
		if r.Unreadable == "" {
			continue
		}
		level := slog.LevelWarn
		if c.unreadable[r.Run] {
			level = slog.LevelDebug
		}
		now[r.Run] = true
		c.opts.Logger.Log(ctx, level, "flowlog: retention leaves a run alone that can't be read", "run", r.Run, "error", r.Unreadable)
	}
	n := len(now)
	if pass.Err != nil { // perhaps not all was looked at
		maps.Copy(now, c.unreadable)
	}
	c.unreadable = now
	return n
}
