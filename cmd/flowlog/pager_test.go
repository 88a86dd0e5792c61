//go:build unix

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// pagerScript makes a program for $PAGER.
func pagerScript(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pager")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o700))
	return "PAGER=" + path
}

func TestPagerShowsAllAndThenWhatIsNoData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fillRun(t, filepath.Join(dir, "store.db"), 30)
	pager := pagerScript(t, `sed 's/^/> /'`)
	shown := onTerminal(t, dir, 100, []string{"NO_COLOR=1", pager}, "history", "run", "--limit", "20")
	require.Regexp(t, `(?s)\A> seq .*\n> +20  node#20 .*\n> longest wait of these: [^\n]*\n20 of the run's 30 events; .flowlog history run. shows all\n\z`, shown)

	for _, args := range [][]string{{"runs"}, {"show", "run"}, {"stats", "run"}, {"branches", "run"}, {"du"}, {"grep", "19", "run"}} {
		require.Contains(t, onTerminal(t, dir, 100, []string{pager}, args...), "> ", args)
		require.NotContains(t, onTerminal(t, dir, 100, []string{pager}, append(args, "--no-pager")...), "> ", args)
	}
	require.NotContains(t, onTerminal(t, dir, 100, []string{pager, "TERM=dumb"}, "runs"), "> ")
	require.NotContains(t, onTerminal(t, dir, 100, []string{pager}, "compact"), "> ")
	require.NotContains(t, flowlogWith(t, dir, pager, "runs"), "> ") // no terminal
	require.Contains(t, onTerminal(t, dir, 100, []string{"PAGER=/nowhere/to/be/found"}, "runs"), "run")
}

func TestWhoLeavesThePagerHasSeenEnough(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fillRun(t, filepath.Join(dir, "store.db"), 5000)
	shown := onTerminal(t, dir, 100, []string{"NO_COLOR=1", pagerScript(t, "head -2")}, "history", "run") // exit code 0
	require.Equal(t, 2, strings.Count(shown, "\n"), shown)
}

func TestABoltStoreIsFreeWhileItsHistoryIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store.bolt")
	store, err := openStore("bolt", path)
	require.NoError(t, err)
	require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(`{}`)}))
	require.NoError(t, store.Close())

	reading, read := filepath.Join(dir, "reading"), filepath.Join(dir, "read")
	pager := pagerScript(t, "touch "+reading+"; while [ ! -e "+read+" ]; do sleep 0.01; done; cat")
	cmd := exec.CommandContext(t.Context(), "flowlog", "history", "run")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TERM=xterm", pager)
	ours, theirs, err := pty.Open()
	require.NoError(t, err)
	defer ours.Close()
	defer theirs.Close()
	cmd.Stdout, cmd.Stderr = theirs, theirs
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(reading); return err == nil }, time.Minute, time.Millisecond)
	store, err = openStore("bolt", path) // would be locked
	require.NoError(t, err)
	require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(`{}`)}))
	require.NoError(t, store.Close())
	require.NoError(t, os.WriteFile(read, nil, 0o600))
	require.NoError(t, cmd.Wait())
}

// fillRun makes a store with a run of so many events.
func fillRun(t *testing.T, path string, events int) {
	t.Helper()
	store, err := checkpoint.NewSQLiteStore(path, checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
	require.NoError(t, err)
	at := time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)
	for i := range events {
		at = at.Add(time.Duration(i%7) * time.Second)
		state := []byte(`{"n":` + strings.Repeat("1", 1+i%9) + `,"text":"` + time.Duration(i).String() + `"}`)
		require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: state, CreatedAt: at}))
	}
	require.NoError(t, store.Close())
}

// flowlogWith is flowlog with something more in its environment.
func flowlogWith(t *testing.T, dir, env string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "flowlog", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env)
	out, err := cmd.Output()
	require.NoError(t, err)
	return string(out)
}
