package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func TestCompletionLeavesControlCharactersOut(t *testing.T) {
	t.Parallel()
	store := checkpoint.NewMemoryStore()
	t.Cleanup(func() { store.Close() })
	for _, c := range []checkpoint.Checkpoint{
		{RunID: "run", NodeID: "plan"}, {RunID: "run", NodeID: "pl\x1b[2Jan"},
		{RunID: "run\nfake", NodeID: "n"}, {RunID: "run\ttab", NodeID: "n"}, {RunID: "run\x1b[2J", NodeID: "n"},
	} {
		c.State = []byte(`{}`)
		require.NoError(t, store.Save(t.Context(), &c))
	}
	l := looker{store: store.EventStore, ctx: t.Context()}
	require.Equal(t, []string{"run\t2 events, at pl\\u001b[2Jan"}, l.completeRun("r"))
	require.Equal(t, []string{"run@plan"}, l.completeEvent("run", "p"))
}
