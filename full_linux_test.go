//go:build amd64 || arm64

package checkpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/flowlog/checkpoint"
)

// scarceDisk is a folder on a disk that can be full for a while.
type scarceDisk struct {
	name string
	dir  string
	// full calls try while the disk is full.
	full func(t *testing.T, try func())
}

// scarceDisks returns a disk that is said to be full and, where the user may
// mount one, another that is.
func scarceDisks(t *testing.T) []scarceDisk {
	t.Helper()
	disks := []scarceDisk{{name: "as the system says", dir: t.TempDir(), full: writesDenied}}
	small := t.TempDir()
	err := unix.Mount("flowlog-test", small, "tmpfs", 0, "size=4m")
	if err != nil {
		t.Logf("without a small disk, which can't be mounted: %v", err)
		return disks
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(small, 0)) })
	return append(disks, scarceDisk{name: "small", dir: small, full: func(t *testing.T, try func()) {
		rest := filepath.Join(small, "rest")
		f, err := os.Create(rest)
		require.NoError(t, err)
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		require.ErrorIs(t, err, unix.ENOSPC)
		require.NoError(t, f.Close())
		try()
		require.NoError(t, os.Remove(rest))
	}})
}

// writesDenied calls try in a thread that can write to no file at an offset, which
// is how SQLite writes. The thread ends with it.
func writesDenied(t *testing.T, try func()) {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it
		err := deny(false, unix.ENOSPC, unix.SYS_PWRITE64)
		if err == nil {
			try()
		}
		failed <- err
	}()
	require.NoError(t, <-failed)
}

// TestFullDisk holds that a full disk stops nothing but what needs room: a save
// says that nothing was written, which is so, and works again once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, disk := range scarceDisks(t) {
		t.Run(disk.name, func(t *testing.T) {
			ctx := context.Background()
			path := filepath.Join(disk.dir, "checkpoints.db")
			s, err := checkpoint.NewSQLiteStore(path)
			require.NoError(t, err)
			told := map[uint64]string{}
			keep := func(c *checkpoint.Checkpoint) { told[c.Seq] = sum(c.State) }
			for i := range 10 {
				keep(saved(t, s.EventStore, "run", "node", filler(100+2000*i)))
			}
			for round := range 3 {
				errs := map[string]error{}
				var load, list, verify error
				disk.full(t, func() {
					for _, run := range []string{"run", fmt.Sprint("new-", round)} {
						for _, size := range []int{20, 20_000, 2_000_000} {
							errs[fmt.Sprint(run, " ", size)] = s.Save(ctx, &checkpoint.Checkpoint{RunID: run, NodeID: "full", State: json.RawMessage(filler(size))})
						}
					}
					_, errs["prune"] = s.Prune(ctx, "run", []uint64{1}, "test")
					errs["delete"] = s.Delete(ctx, "run")
					_, load = s.Load(ctx, "run")
					_, list = s.List("run")
					_, verify = s.Verify(ctx, "run")
				})
				for what, err := range errs {
					require.Error(t, err, what)
					require.ErrorIs(t, err, checkpoint.ErrFull, what)
					require.ErrorContains(t, err, "nothing was written", what)
					require.NotErrorIs(t, err, checkpoint.ErrUnknownOutcome, what)
					require.NotErrorIs(t, err, checkpoint.ErrReadOnly, what)
				}
				require.NoError(t, errors.Join(load, list, verify))
				require.Equal(t, len(told), requireTold(t, s.EventStore, "run", told))
				// Another process would be told the same.
				other, err := checkpoint.NewSQLiteStore(path, checkpoint.WithReadOnly())
				require.NoError(t, err)
				require.Equal(t, len(told), requireTold(t, other.EventStore, "run", told))
				require.NoError(t, other.Close())
				// Now there is room.
				c := saved(t, s.EventStore, "run", "node", filler(5000+round))
				require.EqualValues(t, len(told)+1, c.Seq)
				require.EqualValues(t, len(told), c.Parent)
				keep(c)
			}
			require.NoError(t, s.Close())
			s, err = checkpoint.NewSQLiteStore(path)
			require.NoError(t, err)
			require.Equal(t, len(told), requireTold(t, s.EventStore, "run", told))
			for run, err := range s.Runs(ctx, checkpoint.RunsOptions{}) {
				require.NoError(t, err)
				require.False(t, strings.HasPrefix(run.ID, "new-"), "%s is there", run.ID)
			}
			require.NoError(t, s.Close())
		})
	}
}
