//go:build unix

package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/sqlite"
)

// TestPruneNamesFewOfManySkipped has two prune the same runs at a time.
func TestPruneNamesFewOfManySkipped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := openStore("sqlite", filepath.Join(dir, "store.db"), checkpoint.WithClock(func() time.Time { return time.Now().AddDate(-1, 0, 0) }))
	require.NoError(t, err)
	for i := range 7 {
		require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", i), NodeID: "node", State: []byte(`{}`)}))
	}
	require.NoError(t, store.Close())
	shown, code := whileItAsks(t, dir, func() string {
		flowlog(t, dir, "prune", "--drop-idle", "90d", "--yes")
		return "y\n"
	}, "prune", "--drop-idle", "90d")
	require.Equal(t, 1, code, shown)
	require.Equal(t, 3, strings.Count(shown, "skipped: run "), shown)
	require.Contains(t, shown, "skipped: 4 runs more, all of which -o json names\n")
	require.Contains(t, shown, "flowlog: 7 runs skipped; the rest was dropped as listed")
}

func TestInterruptEndsPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saveState(t, dir, `1`)
	saveState(t, dir, `2`)
	holdLease(t, dir)
	cmd := exec.CommandContext(t.Context(), "flowlog", "prune", "--keep-last", "1", "--yes")
	requireInterrupted(t, dir, cmd, "what was dropped is dropped, and the file may be larger than before: the same again goes on with the rest, and gives the space back")
}

// TestPruneFinishesWhatAStoppedOneLeft: what it dropped and did not erase, though there
// is nothing to be dropped any more.
func TestPruneFinishesWhatAStoppedOneLeft(t *testing.T) {
	t.Parallel()
	for kind, open := range map[string]func(path string) (driver.Backend, error){
		"sqlite": func(path string) (driver.Backend, error) { return sqlite.Open(path, sqlite.Options{}) },
		"bolt":   func(path string) (driver.Backend, error) { return bolt.Open(path, bolt.Options{}) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "store.db")
			b, err := open(path)
			require.NoError(t, err)
			l, err := log.Open(b, log.Options{})
			require.NoError(t, err)
			state := make([]byte, 1<<20)
			rand.NewChaCha8([32]byte{}).Read(state)
			for _, run := range []string{"gone", "kept"} {
				_, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: run, NodeID: "node", Kind: log.Bytes}, State: state})
				require.NoError(t, err)
			}
			run, err := l.Run(t.Context(), "gone")
			require.NoError(t, err)
			require.NoError(t, l.DropIf(t.Context(), "gone", run.Life, 1, func(log.Marks) error { return nil }))
			require.NoError(t, l.Close()) // before it is erased

			size := func() int64 {
				info, err := os.Stat(path)
				require.NoError(t, err)
				return info.Size()
			}
			before := size()
			shown := flowlog(t, dir, "prune", "--keep-last", "1", "--yes")
			require.Contains(t, shown, "to drop: nothing\n")
			require.Regexp(t, `\ndropped nothing; .* on disk \(1\.\d MiB given back\)\n$`, shown)
			require.Less(t, size(), before-900<<10)
			require.NotContains(t, flowlog(t, dir, "prune", "--keep-last", "1", "--yes"), "dropped")
		})
	}
}
