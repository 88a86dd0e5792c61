package checkpoint_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestClocks saves under clocks that are wrong, and with times that callers make up: F6 and
// F24 of the reports that flowlog was tried on.
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
		require.Equal(t, []string{"copied from elsewhere", "dated ahead", "set back"}, planned())
		at = now
		rep, err := s.Compact(ctx, checkpoint.CompactOptions{})
		require.NoError(t, err)
		require.EqualValues(t, 20, rep.Sealed.Events)
	})
}

// TestWatchBesideRunsAhead watches all runs of a store of which many were saved under a
// clock that was ahead.
func TestWatchBesideRunsAhead(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := t.Context()
		at := time.Now().AddDate(0, 0, 2)
		ahead := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithClock(func() time.Time { return at }))
		for i := range 300 {
			at = at.Add(time.Second)
			require.NoError(t, ahead.Save(ctx, small(string(rune('a'+i%26))+string(rune('a'+i/26)), i)))
		}
		s := st.open(t, checkpoint.WithoutCompaction())
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
			require.NoError(t, s.Save(ctx, small("watched", int(n))))
			return time.Now()
		}
		require.Eventually(t, func() bool { save(); return len(seen) > 0 }, time.Minute, 100*time.Millisecond)
		var longest time.Duration
		for range 10 {
			start := save()
			for ev := (&checkpoint.Event{}); ev.Seq != n; {
				select {
				case ev = <-seen:
				case <-time.After(time.Minute):
					t.Fatal("an event was not seen")
				}
			}
			longest = max(longest, time.Since(start))
		}
		// A sweep would find it too, within seconds.
		require.Less(t, longest, 4*time.Second)
	})
}
