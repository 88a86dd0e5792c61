//go:build unix

package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func init() { children["readonly"] = openAsNobody }

// openAsNobody opens a file as a user who may not write it.
func openAsNobody(args []string) int {
	if os.Geteuid() == 0 { // who may do everything
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	_, err := checkpoint.NewSQLiteStore(args[0])
	fmt.Println("to write:", errors.Is(err, checkpoint.ErrReadOnly), err)
	s, err := checkpoint.NewSQLiteStore(args[0], checkpoint.WithReadOnly())
	if err != nil {
		fmt.Println("to read:", err)
		return 1
	}
	c, err := s.Load(context.Background(), "run")
	if err != nil {
		fmt.Println("load:", err)
		return 1
	}
	rep, err := s.Verify(context.Background(), "run")
	if err != nil {
		fmt.Println("verify:", err)
		return 1
	}
	fmt.Println("loaded:", c.Seq, "intact:", rep.Intact())
	fmt.Println("save:", errors.Is(s.Save(context.Background(), c), checkpoint.ErrReadOnly))
	if err := s.Close(); err != nil {
		fmt.Println("close:", err)
		return 1
	}
	return 0
}

func TestFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]fs.FileMode{"in a folder that can": 0o777, "in a folder that can't either": 0o555} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "checkpoints.db")
			s, err := checkpoint.NewSQLiteStore(path)
			require.NoError(t, err)
			loop(t, s.EventStore, "run", 50)
			require.NoError(t, s.Close())
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Chmod(path, 0o444))
			require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
			require.NoError(t, os.Chmod(dir, folder))
			t.Cleanup(func() { require.NoError(t, os.Chmod(dir, 0o755)) })

			out, err := child(t, "readonly", path).Output()
			require.NoError(t, err, "%s", out)
			require.Equal(t, fmt.Sprintf("to write: true %s: store is read-only: the file or its folder can't be written by this user; change its mode, or open it read-only\n", path)+
				"loaded: 50 intact: true\nsave: true\n", string(out))
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, string(before) == string(after))
		})
	}
}
