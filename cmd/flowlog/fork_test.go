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
	type line struct {
		From   spot
		Events []spot
	}
	type forked struct {
		RunID    string `json:"run_id"`
		Written  bool
		Origin   checkpoint.Origin
		NextNode string `json:"next_node"`
		Size     int
		Changes  []changeFacts
		Before   []line
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

	// Two lines went on from there: each event is on one, after the one it continues from.
	came := 0
	for _, line := range done.Before {
		at := line.From
		for _, next := range line.Events {
			require.Equal(t, []any{at.Seq, events[next.Seq].NodeID}, []any{events[next.Seq].Parent, next.NodeID})
			at = next
			came++
		}
	}
	require.Equal(t, []any{2, 6}, []any{len(done.Before), came})
	require.Equal(t, []uint64{5, 6, 5, 9}, []uint64{done.Before[0].From.Seq, done.Before[0].Events[0].Seq, done.Before[1].From.Seq, done.Before[1].Events[0].Seq})

	// What it changed is the difference from the origin, wherever that is told.
	for at, verb := range map[string][]string{"": {"show", done.RunID + "@1", "--meta"}, "events": {"history", done.RunID}, "diff": {"diff", done.RunID + "@1"}} {
		var told struct {
			Changes []changeFacts
			Events  []struct{ Changes []changeFacts }
		}
		facts(t, dir, &told, verb...)
		if at == "events" {
			told.Changes = told.Events[0].Changes
		}
		requireChanges(t, diff.Changes, told.Changes)
	}
	var rows []struct{ Changes []changeFacts }
	facts(t, dir, &rows, "tail", done.RunID)
	requireChanges(t, diff.Changes, rows[0].Changes)
	var blamed []struct {
		setFacts
		ByForkOf *checkpoint.Origin `json:"by_fork_of"`
	}
	facts(t, dir, &blamed, "blame", done.RunID, "--history", "passes")
	require.Len(t, blamed, 2)
	require.Equal(t, &done.Origin, blamed[0].ByForkOf)
	require.Equal(t, []any{done.RunID, uint64(1), "9007199254740993"}, []any{blamed[0].RunID, blamed[0].Seq, string(blamed[0].New)})
	require.Nil(t, blamed[1].ByForkOf, "a node of the origin set it")
	require.Equal(t, "essay-1", blamed[1].RunID)
}
