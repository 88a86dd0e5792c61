package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// The two meta pages of a bbolt file are written in turns, so either may be damaged
// by a loss of power: a store is found by the other.
func TestABoltStoreIsFoundByEitherMetaPage(t *testing.T) {
	t.Parallel()
	for _, page := range []int64{0, 1} {
		dir := t.TempDir()
		path := filepath.Join(dir, "store.bolt")
		for range 4 { // the older page is one commit behind, and still has a run
			store, err := checkpoint.NewBoltStore(path)
			require.NoError(t, err)
			require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(`{}`)}))
			require.NoError(t, store.Close())
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(make([]byte, 80), page*int64(os.Getpagesize()))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Contains(t, flowlog(t, dir, "runs"), "run ")
	}
}

// What only looks like a store must be refused, not end the command.
func TestFilesThatOnlyBeginLikeAStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := checkpoint.NewBoltStore(filepath.Join(dir, "store.bolt"))
	require.NoError(t, err)
	require.NoError(t, store.Close())
	whole, err := os.ReadFile(filepath.Join(dir, "store.bolt"))
	require.NoError(t, err)
	page := os.Getpagesize()
	for name, content := range map[string][]byte{
		"a page":       whole[:page],
		"two pages":    whole[:2*page],
		"part of one":  whole[:50],
		"no checksum":  append(append([]byte(nil), whole[:40]...), make([]byte, 4*page)...),
		"SQLite magic": []byte("SQLite format 3\x00"),
	} {
		other := t.TempDir()
		path := filepath.Join(other, "file")
		require.NoError(t, os.WriteFile(path, content, 0o600), name)
		for _, args := range [][]string{{"runs"}, {"runs", "--store", path}, {"compact", "--store", path}} {
			cmd := exec.CommandContext(t.Context(), "flowlog", args...)
			cmd.Dir = other
			out, err := cmd.CombinedOutput()
			code := 2
			if strings.Contains(string(out), "corrupt: ") { // it is one, but damaged
				code = 1
			}
			require.Equal(t, code, exitCode(err), "%s: %v: %s", name, args, out)
			require.Equal(t, 1, strings.Count(string(out), "\n"), "%s: %v: %s", name, args, out)
		}
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, after, name)
	}
}
