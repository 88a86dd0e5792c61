package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func TestLoadNodeAndVisit(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i := range 4 {
			saved(t, s, "run", "plan", fmt.Sprint(i))
			saved(t, s, "run", "review", fmt.Sprint(10+i))
		}
		savedAfter(t, s, "run", "review", `99`, 2) // back to 2: the run goes on from there, and visits count over all
		saved(t, s, "run", "plan#2", `"literal"`)
		saved(t, s, "run", "#1", `"hash first"`)
		saved(t, s, "run", "x#y", `"no number"`)
		for node, want := range map[string]uint64{
			"plan": 1, "review": 9, // of the line that the run is on
			"review#1": 2, "review#2": 4, "review#4": 8, "review#5": 9,
			"plan#1": 1, "plan#2": 10, "plan#3": 5, "#1": 11, "x#y": 12, "plan#2#1": 10, "review#02": 4,
		} {
			c, err := s.LoadNode(ctx, "run", node)
			require.NoError(t, err, node)
			require.Equal(t, want, c.Seq, node)
		}
		for _, node := range []string{"nobody", "review#6", "review#0", "review#-1", "review#", "plan#x", "#2", "Review"} {
			_, err := s.LoadNode(ctx, "run", node)
			require.ErrorIs(t, err, checkpoint.ErrNotFound, node)
			say(err)
		}
		_, err := s.LoadNode(ctx, "run", "review#6")
		require.ErrorContains(t, err, `node "review" has 5 visits, not 6`)
		c, err := s.LoadVisit(ctx, "run", "plan#2", 1)
		require.NoError(t, err)
		require.EqualValues(t, 10, c.Seq)
		_, err = s.LoadVisit(ctx, "run", "plan", -1)
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
		require.ErrorContains(t, err, "visits count from 1")
		_, err = s.LoadNode(ctx, "none", "plan")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
	})
}

func TestVisitsCountPrunedOnes(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i := range 4 {
			saved(t, s, "run", "review", fmt.Sprint(i))
		}
		saved(t, s, "run", "review#2", `"literal"`)
		_, err := s.Prune(ctx, "run", []uint64{1, 4}, "test")
		require.NoError(t, err)
		c, err := s.LoadNode(ctx, "run", "review")
		require.NoError(t, err)
		require.EqualValues(t, 3, c.Seq, "the newest whose state is there")
		c, err = s.LoadVisit(ctx, "run", "review", 2)
		require.NoError(t, err)
		require.EqualValues(t, 2, c.Seq)
		for _, n := range []int{1, 4} {
			_, err = s.LoadVisit(ctx, "run", "review", n)
			require.ErrorIs(t, err, checkpoint.ErrPruned)
			say(err)
		}
		_, err = s.Prune(ctx, "run", []uint64{5}, "test")
		require.NoError(t, err)
		_, err = s.LoadNode(ctx, "run", "review#2")
		require.ErrorIs(t, err, checkpoint.ErrPruned, "a node of that name is pruned, another's visit is no answer")
		var pruned *checkpoint.PrunedError
		require.ErrorAs(t, err, &pruned)
		require.EqualValues(t, 5, pruned.Seq)
	})
}

type plan struct {
	Step int      `json:"step"`
	Todo []string `json:"todo"`
}

func TestResume(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i, node := range []string{"plan", "review", "plan", "review"} {
			c, err := checkpoint.New("run", node, plan{Step: i, Todo: []string{"<b>"}})
			require.NoError(t, err)
			c.NextNode, c.CreatedAt = "after "+node, noon
			require.NoError(t, s.Save(ctx, c))
			require.JSONEq(t, fmt.Sprintf(`{"step":%d,"todo":["<b>"]}`, i), string(c.State))
		}
		r, err := checkpoint.Resume[plan](ctx, s, "run")
		require.NoError(t, err)
		require.Equal(t, plan{Step: 3, Todo: []string{"<b>"}}, r.State)
		require.Equal(t, "after review", r.NextNode)
		require.EqualValues(t, 4, r.Checkpoint.Seq)

		r, err = checkpoint.ResumeFrom[plan](ctx, s, "run", "plan#1")
		require.NoError(t, err)
		require.Equal(t, 0, r.State.Step)
		require.Equal(t, "after plan", r.NextNode)
		next, err := checkpoint.New("run", "review", r.State)
		require.NoError(t, err)
		next.Seq = r.Checkpoint.Seq
		require.NoError(t, s.Save(ctx, next))
		require.EqualValues(t, 5, next.Seq)
		require.EqualValues(t, 1, next.Parent)

		m, err := checkpoint.ResumeFrom[map[string]any](ctx, s, "run", "review")
		require.NoError(t, err)
		require.EqualValues(t, 5, m.Checkpoint.Seq)

		_, err = checkpoint.Resume[plan](ctx, s, "none")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		_, err = checkpoint.ResumeFrom[plan](ctx, s, "run", "nobody")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		say(err)
	})
}

func TestResumeIntoAnotherType(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		saved(t, s, "run", "plan", `{"step":"three"}`)
		for _, resume := range []func() error{
			func() error { _, err := checkpoint.Resume[plan](ctx, s, "run"); return err },
			func() error { _, err := checkpoint.ResumeFrom[plan](ctx, s, "run", "plan"); return err },
		} {
			err := resume()
			require.ErrorContains(t, err, `state of run "run" seq 1 (node "plan") does not fit *checkpoint_test.plan`)
			var mismatch *json.UnmarshalTypeError
			require.ErrorAs(t, err, &mismatch)
			require.Equal(t, "step", mismatch.Field)
			say(err)
		}
	})
}

// TestNumbersOfResume (F8): the doc comment of Resume says where a number changes, and how to
// keep it.
func TestNumbersOfResume(t *testing.T) {
	t.Parallel()
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	const state = `{"id":616581622363398143,"list":[9007199254740993]}`
	require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(state)}))
	again := func(v any, err error) string {
		require.NoError(t, err)
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return string(b)
	}
	plain, err := checkpoint.Resume[map[string]any](t.Context(), s, "run")
	require.NotEqual(t, state, again(plain.State, err))
	type kept struct {
		ID   int64         `json:"id"`
		List []json.Number `json:"list"`
	}
	whole, err := checkpoint.Resume[kept](t.Context(), s, "run")
	require.Equal(t, state, again(whole.State, err))
	raw, err := checkpoint.Resume[map[string]json.RawMessage](t.Context(), s, "run")
	require.Equal(t, state, again(raw.State, err))
}
