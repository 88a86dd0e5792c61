package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// TestCloseWaitsForAWriter closes while a call waits for another process's lock: the call
// is finished first, and calls that come later don't wait for it.
func TestCloseWaitsForAWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	release := holdLock(t, path)
	applied := make(chan error, 1)
	go func() {
		_, err := b.Apply(context.Background(), driver.ApplyRequest{Changes: []driver.Change{newRun("run", "1")}})
		applied <- err
	}()
	require.Eventually(t, b.Writing, 5*time.Second, time.Millisecond)
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	require.Eventually(t, func() bool {
		_, err := b.Head(t.Context(), driver.HeadRequest{Run: "run"})
		return err == driver.ErrClosed
	}, 5*time.Second, time.Millisecond)
	select {
	case <-closed:
		t.Error("Close returned before the call under way")
	case <-time.After(20 * time.Millisecond):
	}
	release()
	require.NoError(t, <-applied)
	require.NoError(t, <-closed)
	again := open(t, path, sqlite.Options{})
	_, err = again.Head(t.Context(), driver.HeadRequest{Run: "run"})
	require.NoError(t, err)
}

// TestNothingIsWrittenUnsynced holds that nothing is written any more if a slot has left
// the connection without syncs.
func TestNothingIsWrittenUnsynced(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{})
	require.NoError(t, apply(t, b, newRun("run", "1")).Err)
	require.Error(t, b.FailToSyncAgain())
	for name, write := range writes(1) {
		err := write(t.Context(), b)
		require.ErrorIs(t, err, driver.ErrReadOnly, name)
		require.ErrorContains(t, err, "close the store and open it again", name)
	}
	_, err := b.Head(t.Context(), driver.HeadRequest{Run: "run"})
	require.NoError(t, err, "it can be read")
}
