package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// setFacts is what blame -o json says of a value.
type setFacts struct {
	Asked  statediff.Pointer
	RunID  string `json:"run_id"`
	Seq    uint64
	NodeID string `json:"node_id"`
	Visit  int
	changeFacts
	Prior *struct {
		Seq    uint64
		NodeID string `json:"node_id"`
		Visit  int
	}
}

// blameFacts holds what blame says of every value of the newest state, and of those in
// messages, to the states of the events that it names, and to the library.
func blameFacts(t *testing.T, backend, path, dir string, events map[uint64]*checkpoint.Event) {
	t.Helper()
	newest := events[uint64(len(events))]
	for _, at := range []string{"", "messages", "cost_usd", "verdict", "task", `files["essay.md"]`} {
		var sets []setFacts
		facts(t, dir, &sets, "blame", "essay-1", at)
		require.NotEmpty(t, sets)
		for i, s := range sets {
			require.True(t, i == 0 || s.Seq <= sets[i-1].Seq, "last set first")
			requireSet(t, events, newest, s)
		}
		require.Equal(t, strings.Count(output(t, dir, "blame", "essay-1", at, "-o", "jsonl"), "\n"), len(sets))
	}
	store, err := openStore(backend, path, checkpoint.WithReadOnly())
	require.NoError(t, err)
	defer store.Close()
	for _, at := range []string{"cost_usd", "messages[0]", "task", "files", ""} {
		var sets []setFacts
		facts(t, dir, &sets, "blame", "essay-1", at, "--history")
		i := 0
		for p, err := range store.BlameHistory(t.Context(), "essay-1", uint64(len(events)), at) {
			require.NoError(t, err)
			s := sets[i]
			require.Equal(t, []any{p.Asked, p.Event.Seq, p.Path, p.Kind.String(), len(p.Value), len(p.Before)}, []any{s.Asked, s.Seq, s.Path, s.Kind, s.NewSize, s.OldSize})
			if i++; p.Value != nil {
				require.JSONEq(t, string(p.Value), string(s.New))
			}
		}
		require.Len(t, sets, i)
	}
}

func requireSet(t *testing.T, events map[uint64]*checkpoint.Event, newest *checkpoint.Event, s setFacts) {
	t.Helper()
	lookup := func(ev *checkpoint.Event, p statediff.Pointer) string {
		raw, err := statediff.Lookup(ev.State, p)
		require.NoError(t, err)
		return string(raw)
	}
	visit := func(ev *checkpoint.Event) (n int) {
		for seq := range ev.Seq {
			if events[seq+1].NodeID == ev.NodeID {
				n++
			}
		}
		return n
	}
	ev := events[s.Seq]
	require.Equal(t, []any{ev.NodeID, visit(ev)}, []any{s.NodeID, s.Visit})
	require.JSONEq(t, lookup(newest, s.Asked), string(s.New), "it is still that")
	require.JSONEq(t, lookup(ev, s.Path), string(s.New))
	require.Len(t, lookup(ev, s.Path), s.NewSize)
	if ev.Parent == 0 {
		require.Nil(t, s.Prior)
		require.Equal(t, "added", s.Kind)
		return
	}
	prior := events[ev.Parent]
	require.Equal(t, []any{prior.Seq, prior.NodeID, visit(prior)}, []any{s.Prior.Seq, s.Prior.NodeID, s.Prior.Visit})
	if s.Kind == "added" {
		_, err := statediff.Lookup(prior.State, s.Path)
		require.Error(t, err, fmt.Sprint(s))
		return
	}
	was := s.Path
	if s.OldPath != "" {
		was = s.OldPath
	}
	require.JSONEq(t, lookup(prior, was), string(s.Old))
	same, err := statediff.Equal(s.Old, s.New)
	require.NoError(t, err)
	require.False(t, same)
	require.True(t, json.Valid(s.Old))
}
