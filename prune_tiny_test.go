package checkpoint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestPlanOfSmallSealedStates holds what a plan says that dropping small states gives back,
// each of which leaves a hash behind.
func TestPlanOfSmallSealedStates(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 60, 200, 500, 900} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
			defer s.Close()
			for i := range 1024 {
				text := strings.Repeat(fmt.Sprint(i*7919%1000, " "), size)
				require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "a", State: fmt.Appendf(nil, "%q", fmt.Sprint(i, " ", text[:size]))}))
			}
			_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
			before, err := s.Run(t.Context(), "run")
			require.NoError(t, err)
			plan, err := s.Plan(t.Context(), compaction.KeepLast(1))
			require.NoError(t, err)
			_, err = s.RunPlan(t.Context(), plan, checkpoint.PlanOptions{})
			require.NoError(t, err)
			after, err := s.Run(t.Context(), "run")
			require.NoError(t, err)
			freed := before.Stored - after.Stored
			t.Logf("%d bytes before, %d after; the plan says %d less", before.Stored, after.Stored, plan.Runs[0].Freed)
			if freed < 4096 {
				require.Less(t, plan.Runs[0].Freed, int64(4096))
				return
			}
			require.Greater(t, plan.Runs[0].Freed, freed*4/10)
			require.Less(t, plan.Runs[0].Freed, freed*2)
		})
	}
}
