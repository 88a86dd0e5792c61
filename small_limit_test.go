package checkpoint_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestASmallLimitIsForStates: what is said of a run, of whatever length, is no state: with
// WithMaxState(10) all that makes or reads notes works.
func TestASmallLimitIsForStates(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		const long = "a reason that is much longer than any state may be"
		limit := checkpoint.WithMaxState(10)
		s := st.open(t, limit, checkpoint.WithoutCompaction())
		for range 8 {
			saved(t, s, "run", "node", `"12345678"`)
		}
		require.ErrorIs(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(`"123456789"`)}), checkpoint.ErrTooLarge)
		for range 2 { // as records, then sealed
			last := lastSeq(t, s, "run")
			require.NoError(t, s.Label(ctx, "run", last, long, long))
			require.NoError(t, s.Unlabel(ctx, "run", last, long))
			require.NoError(t, s.Label(ctx, "run", last, long, long))
			require.NoError(t, s.Label(ctx, "run", 0, long, long))
			require.NoError(t, s.Pin(ctx, "run", last))
			n, err := s.Prune(ctx, "run", []uint64{last - 5}, long)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			n, err = s.Redact(ctx, "run", []uint64{last - 4}, long)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			plan, err := s.Plan(ctx, compaction.KeepLast(3))
			require.NoError(t, err)
			res, err := s.RunPlan(ctx, plan, checkpoint.PlanOptions{})
			require.NoError(t, err)
			require.Positive(t, res.Events)
			for _, s := range []*checkpoint.EventStore{s, st.open(t, limit)} {
				m, err := s.Marks(ctx, "run")
				require.NoError(t, err)
				require.Equal(t, checkpoint.Mark{Labels: map[string]string{long: long}}, m.Run)
				require.Equal(t, checkpoint.Mark{Pinned: true, Labels: map[string]string{long: long}}, m.Events[last])
				all := events(t, s, "run", checkpoint.HistoryOptions{})
				require.Len(t, all, int(last))
				require.Equal(t, []any{true, long, false}, []any{all[last-6].Pruned, all[last-6].PrunedBy.Policy, all[last-6].PrunedBy.Redacted})
				require.Equal(t, []any{true, long, true}, []any{all[last-5].Pruned, all[last-5].PrunedBy.Policy, all[last-5].PrunedBy.Redacted})
				_, err = s.LoadSeq(ctx, "run", last-4)
				require.ErrorContains(t, err, long)
				requireIntact(t, s, "run")
				say(m, seqs(all))
			}
			file := sealedFile(t, s, "run")
			d := st.open(t, limit, checkpoint.WithoutCompaction())
			require.NoError(t, d.Delete(ctx, "run"))
			imported(t, d, file)
			require.True(t, bytes.Equal(file, sealedFile(t, d, "run")))
			for range 6 {
				saved(t, s, "run", "node", `"12345678"`)
			}
			_, err = s.Compact(ctx, checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
		a, err := s.TruncateFront(ctx, "run", 12, long)
		require.NoError(t, err)
		require.Equal(t, long, a.Reason)
		_, err = s.LoadSeq(ctx, "run", 3)
		require.ErrorIs(t, err, checkpoint.ErrDropped)
		require.ErrorContains(t, err, long)
		requireIntact(t, st.open(t, limit), "run")
	})
}
