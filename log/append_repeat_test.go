package log_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// TestRepetition: to append the same again where an event is expected, because the answer
// was lost, answers as the first time; anything else after the same event is a conflict.
func TestRepetition(t *testing.T) {
	t.Parallel()
	const run = "run"
	at := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	lost := errors.New("the line went dead")
	for _, answer := range []struct {
		name string
		err  error
		// unknown says that the caller learns that nobody knows, other that only another
		// Log can be asked then.
		unknown, other bool
	}{
		{name: "nothing was said"},
		{name: "it was said that it did not happen", err: &driver.NotAppliedError{Err: lost}},
		{name: "the answer was lost", err: &driver.LostError{Err: lost}, unknown: true},
		{name: "nobody knows", err: lost, unknown: true, other: true},
	} {
		for _, c := range []struct {
			name    string
			timed   bool
			bare    bool // the expectation has no hash
			later   bool // others have appended since
			change  func(*log.Append)
			refused bool
		}{
			{name: "the same"},
			{name: "the same after a bare seq", bare: true},
			{name: "the same with its time", timed: true},
			{name: "the same, and the run has moved on", later: true},
			{name: "it names the parent that it had anyway", change: func(a *log.Append) { a.From.Seq = 2 }},
			{name: "another state", change: func(a *log.Append) { a.State = append(a.State, ' ') }, refused: true},
			{name: "another node", change: func(a *log.Append) { a.Header.NodeID = "other" }, refused: true},
			{name: "another role", change: func(a *log.Append) { a.Header.Role = log.Branch }, refused: true},
			{name: "another time", timed: true, change: func(a *log.Append) { a.Header.CreatedAt = at.Add(1) }, refused: true},
			{name: "another label", change: func(a *log.Append) { a.Header.Metadata.Labels = map[string]string{"a": "1"} }, refused: true},
			{name: "another parent", change: func(a *log.Append) { a.From.Seq = 1 }, refused: true},
			{name: "no parent", change: func(a *log.Append) { a.Root = true }, refused: true},
			{name: "after another event", change: func(a *log.Append) { a.Expect = &log.Position{Seq: 2, Hash: log.Digest{1}} }, refused: true},
			{name: "begin", change: func(a *log.Append) { a.Expect, a.Begin = nil, true }, refused: true},
		} {
			t.Run(answer.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				b := newTapped(t)
				l := open(t, b, log.Options{})
				add(t, l, event(run, "a"))
				last := add(t, l, event(run, "b"))
				same := func() log.Append {
					a := event(run, "mine")
					a.Expect = &log.Position{Seq: 2, Hash: last.Hash}
					if c.bare {
						a.Expect.Hash = log.Digest{}
					}
					a.Header.Metadata = log.Metadata{GraphID: "g", Version: 2, Labels: map[string]string{"b": "2", "a": "1"}}
					a.Header.Attempt = 3
					if c.timed {
						a.Header.CreatedAt = at
					}
					return a
				}
				b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
					b.onApply = nil
					res, err := apply(ctx, changes)
					require.NoError(t, err)
					return res, answer.err
				}
				_, err := l.Append(t.Context(), same())
				require.ErrorIs(t, err, answer.err)
				require.Equal(t, answer.unknown, errors.Is(err, log.ErrUnknownOutcome))
				if answer.other {
					l = another(t, b)
				}
				if c.later {
					add(t, l, event(run, "later"))
				}
				before, err := l.At(t.Context(), run, 3)
				require.NoError(t, err)
				a := same()
				if c.change != nil {
					c.change(&a)
				}
				ev, err := l.Append(t.Context(), a)
				if c.refused {
					require.ErrorIs(t, err, log.ErrConflict)
				} else {
					require.NoError(t, err)
					require.True(t, ev.Repeated)
					require.Equal(t, before.Header, ev.Header)
					require.Equal(t, before.Hash, ev.Hash)
				}
				r, err := l.Run(t.Context(), run)
				require.NoError(t, err)
				want := uint64(3)
				if c.later {
					want++
				}
				require.Equal(t, want, r.Last)
			})
		}
	}
}

// TestRepetitionIsOneOfAnExpectation: without one, the same twice is two events.
func TestRepetitionIsOneOfAnExpectation(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	a := event("run", "a")
	a.Header.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for seq := range uint64(3) {
		ev, err := l.Append(t.Context(), a)
		require.NoError(t, err)
		require.False(t, ev.Repeated)
		require.Equal(t, seq+1, ev.Seq)
	}
}

// TestExpectNothing: seq 0 is no event that a run could have as its newest.
func TestExpectNothing(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	a := event("run", "a")
	a.Expect = &log.Position{}
	_, err := l.Append(t.Context(), a)
	require.ErrorIs(t, err, log.ErrInvalid)
	require.ErrorContains(t, err, "Begin")
	requireNoRun(t, l, "run")
}

// TestBeginIsStrict: the second of two first events is refused, however alike they are.
func TestBeginIsStrict(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l, other := open(t, b, log.Options{}), another(t, b)
	a := event("run", "a")
	a.Begin = true
	a.Header.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	add(t, l, a)
	for _, l := range []*log.Log{l, other} {
		_, err := l.Append(t.Context(), a)
		require.ErrorIs(t, err, log.ErrConflict)
		require.ErrorContains(t, err, "the run exists, with 1 events")
	}
	require.NoError(t, other.Delete(t.Context(), "run"))
	add(t, l, a)
	require.Equal(t, []string{"1<0 a"}, lineage(t, other, "run"))
}

// Of two identical appends in one commit the second may only be told that its event is
// there once it is.
func TestRepeatedAppendIsAnsweredAfterItsCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("the disk is full")
		refuse := func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
			return nil, &driver.NotAppliedError{Err: full}
		}
		l := newBusy(t, t.Context(), nil)
		first := start(t.Context(), l.Log, event("run", "first"))
		l.release()
		require.NoError(t, first.err)

		gate := make(chan struct{})
		l.b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
			l.b.onApply = refuse
			<-gate
			return apply(ctx, changes)
		}
		leader := start(t.Context(), l.Log, event("leader", "again"))
		same := event("run", "claim")
		same.Expect = &log.Position{Seq: 1}
		calls := []*call{start(t.Context(), l.Log, same), start(t.Context(), l.Log, same)}
		close(gate)
		synctest.Wait()
		require.NoError(t, leader.err)
		for _, c := range calls {
			require.True(t, c.done)
			require.ErrorIs(t, c.err, full)
		}
		l.b.onApply = nil
		require.Equal(t, []string{"1<0 first"}, lineage(t, l.Log, "run"))
	})
}
