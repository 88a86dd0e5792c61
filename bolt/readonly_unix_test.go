//go:build unix

package bolt_test

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

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

func init() { children["nobody"] = openAsNobody }

// openAsNobody opens a file as a user who may not write it.
func openAsNobody(args []string) int {
	if os.Geteuid() == 0 { // root may do everything
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	_, err := bolt.Open(args[0], bolt.Options{})
	fmt.Println("to write:", errors.Is(err, driver.ErrReadOnly), err)
	b, err := bolt.Open(args[0], bolt.Options{ReadOnly: true})
	if err != nil {
		fmt.Println("to read:", err)
		return 1
	}
	h, err := b.Head(context.Background(), driver.HeadRequest{Run: "a"})
	fmt.Println("last:", h.Last.Seq, err, b.Close())
	return 0
}

func TestFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]fs.FileMode{"in a folder that can": 0o777, "in a folder that can't either": 0o555} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "checkpoints.db")
			b := open(t, path, bolt.Options{})
			apply(t, b, driver.Change{Run: "a", Head: row(1), Append: records("a", 1, 50, 10)})
			require.NoError(t, b.Close())
			before := contents(t, dir)
			require.NoError(t, os.Chmod(path, 0o444))
			require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
			require.NoError(t, os.Chmod(dir, folder))
			t.Cleanup(func() { require.NoError(t, os.Chmod(dir, 0o755)) })

			out, err := child(t, "nobody", path).Output()
			require.NoError(t, err, "%s", out)
			require.Equal(t, fmt.Sprintf("to write: true %s: store is read-only: the file or its folder can't be written by this user; change its mode, or open it read-only\nlast: 50 <nil> <nil>\n", path), string(out))
			require.Equal(t, before, contents(t, dir))
		})
	}
}
