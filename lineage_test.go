package checkpoint_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// lineage collects a lineage as run@seq, and returns the error that ended it.
func lineage(s *checkpoint.EventStore, run string, seq uint64, opts checkpoint.LineageOptions) (line []string, err error) {
	for ev, err := range s.Lineage(context.Background(), run, seq, opts) {
		if err != nil {
			return line, err
		}
		line = append(line, fmt.Sprint(ev.RunID, "@", ev.Seq))
	}
	return line, nil
}

func TestLineage(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t, checkpoint.WithoutCompaction())
		for range 4 {
			saved(t, s, "run", "trunk", filler(6000))
		}
		savedAfter(t, s, "run", "left", filler(6001), 2)  // 5
		savedAfter(t, s, "run", "right", filler(6002), 3) // 6
		savedAfter(t, s, "run", "left", filler(6003), 5)  // 7
		_, err := s.Prune(t.Context(), "run", []uint64{2}, "test")
		require.NoError(t, err)
		for range 2 { // as records, then sealed
			for seq, want := range map[uint64][]string{
				7: {"run@7", "run@5", "run@2", "run@1"}, 6: {"run@6", "run@3", "run@2", "run@1"}, 4: {"run@4", "run@3", "run@2", "run@1"}, 1: {"run@1"},
			} {
				got, err := lineage(s, "run", seq, checkpoint.LineageOptions{})
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
			for ev, err := range s.Lineage(t.Context(), "run", 7, checkpoint.LineageOptions{}) {
				require.NoError(t, err)
				require.Equal(t, ev.Seq == 2, ev.Pruned)
				require.Equal(t, ev.Pruned, ev.State == nil)
				say(ev.Seq, ev.Parent, string(ev.State))
			}
			for ev, err := range s.Lineage(t.Context(), "run", 7, checkpoint.LineageOptions{HeadersOnly: true}) {
				require.NoError(t, err)
				require.Nil(t, ev.State)
			}
			_, err = s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
		for _, seq := range []uint64{0, 8} {
			_, err = lineage(s, "run", seq, checkpoint.LineageOptions{})
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
			say(err)
		}
		_, err = lineage(s, "other", 1, checkpoint.LineageOptions{})
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		say(err)
	})
}

// TestLineageOfManyBranches goes back through pages that hold little of the line.
func TestLineageOfManyBranches(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t, checkpoint.WithoutCompaction())
		want := []string{"run@1"}
		saved(t, s, "run", "node", `0`)
		for i := uint64(2); i <= 700; i++ { // two writers take turns, and one of them stops early
			parent := i - 1
			if i > 2 && i < 400 {
				parent = i - 2
			}
			savedAfter(t, s, "run", "node", fmt.Sprint(i), parent)
		}
		for i := uint64(2); i <= 700; i++ {
			if i >= 399 || i > 2 && i%2 == 1 {
				want = append([]string{fmt.Sprint("run@", i)}, want...)
			}
		}
		for range 2 {
			got, err := lineage(s, "run", 700, checkpoint.LineageOptions{})
			require.NoError(t, err)
			require.Equal(t, want, got)
			_, err = s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
	})
}

func TestLineageOfForks(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		for range 3 {
			saved(t, s, "a", "node", `{"n":1}`)
		}
		_, err := s.Fork(ctx, "a", 2, "b")
		require.NoError(t, err)
		saved(t, s, "b", "node", `{"n":2}`)
		_, err = s.Fork(ctx, "b", 2, "c")
		require.NoError(t, err)
		got, err := lineage(s, "c", 1, checkpoint.LineageOptions{HeadersOnly: true})
		require.NoError(t, err)
		require.Equal(t, []string{"c@1", "b@2", "b@1", "a@2", "a@1"}, got)
		got, err = lineage(s, "c", 1, checkpoint.LineageOptions{WithinRun: true})
		require.NoError(t, err)
		require.Equal(t, []string{"c@1"}, got)

		origin := first(t, s, "b").Origin
		at, err := s.FindOrigin(ctx, *origin)
		require.NoError(t, err)
		require.Equal(t, []any{"a", uint64(2), origin.Hash, false}, []any{at.RunID, at.Seq, at.Hash, at.Pruned})
		_, err = s.Prune(ctx, "a", []uint64{2}, "test")
		require.NoError(t, err)
		at, err = s.FindOrigin(ctx, *origin)
		require.NoError(t, err)
		require.True(t, at.Pruned)

		require.NoError(t, s.Delete(ctx, "a"))
		gone := func() {
			got, err = lineage(s, "c", 1, checkpoint.LineageOptions{})
			require.Equal(t, []string{"c@1", "b@2", "b@1"}, got)
			var missing *checkpoint.OriginError
			require.ErrorAs(t, err, &missing)
			require.Equal(t, *origin, missing.Origin)
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
			say(err)
			_, err = s.FindOrigin(ctx, *origin)
			require.ErrorAs(t, err, &missing)
		}
		gone()
		saved(t, s, "a", "node", `{"n":1}`)
		gone() // it has one event only
		saved(t, s, "a", "node", `{"n":1}`)
		gone() // another life of the run is not the origin
		requireIntact(t, s, "b")
		requireIntact(t, s, "c")
	})
}

// TestPrior holds that the prior event is what the lineage has after an event.
func TestPrior(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		saved(t, s, "a", "node", `{"n":1}`)
		saved(t, s, "a", "node", `{"n":2}`)
		savedAfter(t, s, "a", "node", `{"n":3}`, 1)
		again := &checkpoint.Checkpoint{RunID: "a", NodeID: "node", State: []byte(`{"n":4}`)}
		appended(t, s, again, checkpoint.AsRoot())
		fork, err := s.Fork(ctx, "a", 2, "b")
		require.NoError(t, err)
		require.Equal(t, fork.Origin, fork.ForkedFrom())
		require.NoError(t, s.Save(ctx, fork)) // the struct still has its origin
		require.Nil(t, fork.ForkedFrom(), "it continues from the run's own first event")

		prior := func(run string, seq uint64) (*checkpoint.Event, error) {
			return s.Prior(ctx, events(t, s, run, checkpoint.HistoryOptions{From: seq, To: seq, HeadersOnly: true})[0])
		}
		for _, tc := range []struct {
			run  string
			seq  uint64
			want string
		}{
			{"a", 2, `a@1 {"n":1}`}, {"a", 3, `a@1 {"n":1}`}, {"b", 1, `a@2 {"n":2}`}, {"b", 2, `b@1 {"n":2}`},
		} {
			ev, err := prior(tc.run, tc.seq)
			require.NoError(t, err)
			require.Equal(t, tc.want, fmt.Sprintf("%s@%d %s", ev.RunID, ev.Seq, ev.State))
			line, err := lineage(s, tc.run, tc.seq, checkpoint.LineageOptions{})
			require.NoError(t, err)
			require.Equal(t, line[1], fmt.Sprintf("%s@%d", ev.RunID, ev.Seq))
		}
		for _, seq := range []uint64{1, 4} {
			ev, err := prior("a", seq)
			require.NoError(t, err)
			require.Nil(t, ev)
		}

		_, err = s.Prune(ctx, "a", []uint64{2}, "test")
		require.NoError(t, err)
		ev, err := prior("b", 1)
		require.NoError(t, err)
		require.Equal(t, []any{true, true}, []any{ev.Pruned, ev.State == nil})
		late := first(t, s, "b")
		require.NoError(t, s.Delete(ctx, "a"))
		var missing *checkpoint.OriginError
		_, err = prior("b", 1)
		require.ErrorAs(t, err, &missing)
		require.Equal(t, *late.Origin, missing.Origin)
		say(err)
		require.NoError(t, s.Delete(ctx, "b"))
		late.Parent, late.Origin = 1, nil
		_, err = s.Prior(ctx, late)
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		say(err)
	})
}

// first returns the first event of a run.
func first(t tester, s *checkpoint.EventStore, run string) *checkpoint.Event {
	t.Helper()
	return events(t, s, run, checkpoint.HistoryOptions{Limit: 1})[0]
}
