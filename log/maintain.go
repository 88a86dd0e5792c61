package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Tail is what of a run is not sealed: the events that have a record of their own.
type Tail struct {
	// Run is the run's id, or that of a companion log, which is sealed like any.
	Run    string
	Events uint64
	Bytes  int64     // of headers and states, as they are stored
	At     time.Time // when the last event came
}

// Tails streams the tails that have events, that of the run with the newest event
// first. A run whose head is damaged comes with its error, and the iteration goes
// on; any other error ends it. Order and bounds are those of [Log.Runs].
func (l *Log) Tails(ctx context.Context) iter.Seq2[Tail, error] {
	return func(yield func(Tail, error) bool) {
		for h, err := range l.heads(ctx, HeadsRequest{Newest: true, Limit: pageHeaders}) {
			if err != nil {
				yield(Tail{}, err)
				return
			}
			if strings.HasPrefix(h.Run, "\x00") {
				continue
			}
			run, err := parseHead(h)
			if err == nil && run.staged() {
				continue
			}
			t := Tail{Run: h.Run, At: time.Unix(0, int64(h.Recency)), Bytes: run.tailBytes()}
			if err == nil {
				err, t.Events = run.lastErr, run.Unsealed()
			}
			if (err != nil || t.Events > 0) && !yield(t, err) {
				return
			}
		}
	}
}

// heads streams heads.
func (l *Log) heads(ctx context.Context, req HeadsRequest) iter.Seq2[Head, error] {
	return func(yield func(Head, error) bool) {
		for {
			if err := l.readable(ctx); err != nil {
				yield(Head{}, err)
				return
			}
			heads, err := l.backend.Heads(ctx, req)
			if err != nil {
				yield(Head{}, fmt.Errorf("list runs: %w", err))
				return
			}
			for _, h := range heads {
				if !yield(h, nil) {
					return
				}
			}
			if len(heads) < req.Limit {
				return
			}
			last := heads[len(heads)-1]
			req.After = Head{Run: last.Run, Recency: last.Recency}
		}
	}
}

// Purge erases a slice of what is dead, which nobody sees any more: records that
// were sealed, and what deleted runs and replaced segments took. It reports whether
// more is left. Appends wait for the slice at most.
func (l *Log) Purge(ctx context.Context) (more bool, err error) {
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	return l.backend.Purge(ctx)
}

// Reclaim gives disk space that is free for use again back to the file system, and
// returns by how many bytes the storage became smaller; see [Reclaimer]. Where
// there is nothing to give back, as in memory, it does nothing.
func (l *Log) Reclaim(ctx context.Context, progress func(Reclaimed)) (int64, error) {
	if err := l.writable(ctx); err != nil {
		return 0, err
	}
	if r, ok := l.backend.(Reclaimer); ok {
		return r.Reclaim(ctx, progress)
	}
	return 0, nil
}

// Check looks whether the storage itself is whole; see [Checker].
func (l *Log) Check(ctx context.Context) error {
	if err := l.readable(ctx); err != nil {
		return err
	}
	if c, ok := l.backend.(Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Space returns what the storage takes on disk and how much of it is free for use
// again, in bytes; zeros where it takes none.
func (l *Log) Space(ctx context.Context) (size, free int64, err error) {
	if err := l.readable(ctx); err != nil {
		return 0, 0, err
	}
	if s, ok := l.backend.(Sizer); ok {
		return s.Space(ctx)
	}
	return 0, 0, nil
}

// leaseRun is the id of a run without events whose row says who compacts.
const leaseRun = "\x00lease"

type lease struct {
	Version int       `json:"version"`
	Holder  string    `json:"holder"`
	From    time.Time `json:"from"` // later than now if the clock was set back since
	Until   time.Time `json:"until"`
}

// Lease keeps others, in this process and in others, from doing the same work on
// the storage: it is held by one holder at a time, until it is given back or the
// time given has passed. It reports whether holder has it from now on; asking
// again extends it. A negative time gives it back.
//
// It spares work and no more: whoever works without it does no harm.
func (l *Log) Lease(ctx context.Context, holder string, d time.Duration) (bool, error) {
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	h, err := l.backend.Head(ctx, leaseRun)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("read the lease: %w", err)
	}
	now := time.Now()
	var held lease
	if json.Unmarshal(h.Data, &held) == nil && held.Holder != holder && !held.From.After(now) && held.Until.After(now) {
		return false, nil
	}
	data, err := json.Marshal(lease{formatVersion, holder, now, now.Add(d)})
	if err != nil {
		return false, err
	}
	results, err := l.apply([]Change{{Run: leaseRun, Revision: h.Revision,
		Head: &Head{Run: leaseRun, Recency: 1, Tail: 1, Sum: headSum(leaseRun, 1, data), Data: data}}})
	if err != nil {
		return false, err
	}
	if errors.Is(results[0].Err, ErrConflict) {
		return false, nil
	}
	return true, results[0].Err
}
