package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// forkFacts holds what fork says it will do to the events of the run, and what it did
// to what the library reads.
func forkFacts(t *testing.T, backend, path, dir string, events map[uint64]*checkpoint.Event) {
	t.Helper()
	type spot struct {
		Seq    uint64
		NodeID string `json:"node_id"`
	}
	type forked struct {
		RunID    string `json:"run_id"`
		Written  bool
		Origin   checkpoint.Origin
		NextNode string `json:"next_node"`
		Size     int
		Changes  []changeFacts
		Again    []spot
	}
	sets := []string{"--set", "passes=9007199254740993", "--set", `messages[-1].content="Go on."`, "--set", `files["new.md"]={"b":1,  "a":2}`}
	var dry, done forked
	facts(t, dir, &dry, append([]string{"fork", "essay-1@review#2", "-n"}, sets...)...)
	require.False(t, dry.Written)
	facts(t, dir, &done, append([]string{"fork", "essay-1@review#2"}, sets...)...)
	require.True(t, done.Written)
	done.Written = false
	require.Equal(t, dry, done, "it does what it said")

	store, err := openStore(backend, path, checkpoint.WithReadOnly())
	require.NoError(t, err)
	defer store.Close()
	fork, err := store.Load(t.Context(), done.RunID)
	require.NoError(t, err)
	of := events[5]
	require.Equal(t, &done.Origin, fork.Origin)
	require.Equal(t, checkpoint.Origin{RunID: "essay-1", Seq: 5, Hash: of.Hash}, done.Origin)
	require.Equal(t, of.NextNode, done.NextNode)
	require.Len(t, fork.State, done.Size)
	diff, err := statediff.Compare(of.State, fork.State, statediff.Options{})
	require.NoError(t, err)
	require.Len(t, diff.Changes, 3)
	requireChanges(t, diff.Changes, done.Changes)
	require.Contains(t, string(fork.State), `9007199254740993`)
	require.Contains(t, string(fork.State), `"Go on."`)

	var line []spot // back from the newest event
	for seq := uint64(len(events)); seq != 5; seq = events[seq].Parent {
		line = append([]spot{{seq, events[seq].NodeID}}, line...)
	}
	require.Equal(t, line, done.Again)
}
