package checkpoint_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestWarning opens a bbolt store of which a meta page was damaged.
func TestWarning(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.bolt")
	var said lockedBuffer
	open := func() *checkpoint.BoltStore {
		s, err := checkpoint.NewBoltStore(path, checkpoint.WithoutCompaction(), checkpoint.WithLogger(slog.New(slog.NewTextHandler(&said, nil))))
		require.NoError(t, err)
		return s
	}
	s := open()
	saved(t, s.EventStore, "run", "a", `1`)
	require.NoError(t, s.Warning())
	require.NoError(t, s.Close())
	require.Empty(t, said.String())

	file, err := os.ReadFile(path)
	require.NoError(t, err)
	file[64] ^= 1
	require.NoError(t, os.WriteFile(path, file, 0o600))
	s = open()
	defer s.Close()
	require.ErrorIs(t, s.Warning(), checkpoint.ErrCorrupt)
	require.Contains(t, said.String(), "level=WARN")
	require.Contains(t, said.String(), "one of its two meta pages is damaged")
}
