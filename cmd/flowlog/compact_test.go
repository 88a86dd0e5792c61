package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/sqlite"
)

func TestCompactLosesNothing(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "bolt"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			compactDemo(t, backend)
		})
	}
}

func compactDemo(t *testing.T, backend string) {
	t.Helper()
	dir := t.TempDir()
	flowlog(t, dir, "demo", "--pace", "1ms", "--backend", backend)
	before, stored := observe(t, dir)
	require.Len(t, before, 21+2)
	flowlog(t, dir, "compact", "--idle", "0s")
	after, smaller := observe(t, dir)
	require.Equal(t, before, after)
	require.Less(t, smaller, stored)
}

// observe returns what the verbs say of the newest run, but for how it is stored;
// and what du says it takes.
func observe(t *testing.T, dir string) (said []string, stored int64) {
	t.Helper()
	var use struct{ Total struct{ Stored int64 } }
	require.NoError(t, json.Unmarshal([]byte(flowlog(t, dir, "du", "-o", "json")), &use))
	var events strings.Builder
	for line := range strings.Lines(flowlog(t, dir, "history", "@last", "-o", "jsonl")) {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		said = append(said, flowlog(t, dir, "show", fmt.Sprint("@last@", e["seq"]), "--raw"))
		delete(e, "stored")
		delete(e, "encoding")
		fmt.Fprintln(&events, e)
	}
	tree := ""
	for line := range strings.Lines(flowlog(t, dir, "history", "@last")) {
		if row, _, ok := strings.Cut(line, "B "); ok { // up to the size of the state
			tree += row + "\n"
		}
	}
	return append(said, events.String(), tree), use.Total.Stored
}

func TestCompactWaitsForOneAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saveState(t, dir, `{}`)
	other := holdLease(t, dir)
	cmd := exec.CommandContext(t.Context(), "flowlog", "compact", "--idle", "0s")
	lines := startCompact(t, dir, cmd)
	require.Equal(t, "waiting: another process compacts this store (if it was killed, up to 30s)", lines())
	_, err := other.Lease(context.Background(), "other", -time.Second)
	require.NoError(t, err)
	require.Empty(t, lines())
	require.NoError(t, cmd.Wait())
}

// holdLease keeps others from compacting a store, as a process does that compacts it.
func holdLease(t *testing.T, dir string) *log.Log {
	t.Helper()
	backend, err := sqlite.Open(filepath.Join(dir, "store.db"), sqlite.Options{})
	require.NoError(t, err)
	l, err := log.Open(backend, log.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	ok, err := l.Lease(context.Background(), "other", time.Hour)
	require.NoError(t, err)
	require.True(t, ok)
	return l
}

// startCompact starts the command and returns what gives the lines of its stderr, and
// nothing after the last one.
func startCompact(t *testing.T, dir string, cmd *exec.Cmd) (lines func() string) {
	t.Helper()
	cmd.Dir = dir
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	scanner := bufio.NewScanner(stderr)
	return func() string {
		if scanner.Scan() {
			return scanner.Text()
		}
		return ""
	}
}

func TestCompactWhileAProgramWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := checkpoint.NewSQLiteStore(filepath.Join(dir, "store.db"), checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityNormal))
	require.NoError(t, err)
	defer store.Close()
	done := make(chan error, 1)
	go func() {
		for i := range 1000 {
			c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: fmt.Appendf(nil, `{"n":%d}`, i)}
			if err := store.Save(context.Background(), c); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for writing := true; writing; {
		flowlog(t, dir, "compact", "--idle", "0s")
		select {
		case err := <-done:
			require.NoError(t, err)
			writing = false
		default:
		}
	}
	report, err := store.Verify(context.Background(), "run")
	require.NoError(t, err)
	require.True(t, report.Intact(), report.String())
	require.Contains(t, flowlog(t, dir, "du", "run"), "1,000 events")
}
