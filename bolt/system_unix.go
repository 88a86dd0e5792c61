//go:build unix

package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// keepOwner gives a file the mode and the owner of another.
func keepOwner(f, like *os.File) error {
	want, err := like.Stat()
	if err != nil {
		return err
	}
	have, err := f.Stat()
	if err != nil {
		return err
	}
	w, ok := want.Sys().(*syscall.Stat_t)
	h, ok2 := have.Sys().(*syscall.Stat_t)
	if ok && ok2 && (w.Uid != h.Uid || w.Gid != h.Gid) {
		if err := f.Chown(int(w.Uid), int(w.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(want.Mode().Perm())
}

// syncFolder makes the names in a file's folder durable.
func syncFolder(path string) error {
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
