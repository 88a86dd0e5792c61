package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// facts runs a verb on the workflow's store and reads what -o json gives.
func facts(t *testing.T, dir string, into any, args ...string) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(output(t, dir, append(args, "-o", "json")...)), into), args)
}

// output runs a verb, which may find that something differs.
func output(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "flowlog", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		require.Equal(t, 1, exit.ExitCode(), "%v: %s", args, exit.Stderr)
		return string(out)
	}
	require.NoError(t, err)
	return string(out)
}

// changeFacts is a change as -o json gives it.
type changeFacts struct {
	Kind    string
	Path    statediff.Pointer
	OldPath statediff.Pointer `json:"old_path"`
	Old     json.RawMessage
	New     json.RawMessage
	OldSize int `json:"old_size"`
	NewSize int `json:"new_size"`
}

// TestJSONOfTheVerbsAgreesWithTheStates holds what the verbs say of flowgraph's run to
// what its states are, and to what the text says.
func TestJSONOfTheVerbsAgreesWithTheStates(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "bolt"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "store.db")
			require.NoError(t, os.WriteFile(path, essayStore(t, backend), 0o600))
			store, err := openStore(backend, path, checkpoint.WithReadOnly())
			require.NoError(t, err)
			events := map[uint64]*checkpoint.Event{}
			for ev, err := range store.History(t.Context(), "essay-1", checkpoint.HistoryOptions{}) {
				require.NoError(t, err)
				events[ev.Seq] = ev
			}
			require.NoError(t, store.Close())
			require.Len(t, events, 11)

			historyFacts(t, dir, events)
			statsFacts(t, dir, events)
			branchesFacts(t, dir, events)
			grepFacts(t, dir, events)
			pathsFacts(t, dir, events)
			blameFacts(t, backend, path, dir, events)
			forkFacts(t, backend, path, dir, events)
		})
	}
}

func historyFacts(t *testing.T, dir string, events map[uint64]*checkpoint.Event) {
	var history struct {
		Events []struct {
			Seq     uint64
			Took    *float64 `json:"took_seconds"`
			Changes []changeFacts
			Why     string `json:"not_compared"`
		}
	}
	facts(t, dir, &history, "history", "essay-1")
	require.Len(t, history.Events, len(events))
	text := output(t, dir, "history", "essay-1")
	for _, e := range history.Events {
		ev := events[e.Seq]
		row := fmt.Sprintf("%3d  ", e.Seq)
		require.Contains(t, text, row)
		row, _, _ = strings.Cut(text[strings.Index(text, row):], "\n")
		if ev.Parent == 0 {
			require.Equal(t, "a beginning", e.Why)
			require.Contains(t, row, "a beginning")
			continue
		}
		old := events[ev.Parent]
		diff, err := statediff.Compare(old.State, ev.State, statediff.Options{})
		require.NoError(t, err)
		require.Equal(t, ev.Seq == 9, e.Took == nil) // where it was gone back
		if e.Took != nil {
			require.InDelta(t, ev.CreatedAt.Sub(old.CreatedAt).Seconds(), *e.Took, 1e-9)
		}
		requireChanges(t, diff.Changes, e.Changes)

		var shown struct {
			Equal   bool
			Changes []changeFacts
		}
		ref := fmt.Sprint("essay-1@", e.Seq)
		facts(t, dir, &shown, "diff", ref)
		requireChanges(t, diff.Changes, shown.Changes)
		require.False(t, shown.Equal)
		patched, err := statediff.Apply(old.State, []byte(output(t, dir, "diff", ref, "--patch")))
		require.NoError(t, err)
		same, err := statediff.Equal(patched, ev.State)
		require.NoError(t, err)
		require.True(t, same)
		full := output(t, dir, "diff", ref)
		for _, c := range e.Changes {
			require.Contains(t, full, " "+c.Path.Dotted()+"  ")
		}
	}
}

func requireChanges(t *testing.T, want []statediff.Change, have []changeFacts) {
	t.Helper()
	require.Len(t, have, len(want))
	for i, c := range want {
		h := have[i]
		require.Equal(t, c.Kind.String(), h.Kind)
		require.Equal(t, c.Path, h.Path)
		require.Equal(t, len(c.Old), h.OldSize)
		require.Equal(t, len(c.New), h.NewSize)
		for _, pair := range [][2][]byte{{c.Old, h.Old}, {c.New, h.New}} {
			if pair[0] == nil {
				require.Empty(t, pair[1])
				continue
			}
			same, err := statediff.Equal(pair[0], pair[1])
			require.NoError(t, err)
			require.True(t, same)
		}
	}
}

func statsFacts(t *testing.T, dir string, events map[uint64]*checkpoint.Event) {
	var stats struct {
		Run     struct{ Bytes int64 }
		Seconds float64
		Nodes   []struct {
			NodeID  string `json:"node_id"`
			Visits  int
			Seconds float64
		}
		Growth []struct {
			Seq  uint64
			Size int64
		}
		Paths []struct {
			Path statediff.Pointer
			Size int
		}
	}
	facts(t, dir, &stats, "stats", "essay-1")
	visits, seconds, bytes := map[string]int{}, map[string]float64{}, int64(0)
	for seq, ev := range events {
		visits[ev.NodeID]++
		bytes += ev.Size
		if ev.Parent > 0 && seq != 9 {
			seconds[ev.NodeID] += ev.CreatedAt.Sub(events[ev.Parent].CreatedAt).Seconds()
		}
	}
	require.Equal(t, bytes, stats.Run.Bytes)
	require.Len(t, stats.Nodes, len(visits))
	total := 0.0
	for _, n := range stats.Nodes {
		require.Equal(t, visits[n.NodeID], n.Visits)
		require.InDelta(t, seconds[n.NodeID], n.Seconds, 1e-9)
		total += n.Seconds
	}
	require.InDelta(t, total, stats.Seconds, 1e-9)
	require.Len(t, stats.Growth, len(events))
	for _, g := range stats.Growth {
		require.Equal(t, events[g.Seq].Size, g.Size)
	}
	require.Len(t, stats.Paths, 10)
	newest := events[uint64(len(events))].State
	text := output(t, dir, "stats", "essay-1")
	for i, p := range stats.Paths {
		value, err := statediff.Lookup(newest, p.Path)
		require.NoError(t, err)
		require.Len(t, value, p.Size)
		require.True(t, i == 0 || p.Size <= stats.Paths[i-1].Size)
		require.Contains(t, text, "  "+p.Path.Dotted()+"\n")
	}
}

func branchesFacts(t *testing.T, dir string, events map[uint64]*checkpoint.Event) {
	type spot struct {
		Seq    uint64
		NodeID string `json:"node_id"`
	}
	var doc struct {
		Branches []struct {
			Depth      int
			From       *spot
			First, Tip spot
			Events     int
		}
	}
	facts(t, dir, &doc, "branches", "essay-1")
	require.Len(t, doc.Branches, 2)
	sum := 0
	for i, b := range doc.Branches {
		sum += b.Events
		require.Equal(t, i, b.Depth)
		require.Equal(t, events[b.First.Seq].NodeID, b.First.NodeID)
		at, n := b.Tip.Seq, 1
		for ; at != b.First.Seq; n++ {
			at = events[at].Parent
		}
		require.Equal(t, b.Events, n)
		if b.From != nil {
			require.Equal(t, events[b.First.Seq].Parent, b.From.Seq)
		}
	}
	require.Equal(t, len(events), sum)
}

func grepFacts(t *testing.T, dir string, events map[uint64]*checkpoint.Event) {
	var found []struct {
		Seq  uint64
		Path statediff.Pointer
		Line int
		Text string
	}
	facts(t, dir, &found, "grep", "Kinnaird", "essay-1")
	require.NotEmpty(t, found)
	for _, f := range found {
		value, err := statediff.Lookup(events[f.Seq].State, f.Path)
		require.NoError(t, err)
		var text string
		require.NoError(t, json.Unmarshal(value, &text))
		require.Equal(t, f.Text, strings.Split(text, "\n")[f.Line-1])
		require.Contains(t, f.Text, "Kinnaird")
		require.NotContains(t, string(events[events[f.Seq].Parent].State), f.Text) // it came in here
	}
	require.Equal(t, len(found), strings.Count(output(t, dir, "grep", "Kinnaird", "essay-1"), "\n"))
}

func pathsFacts(t *testing.T, dir string, events map[uint64]*checkpoint.Event) {
	var paths []struct {
		Path statediff.Pointer
		Type string
		Size int
	}
	facts(t, dir, &paths, "show", "essay-1", "--paths")
	newest := events[uint64(len(events))].State
	doc, err := statediff.Parse(newest)
	require.NoError(t, err)
	i := -1 // the first is the document itself
	for v := range doc.All() {
		if i >= 0 {
			require.Equal(t, v.Pointer(), paths[i].Path)
			require.Equal(t, v.Type().String(), paths[i].Type)
			require.Len(t, v.Raw(), paths[i].Size)
		}
		i++
	}
	require.Len(t, paths, i)
	var value struct {
		Path  statediff.Pointer
		Value string
	}
	facts(t, dir, &value, "show", "essay-1", "--path", "messages[-1].content")
	require.Equal(t, value.Value+"\n", output(t, dir, "show", "essay-1", "--path", string(value.Path)))
	raw, err := statediff.Lookup(newest, value.Path)
	require.NoError(t, err)
	require.Equal(t, string(raw), output(t, dir, "show", "essay-1", "--path", string(value.Path), "--raw"))
}
