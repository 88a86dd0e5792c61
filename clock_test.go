package checkpoint_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestClocks saves under clocks that are wrong, and with times that callers make up.
func TestClocks(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := t.Context()
		at := time.Now()
		s := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithClock(func() time.Time { return at }))
		save := func(run string, created time.Time) {
			require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: run, NodeID: "a", State: []byte(`1`), CreatedAt: created}))
		}
		planned := func() (drop []string) {
			plan, err := s.Plan(ctx, compaction.DropRunsIdle(time.Hour))
			require.NoError(t, err)
			for _, r := range plan.Runs {
				if r.Drop != "" {
					drop = append(drop, r.Run)
				}
			}
			return drop
		}
		now := at
		save("set back", now)
		at = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
		save("set back", time.Time{})
		at = now
		save("copied from elsewhere", now.AddDate(-3, 0, 0))
		save("dated ahead", now.AddDate(3, 0, 0))
		at = now.AddDate(0, 0, 2)
		for range 20 {
			save("saved ahead", time.Time{})
		}
		at = now
		require.Empty(t, planned(), "each was saved just now")

		run, err := s.Run(ctx, "set back")
		require.NoError(t, err)
		require.WithinDuration(t, now, run.SavedAt, time.Second)
		require.Equal(t, 1990, run.UpdatedAt.Year())

		at = now.Add(2 * time.Hour)
		require.Equal(t, []string{"copied from elsewhere", "set back"}, planned(), "one is dated ahead")
		at = now
		rep, err := s.Compact(ctx, checkpoint.CompactOptions{})
		require.NoError(t, err)
		require.EqualValues(t, 20, rep.Sealed.Events)
	})
}

// TestWatchUnderWrongClocks watches all runs of a store of which many were saved under a
// clock that was ahead, or whose clock is set back meanwhile.
func TestWatchUnderWrongClocks(t *testing.T) {
	for name, c := range map[string]struct{ before, meanwhile time.Duration }{
		"ahead":    {before: 48 * time.Hour},
		"set back": {meanwhile: -48 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
				ctx := t.Context()
				at := time.Now().Add(c.before)
				others := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithClock(func() time.Time { return at }))
				for i := range 300 {
					at = at.Add(time.Second)
					require.NoError(t, others.Save(ctx, small(fmt.Sprint("run-", i), i)))
				}
				var wrong atomic.Int64 // by how much the clock is
				s := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithClock(func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }))
				seen := make(chan *checkpoint.Event, 1000)
				go func() {
					for ev, err := range s.Watch(ctx, checkpoint.WatchOptions{}) {
						if err != nil {
							return
						}
						seen <- ev
					}
				}()
				var n uint64
				save := func() time.Time {
					n++
					require.NoError(t, s.Save(ctx, small(fmt.Sprint("watched-", n), int(n))))
					return time.Now()
				}
				require.Eventually(t, func() bool { save(); return len(seen) > 0 }, time.Minute, 100*time.Millisecond)
				wrong.Store(int64(c.meanwhile))
				var longest time.Duration
				for range 10 {
					start := save()
					for ev := (&checkpoint.Event{}); ev.RunID != fmt.Sprint("watched-", n); {
						select {
						case ev = <-seen:
						case <-time.After(time.Minute):
							t.Fatal("an event was not seen")
						}
					}
					longest = max(longest, time.Since(start))
				}
				// A look at all runs would find them too, every 5 seconds.
				require.Less(t, longest, 4*time.Second)
			})
		})
	}
}

// TestBackgroundGoesByTheClock seals what is idle by the store's clock, also once that is set
// back.
func TestBackgroundGoesByTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := noon
		var mu sync.Mutex
		clock := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return at
		}
		set := func(to time.Time) {
			mu.Lock()
			defer mu.Unlock()
			at = to
		}
		s := checkpoint.NewMemoryStore(checkpoint.WithIdle(time.Minute), checkpoint.WithClock(clock))
		defer s.Close()
		for i, now := range []time.Time{noon, noon.AddDate(0, 0, -1)} {
			set(now)
			id := fmt.Sprint("run-", i)
			for n := range 40 {
				require.NoError(t, s.Save(t.Context(), small(id, n)))
			}
			unsealed := func() uint64 {
				run, err := s.Run(t.Context(), id)
				require.NoError(t, err)
				return run.Unsealed()
			}
			time.Sleep(time.Hour) // by the real clock
			require.Positive(t, unsealed(), "it is not idle")
			set(now.Add(2 * time.Minute))
			time.Sleep(time.Hour)
			require.Zero(t, unsealed())
		}
	})
}
