package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/flowlog/checkpoint/driver"
)

// Open opens a file, making it and its folder if they are missing. It removes the
// remains of an unfinished Reclaim: the file whose name Reclaim noted before it made it, and
// no other.
//
// Errors: [driver.ErrInvalid] for a path that is a folder or a file that is not ours;
// [driver.ErrUnsupportedVersion] for a file of another format; [driver.ErrLocked] for a
// file in use; [driver.ErrReadOnly] for a file that can't be written, unless ReadOnly is
// set. A refused file is not changed.
func Open(path string, opts Options) (*Backend, error) {
	b := &Backend{path: path, opts: opts.withDefaults(), clock: steady(time.Now()), writing: make(chan struct{}, 1)}
	switch b.opts.Durability {
	case driver.Full, driver.Off:
	default:
		return nil, fmt.Errorf("%w durability %q: a bbolt file has %s or %s", driver.ErrInvalid, opts.Durability, driver.Full, driver.Off)
	}
	h, err := b.openCurrent()
	if err != nil {
		return nil, err
	}
	if err := b.adopt(h); err != nil {
		return nil, errors.Join(err, h.close())
	}
	b.current.Store(h)
	b.warning = h.lost
	if !b.opts.ReadOnly && h.lost == nil { // a commit would overwrite what shows the loss
		if err := b.removeCopy(); err != nil {
			return nil, errors.Join(b.refuse(causeOf(err)), h.close())
		}
	}
	return b, nil
}

// openCurrent opens the file at the path, once it is locked. A Reclaim by another process
// may put a new file there while this process waits for the lock of the old one.
func (b *Backend) openCurrent() (*handle, error) {
	deadline := time.Now().Add(b.opts.OpenTimeout)
	for {
		if err := b.checkPath(); err != nil {
			return nil, err
		}
		h, err := b.openHandle(b.path, os.O_RDWR, max(time.Until(deadline), time.Millisecond))
		if errors.Is(err, fs.ErrNotExist) && !b.opts.ReadOnly && time.Now().Before(deadline) {
			continue
		}
		if err != nil {
			return nil, b.refuse(err)
		}
		if info, err := os.Stat(b.path); err == nil && os.SameFile(info, h.info) {
			return h, nil
		}
		if err := h.close(); err != nil {
			return nil, fmt.Errorf("close %s: %w", b.path, err)
		}
		if time.Now().After(deadline) {
			return nil, b.refuse(bolterrors.ErrTimeout)
		}
	}
}

// openHandle opens a file with bbolt, which waits for its lock. The flags are used unless
// the Backend is read-only.
func (b *Backend) openHandle(path string, flags int, wait time.Duration) (*handle, error) {
	h := &handle{}
	opts := &bbolt.Options{
		Timeout:         wait,
		ReadOnly:        b.opts.ReadOnly,
		NoSync:          b.opts.Durability == driver.Off,
		FreelistType:    bbolt.FreelistMapType,
		PreLoadFreelist: true, // for Space
		// The list of free pages is stored, though that costs one more page to write.
		// Without it bbolt walks the whole file to open it, and a damaged page then ends
		// the process.
		NoFreelistSync: false,
		OpenFile: func(path string, _ int, mode os.FileMode) (*os.File, error) {
			if b.opts.ReadOnly {
				flags = os.O_RDONLY
			}
			f, err := os.OpenFile(path, flags, mode)
			if err != nil {
				return nil, err
			}
			h.file = f
			if err := peek(f, path); err != nil {
				return nil, errors.Join(err, f.Close())
			}
			return f, nil
		},
	}
	err := guard(func() (err error) {
		h.db, err = bbolt.Open(path, 0o600, opts)
		return err
	})
	if _, ok := errors.AsType[*damage](err); ok {
		return nil, errors.Join(err, unlock(h.file), h.file.Close())
	}
	if err != nil {
		return nil, err
	}
	if h.info, err = h.file.Stat(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.lost = lost(h.file, path) // no other process writes it now: that takes the lock
	return h, nil
}

// checkPath makes the folder and the file if they are missing.
func (b *Backend) checkPath() error {
	if b.path == "" || strings.ContainsRune(b.path, 0) {
		return fmt.Errorf("%w path %q: give the name of a file", driver.ErrInvalid, b.path)
	}
	info, err := os.Stat(b.path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%w path %s: it is a folder; give the name of a file in it, such as %s", driver.ErrInvalid, b.path, filepath.Join(b.path, "checkpoints.db"))
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%w path %s: it is not a regular file", driver.ErrInvalid, b.path)
	case err == nil && info.Size() == 0 && b.opts.ReadOnly:
		return fmt.Errorf("%w file %s: it is empty", driver.ErrInvalid, b.path)
	case err == nil:
		return nil
	case b.opts.ReadOnly, !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open: %w", err)
	}
	if err := makeFolder(filepath.Dir(b.path)); err != nil {
		return fmt.Errorf("make the folder of %s: %w", b.path, err)
	}
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", b.path, err)
	}
	return f.Close()
}

// makeFolder makes a folder and those that it is in, durably, if they are missing.
func makeFolder(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(path)
}

// adopt makes a new file ours, or checks that an old one is.
func (b *Backend) adopt(h *handle) error {
	made := false
	err := h.view(func(tx *transaction) (err error) {
		made, err = b.identify(tx)
		return err
	})
	if err != nil {
		return b.refuse(err)
	}
	// The path may be relative, and the process may change its folder. And Reclaim must
	// not put a file where there was a link to one.
	if b.path, err = filepath.EvalSymlinks(b.path); err == nil {
		b.path, err = filepath.Abs(b.path)
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	switch {
	case b.opts.ReadOnly && !made:
		return fmt.Errorf("%w file %s: it is empty", driver.ErrInvalid, b.path)
	case b.opts.ReadOnly, made:
		return nil
	}
	if _, err := h.update(initialize); err != nil {
		return b.refuse(err)
	}
	if err := syncFolder(b.path); err != nil {
		return fmt.Errorf("sync the folder of %s: %w", b.path, err)
	}
	return nil
}

// initialize makes what every file has.
func initialize(tx *transaction) error {
	for _, name := range everyBucket {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	ours, err := tx.CreateBucket(oursBucket)
	if err != nil {
		return err
	}
	if err := ours.Put(formatKey, format(formatVersion)); err != nil {
		return err
	}
	return counters{}.put(tx)
}

// format is the value that marks a file as ours and has its format number.
func format(version uint32) []byte {
	v := binary.LittleEndian.AppendUint32([]byte(magic), version)
	return binary.LittleEndian.AppendUint32(v, checksum(kindFormat, 0, 0, v))
}

// identify reports whether the file is ours (true) or new (false); anything else
// is an error.
func (b *Backend) identify(tx *transaction) (bool, error) {
	theirs, first := 0, ""
	var format []byte
	c := tx.Cursor()
	for name, v := c.First(); name != nil; name, v = c.Next() {
		if theirs++; theirs == 1 {
			first = string(name)
		}
		if string(name) == string(oursBucket) && v == nil {
			format = tx.Bucket(name).Get(formatKey)
		}
	}
	switch {
	case theirs == 0:
		return false, nil
	case len(format) < len(magic)+8 || string(format[:len(magic)]) != magic:
		return false, fmt.Errorf("%w file %s: it is another program's bbolt database (%d buckets, %q first) and was not changed; give flowlog a path of its own", driver.ErrInvalid, b.path, theirs, first)
	case binary.LittleEndian.Uint32(format[len(magic)+4:]) != checksum(kindFormat, 0, 0, format[:len(magic)+4]):
		return false, corrupt("", 0, "what says that the file is flowlog's doesn't match its checksum")
	}
	return true, b.readable(binary.LittleEndian.Uint32(format[len(magic):]))
}

// readable refuses a file of another format.
func (b *Backend) readable(version uint32) error {
	advice := "update flowlog"
	switch {
	case version == formatVersion:
		return nil
	case version < formatVersion:
		advice = "export its runs as JSON Lines with the flowlog that wrote it (commit 65a31d3) and import those"
	}
	return fmt.Errorf("%s: %w: the file has format %d, this flowlog reads %d; %s", b.path, driver.ErrUnsupportedVersion, version, formatVersion, advice)
}

// refuse explains why a file can't be opened.
func (b *Backend) refuse(err error) error {
	switch {
	case errors.Is(err, driver.ErrInvalid), errors.Is(err, driver.ErrUnsupportedVersion):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w: the file is in use by another process, or open in this one already (waited %v); bbolt allows one at a time", b.path, driver.ErrLocked, b.opts.OpenTimeout)
	case unwritable(err) && !b.opts.ReadOnly:
		return fmt.Errorf("%s: %w: the file or its folder can't be written by this user; change its mode, or open it read-only", b.path, driver.ErrReadOnly)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s can't be opened: %w; check that this user may read the file", b.path, err)
	}
	return b.explain(err)
}
