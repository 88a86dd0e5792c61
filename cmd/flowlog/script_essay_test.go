package main_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/cmd/flowlog/internal/essay"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// essayName is the store that every script finds in its folder.
const essayName = "essay/store.db"

// essayStore makes a store with a run of the demo's workflow on flowgraph's engine,
// which went back once, and returns its file. It is the same each time: the clock is
// synctest's, and the workflow writes the same words.
func essayStore(t *testing.T, backend string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	synctest.Test(t, func(t *testing.T) {
		store, err := openStore(backend, path, checkpoint.WithoutCompaction())
		require.NoError(t, err)
		graph, err := essay.Graph(essay.Work{Pace: 2500 * time.Millisecond, SlowPass: 2})
		require.NoError(t, err)
		fg := flowgraphstore.New(store, flowgraphstore.WithGraphID(essay.GraphID))
		ctx := flowgraph.NewContext(t.Context())
		_, err = graph.Run(ctx, essay.New(3), flowgraph.WithCheckpointing(fg), flowgraph.WithRunID("essay-1"))
		require.NoError(t, err)
		_, err = graph.ResumeFrom(ctx, fg, "essay-1", "review#2", flowgraph.WithStateOverride(func(s any) any {
			state := s.(essay.State)
			state.Passes = 3
			state.Task = "The same, but shorter."
			return state
		}))
		require.NoError(t, err)
		require.NoError(t, store.Close())
	})
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	return file
}
