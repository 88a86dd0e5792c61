package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/flowlog/checkpoint/log"
)

// explain gives an error of bbolt or of the system the meaning that callers
// branch on.
func (b *Backend) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, log.ErrNotFound), strings.HasPrefix(err.Error(), b.path):
		return err
	case full(err):
		return fmt.Errorf("%s: %w: %w", b.path, log.ErrFull, err)
	case errors.Is(err, bolterrors.ErrValueTooLarge), errors.Is(err, bolterrors.ErrKeyTooLarge):
		return fmt.Errorf("%s: %w: %w", b.path, log.ErrTooLarge, err)
	}
	return fmt.Errorf("%s: %w", b.path, err)
}

func corrupt(run string, seq uint64, reason string) error {
	return &log.Error{Run: run, Seq: seq, Reason: reason, Err: log.ErrCorrupt}
}

// full reports whether there was no room on the disk.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// unwritable reports whether a file may not be opened to write.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func corruptSegment(run string, id uint64, reason string) error {
	return corrupt(run, 0, fmt.Sprintf("segment %d: %s", id, reason))
}
