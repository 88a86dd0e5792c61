package checkpoint_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
	"github.com/flowlog/checkpoint/compaction"
)

// TestPlanEstimatesWhatComesBack holds what a plan says of the bytes that come back to
// what the file is smaller by, for states that are typical and fewer than are sealed on
// their way.
func TestPlanEstimatesWhatComesBack(t *testing.T) {
	t.Parallel()
	common := workload.NewWords(1).Text(700)
	alike := func(w *workload.Words) string { return common + w.Text(40) }
	words := func(n int) func(*workload.Words) string {
		return func(w *workload.Words) string { return w.Text(n) }
	}
	states := func(n int, text func(*workload.Words) string) func(int) iter.Seq2[int, []byte] {
		return func(run int) iter.Seq2[int, []byte] {
			return func(yield func(int, []byte) bool) {
				w := workload.NewWords(uint64(run))
				for i := 0; i < n && yield(i, fmt.Appendf(nil, `{"run":%d,"step":%d,"text":%q}`, run, i, text(w))); i++ {
				}
			}
		}
	}
	bytes := func(run int) iter.Seq2[int, []byte] {
		return func(yield func(int, []byte) bool) {
			r := rand.New(rand.NewPCG(uint64(run), 1))
			for i := 0; i < 40 && yield(i, []byte(noise(r, 20_000))); i++ {
			}
		}
	}
	for name, c := range map[string]struct {
		runs   int
		states func(run int) iter.Seq2[int, []byte]
	}{
		"a transcript":          {2, func(run int) iter.Seq2[int, []byte] { return workload.Transcript(60, uint64(run)) }},
		"short transcripts":     {20, func(run int) iter.Seq2[int, []byte] { return workload.Transcript(8, uint64(run)) }},
		"edited documents":      {12, func(run int) iter.Seq2[int, []byte] { return workload.Document(40, 20_000, 3, uint64(run)) }},
		"small, alike":          {4, states(200, alike)},
		"small, alike, few":     {50, states(10, alike)},
		"small, unrelated":      {10, states(50, words(1000))},
		"large, unrelated":      {2, states(40, words(20_000))},
		"large, incompressible": {2, bytes},
	} {
		t.Run(name, func(t *testing.T) {
			for _, sealed := range []bool{false, true} {
				for i, policies := range [][]checkpoint.Policy{
					{compaction.KeepLast(3)},
					{compaction.KeepLabelled("every", "5th"), compaction.KeepLast(1)},
				} {
					if i > 0 && brief() {
						continue
					}
					for _, st := range []storage{inSQLite(t, t.TempDir()), inBolt(t, t.TempDir())} {
						estimate, back := plannedAndFreed(t, st, c.runs, c.states, sealed, policies)
						const factor, slack = 2.5, 16 << 10
						least, most := float64(estimate)/factor-slack, float64(estimate)*factor+slack
						require.GreaterOrEqual(t, float64(back), least, "%s, sealed %t, %v: estimated %d", st.name, sealed, policies, estimate)
						require.LessOrEqual(t, float64(back), most, "%s, sealed %t, %v: estimated %d", st.name, sealed, policies, estimate)
						t.Logf("%s, sealed %t, %v: estimated %d, came back %d", st.name, sealed, policies, estimate, back)
					}
				}
			}
		})
	}
}

// plannedAndFreed saves runs, prunes them, and returns what came back of the file, and
// what the plan said of it.
func plannedAndFreed(t *testing.T, st storage, runs int, states func(run int) iter.Seq2[int, []byte], sealed bool, policies []checkpoint.Policy) (estimate, back int64) {
	s := st.open(t, checkpoint.WithoutCompaction())
	for run := range runs {
		n := 0
		for _, state := range states(run) {
			cp := &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", run), NodeID: "node", State: state}
			if n++; n%5 == 0 {
				cp.Metadata.Labels = map[string]string{"every": "5th"}
			}
			require.NoError(t, s.Save(t.Context(), cp))
		}
	}
	idle := time.Hour
	if sealed {
		idle = 0
	}
	_, err := s.Compact(t.Context(), checkpoint.CompactOptions{Idle: idle}) // so that nothing else comes back
	require.NoError(t, err)
	plan, err := s.Plan(t.Context(), policies...)
	require.NoError(t, err)
	used := func() int64 {
		size, free, err := s.Space(t.Context())
		require.NoError(t, err)
		return size - free
	}
	before := used()
	_, err = s.RunPlan(t.Context(), plan, checkpoint.PlanOptions{Reclaim: true})
	require.NoError(t, err)
	return plan.Total().Freed, max(0, before-used())
}
