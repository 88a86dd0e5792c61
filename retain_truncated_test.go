package checkpoint_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/log"
)

// TestPlanOfATruncatedRun: what was dropped with its header is in no plan, keeps nothing
// back, and an older plan passes it over.
func TestPlanOfATruncatedRun(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		old := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(1000), atNoon)
		s := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(1000))
		states := loop(t, old, "run", 20)
		savedAfter(t, old, "run", "branch", `"branch"`, 3) // of an event that is dropped later
		require.NoError(t, s.Pin(ctx, "run", 2))
		require.NoError(t, s.Label(ctx, "run", 3, "gold", "yes"))
		require.NoError(t, s.Pin(ctx, "run", 15))
		policies := []checkpoint.Policy{compaction.KeepLast(2), compaction.KeepLabelled("gold", "")}
		older, err := s.Plan(ctx, policies...)
		require.NoError(t, err)
		n := len(events(t, s, "run", checkpoint.HistoryOptions{}))

		_, err = s.TruncateFront(ctx, "run", 10, "too old")
		require.NoError(t, err)
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			m, err := s.Marks(ctx, "run")
			require.NoError(t, err)
			require.Equal(t, []uint64{15}, slices.Sorted(maps.Keys(m.Events)))
		}
		plan, err := s.Plan(ctx, policies...)
		require.NoError(t, err)
		text, err := json.Marshal(plan)
		require.NoError(t, err)
		var read checkpoint.Plan
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, plan, read)
		r := plan.Runs[0]
		var seqs []uint64
		for _, g := range r.Prune {
			for seq := g.First; seq <= g.Last; seq++ {
				seqs = append(seqs, seq)
			}
		}
		kept := []uint64{}
		for _, k := range r.Kept {
			for seq := k.First; seq <= k.Last; seq++ {
				kept = append(kept, seq)
			}
		}
		require.EqualValues(t, len(seqs), r.Events)
		require.Equal(t, []uint64{15, uint64(n - 2), uint64(n - 1), uint64(n)}, kept)
		require.Equal(t, n-9, len(kept)+len(seqs))

		res, err := s.RunPlan(ctx, older, checkpoint.PlanOptions{})
		require.NoError(t, err)
		require.Empty(t, res.Skipped)
		require.Equal(t, r.Events, res.Events)
		res, err = s.RunPlan(ctx, plan, checkpoint.PlanOptions{})
		require.NoError(t, err)
		require.Zero(t, res.Events)
		for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{}) {
			require.Equal(t, slices.Contains(seqs, ev.Seq), ev.Pruned, "seq %d", ev.Seq)
			if !ev.Pruned && int(ev.Seq) < n {
				require.Equal(t, states[ev.Seq], string(ev.State))
			}
		}
		requireIntact(t, s, "run")

		// A pin that nobody could take away any more keeps no run.
		require.NoError(t, s.Unpin(ctx, "run", 15))
		plan, err = s.Plan(ctx, compaction.DropRunsIdle(time.Hour), compaction.KeepLabelled("gold", ""))
		require.NoError(t, err)
		require.NotEmpty(t, plan.Runs[0].Drop, plan.Runs[0].Stays)
		require.EqualValues(t, len(kept), plan.Runs[0].Events)
		res, err = s.RunPlan(ctx, plan, checkpoint.PlanOptions{})
		require.NoError(t, err)
		require.Equal(t, 1, res.Dropped)
		_, err = s.Run(ctx, "run")
		require.ErrorIs(t, err, log.ErrNotFound)
	})
}
