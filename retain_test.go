package checkpoint_test

import (
	"cmp"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/log"
)

func TestLabelsAndPins(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "a", State: []byte(`1`),
			Metadata: checkpoint.Metadata{Labels: map[string]string{"env": "prod", "team": "red"}}}))
		saved(t, s, "run", "b", `2`)
		m, err := s.Marks(ctx, "run")
		require.NoError(t, err)
		require.Equal(t, checkpoint.Marks{}, m, "what was saved with the event is not said later")

		require.NoError(t, s.Label(ctx, "run", 1, "env", "test"))
		require.NoError(t, s.Unlabel(ctx, "run", 1, "team"))
		require.NoError(t, s.Label(ctx, "run", 1, "new", ""))
		require.NoError(t, s.Label(ctx, "run", 2, "gold", "no"))
		require.NoError(t, s.Label(ctx, "run", 2, "gold", "yes"))
		require.NoError(t, s.Label(ctx, "run", 2, "gone", "soon"))
		require.NoError(t, s.Unlabel(ctx, "run", 2, "gone"))
		require.NoError(t, s.Label(ctx, "run", 0, "case", "4711"))
		require.NoError(t, s.Pin(ctx, "run", 2))
		require.NoError(t, s.Pin(ctx, "run", 1))
		require.NoError(t, s.Unpin(ctx, "run", 1))
		require.NoError(t, s.Pin(ctx, "run", 0))
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			m, err = s.Marks(ctx, "run")
			require.NoError(t, err)
			require.Equal(t, checkpoint.Mark{Pinned: true, Labels: map[string]string{"case": "4711"}}, m.Run)
			evs := events(t, s, "run", checkpoint.HistoryOptions{})
			require.Equal(t, map[string]string{"env": "test", "new": ""}, m.Events[1].On(evs[0].Metadata.Labels))
			require.Equal(t, map[string]string{"env": "prod", "team": "red"}, evs[0].Metadata.Labels, "the event stays as it was saved")
			require.Equal(t, map[string]string{"gold": "yes"}, m.Events[2].On(evs[1].Metadata.Labels))
			require.False(t, m.Events[1].Pinned)
			require.True(t, m.Events[2].Pinned)
			text, err := json.Marshal(m)
			require.NoError(t, err)
			say(string(text))
			requireIntact(t, s, "run")
		}

		for _, err := range []error{
			s.Pin(ctx, "none", 0), s.Label(ctx, "run", 3, "a", "b"), s.Unpin(ctx, "run", 1<<40), s.Unlabel(ctx, "none", 1, "a"),
		} {
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
			say(err)
		}
		for _, err := range []error{
			s.Label(ctx, "run", 1, "", "b"), s.Label(ctx, "run", 1, "a\x00", "b"), s.Label(ctx, "run", 0, "a", "\xff"),
		} {
			require.ErrorIs(t, err, checkpoint.ErrInvalid)
			say(err)
		}
		require.ErrorIs(t, s.Label(ctx, "run", 1, "a", filler(2000)), checkpoint.ErrTooLarge)
		_, err = s.Marks(ctx, "none")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)

		// Another life of the run is another run.
		require.NoError(t, s.Delete(ctx, "run"))
		saved(t, s, "run", "a", `1`)
		m, err = s.Marks(ctx, "run")
		require.NoError(t, err)
		require.Equal(t, checkpoint.Marks{}, m)
	})
}

func TestPinOfWhatIsPruned(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t, checkpoint.WithPlainUpTo(1000))
		loop(t, s, "run", 5)
		require.NoError(t, s.Pin(ctx, "run", 2))
		n, err := s.Prune(ctx, "run", []uint64{2}, "by hand")
		require.NoError(t, err)
		require.Equal(t, 1, n, "who names an event is not held up by its pin")
		err = s.Pin(ctx, "run", 2)
		require.ErrorIs(t, err, checkpoint.ErrPruned)
		require.ErrorContains(t, err, `by "by hand"`)
		say(err)
		require.NoError(t, s.Label(ctx, "run", 2, "a", "b"), "a label is about the event")

		_, err = s.Prune(ctx, "run", []uint64{3}, "by hand")
		require.NoError(t, err)
		require.ErrorIs(t, s.Pin(ctx, "run", 3), checkpoint.ErrPruned)
		m, err := s.Marks(ctx, "run")
		require.NoError(t, err)
		require.NotContains(t, m.Events, uint64(3))
	})
}

// TestPlan holds a plan to what it says, and what is done to the plan.
func TestPlan(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		old := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(1000), atNoon)
		states := append(loop(t, old, "run", 20), `"branch"`)
		savedAfter(t, old, "run", "branch", states[21], 5)
		saved(t, old, "idle", "a", `"old"`)
		saved(t, old, "idle and pinned", "a", `"old"`)
		s := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(1000))
		require.NoError(t, s.Pin(ctx, "idle and pinned", 0))
		require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "busy", NodeID: "a", State: []byte(`1`)}))
		require.NoError(t, s.Pin(ctx, "run", 3))
		require.NoError(t, s.Label(ctx, "run", 7, "gold", "yes"))
		require.NoError(t, s.Label(ctx, "run", 8, "gold", "no"))

		plan, err := s.Plan(ctx, compaction.KeepLast(2), compaction.KeepNewestPerNode(), compaction.KeepLabelled("gold", "yes"), compaction.DropRunsIdle(time.Hour))
		require.NoError(t, err)
		for i := range plan.Runs {
			r := &plan.Runs[i]
			now, err := s.Run(ctx, r.Run)
			require.NoError(t, err)
			require.Equal(t, now.Life, r.Life)
			require.Equal(t, now.Last, r.Last)
			r.Life = ""
			if r.Drop != "" {
				require.Equal(t, now.Stored, r.Freed)
			} else {
				require.Zero(t, r.Freed) // what stays takes over what it leaned on
			}
			r.Freed = 0
		}
		one := func(seq uint64) log.Range { return log.Range{First: seq, Last: seq} }
		last2 := "among the last 2 of its branch"
		gone := map[uint64]bool{1: true, 2: true, 4: true, 6: true}
		for seq := range uint64(10) {
			gone[8+seq] = true
		}
		var size int64
		for seq := range gone {
			size += int64(len(states[seq]))
		}
		require.Equal(t, []checkpoint.PlannedRun{
			{Run: "busy", Last: 1, Kept: []compaction.Kept{{Range: one(1), Why: last2}}},
			{Run: "idle", Last: 1, Drop: "idle for 1h0m0s", Events: 1, Bytes: 5},
			{Run: "idle and pinned", Last: 1, Stays: "the run is pinned", Kept: []compaction.Kept{{Range: one(1), Why: "the run is pinned"}}},
			{Run: "run", Last: 21, Stays: "event 3 is pinned",
				Prune: []log.Range{{First: 1, Last: 2}, one(4), one(6), {First: 8, Last: 17}},
				Kept: []compaction.Kept{
					{Range: one(3), Why: "pinned"}, {Range: one(5), Why: last2}, {Range: one(7), Why: "labelled gold=yes"},
					{Range: one(18), Why: "newest of node c"}, {Range: log.Range{First: 19, Last: 21}, Why: last2},
				}, Events: 14, Bytes: size},
		}, plan.Runs)

		plan, err = s.Plan(ctx, plan.Policies...)
		require.NoError(t, err)
		require.Equal(t, compaction.Total{Runs: 1, Dropped: 1, Events: 15, Bytes: size + 5, Freed: plan.Total().Freed}, plan.Total())
		text, err := json.Marshal(plan)
		require.NoError(t, err)
		var read checkpoint.Plan
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, plan, read)

		states = append(states, `"appended"`)
		savedAfter(t, s, "run", "d", states[22], 20)
		at := time.Now()
		head := requireIntact(t, s, "run").Head
		res, err := s.RunPlan(ctx, read, checkpoint.PlanOptions{})
		require.NoError(t, err)
		require.Equal(t, checkpoint.PlanResult{Events: 15, Runs: 1, Dropped: 1, Before: res.Before, After: res.After}, res)
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			requirePrunedBy(t, s, "run", states, gone, at, "keep-last 2, keep-newest-per-node, keep-labelled gold=yes")
			require.Equal(t, head, requireIntact(t, s, "run").Head)
			require.Equal(t, []string{"busy", "idle and pinned", "run"}, runs(t, s, checkpoint.RunsOptions{ByID: true}))
		}
		// Again: nothing is left to do.
		res, err = s.RunPlan(ctx, read, checkpoint.PlanOptions{})
		require.NoError(t, err)
		require.Zero(t, res.Events)
		require.Len(t, res.Skipped, 1)
		require.Equal(t, "idle", res.Skipped[0].Run)
		require.ErrorIs(t, res.Skipped[0].Err, checkpoint.ErrNotFound)
		plan, err = s.Plan(ctx, plan.Policies...)
		require.NoError(t, err)
		require.Zero(t, plan.Total().Events+uint64(plan.Total().Dropped))
		require.EqualValues(t, 14, plan.Runs[2].Pruned)
	})
}

// TestPlanIsOvertaken holds what happens to runs that changed after they were planned.
func TestPlanIsOvertaken(t *testing.T) {
	keep := []checkpoint.Policy{compaction.KeepLast(1), compaction.KeepLabelled("gold", "")}
	drop := []checkpoint.Policy{compaction.DropRunsIdle(time.Hour), compaction.KeepLabelled("gold", "")}
	for name, c := range map[string]struct {
		policies []checkpoint.Policy
		change   func(*checkpoint.EventStore) error
		skipped  string // what the reason contains; empty if the plan is followed
		err      error
	}{
		"an event is pinned":     {keep, func(s *checkpoint.EventStore) error { return s.Pin(t.Context(), "run", 3) }, `run "run" seq 3: conflict: it was to be dropped, and since the plan was made somebody has protected it: pinned; make a new plan`, checkpoint.ErrConflict},
		"the run is pinned":      {keep, func(s *checkpoint.EventStore) error { return s.Pin(t.Context(), "run", 0) }, "the run is pinned", checkpoint.ErrConflict},
		"an event is labelled":   {keep, func(s *checkpoint.EventStore) error { return s.Label(t.Context(), "run", 3, "gold", "") }, "labelled gold", checkpoint.ErrConflict},
		"the run is labelled":    {keep, func(s *checkpoint.EventStore) error { return s.Label(t.Context(), "run", 0, "gold", "x") }, "the run is labelled gold", checkpoint.ErrConflict},
		"another label":          {keep, func(s *checkpoint.EventStore) error { return s.Label(t.Context(), "run", 3, "red", "x") }, "", nil},
		"a kept event is pinned": {keep, func(s *checkpoint.EventStore) error { return s.Pin(t.Context(), "run", 10) }, "", nil},
		"a pin comes and goes": {keep, func(s *checkpoint.EventStore) error {
			return cmp.Or(s.Pin(t.Context(), "run", 3), s.Unpin(t.Context(), "run", 3))
		}, "", nil},
		"the run is gone":         {keep, func(s *checkpoint.EventStore) error { return s.Delete(t.Context(), "run") }, "there is no such run", checkpoint.ErrNotFound},
		"the run is another":      {keep, again, "the run was deleted since, and its id used again", checkpoint.ErrConflict},
		"an event is appended":    {keep, one, "", nil},
		"drop: an event pinned":   {drop, func(s *checkpoint.EventStore) error { return s.Pin(t.Context(), "run", 3) }, "pinned", checkpoint.ErrConflict},
		"drop: the run pinned":    {drop, func(s *checkpoint.EventStore) error { return s.Pin(t.Context(), "run", 0) }, "the run is pinned", checkpoint.ErrConflict},
		"drop: an event labelled": {drop, func(s *checkpoint.EventStore) error { return s.Label(t.Context(), "run", 10, "gold", "") }, "labelled gold", checkpoint.ErrConflict},
		"drop: another label":     {drop, func(s *checkpoint.EventStore) error { return s.Label(t.Context(), "run", 10, "red", "") }, "", nil},
		"drop: the run is gone":   {drop, func(s *checkpoint.EventStore) error { return s.Delete(t.Context(), "run") }, "there is no such run", checkpoint.ErrNotFound},
		"drop: another run":       {drop, again, "the run was deleted since, and its id used again", checkpoint.ErrConflict},
		"drop: one is appended":   {drop, one, "events came to the run since (want last seq 10, have last seq 11)", checkpoint.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
				s := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(1000))
				old := st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(1000), atNoon)
				loop(t, old, "run", 10)
				loop(t, old, "run 2", 10)
				plan, err := s.Plan(t.Context(), c.policies...)
				require.NoError(t, err)
				require.NoError(t, c.change(st.open(t)))
				res, err := s.RunPlan(t.Context(), plan, checkpoint.PlanOptions{})
				require.NoError(t, err)
				followed := 2
				if c.skipped != "" {
					followed = 1
					require.Len(t, res.Skipped, 1)
					require.Equal(t, "run", res.Skipped[0].Run)
					require.ErrorIs(t, res.Skipped[0].Err, c.err)
					require.ErrorContains(t, res.Skipped[0].Err, c.skipped)
					say(res.Skipped[0].Err)
				} else {
					require.Empty(t, res.Skipped)
				}
				if c.policies[0] == drop[0] {
					require.Equal(t, followed, res.Dropped)
					require.EqualValues(t, 10*followed, res.Events)
				} else {
					require.EqualValues(t, 9*followed, res.Events)
				}
				left := map[string]int{}
				for _, run := range runs(t, s, checkpoint.RunsOptions{}) {
					rep := requireIntact(t, s, run)
					left[run] = int(rep.Events - rep.Pruned)
				}
				if c.policies[0] == drop[0] {
					require.NotContains(t, left, "run 2")
				} else {
					require.Equal(t, 1, left["run 2"])
				}
				if c.err == checkpoint.ErrConflict {
					require.NotZero(t, left["run"])
				}
			})
		})
	}
}

// again deletes a run, and begins another of its id.
func again(s *checkpoint.EventStore) error {
	if err := s.Delete(context.Background(), "run"); err != nil {
		return err
	}
	for range 10 {
		if err := one(s); err != nil {
			return err
		}
	}
	return nil
}

// one saves one more event.
func one(s *checkpoint.EventStore) error {
	return s.Save(context.Background(), &checkpoint.Checkpoint{RunID: "run", NodeID: "a", State: []byte(`1`)})
}

func TestPlanRefusesPolicies(t *testing.T) {
	t.Parallel()
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	for want, p := range map[string]checkpoint.Policy{
		`invalid policy "keep-last 0": the number of events must be at least 1`: compaction.KeepLast(0),
		`invalid policy "keep-for 0s": the time must be more than 0`:            compaction.KeepFor(0),
		`invalid policy "drop-runs-idle -1s": the time must be more than 0`:     compaction.DropRunsIdle(-time.Second),
		`invalid policy "keep-labelled =x": the label has no name`:              compaction.KeepLabelled("", "x"),
		`invalid policy "": there is no such rule`:                              {},
	} {
		_, err := s.Plan(t.Context(), compaction.KeepAll(), p)
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
		require.EqualError(t, err, want)
	}
}
