//go:build linux || darwin

package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/flowlog/checkpoint"
)

func init() { children["limited"] = saveToALimit }

// saveToALimit saves until the process may not make its files larger, and goes on once it may
// again.
func saveToALimit(args []string) int {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := tryOpen(args[0], args[1], checkpoint.WithoutCompaction())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer s.Close()
	ctx := context.Background()
	state := []byte(filler(30_000))
	saved := 0
	save := func() error {
		err := s.Save(ctx, &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", saved), NodeID: "node", State: state})
		if err == nil {
			saved++
		}
		return err
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		fmt.Println(err)
		return 1
	}
	for _, limit := range []uint64{1 << 20, 3 << 20} {
		now := was
		now.Cur = limit
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &now); err != nil {
			fmt.Println(err)
			return 1
		}
		var err error
		for i := 0; err == nil && i < 1000; i++ {
			err = save()
		}
		for range 3 { // it stays so, and says so again
			fmt.Println(errors.Is(err, checkpoint.ErrFull), errors.Is(err, checkpoint.ErrReadOnly), errors.Is(err, checkpoint.ErrUnknownOutcome), err)
			err = save()
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
			fmt.Println(err)
			return 1
		}
		if err := save(); err != nil {
			fmt.Println("once there is room again:", err)
			return 1
		}
	}
	runs := 0
	for run, err := range s.Runs(ctx, checkpoint.RunsOptions{}) {
		if err != nil {
			fmt.Println(err)
			return 1
		}
		if rep, err := s.Verify(ctx, run.ID); err != nil || !rep.Intact() {
			fmt.Println(rep, err)
			return 1
		}
		runs++
	}
	fmt.Println(runs == saved, "in the end")
	return 0
}

// TestFileSizeLimit (F16): a limit on the size of files is a full disk: nothing is written, it
// is said, and writing goes on once there is room.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			out, err := child(t, "limited", kind, filepath.Join(t.TempDir(), "checkpoints.db")).Output()
			require.NoError(t, err, "%s", out)
			require.Regexp(t, `^(true false false .*\n){6}true in the end\n$`, string(out))
		})
	}
}
