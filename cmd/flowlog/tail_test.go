//go:build unix

package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// tailing is a tail -f on a store that this process writes.
type tailing struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	store *checkpoint.EventStore
}

func startTail(t *testing.T, args ...string) *tailing {
	t.Helper()
	dir := t.TempDir()
	store, err := openStore("sqlite", filepath.Join(dir, "store.db"))
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	f := &tailing{store: store}
	f.save(t, "run", 1)
	f.cmd = exec.CommandContext(t.Context(), "flowlog", append([]string{"tail", "-f"}, args...)...)
	f.cmd.Dir = dir
	stdout, err := f.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, f.cmd.Start())
	f.lines = bufio.NewScanner(stdout)
	return f
}

func (f *tailing) save(t *testing.T, run string, n int) {
	t.Helper()
	c := &checkpoint.Checkpoint{RunID: run, NodeID: "node", State: fmt.Appendf(nil, `{"n":%d}`, n)}
	require.NoError(t, f.store.Save(t.Context(), c))
}

func (f *tailing) line(t *testing.T) string {
	t.Helper()
	require.True(t, f.lines.Scan())
	return f.lines.Text()
}

// interrupt ends it as Ctrl-C does.
func (f *tailing) interrupt(t *testing.T) {
	t.Helper()
	require.NoError(t, f.cmd.Process.Signal(os.Interrupt))
	for f.lines.Scan() {
	}
	require.Equal(t, 130, exitCode(f.cmd.Wait()))
}

func TestTailFollowsARunOfAnotherProcess(t *testing.T) {
	t.Parallel()
	f := startTail(t, "run", "-o", "jsonl")
	for n := 1; n <= 5; n++ {
		var row struct {
			Seq     uint64
			Visit   int
			Changes []changeFacts
		}
		require.NoError(t, json.Unmarshal([]byte(f.line(t)), &row))
		require.Equal(t, []any{uint64(n), n}, []any{row.Seq, row.Visit})
		if n > 1 {
			require.Len(t, row.Changes, 1)
			require.JSONEq(t, fmt.Sprint(n), string(row.Changes[0].New))
		}
		f.save(t, "other", n)
		f.save(t, "run", n+1)
	}
	f.interrupt(t)
}

func TestTailFollowsAllRuns(t *testing.T) {
	t.Parallel()
	f := startTail(t, "-n", "1")
	require.Regexp(t, `^run +seq +visit `, f.line(t))
	require.Regexp(t, `^run +1 +node#1 .* a beginning$`, f.line(t))
	for n := 2; n <= 4; n++ {
		f.save(t, "run", n)
		require.Regexp(t, fmt.Sprintf(`^run +%d +node#%d .* n %d → %d$`, n, n, n-1, n), f.line(t))
	}
	f.save(t, "a-run-of-a-longer-name", 1)
	require.Regexp(t, `^a-run-of-a-longer-name +1 +node#1 `, f.line(t))
	f.interrupt(t)
}

// TestTailKeepsItsColumns holds that longer values do not move the columns.
func TestTailKeepsItsColumns(t *testing.T) {
	t.Parallel()
	f := startTail(t, "run", "--time", "iso")
	changes := strings.Index(f.line(t), "changes")
	require.Positive(t, changes)
	require.Equal(t, changes, strings.Index(f.line(t), "a beginning"))
	for n := 2; n <= 12; n++ {
		c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: fmt.Appendf(nil, `{"text":"%s"}`, strings.Repeat("x", n*n*n*60))}
		if n == 7 {
			c.NodeID, c.Seq = "summarize", 2
		}
		require.NoError(t, f.store.Save(t.Context(), c))
		line := f.line(t)
		require.Regexp(t, `B +$`, line[:changes])
		require.Regexp(t, `^(text|\+text|-n)`, line[changes:])
	}
	f.interrupt(t)
}
