package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/driver"
)

// compactSuffix is what the file that Reclaim writes has after its name.
const compactSuffix = ".compact"

// Reclaim pays where this much of the file is free, in bytes and as a part of it.
// The first write after it makes the file grow by an eighth, see growth: that is
// a ninth of what it then is, and no reason for another.
const (
	reclaimBytes = 64 << 10
	reclaimPart  = 8
)

// copyBytes is how much a transaction of Reclaim copies before it is committed,
// after which progress is told.
const copyBytes = 8 << 20

// Reclaim implements [driver.Reclaimer]: it erases what is dead, copies what is left
// into a new file beside the old one, and puts that in its place. The folder needs
// room for both until then, and the new file keeps the mode and the owner of the
// old. It does nothing unless at least 64 KiB and an eighth of the file are free, what
// shortened records have left on their pages counted, for which it reads all keys.
//
// Readers go on, on the old file and then on the new one. Writers wait for the
// copy and its sync: a second for 150 MB of small events or 250 MB of large ones
// that are left, as measured. Their contexts are heeded meanwhile.
//
// A done ctx ends it with nothing but the erasure reached. A crash leaves the old
// file or the new one, whole; what else it leaves the next Open removes.
func (b *Backend) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	return b.rewrite(ctx, false, progress)
}

// Erase implements [driver.Eraser] as Reclaim does its work, but always: what was erased
// from a bbolt file stays in its free pages until they are used again, and only in a
// new file it is not. Readers who are on the old file are waited for.
func (b *Backend) Erase(ctx context.Context) error {
	_, err := b.rewrite(ctx, true, nil)
	return err
}

// rewrite puts a copy of what is left in the place of the file, if that pays or
// always.
func (b *Backend) rewrite(ctx context.Context, always bool, progress func(driver.Reclaimed)) (int64, error) {
	for more := true; more; {
		res, err := b.Purge(ctx, driver.PurgeRequest{})
		if err != nil {
			return 0, err
		}
		more = res.More
	}
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	for more := true; more; { // what came to be dead just now
		if more, err = b.purgeSlice(ctx); err != nil {
			return 0, err
		}
	}
	old := b.current.Load()
	size, free, err := old.space()
	if least := max(reclaimBytes, size/reclaimPart); err == nil && !always && free < least {
		var slack int64
		if slack, err = old.slack(); free+slack < least {
			return 0, b.explain(err)
		}
	}
	if err != nil {
		return 0, b.explain(err)
	}
	b.checked = time.Time{}
	if err := b.stillThere(); err != nil {
		return 0, err
	}
	next, err := b.compact(ctx, old, size-free, progress)
	if err != nil {
		return 0, fmt.Errorf("copy the file: %w", b.refuse(err))
	}
	return b.swap(old, next, size)
}

// compact returns a copy of what is in a file, open, locked and on the disk.
func (b *Backend) compact(ctx context.Context, old *handle, total int64, progress func(driver.Reclaimed)) (*handle, error) {
	if err := b.removeCompact(); err != nil {
		return nil, err
	}
	path := b.path + compactSuffix
	next, err := b.openHandle(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, time.Millisecond)
	if err != nil {
		return nil, errors.Join(err, b.removeCompact())
	}
	b.did("make")
	// One sync in the end will do, and a file that is as large as it must be.
	next.db.NoSync, next.db.NoGrowSync = true, true
	err = old.view(func(tx *bbolt.Tx) error {
		c := &copier{ctx: ctx, closing: &b.closing, to: next, total: total, progress: progress}
		return c.copy(tx)
	})
	b.did("copy")
	if err == nil {
		err = keepOwner(next.file, old.file)
	}
	b.did("keep the owner")
	if err == nil {
		err = next.file.Sync()
	}
	b.did("sync")
	next.db.NoSync, next.db.NoGrowSync = b.opts.Durability == driver.Off, false
	if err != nil {
		return nil, errors.Join(err, next.close(), b.removeCompact())
	}
	return next, nil
}

// swap puts a new file, which is locked, in the place of the old one. Whoever
// waits for the lock of the old one finds that it is not at the path any more.
func (b *Backend) swap(old, next *handle, size int64) (int64, error) {
	if err := os.Rename(b.path+compactSuffix, b.path); err != nil {
		return 0, errors.Join(fmt.Errorf("copy the file: %w", err), next.close(), b.removeCompact())
	}
	b.did("rename")
	b.current.Store(next)
	b.did("switch")
	if err := syncFolder(b.path); err != nil {
		// After a crash the name may lead to the old file again, without what is
		// written from now on.
		b.failed = fmt.Errorf("%s: %w: its folder could not be synced after Reclaim (%w); close the store and open it again", b.path, driver.ErrReadOnly, err)
	}
	b.did("sync the folder")
	if err := old.close(); err != nil { // once its readers are done
		return 0, fmt.Errorf("close the old file of %s: %w", b.path, err)
	}
	b.did("close the old")
	if b.failed != nil {
		return 0, fmt.Errorf("copy the file: %w", b.failed)
	}
	info, err := next.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("copy the file: %w", err)
	}
	return size - info.Size(), nil
}

func (b *Backend) did(step string) {
	if b.step != nil {
		b.step(step)
	}
}

// removeCompact removes what a Reclaim has left that did not come to its end.
func (b *Backend) removeCompact() error {
	if err := os.Remove(b.path + compactSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what an unfinished Reclaim left: %w", err)
	}
	return nil
}
