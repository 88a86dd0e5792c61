//go:build amd64 || arm64

package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/flowlog/checkpoint"
)

func init() { children["failing checkpoint"] = saveWithFailingCheckpoint }

// saveWithFailingCheckpoint saves while the WAL can't be written back into the file, since no
// sync succeeds. The saves themselves wait for none.
func saveWithFailingCheckpoint(args []string) int {
	s, err := checkpoint.NewSQLiteStore(args[0], checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityNormal))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx := context.Background()
	save := func(i int) error {
		return s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(filler(500 + i%2*3000))})
	}
	for i := range 10 {
		if err := save(i); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	if err := deny(true, unix.EIO, unix.SYS_FSYNC, unix.SYS_FDATASYNC); err != nil {
		fmt.Println("no filter:", err)
		return 2
	}
	saved := 10
	for i := range 2000 {
		if err = save(i); err != nil {
			break
		}
		saved++
	}
	fmt.Println(errors.Is(err, checkpoint.ErrReadOnly), err)
	fmt.Println("saved", saved)
	fmt.Println("close:", s.Close())
	_, err = checkpoint.NewSQLiteStore(args[0])
	fmt.Println("again:", err)
	return 0
}

// TestFailedCheckpoint (F23): that the WAL can't be written back into the file durably is not
// kept quiet. Writing ends, and what was acknowledged is in the WAL.
func TestFailedCheckpoint(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	out, err := child(t, "failing checkpoint", path).Output()
	require.NoError(t, err, "%s", out)
	said := strings.Split(string(out), "\n")
	require.Contains(t, said[0], "true ")
	require.Contains(t, said[0], "since its WAL could not be written back into it")
	require.Contains(t, said[2], "close: close: "+path+": ")
	require.Contains(t, said[2], "nothing was written now, and what was saved before is in the WAL; end the process, make sure that its disk is sound, and open it again")
	require.Contains(t, said[3], "again: "+path+": ")

	s, err := checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	defer s.Close()
	rep := requireIntact(t, s.EventStore, "run")
	require.Equal(t, fmt.Sprint("saved ", rep.Events), said[1])
	require.Less(t, rep.Events, uint64(1500))
	saved(t, s.EventStore, "run", "node", "1")
}

// TestWALOfKilledProcesses: processes that save a little and are killed leave a WAL that does
// not grow with their number.
func TestWALOfKilledProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	for i := range 24 {
		out, err := child(t, "saveAndDie", path, fmt.Sprint("run-", i)).Output()
		require.NoError(t, err, "%s", out)
	}
	wal, err := os.Stat(path + "-wal")
	require.NoError(t, err)
	require.Less(t, wal.Size(), int64(2<<20))
	s, err := checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	defer s.Close()
	for i := range 24 {
		require.EqualValues(t, 50, requireIntact(t, s.EventStore, fmt.Sprint("run-", i)).Events)
	}
}
