package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/internal/fileid"
)

// checkPath makes the folder and the file if they are missing.
func (b *Backend) checkPath() error {
	if b.path == memoryPath {
		return nil
	}
	if b.path == "" || strings.ContainsRune(b.path, 0) {
		return fmt.Errorf("%w path %q: give the name of a file", driver.ErrInvalid, b.path)
	}
	info, err := os.Stat(b.path)
	switch {
	case err == nil && !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("%w path %s: it is not a regular file", driver.ErrInvalid, b.path)
	case err == nil && info.Size() == 1: // SQLite would take it for empty
		return fmt.Errorf("%w file %s: it is not a SQLite database; it was not changed; give flowlog a path of its own", driver.ErrInvalid, b.path)
	case err == nil && info.IsDir():
		return fmt.Errorf("%w path %s: it is a folder; give the name of a file in it, such as %s", driver.ErrInvalid, b.path, filepath.Join(b.path, "checkpoints.db"))
	case err == nil, b.opts.ReadOnly:
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open: %w", err)
	}
	return b.makeFile()
}

// checkName finds the file's own path: absolute, since the process may change its folder, and
// behind symbolic links, since a WAL lies beside the file. It refuses a file that others may
// open by another name.
func (b *Backend) checkName() error {
	if b.path == memoryPath {
		return nil
	}
	path, err := filepath.EvalSymlinks(b.path)
	if err != nil { // it can't follow all that Windows has
		path = b.path
	}
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	b.at = path
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	const why = "SQLite keeps the newest events in a file beside it, by its name, so whoever opens it by another name would not see them, and overwrite them"
	if n := fileid.Links(info); n > 1 {
		return fmt.Errorf("%w file %s: it has %d names (hard links), and %s; remove its other names, or open a copy", driver.ErrInvalid, b.path, n, why)
	}
	if fileid.IsMount(path) {
		return fmt.Errorf("%w file %s: it is mounted by itself, and %s; mount the folder that it is in, or open a copy", driver.ErrInvalid, b.path, why)
	}
	return nil
}

func (b *Backend) makeFile() error {
	if wal, err := os.Stat(b.path + "-wal"); err == nil && wal.Size() > 0 {
		if _, err := os.Stat(b.path); errors.Is(err, fs.ErrNotExist) { // else another process made it just now
			return fmt.Errorf("%w file %s: it is missing, but its newest events are still in %s-wal; put the file back beside it, or move that away too", driver.ErrInvalid, b.path, b.path)
		}
	}
	made := missingFolders(b.path)
	if err := os.MkdirAll(filepath.Dir(b.path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", b.path, err)
	}
	// SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", b.path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make %s: %w", b.path, err)
	}
	if b.opts.Durability != driver.Full {
		return nil
	}
	for _, name := range append(made, b.path) {
		if err := syncFolder(filepath.Dir(name)); err != nil {
			return fmt.Errorf("make %s: %w", b.path, err)
		}
	}
	return nil
}

// missingFolders returns the folders above a file that don't exist.
func missingFolders(path string) []string {
	var missing []string
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return missing
		}
		missing = append(missing, dir)
	}
}

// syncFolder makes the names of new files in a folder survive the loss of power.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder can't be synced there
	}
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // the folder can be written but not read
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err // the other errors say that the file system has no such sync
	}
	return nil
}
