package log_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// TestFailedCommit: whether a Log goes on writing depends on whether it is known
// what became of its changes.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	cause := errors.New("the disk is on fire")
	for _, c := range []struct {
		name   string
		answer func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error)
		want   []error
		latch  bool
		// there says that the changes were made all the same.
		there bool
	}{
		{
			"nothing was applied",
			func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
				return nil, &driver.NotAppliedError{Err: cause}
			},
			[]error{cause}, false, false,
		},
		{
			"nothing was applied, says a driver's driver",
			func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
				return nil, fmt.Errorf("commit: %w", &driver.NotAppliedError{Err: cause})
			},
			[]error{cause}, false, false,
		},
		{
			"the storage is locked",
			func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
				return nil, &driver.NotAppliedError{Err: fmt.Errorf("%w: by another", log.ErrLocked)}
			},
			[]error{log.ErrLocked}, false, false,
		},
		{
			"the storage is closed",
			func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) { return nil, log.ErrClosed },
			[]error{log.ErrClosed}, false, false,
		},
		{
			"each change was refused",
			func(_ context.Context, c []driver.Change, _ applyFunc) ([]driver.Result, error) {
				res := make([]driver.Result, len(c))
				for i := range res {
					res[i].Err = cause
				}
				return res, nil
			},
			[]error{cause}, false, false,
		},
		{
			"the answer was lost, nothing happened",
			func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
				return nil, &driver.LostError{Err: cause}
			},
			[]error{cause, log.ErrUnknownOutcome}, false, false,
		},
		{
			"the answer was lost, it happened, says a driver's driver",
			func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
				apply(ctx, c)
				return nil, fmt.Errorf("commit: %w", &driver.LostError{Err: cause})
			},
			[]error{cause, log.ErrUnknownOutcome}, false, true,
		},
		{
			"nobody knows, nothing happened",
			func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) { return nil, cause },
			[]error{cause, log.ErrUnknownOutcome}, true, false,
		},
		{
			"nobody knows, it happened",
			func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
				apply(ctx, c)
				return nil, cause
			},
			[]error{cause, log.ErrUnknownOutcome}, true, true,
		},
		{
			"nobody knows, with results",
			func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
				res, _ := apply(ctx, c)
				return res, cause
			},
			[]error{cause, log.ErrUnknownOutcome}, true, true,
		},
		{
			"results are missing",
			func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
				res, _ := apply(ctx, c)
				return res[1:], nil
			},
			[]error{log.ErrUnknownOutcome}, true, true,
		},
		{
			"no results",
			func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
				return nil, nil
			},
			[]error{log.ErrUnknownOutcome}, true, false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				l := newBusy(t, t.Context(), nil)
				l.b.onApply = nil
				l.release()
				add(t, l.Log, event("one", "a"))

				l.b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
					<-gate
					return apply(ctx, changes)
				}
				leader := start(t.Context(), l.Log, event("leader", "again"))
				taken := []*call{
					start(t.Context(), l.Log, event("one", "b")), start(t.Context(), l.Log, event("two", "b")),
					start(t.Context(), l.Log, event("one", "c")), start(t.Context(), l.Log, event("leader", "b")),
				}
				var late *call
				latched := make(chan struct{})
				l.b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
					l.b.onApply = nil
					<-latched
					return c.answer(ctx, changes, apply)
				}
				close(gate)
				synctest.Wait()
				require.NoError(t, leader.err)
				late = start(t.Context(), l.Log, event("late", "a"))
				close(latched)
				synctest.Wait()

				for _, call := range taken {
					require.True(t, call.done)
					for _, want := range c.want {
						require.ErrorIs(t, call.err, want)
					}
					require.Equal(t, slices.Contains(c.want, log.ErrUnknownOutcome), errors.Is(call.err, log.ErrUnknownOutcome))
				}
				require.True(t, late.done)
				want := []string{"1<0 a"}
				if c.there {
					want = append(want, "2<1 b", "3<2 c")
				}
				require.Equal(t, want, lineage(t, l.Log, "one"))
				if !c.latch {
					require.NoError(t, late.err)
					n := uint64(len(want))
					require.EqualValues(t, n+1, add(t, l.Log, event("one", "next")).Seq)
					require.Equal(t, append(want, fmt.Sprintf("%d<%d next", n+1, n)), lineage(t, l.Log, "one"))
					return
				}
				require.ErrorIs(t, late.err, log.ErrReadOnly)
				requireLatched(t, l.Log)
				ev, err := l.Newest(t.Context(), "one")
				require.NoError(t, err)
				require.EqualValues(t, len(want), ev.Seq)
				requireNoRun(t, l.Log, "late")
				// Whoever opens the storage again goes on.
				other := another(t, l.b)
				require.EqualValues(t, len(want)+1, add(t, other, event("one", "next")).Seq)
			})
		})
	}
}

// requireLatched wants all that writes to be refused, with a reason.
func requireLatched(t *testing.T, l *log.Log) {
	t.Helper()
	_, err := l.Append(t.Context(), event("one", "x"))
	require.ErrorIs(t, err, log.ErrReadOnly)
	require.NotErrorIs(t, err, log.ErrUnknownOutcome)
	require.ErrorContains(t, err, "nothing was written")
	require.ErrorIs(t, l.Delete(t.Context(), "one"), log.ErrReadOnly)
	_, err = l.Prune(t.Context(), "one", []uint64{1}, "test")
	require.ErrorIs(t, err, log.ErrReadOnly)
	require.ErrorIs(t, l.AddNote(t.Context(), "one", log.Note{Kind: "test"}), log.ErrReadOnly)
}

// TestOneChangeRefused: what is wrong with one run's change is no concern of the
// others that share the commit.
func TestOneChangeRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("this run is full")
		l := newBusy(t, t.Context(), func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
			res := make([]driver.Result, len(changes))
			for i := range changes {
				if changes[i].Run == "two" {
					res[i].Err = full
					continue
				}
				one, err := apply(ctx, changes[i:i+1])
				if err != nil {
					return nil, err
				}
				res[i] = one[0]
			}
			return res, nil
		})
		calls := map[string]*call{}
		for _, run := range []string{"one", "two", "three"} {
			calls[run] = start(t.Context(), l.Log, event(run, "a"))
		}
		l.release()
		require.NoError(t, calls["one"].err)
		require.ErrorIs(t, calls["two"].err, full)
		require.NoError(t, calls["three"].err)
		requireNoRun(t, l.Log, "two")
	})
}

// TestFailedDelete: deleting and pruning latch like appending.
func TestFailedDelete(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *log.Log) error{
		"label":  func(t *testing.T, l *log.Log) error { return l.Label(t.Context(), "one", 1, "a", "b") },
		"pin":    func(t *testing.T, l *log.Log) error { return l.Pin(t.Context(), "one", 1) },
		"delete": func(t *testing.T, l *log.Log) error { return l.Delete(t.Context(), "one") },
		"prune": func(t *testing.T, l *log.Log) error {
			_, err := l.Prune(t.Context(), "one", []uint64{1}, "test")
			return err
		},
		"note": func(t *testing.T, l *log.Log) error { return l.AddNote(t.Context(), "one", log.Note{Kind: "test"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			l := open(t, b, log.Options{})
			add(t, l, event("one", "a"))
			add(t, l, event("one", "b"))
			var answer error
			b.onApply = func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) { return nil, answer }
			answer = &driver.NotAppliedError{Err: log.ErrLocked}
			require.ErrorIs(t, change(t, l), log.ErrLocked)
			answer = &driver.LostError{Err: errors.New("the line went dead")}
			err := change(t, l)
			require.ErrorIs(t, err, log.ErrUnknownOutcome)
			require.ErrorIs(t, err, answer)
			answer = errors.New("the line went dead")
			err = change(t, l)
			require.ErrorIs(t, err, log.ErrUnknownOutcome)
			require.ErrorIs(t, err, answer)
			requireLatched(t, l)
			require.Equal(t, []string{"1<0 a", "2<1 b"}, lineage(t, l, "one"))
		})
	}
}
