package flowgraphstore_test

import (
	"strings"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
	"github.com/flowlog/checkpoint/statediff"
)

// TestForkedRunIsResumed forks runs in the middle and lets flowgraph's engine go on
// with them, though the envelope that it finds there names the other run.
func TestForkedRunIsResumed(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		ctx := t.Context()
		g := graph(t, nil, "a>b b>c c>d d>END", nil)
		fg := flowgraphstore.New(s)
		_, err := run(g, fg, "run")
		require.NoError(t, err)

		_, err = s.Fork(ctx, "run", 2, "fork")
		require.NoError(t, err)
		_, err = s.Fork(ctx, "run", 2, "changed", checkpoint.EditState(func(state []byte) ([]byte, error) {
			return statediff.Apply(state, []byte(`[{"op":"add","path":"/path/-","value":"changed"}]`))
		}))
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, "run"), "they stand on their own")

		for _, fg := range []*flowgraphstore.Store{fg, flowgraphstore.New(s)} { // as good as another process
			list, err := fg.List("fork")
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, "b", list[0].NodeID)
		}
		got, err := g.Resume(newContext(), flowgraphstore.New(s), "fork")
		require.NoError(t, err)
		require.Equal(t, "a b c d", got.String())
		require.Equal(t, "b<0 c<1 d<2", tree(t, s, "fork"))
		got, err = g.Resume(newContext(), fg, "changed")
		require.NoError(t, err)
		require.Equal(t, "a b changed c d", got.String())
		require.Equal(t, "b<0 c<1 d<2", tree(t, s, "changed"))

		// And again from where it was forked, in all ways that there are.
		got, err = g.ResumeFrom(newContext(), fg, "fork", "b", flowgraph.WithReplayNode())
		require.NoError(t, err)
		require.Equal(t, "a b b c d", got.String())
		_, err = g.Resume(newContext(), fg.At(1), "fork")
		require.NoError(t, err)
		require.Equal(t, "b<0 c<1 d<2 b<1 c<4 d<5 c<1 d<7", tree(t, s, "fork"))
		_, err = run(g, fg, "fork") // from the first node
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(tree(t, s, "fork"), " a<0 b<9 c<10 d<11"), tree(t, s, "fork"))

		// A fork of a fork, in the middle of a line that was resumed.
		_, err = s.Fork(ctx, "changed", 2, "again")
		require.NoError(t, err)
		got, err = g.Resume(newContext(), flowgraphstore.New(s), "again")
		require.NoError(t, err)
		require.Equal(t, "a b changed c d", got.String())
		require.Equal(t, "c<0 d<1", tree(t, s, "again"))
	})
}

// TestForkedAtItsEnd holds that a run which was forked after its last node is done.
func TestForkedAtItsEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		g, fg := graph(t, nil, "a>b b>END", nil), flowgraphstore.New(s)
		_, err := run(g, fg, "run")
		require.NoError(t, err)
		_, err = s.Fork(t.Context(), "run", 2, "fork")
		require.NoError(t, err)
		got, err := g.Resume(newContext(), fg, "fork")
		require.NoError(t, err)
		require.Equal(t, "a b", got.String())
		require.Equal(t, "b<0", tree(t, s, "fork"))
	})
}

// TestBlameShowsTheStateOfANode holds that what is blamed is the user's state, and not
// the envelope around it.
func TestBlameShowsTheStateOfANode(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		_, err := run(graph(t, nil, "a>b b>c c>END", nil), flowgraphstore.New(s), "run")
		require.NoError(t, err)
		for path, node := range map[string]string{"": "c", "path": "c", "path[-1]": "c", "/path/0": "a", "path[1]": "b"} {
			p, err := s.Blame(t.Context(), "run", 3, path)
			require.NoError(t, err)
			require.Equal(t, node, p.Event.NodeID, path)
		}
	})
}
