package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// running is a demo that has been started in a folder of its own.
type running struct {
	cmd    *exec.Cmd
	dir    string
	stdout *os.File
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

// startDemo starts a demo whose nodes take long enough to interfere with.
func startDemo(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{dir: t.TempDir()}
	stdout, theirs, err := os.Pipe()
	require.NoError(t, err)
	r.stdout = stdout
	r.cmd = exec.CommandContext(t.Context(), "flowlog", append([]string{"demo", "--pace", "100ms"}, args...)...)
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = r.dir, theirs, &r.stderr
	require.NoError(t, r.cmd.Start())
	require.NoError(t, theirs.Close())
	t.Cleanup(func() { r.stdout.Close() })
	r.lines = bufio.NewScanner(stdout)
	return r
}

// until reads lines up to one that matches, and returns its submatches.
func (r *running) until(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for r.lines.Scan() {
		if m := re.FindStringSubmatch(r.lines.Text()); m != nil {
			return m
		}
	}
	t.Fatalf("no line matches %s; stderr: %s", pattern, r.stderr.String())
	return nil
}

// requireIntact checks that a demo that was cut short left a store that verifies.
func (r *running) requireIntact(t *testing.T) {
	t.Helper()
	backend, name := "sqlite", "checkpoints.db"
	if slices.Contains(r.cmd.Args, "bolt") {
		backend, name = "bolt", "checkpoints.bolt"
	}
	store, err := openStore(backend, filepath.Join(r.dir, "flowlog-demo", name), checkpoint.WithReadOnly())
	require.NoError(t, err)
	defer store.Close()
	for run, err := range store.Runs(context.Background(), checkpoint.RunsOptions{}) {
		require.NoError(t, err)
		report, err := store.Verify(context.Background(), run.ID)
		require.NoError(t, err)
		require.True(t, report.Intact(), report.String())
	}
}

// flowlog runs the command in a folder and returns what it wrote to stdout.
func flowlog(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "flowlog", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "flowlog %s: %s", strings.Join(args, " "), stderr.String())
	return string(out)
}

// exitCode returns the exit code of a process that was waited for.
func exitCode(err error) int {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// saveState makes a store with one event.
func saveState(t *testing.T, dir, state string) {
	t.Helper()
	store, err := checkpoint.NewSQLiteStore(filepath.Join(dir, "store.db"))
	require.NoError(t, err)
	require.NoError(t, store.Save(context.Background(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(state)}))
	require.NoError(t, store.Close())
}

func TestABoltStoreInUseIsSaidToBe(t *testing.T) {
	t.Parallel()
	r := startDemo(t, "--backend", "bolt")
	r.until(t, `plan#1`)
	start := time.Now()
	cmd := exec.CommandContext(t.Context(), "flowlog", "runs", "--wait", "200ms")
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	require.Equal(t, 4, exitCode(err), string(out))
	require.Contains(t, string(out), "checkpoints.bolt is in use: one process at a time can have a bbolt store open, and another has it (waited up to 200ms); ")
	require.GreaterOrEqual(t, time.Since(start), 100*time.Millisecond) // bbolt tries for the last time somewhat earlier
	require.Less(t, time.Since(start), 5*time.Second)                  // of which most is for slow machines

	r.until(t, `6  Look for yourself`) // the demo did not mind
	for r.lines.Scan() {
	}
	require.NoError(t, r.cmd.Wait())
	require.Empty(t, r.stderr.String())
	require.Contains(t, flowlog(t, r.dir, "runs"), " 21 ")
}

func TestJSONHoldsTheFactsOfTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flowlog(t, dir, "demo", "--pace", "1ms")
	ctx := context.Background()
	store, err := checkpoint.NewSQLiteStore(filepath.Join(dir, "flowlog-demo", "checkpoints.db"), checkpoint.WithReadOnly())
	require.NoError(t, err)
	defer store.Close()

	var runs []map[string]any
	require.NoError(t, json.Unmarshal([]byte(flowlog(t, dir, "runs", "-o", "json")), &runs))
	require.Len(t, runs, 1)
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(flowlog(t, dir, "runs", "-o", "jsonl")), &line))
	require.Equal(t, runs[0], line)
	run, err := store.Run(ctx, runs[0]["run_id"].(string))
	require.NoError(t, err)
	require.EqualValues(t, run.Last, line["events"])
	require.EqualValues(t, run.Bytes, line["bytes"])
	require.EqualValues(t, run.Stored, line["stored"])
	require.Equal(t, run.Hash.String(), line["hash"])

	var doc struct {
		Run    map[string]any
		Events []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(flowlog(t, dir, "history", run.ID, "-o", "json")), &doc))
	require.Equal(t, runs[0], doc.Run)
	lines := json.NewDecoder(strings.NewReader(flowlog(t, dir, "history", "@last", "-o", "jsonl")))
	visits, i := map[string]int{}, 0
	for ev, err := range store.History(ctx, run.ID, checkpoint.HistoryOptions{}) {
		require.NoError(t, err)
		visits[ev.NodeID]++
		var line map[string]any
		require.NoError(t, lines.Decode(&line))
		require.Equal(t, doc.Events[i], line)
		require.EqualValues(t, ev.Seq, line["seq"])
		require.EqualValues(t, ev.Parent, line["parent"])
		require.Equal(t, ev.NodeID, line["node_id"])
		require.EqualValues(t, visits[ev.NodeID], line["visit"])
		require.EqualValues(t, ev.Size, line["size"])
		require.EqualValues(t, ev.Stored, line["stored"])
		require.Equal(t, ev.Encoding.String(), line["encoding"])
		require.Equal(t, ev.Hash.String(), line["hash"])
		i++
	}
	require.Len(t, doc.Events, i)
	require.False(t, lines.More())

	newest, err := store.Load(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, string(newest.State), flowlog(t, dir, "show", run.ID, "--raw"))
	var shown struct{ State json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(flowlog(t, dir, "show", run.ID, "-o", "jsonl")), &shown))
	require.JSONEq(t, string(newest.State), string(shown.State))
}
