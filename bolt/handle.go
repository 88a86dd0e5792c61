package bolt

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/flowlog/checkpoint/driver"
)

// handle is a file that is open, with its lock.
//
// bbolt panics where a page is not what it must be, and reading a page that the
// file no longer has is a fault of memory. Both come back as errors here.
type handle struct {
	db   *bbolt.DB
	file *os.File // bbolt's own
	info os.FileInfo
	lost error // what the meta pages showed to be lost when the file was opened

	// A lock that bbolt held when it panicked stays held. stuck says that the handle
	// can't be used any more, halted that it can't be written.
	stuck, halted atomic.Bool
}

// damage is a panic or a fault as an error.
type damage struct{ found any }

func (d *damage) Error() string {
	return fmt.Sprintf("%v: a page of the file is damaged (%v); `bbolt check` says more", driver.ErrCorrupt, d.found)
}

func (d *damage) Is(target error) bool { return target == driver.ErrCorrupt }

// guard calls f, and returns its panic as an error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if found := recover(); found != nil {
			err = &damage{found}
		}
	}()
	return f()
}

// view reads in a transaction. Bytes must be copied to outlive it.
func (h *handle) view(f func(*transaction) error) error {
	if h.stuck.Load() {
		return &damage{"found before"}
	}
	begun := false
	err := guard(func() error {
		return h.db.View(func(tx *bbolt.Tx) error {
			begun = true
			return f(&transaction{tx})
		})
	})
	if _, ok := errors.AsType[*damage](err); ok && !begun {
		h.stuck.Store(true)
	}
	return err
}

// update writes in a transaction, which is rolled back if f returns an error. It returns
// the transaction's number, 0 if none began.
func (h *handle) update(f func(*transaction) error) (txid uint64, err error) {
	if h.stuck.Load() || h.halted.Load() {
		return 0, &damage{"found before"}
	}
	ended := false
	err = guard(func() error {
		return h.db.Update(func(tx *bbolt.Tx) error {
			txid = uint64(tx.ID())
			h.db.AllocSize = growth(tx.Size())
			err := guard(func() error { return f(&transaction{tx}) })
			ended = err != nil
			return err
		})
	})
	if _, ok := errors.AsType[*damage](err); ok && !ended {
		h.halted.Store(true)
	}
	return txid, err
}

// growth is by how much a file of a size grows at a time.
func growth(size int64) int { return int(min(max(size/8, 32<<10), 16<<20)) }

// space returns the file's size, and how much of it is unused.
func (h *handle) space() (size, free int64, err error) {
	err = h.view(func(tx *transaction) error { // keeps the file open, too
		info, err := h.file.Stat()
		if err != nil {
			return err
		}
		stats := h.db.Stats()
		pages := int64(stats.FreePageN+stats.PendingPageN) * int64(h.db.Info().PageSize)
		size, free = info.Size(), max(info.Size()-tx.Size(), 0)+pages
		return nil
	})
	return size, free, err
}

// close waits for transactions under way.
func (h *handle) close() error {
	if h.stuck.Load() || h.halted.Load() { // bbolt would wait for itself
		return errors.Join(unlock(h.file), h.file.Close())
	}
	return guard(h.db.Close)
}

// retired reports whether err says that the handle was closed: Reclaim closes it after
// replacing it.
func retired(err error) bool { return errors.Is(err, bolterrors.ErrDatabaseNotOpen) }
