//go:build amd64 || arm64

package checkpoint_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

func init() {
	children["failing sync of a purge"] = purgeWithFailingSync
	children["failing sync of a smaller file"] = shrinkWithFailingSync
}

// purgeWithFailingSync deletes a run, has the disk fail just when what it took is
// erased, and be sound again after that.
func purgeWithFailingSync(args []string) int {
	var t inChild
	ctx := context.Background()
	var b driver.Backend
	var err error
	if args[0] == "bolt" {
		b, err = bolt.Open(args[1], bolt.Options{})
	} else {
		b, err = sqlite.Open(args[1], sqlite.Options{})
	}
	require.NoError(t, err)
	f := &failpoints{Backend: b, point: func(name string) error {
		if name == "before purge" {
			return deny(false, unix.EIO, unix.SYS_FSYNC, unix.SYS_FDATASYNC)
		}
		return nil
	}}
	s, err := checkpoint.Open(f, checkpoint.WithoutCompaction())
	require.NoError(t, err)
	for i := range 20 {
		require.NoError(t, s.Save(ctx, small("kept", i)))
		require.NoError(t, s.Save(ctx, small("gone", i)))
	}
	deleted := make(chan error)
	go func() {
		runtime.LockOSThread() // ends with the goroutine, and the filter with it
		deleted <- s.Delete(ctx, "gone")
	}()
	err = <-deleted
	require.ErrorContains(t, err, "it is deleted, but not all that it took is erased")
	err = s.Save(ctx, small("kept", 20))
	require.ErrorIs(t, err, checkpoint.ErrReadOnly)
	require.NotErrorIs(t, err, checkpoint.ErrUnknownOutcome)
	require.ErrorContains(t, err, "nothing was written")
	require.ErrorContains(t, err, "open it again")
	list, err := s.List("kept")
	require.NoError(t, err)
	require.Len(t, list, 20)
	fmt.Println("done")
	s.Close()
	return 0
}

// TestFailedSyncOfPurge holds that after the sync of an erasure failed nothing is
// written on top of it: bbolt goes on from pages that may never reach the disk, and
// would take what is acknowledged later down with them; SQLite takes its WAL for synced
// that is not.
func TestFailedSyncOfPurge(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"bolt", "sqlite"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "checkpoints")
			out, err := child(t, "failing sync of a purge", kind, path).Output()
			require.NoError(t, err, "%s", out)
			require.Equal(t, "done\n", string(out))
			s := openFile(t, kind, path)
			requireIntact(t, s, "kept")
			require.EqualValues(t, 21, saved(t, s, "kept", "node", `1`).Seq, "the store works again")
			require.NoError(t, s.Delete(t.Context(), "gone"))
		})
	}
}

// shrinkWithFailingSync has SQLite's Reclaim or Erase meet a failing disk, and writes then.
func shrinkWithFailingSync(args []string) int {
	var t inChild
	ctx := context.Background()
	store, err := checkpoint.NewSQLiteStore(args[1], checkpoint.WithoutCompaction())
	require.NoError(t, err)
	for i := range 50 {
		require.NoError(t, store.Save(ctx, small("gone", i)))
	}
	require.NoError(t, store.Delete(ctx, "gone"))
	require.NoError(t, store.Close())
	b, err := sqlite.Open(args[1], sqlite.Options{})
	require.NoError(t, err)
	_, err = b.SetSlot(ctx, driver.SlotChange{Key: "before", Value: []byte("value")}) // in the WAL
	require.NoError(t, err)
	require.NoError(t, deny(true, unix.EIO, unix.SYS_FSYNC, unix.SYS_FDATASYNC))
	if args[0] == "reclaim" {
		_, err = b.Reclaim(ctx, nil)
	} else {
		err = b.Erase(ctx)
	}
	require.ErrorContains(t, err, "disk I/O error")
	_, err = b.SetSlot(ctx, driver.SlotChange{Key: "after", Value: []byte("value")}) // without a sync of its own
	require.ErrorIs(t, err, driver.ErrReadOnly)
	require.ErrorContains(t, err, "nothing was written")
	fmt.Println("done")
	return 0
}

// TestFailedSyncOfASmallerFile holds the same of what makes SQLite's file smaller.
func TestFailedSyncOfASmallerFile(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"reclaim", "erase"} {
		out, err := child(t, "failing sync of a smaller file", what, filepath.Join(t.TempDir(), "checkpoints.db")).Output()
		require.NoError(t, err, "%s: %s", what, out)
		require.Equal(t, "done\n", string(out), what)
	}
}
