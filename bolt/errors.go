package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/flowlog/checkpoint/driver"
)

// explain maps an error of bbolt or of the system to the sentinel that callers branch on.
func (b *Backend) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, driver.ErrNotFound), errors.Is(err, driver.ErrConflict), errors.Is(err, errNothing),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), strings.HasPrefix(err.Error(), b.path):
		return err
	case full(err):
		return fmt.Errorf("%s: %w: %w", b.path, driver.ErrFull, err)
	case errors.Is(err, bolterrors.ErrValueTooLarge), errors.Is(err, bolterrors.ErrKeyTooLarge):
		return fmt.Errorf("%s: %w: %w", b.path, driver.ErrTooLarge, err)
	}
	return fmt.Errorf("%s: %w", b.path, err)
}

// causeOf returns why nothing was written, where the contract wants no
// [driver.NotAppliedError].
func causeOf(err error) error {
	if none, ok := errors.AsType[*driver.NotAppliedError](err); ok {
		return none.Err
	}
	return err
}

func corrupt(run string, seq uint64, reason string) error { return driver.Corrupt(run, seq, reason) }

// full reports whether the disk was full, or the file as large as it may be. Why it could not
// make its file larger, before it has written any of a commit, bbolt says only as text.
func full(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, errno) || strings.Contains(err.Error(), "file resize error: ") && strings.HasSuffix(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}

// unwritable reports whether a file may not be opened to write.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
