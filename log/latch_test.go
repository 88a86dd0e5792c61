package log_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestFailedCommit: whether a Log goes on writing depends on whether it is known
// what became of its changes.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	cause := errors.New("the disk is on fire")
	for _, c := range []struct {
		name   string
		answer func([]log.Change, applyFunc) ([]log.Result, error)
		want   []error
		latch  bool
		// there says that the changes were made all the same.
		there bool
	}{
		{
			"nothing was applied",
			func([]log.Change, applyFunc) ([]log.Result, error) { return nil, &log.NotAppliedError{Err: cause} },
			[]error{cause}, false, false,
		},
		{
			"nothing was applied, says a driver's driver",
			func([]log.Change, applyFunc) ([]log.Result, error) {
				return nil, fmt.Errorf("commit: %w", &log.NotAppliedError{Err: cause})
			},
			[]error{cause}, false, false,
		},
		{
			"the storage is locked",
			func([]log.Change, applyFunc) ([]log.Result, error) {
				return nil, &log.NotAppliedError{Err: fmt.Errorf("%w: by another", log.ErrLocked)}
			},
			[]error{log.ErrLocked}, false, false,
		},
		{
			"the storage is closed",
			func([]log.Change, applyFunc) ([]log.Result, error) { return nil, log.ErrClosed },
			[]error{log.ErrClosed}, false, false,
		},
		{
			"each change was refused",
			func(c []log.Change, _ applyFunc) ([]log.Result, error) {
				res := make([]log.Result, len(c))
				for i := range res {
					res[i].Err = cause
				}
				return res, nil
			},
			[]error{cause}, false, false,
		},
		{
			"nobody knows, nothing happened",
			func([]log.Change, applyFunc) ([]log.Result, error) { return nil, cause },
			[]error{cause, log.ErrUnknownOutcome}, true, false,
		},
		{
			"nobody knows, it happened",
			func(c []log.Change, apply applyFunc) ([]log.Result, error) {
				apply(c)
				return nil, cause
			},
			[]error{cause, log.ErrUnknownOutcome}, true, true,
		},
		{
			"nobody knows, with results",
			func(c []log.Change, apply applyFunc) ([]log.Result, error) {
				res, _ := apply(c)
				return res, cause
			},
			[]error{cause, log.ErrUnknownOutcome}, true, true,
		},
		{
			"results are missing",
			func(c []log.Change, apply applyFunc) ([]log.Result, error) {
				res, _ := apply(c)
				return res[1:], nil
			},
			[]error{log.ErrUnknownOutcome}, true, true,
		},
		{
			"no results",
			func(c []log.Change, apply applyFunc) ([]log.Result, error) { return nil, nil },
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

				l.b.onApply = func(changes []log.Change, apply applyFunc) ([]log.Result, error) {
					<-gate
					return apply(changes)
				}
				leader := start(t.Context(), l.Log, event("leader", "again"))
				taken := []*call{
					start(t.Context(), l.Log, event("one", "b")), start(t.Context(), l.Log, event("two", "b")),
					start(t.Context(), l.Log, event("one", "c")), start(t.Context(), l.Log, event("leader", "b")),
				}
				var late *call
				latched := make(chan struct{})
				l.b.onApply = func(changes []log.Change, apply applyFunc) ([]log.Result, error) {
					l.b.onApply = nil
					<-latched
					return c.answer(changes, apply)
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
					require.Equal(t, c.latch, errors.Is(call.err, log.ErrUnknownOutcome))
				}
				require.True(t, late.done)
				if !c.latch {
					require.NoError(t, late.err)
					require.Equal(t, []string{"1<0 a"}, lineage(t, l.Log, "one"))
					require.EqualValues(t, 2, add(t, l.Log, event("one", "next")).Seq)
					require.Equal(t, []string{"1<0 a", "2<1 next"}, lineage(t, l.Log, "one"))
					return
				}
				require.ErrorIs(t, late.err, log.ErrReadOnly)
				requireLatched(t, l.Log)
				want := []string{"1<0 a"}
				if c.there {
					want = append(want, "2<1 b", "3<2 c")
				}
				require.Equal(t, want, lineage(t, l.Log, "one"))
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
	require.ErrorIs(t, l.AddNote(t.Context(), "one", log.Note{Kind: "label"}), log.ErrReadOnly)
}

// TestOneChangeRefused: what is wrong with one run's change is no concern of the
// others that share the commit.
func TestOneChangeRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("this run is full")
		l := newBusy(t, t.Context(), func(changes []log.Change, apply applyFunc) ([]log.Result, error) {
			res := make([]log.Result, len(changes))
			for i := range changes {
				if changes[i].Run == "two" {
					res[i].Err = full
					continue
				}
				one, err := apply(changes[i : i+1])
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

// TestFailureForgetsNothingSeen: after a commit that did not happen, an append
// still continues from what its Log had seen, not from what others wrote.
func TestFailureForgetsNothingSeen(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	mine, other := open(t, b, log.Options{}), another(t, b)
	add(t, mine, event("run", "a"))
	add(t, other, event("run", "x"))
	b.onApply = func([]log.Change, applyFunc) ([]log.Result, error) {
		b.onApply = nil
		return nil, &log.NotAppliedError{Err: log.ErrLocked}
	}
	_, err := mine.Append(t.Context(), event("run", "b"))
	require.ErrorIs(t, err, log.ErrLocked)
	add(t, mine, event("run", "b"))
	require.Equal(t, []string{"1<0 a", "2<1 x", "3<1 b"}, lineage(t, mine, "run"))
}

// TestFailedDelete: deleting and pruning latch like appending.
func TestFailedDelete(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *log.Log) error{
		"delete": func(t *testing.T, l *log.Log) error { return l.Delete(t.Context(), "one") },
		"prune": func(t *testing.T, l *log.Log) error {
			_, err := l.Prune(t.Context(), "one", []uint64{1}, "test")
			return err
		},
		"note": func(t *testing.T, l *log.Log) error { return l.AddNote(t.Context(), "one", log.Note{Kind: "label"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			l := open(t, b, log.Options{})
			add(t, l, event("one", "a"))
			add(t, l, event("one", "b"))
			var answer error
			b.onApply = func([]log.Change, applyFunc) ([]log.Result, error) { return nil, answer }
			answer = &log.NotAppliedError{Err: log.ErrLocked}
			require.ErrorIs(t, change(t, l), log.ErrLocked)
			answer = errors.New("the line went dead")
			err := change(t, l)
			require.ErrorIs(t, err, log.ErrUnknownOutcome)
			require.ErrorIs(t, err, answer)
			requireLatched(t, l)
			require.Equal(t, []string{"1<0 a", "2<1 b"}, lineage(t, l, "one"))
		})
	}
}
