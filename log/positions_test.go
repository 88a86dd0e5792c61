package log_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// relived is a run whose id was used before: it had events 1 to 5 then. It is found in
// several ways, each with how many events it has now and how many of those it had then.
var relived = []struct {
	name string
	last uint64 // now
	same uint64 // so many are still those of before
	do   func(t *testing.T, l *log.Log, before packed)
}{
	{"begun anew, shorter", 2, 0, func(t *testing.T, l *log.Log, _ packed) { begunAnew(t, l, 2) }},
	{"begun anew, as long", 5, 0, func(t *testing.T, l *log.Log, _ packed) { begunAnew(t, l, 5) }},
	{"begun anew, longer", 9, 0, func(t *testing.T, l *log.Log, _ packed) { begunAnew(t, l, 9) }},
	{"restored", 3, 3, restored(0)},
	{"restored and written, shorter", 4, 3, restored(1)},
	{"restored and written, as long", 5, 3, restored(2)},
	{"restored and written, longer", 8, 3, restored(5)},
}

func begunAnew(t *testing.T, l *log.Log, n int) {
	require.NoError(t, l.Delete(t.Context(), "run"))
	for i := range n {
		add(t, l, event("run", fmt.Sprint("node-", i%2))) // the same nodes and states
	}
}

// restored imports what the run was after three events, and goes on from there.
func restored(n int) func(*testing.T, *log.Log, packed) {
	return func(t *testing.T, l *log.Log, before packed) {
		require.NoError(t, l.Delete(t.Context(), "run"))
		_, err := unpack(t.Context(), l, before, nil)
		require.NoError(t, err)
		for i := range n {
			add(t, l, event("run", fmt.Sprint("node-", (3+i)%2)))
		}
	}
}

// relive makes a run of five events, has another process do something to it, and returns
// the positions that it had before.
func relive(t *testing.T, do func(*testing.T, *log.Log, packed)) (l, other *log.Log, before []log.Position) {
	b := newTapped(t)
	l, other = open(t, b, log.Options{}), another(t, b)
	var p packed
	for i := range 5 {
		ev := add(t, l, event("run", fmt.Sprint("node-", i%2)))
		before = append(before, ev.Position())
		if i == 2 {
			p = pack(t, l, "run")
		}
	}
	_, err := l.Newest(t.Context(), "run")
	require.NoError(t, err)
	do(t, other, p)
	return l, other, before
}

// TestPositionsOfAnotherLife: a position is refused wherever it can be given if the run has
// another event there, or none; a bare seq is held to the run as it is.
func TestPositionsOfAnotherLife(t *testing.T) {
	t.Parallel()
	for _, c := range relived {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mine, other, before := relive(t, c.do)
			for _, l := range []*log.Log{mine, other} {
				for _, p := range before {
					want := error(nil)
					if p.Seq > c.same {
						want = log.ErrConflict
					}
					refused := func(what string, err error) {
						t.Helper()
						require.ErrorIs(t, err, want, "%s at %d", what, p.Seq)
						if want != nil {
							require.ErrorContains(t, err, "the position is of another life of the run")
							require.ErrorContains(t, err, fmt.Sprintf("seq %d", p.Seq))
						}
					}
					_, err := l.Nodes(t.Context(), "run", p)
					refused("Nodes", err)
					_, err = l.NodeAt(t.Context(), "run", "node-0", p)
					refused("NodeAt", err)
					_, err = l.Visit(t.Context(), "run", "node-0", 1, p)
					refused("Visit", err)
					if want == nil {
						continue // it may be appended to
					}
					a := event("run", "mine")
					a.From = p
					_, err = l.Append(t.Context(), a)
					refused("From", err)
					a = event("run", "mine")
					a.Expect = &p
					_, err = l.Append(t.Context(), a)
					require.ErrorIs(t, err, log.ErrConflict)
					if p.Seq == c.last {
						refused("Expect", err)
					}
					run, err := l.Run(t.Context(), "run")
					require.NoError(t, err)
					require.Equal(t, c.last, run.Last, "nothing was written")

					bare := log.Position{Seq: p.Seq}
					_, err = l.Nodes(t.Context(), "run", bare)
					if p.Seq <= c.last {
						require.NoError(t, err)
						continue
					}
					require.ErrorIs(t, err, log.ErrNotFound)
					_, err = l.Append(t.Context(), after(event("run", "mine"), p.Seq))
					require.ErrorIs(t, err, log.ErrNotFound)
				}
			}
			// What is good goes on.
			ev := add(t, mine, after(event("run", "bare"), 2))
			require.Equal(t, []uint64{c.last + 1, 2}, []uint64{ev.Seq, ev.Parent})
			if c.same > 0 {
				a := event("run", "held")
				a.From = before[c.same-1]
				require.Equal(t, c.same, add(t, mine, a).Parent)
			}
			requireIntact(t, other, "run")
		})
	}
}

// TestPositionsOfADeletedRun: where there is no run, no position is good, and what says
// nothing of one begins it.
func TestPositionsOfADeletedRun(t *testing.T) {
	t.Parallel()
	mine, other, before := relive(t, func(t *testing.T, l *log.Log, _ packed) { require.NoError(t, l.Delete(t.Context(), "run")) })
	for _, p := range append(before, log.Position{Seq: 5}) {
		a := event("run", "mine")
		a.From = p
		_, err := mine.Append(t.Context(), a)
		require.Error(t, err)
		require.NotErrorIs(t, err, log.ErrUnknownOutcome)
		a = event("run", "mine")
		a.Expect = &p
		_, err = mine.Append(t.Context(), a)
		require.ErrorIs(t, err, log.ErrConflict)
		_, err = mine.Nodes(t.Context(), "run", p)
		require.ErrorIs(t, err, log.ErrNotFound)
		requireNoRun(t, other, "run")
	}
	add(t, mine, event("run", "mine"))
	require.Equal(t, []string{"1<0 mine"}, lineage(t, other, "run"))
}

// TestWatchPositions: a watch that is continued gives what came after the position, and of
// a run that has another event there, or none, all.
func TestWatchPositions(t *testing.T) {
	t.Parallel()
	for _, c := range relived {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mine, _, before := relive(t, c.do)
			for _, p := range append(before, log.Position{}) {
				first := uint64(1)
				if p.Seq <= c.same {
					first = p.Seq + 1
				}
				for _, run := range []string{"", "run"} {
					require.Equal(t, span(first, c.last), watched(t, mine, log.WatchOptions{Run: run, Seen: map[string]log.Position{"run": p}}), "seen %d", p.Seq)
				}
			}
			// Bare seqs are held to the run as it is.
			for seq := range uint64(12) {
				first := seq + 1
				if seq > c.last {
					first = 1
				}
				require.Equal(t, span(first, c.last), watched(t, mine, log.WatchOptions{Seen: map[string]log.Position{"run": {Seq: seq}}}), "seen %d", seq)
			}
		})
	}
}

// watched returns the seqs that a watch of the run gives until it waits.
func watched(t *testing.T, l *log.Log, opts log.WatchOptions) (seqs []uint64) {
	synctest.Test(t, func(t *testing.T) { // where a second passes at once
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for ev, err := range l.Watch(ctx, opts) {
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			seqs = append(seqs, ev.Seq)
		}
	})
	return seqs
}

// TestWatchFollowsTheRunThatIsThere: one that is deleted and begun anew under a watch is
// followed from its new first event, also if it is longer than the one before.
func TestWatchFollowsTheRunThatIsThere(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 7} {
		for _, id := range []string{"", "run"} {
			synctest.Test(t, func(t *testing.T) {
				b := &tapped{Backend: memory.New()}
				l, other := open(t, b, log.Options{}), another(t, b)
				for range 3 {
					add(t, l, event("run", "before"))
				}
				ctx, cancel := context.WithCancel(t.Context())
				var have []string
				for ev, err := range l.Watch(ctx, log.WatchOptions{Run: id, From: 1}) {
					if err != nil {
						require.ErrorIs(t, err, context.Canceled)
						break
					}
					have = append(have, fmt.Sprint(ev.Seq, " ", ev.NodeID))
					if len(have) == 3 {
						require.NoError(t, other.Delete(ctx, "run"))
						for range n {
							add(t, other, event("run", "anew"))
						}
					}
					if len(have) == 3+n {
						cancel()
					}
				}
				cancel()
				want := []string{"1 before", "2 before", "3 before"}
				for i := range n {
					want = append(want, fmt.Sprint(i+1, " anew"))
				}
				require.Equal(t, want, have)
			})
		}
	}
}

// TestWatchFollowsARestoredRun: a run that is restored to an earlier state while it is being
// watched, and written anew, is given from its beginning and not with a gap.
func TestWatchFollowsARestoredRun(t *testing.T) {
	t.Parallel()
	for _, run := range []string{"", "run"} {
		l := open(t, newTapped(t), log.Options{})
		for range 3 {
			add(t, l, event("run", "a"))
		}
		archive := pack(t, l, "run")
		for range 3 {
			add(t, l, event("run", "old"))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var got []string
		for ev, err := range l.Watch(ctx, log.WatchOptions{Run: run, From: 1, HeadersOnly: true, Every: time.Millisecond}) {
			require.NoError(t, err)
			got = append(got, ev.NodeID)
			if len(got) == 6 {
				require.NoError(t, l.Delete(t.Context(), "run"))
				_, err := unpack(t.Context(), l, archive, nil)
				require.NoError(t, err)
				for range 5 {
					add(t, l, event("run", "new"))
				}
			}
			if len(got) == 14 {
				break
			}
		}
		require.Equal(t, []string{"a", "a", "a", "old", "old", "old", "a", "a", "a", "new", "new", "new", "new", "new"}, got)
	}
}

// TestWatchOutlivesADeletedRun: a run that is deleted while its events are looked for does
// not end the watch of the others.
func TestWatchOutlivesADeletedRun(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 3 {
		add(t, l, tiny("doomed", "a"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen, deleted := 0, false
	b.onRecord = func(run string, r *driver.Record) bool {
		if seen >= 3 && run == "doomed" && r.Seq == 3 && !deleted {
			deleted = true
			require.NoError(t, another(t, b).Delete(t.Context(), "doomed"))
			return false
		}
		return true
	}
	for ev, err := range l.Watch(ctx, log.WatchOptions{From: 1, HeadersOnly: true, Every: time.Millisecond}) {
		require.NoError(t, err)
		if seen++; seen == 3 {
			add(t, another(t, b), tiny("doomed", "a"))
			add(t, another(t, b), tiny("other", "a"))
		}
		if ev.RunID == "other" {
			break
		}
	}
	require.True(t, deleted)
}
