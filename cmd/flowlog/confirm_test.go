//go:build unix

package main_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// atPrompt runs a verb on a terminal, types an answer when it asks, and returns what
// was shown and the exit code.
func atPrompt(t *testing.T, dir, answer string, args ...string) (shown string, code int) {
	t.Helper()
	return whileItAsks(t, dir, func() string { return answer }, args...)
}

// whileItAsks is atPrompt; answer does something before it answers.
func whileItAsks(t *testing.T, dir string, answer func() string, args ...string) (shown string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "flowlog", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TERM=xterm", "NO_COLOR=1", "PAGER=cat")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 160})
	require.NoError(t, err)
	defer terminal.Close()
	var out strings.Builder
	buf := make([]byte, 4096)
	for asked := false; ; {
		n, err := terminal.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break // the other side is closed
		}
		if !asked && strings.Contains(out.String(), "[y/N] ") {
			asked = true
			_, err := io.WriteString(terminal, answer())
			require.NoError(t, err)
		}
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n"), exitCode(cmd.Wait())
}

func TestPruneAsksAndDropsOnlyOnAYes(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "bolt"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "store.db")
			store, err := openStore(backend, path)
			require.NoError(t, err)
			for range 3 {
				require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(`{}`)}))
			}
			require.NoError(t, store.Close())
			pruned := func() uint64 {
				store, err := openStore(backend, path, checkpoint.WithReadOnly())
				require.NoError(t, err)
				defer store.Close()
				run, err := store.Run(t.Context(), "run")
				require.NoError(t, err)
				return run.Pruned
			}
			for answer, want := range map[string]int{"\n": 1, "n\n": 1, "yesterday\n": 1, "\x04": 1, "\x03": 130} {
				shown, code := atPrompt(t, dir, answer, "prune", "--keep-last", "1")
				require.Equal(t, want, code, "%q: %s", answer, shown)
				require.Regexp(t, `(?s)\Arun .*\nto drop: states of 1 run: 2 events, [^\n]*\nDrop the states of 2 events and 0 whole runs for good\? \[y/N\] `, shown)
				require.NotContains(t, shown, "dropped states")
				require.Zero(t, pruned(), "%q: %s", answer, shown)
			}
			shown, code := atPrompt(t, dir, "y\n", "prune", "--keep-last", "1")
			require.Zero(t, code, shown)
			require.Contains(t, shown, "dropped states of 1 run: 2 events; ")
			require.EqualValues(t, 2, pruned())
		})
	}
}

func TestRedactAsks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fillRun(t, filepath.Join(dir, "store.db"), 3)
	args := []string{"redact", "run@2..3", "--reason", "a test"}
	shown, code := atPrompt(t, dir, "n\n", args...)
	require.Equal(t, 1, code, shown)
	require.Contains(t, shown, "\nto redact: the states of 2 events of run run, ")
	require.Contains(t, shown, "nothing was dropped")
	require.NotEmpty(t, flowlog(t, dir, "show", "run@3", "--raw"))
	shown, code = atPrompt(t, dir, "yes\n", args...)
	require.Zero(t, code, shown)
	require.Contains(t, flowlog(t, dir, "show", "run@3"), "The state was redacted at ")
	shown, code = atPrompt(t, dir, "yes\n", args...)
	require.Zero(t, code, shown)
	require.Contains(t, shown, "\nWrite the store anew all the same, so that no copy can be left? [y/N] ")
	require.Contains(t, shown, "redacted nothing more, and no copy of 2 states is left in the store")
}

// TestRedactMeetsANewLife: what was listed is what goes.
func TestRedactMeetsANewLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fillRun(t, filepath.Join(dir, "store.db"), 3)
	shown, code := whileItAsks(t, dir, func() string {
		store, err := openStore("sqlite", filepath.Join(dir, "store.db"))
		require.NoError(t, err)
		defer store.Close()
		require.NoError(t, store.Delete(t.Context(), "run"))
		require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(`"new"`)}))
		return "y\n"
	}, "redact", "run@1", "--reason", "a test")
	require.Equal(t, 3, code, shown)
	require.Contains(t, shown, `run "run" was deleted since it was listed, and its id used again`)
	require.Equal(t, `"new"`, flowlog(t, dir, "show", "run@1", "--raw"))
}

func TestPruneSkipsWhatIsProtectedWhileItAsks(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "bolt"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			save := func(run string) {
				store, err := openStore(backend, filepath.Join(dir, "store.db"))
				require.NoError(t, err)
				defer store.Close()
				require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: run, NodeID: "node", State: []byte(`{}`)}))
			}
			for range 3 {
				save("pinned")
				save("grown")
			}
			shown, code := whileItAsks(t, dir, func() string { // the store is free for others meanwhile
				flowlog(t, dir, "pin", "pinned@1")
				save("grown")
				return "y\n"
			}, "prune", "--keep-last", "1")
			require.Equal(t, 1, code, shown)
			require.Contains(t, shown, "dropped states of 1 run: 2 events; ")
			require.Regexp(t, `skipped: run "pinned" seq 1: .*pinned`, shown)
			require.Contains(t, shown, "flowlog: 1 run skipped; the rest was dropped as listed")
			require.Equal(t, "{}", flowlog(t, dir, "show", "pinned@2", "--raw"))
			require.Equal(t, "{}", flowlog(t, dir, "show", "grown@3", "--raw")) // as it was listed

			shown, code = atPrompt(t, dir, "y\n", "prune", "--keep-last", "1") // a new list
			require.Zero(t, code, shown)
			require.Contains(t, shown, "dropped states of 2 runs: 2 events; ")
			require.Equal(t, "{}", flowlog(t, dir, "show", "pinned@1", "--raw"))
		})
	}
}

// TestRawOnATerminal: a state that is not JSON is shown with its control characters escaped,
// and a path into it is refused as it is in a pipe.
func TestRawOnATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := openStore("sqlite", filepath.Join(dir, "store.db"))
	require.NoError(t, err)
	require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte("hello \x1b[2J"), Kind: checkpoint.KindBytes}))
	require.NoError(t, store.Close())
	shown, code := atPrompt(t, dir, "", "show", "run", "--raw")
	require.Zero(t, code, shown)
	require.Contains(t, shown, "hello ")
	require.NotContains(t, shown, "\x1b[2J")
	shown, code = atPrompt(t, dir, "", "show", "run", "--raw", "--path", "plan")
	require.Equal(t, 2, code, shown)
	require.Contains(t, shown, "is not JSON, so it has no paths")
}
