package bolt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/internal/fileid"
)

// copyInfix is in the name of the file that Reclaim writes, between the store's name and a
// random word.
const copyInfix = ".compact-"

// Reclaim copies a file if this much of it is free, in bytes and as a fraction. The
// first write after it makes the file grow by an eighth, see growth: that is a ninth of
// its new size, and no reason for another Reclaim.
const (
	reclaimBytes = 64 << 10
	reclaimPart  = 8
)

// copyBytes is the number of bytes that a transaction of Reclaim copies before it is
// committed and progress is called.
const copyBytes = 8 << 20

// Reclaim implements [driver.Reclaimer]: it erases the dead data, copies the rest into a
// new file beside the old one, and puts the new file in its place. Until then the folder
// needs room for both. The new file keeps the mode and the owner of the old one. Reclaim
// does nothing unless at least 64 KiB and an eighth of the file are free. That includes
// the room that shortened records and removed entries have left on their pages; to find
// it, Reclaim reads all keys.
//
// Readers continue on the old file, and then on the new one. Writers wait for the copy and
// its sync: a second for 150 MB of remaining small events or 250 MB of large ones, as
// measured. Their contexts can end the wait.
//
// A done ctx ends it; data erased by then stays erased. A crash leaves the old file or
// the new one, whole; the next Open removes any remains.
func (b *Backend) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	return b.rewrite(ctx, false, progress)
}

// Erase implements [driver.Eraser]: it does the same as Reclaim, but always. Bytes erased
// from a bbolt file stay in its free pages until they are reused; only a new file is free
// of them. It waits for readers of the old file.
func (b *Backend) Erase(ctx context.Context) error {
	_, err := b.rewrite(ctx, true, nil)
	return err
}

// rewrite replaces the file by a copy of the remaining data, always or if enough is
// free.
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
	for more := true; more; { // data that has died since
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
	info, err := old.file.Stat()
	if err != nil {
		return 0, b.explain(err)
	}
	if n := fileid.Links(info); n > 1 {
		return 0, fmt.Errorf("%w file %s: it has %d names (hard links), and a copy would take the place of one; remove its other names", driver.ErrInvalid, b.path, n)
	}
	next, path, err := b.compact(ctx, old, size-free, progress)
	if err != nil {
		return 0, fmt.Errorf("copy the file: %w", b.refuse(err))
	}
	return b.swap(old, next, path, size)
}

// compact returns a copy of what is in a file, open, locked and on the disk, and its path.
func (b *Backend) compact(ctx context.Context, old *handle, total int64, progress func(driver.Reclaimed)) (next *handle, path string, err error) {
	if path, err = b.nameCopy(); err != nil {
		return nil, "", err
	}
	if next, err = b.openHandle(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, time.Millisecond); err != nil {
		return nil, "", errors.Join(err, b.removeCopy())
	}
	b.did("make")
	// One sync at the end is enough, and the file need not grow ahead.
	next.db.NoSync, next.db.NoGrowSync = true, true
	err = old.view(func(tx *transaction) error {
		c := &copier{ctx: ctx, closing: &b.closing, to: next, total: total, progress: progress}
		return c.copy(tx)
	})
	b.did("copy")
	if err == nil {
		_, err = next.update(func(tx *transaction) error { return tx.Bucket(oursBucket).Delete(copyKey) })
	}
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
		return nil, "", errors.Join(err, next.close(), b.removeCopy())
	}
	return next, path, nil
}

// nameCopy chooses the path of a copy and stores its name in the current file, durably.
// removeCopy deletes only the file of that name, so after a crash it never deletes a file
// that another program made.
func (b *Backend) nameCopy() (string, error) {
	if err := b.removeCopy(); err != nil {
		return "", err
	}
	name := b.copyPrefix() + strings.ToLower(rand.Text()[:8])
	err := b.commit(context.Background(), func(tx *transaction) error {
		ours := tx.Bucket(oursBucket)
		if ours == nil {
			return corrupt("", 0, "the bucket that marks the file is missing")
		}
		return ours.Put(copyKey, []byte(name))
	})
	return filepath.Join(filepath.Dir(b.path), name), err
}

// swap puts a new, locked file in the place of the old one. An opener that waits for the
// lock of the old one then finds that it is no longer at the path.
func (b *Backend) swap(old, next *handle, path string, size int64) (int64, error) {
	if err := os.Rename(path, b.path); err != nil {
		return 0, errors.Join(fmt.Errorf("copy the file: %w", err), next.close(), b.removeCopy())
	}
	b.did("rename")
	b.current.Store(next)
	b.did("switch")
	if err := syncFolder(b.path); err != nil {
		// After a crash the name may lead to the old file again, without the writes from
		// now on.
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

// copyPrefix is what the names of the file's copies begin with.
func (b *Backend) copyPrefix() string {
	base := filepath.Base(b.path)
	const most = 200 // of the 255 bytes that most file systems allow
	return strings.ToValidUTF8(base[:min(len(base), most)], "") + copyInfix
}

// removeCopy removes the remains of an unfinished Reclaim, if the current file names any. It
// wants writing held.
func (b *Backend) removeCopy() error {
	var name string
	if err := b.current.Load().view(func(tx *transaction) error {
		if ours := tx.Bucket(oursBucket); ours != nil {
			name = string(ours.Get(copyKey))
		}
		return nil
	}); err != nil || name == "" {
		return err
	}
	// Neither a damaged name nor that of the file that this one is a copy of may lead to
	// another file.
	path := filepath.Join(filepath.Dir(b.path), name)
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && name == filepath.Base(name) && strings.HasPrefix(name, b.copyPrefix()) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what an unfinished Reclaim left: %w", err)
		}
	}
	return b.commit(context.Background(), func(tx *transaction) error { return tx.Bucket(oursBucket).Delete(copyKey) })
}
