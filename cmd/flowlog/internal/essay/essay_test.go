package essay_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/cmd/flowlog/internal/essay"
)

func TestEveryRunWritesTheSameWords(t *testing.T) {
	t.Parallel()
	first, second := run(t), run(t)
	require.Equal(t, first, second)
}

func TestStateGrowsLikeAnAgents(t *testing.T) {
	t.Parallel()
	var s essay.State
	text := run(t)
	require.NoError(t, json.Unmarshal(text, &s))
	require.Equal(t, 7, s.Pass)
	require.Equal(t, 1+2*7+1, s.Step)
	require.Equal(t, "publish", s.Verdict)
	require.Greater(t, s.CostUSD, 0.0)
	require.Greater(t, len(text), 50<<10)
	require.Less(t, len(text), 500<<10)
}

func TestCancelEndsTheWork(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	g, err := essay.Graph(essay.Work{SlowPass: 3, Entered: func(node string, pass int) {
		if node == essay.Write && pass == 3 {
			cancel()
		}
	}})
	require.NoError(t, err)
	s, err := g.Run(flowgraph.NewContext(ctx), essay.New(7))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, s.Pass)
}

func run(t *testing.T) []byte {
	t.Helper()
	g, err := essay.Graph(essay.Work{})
	require.NoError(t, err)
	s, err := g.Run(flowgraph.NewContext(t.Context()), essay.New(7))
	require.NoError(t, err)
	text, err := json.Marshal(s)
	require.NoError(t, err)
	return text
}
