package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestEveryRun (F17): everyRun yields each run exactly once, even runs that are saved to
// meanwhile and so move to the front of the list.
func TestEveryRun(t *testing.T) {
	t.Parallel()
	const runs = 1500
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	save := func(i int) {
		t.Helper()
		require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", i), NodeID: "node", State: []byte("{}")}))
	}
	for i := range runs {
		save(i)
	}
	met := map[string]int{}
	for run, err := range (looker{store: s.EventStore, ctx: t.Context()}).everyRun() {
		require.NoError(t, err)
		if met[run.ID]++; len(met) == 10 {
			for i := range runs / 2 { // the oldest, which are still to come
				save(i)
			}
		}
	}
	require.Len(t, met, runs)
	for id, n := range met {
		require.Equal(t, 1, n, id)
	}
}
