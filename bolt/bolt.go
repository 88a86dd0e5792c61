// Package bolt is the driver that keeps runs in one bbolt file, through
// go.etcd.io/bbolt: pure Go, one file, nothing beside it.
//
// One process at a time may have the file open, once; a second one gets
// [driver.ErrLocked] after [Options.OpenTimeout]. Any number may have it open read-only
// while no process has it open for writing. Within the process readers never wait, and
// writers wait for each other.
//
// A commit needs two syncs, one for the data and one for the page that puts it in force.
// So a single small write takes longer than with package sqlite; many writes in one
// commit hardly take longer. A write that failed because the disk is full was certainly
// not made. After any other failure to write or sync the outcome is unknown. A large
// state waits in memory for its commit. A reader that is copying one delays a commit
// that has to grow and remap the file.
//
// All reads are checked. bbolt has no checksums beyond those of its two meta pages, so
// each value stored here carries a CRC-32C, which also covers its place. Damage is an
// error that satisfies [driver.ErrCorrupt]. A damaged value loses its own contents, but
// not the rest of its run or another run. If one of the meta pages is damaged, bbolt uses
// the other, which may be that of the commit before: see [Backend.Warning]. Pages are looked
// at before bbolt follows them, so damaged ones don't lead it in a circle.
//
// Slots expire by a clock that does not jump while the file is open.
//
// The file is made with mode 0600. It grows by an eighth of its size at a time, by at
// least 32 KiB and at most 16 MiB, and never shrinks by itself: erased space is reused,
// and [Backend.Reclaim] returns it by copying the remaining data into a new file. Until
// then the old bytes are still in the file.
package bolt

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// Options tune a Backend. The zero value is good.
type Options struct {
	// Durability is driver.Full, the default, or driver.Off. bbolt can't do
	// driver.Normal: without a sync its pages may reach the disk in any order.
	Durability driver.Durability
	// OpenTimeout is how long Open waits for another process to close the file. Default
	// 1 second.
	OpenTimeout time.Duration
	// ReadOnly opens an existing file for reading, and does not change it. It prevents
	// other processes from opening the file for writing.
	ReadOnly bool
}

func (o Options) withDefaults() Options {
	if o.Durability == "" {
		o.Durability = driver.Full
	}
	if o.OpenTimeout <= 0 {
		o.OpenTimeout = time.Second
	}
	return o
}

// Backend implements [driver.Backend], [driver.Reclaimer], [driver.Eraser],
// [driver.Checker], [driver.Sizer] and [driver.Versioner] on a bbolt file.
type Backend struct {
	path string // absolute, without symbolic links
	opts Options
	// clock is the time in nanoseconds since 1970 that slots expire by.
	clock func() int64

	// current is the file in use. Reclaim puts another in its place, with writing held.
	current atomic.Pointer[handle]

	version atomic.Int64 // counts the calls of Apply
	warning error        // that something may be missing; see Warning

	// writing is a lock: a channel with room for one value, which a writer puts in. It
	// is a channel so that a context can end the wait.
	writing chan struct{}
	checked time.Time // when stillThere last looked; guarded by writing
	failed  error     // why nothing may be written any more; guarded by writing

	// step, if not nil, is called between the steps of Reclaim: for tests.
	step func(done string)

	// use is held for reading by calls under way, and for writing by Close.
	use     sync.RWMutex
	closed  bool
	closing atomic.Bool // Close waits: Reclaim ends early
}

// enter keeps the Backend open until the returned function is called.
func (b *Backend) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.use.RLock()
	if b.closed {
		b.use.RUnlock()
		return nil, driver.ErrClosed
	}
	return b.use.RUnlock, nil
}

// enterWriting is enter for a writer. It waits for other writers.
func (b *Backend) enterWriting(ctx context.Context) (leave func(), err error) {
	stay, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	if b.opts.ReadOnly {
		stay()
		return nil, driver.ErrReadOnly
	}
	select {
	case b.writing <- struct{}{}:
	case <-ctx.Done():
		stay()
		return nil, ctx.Err()
	}
	leave = func() {
		<-b.writing
		stay()
	}
	err = ctx.Err() // both may have been ready
	if err == nil {
		err = b.writable()
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// writable returns why nothing can be written. It wants writing held.
func (b *Backend) writable() error {
	if b.failed != nil {
		return b.failed
	}
	return b.stillThere()
}

// Close implements [driver.Backend]. A Reclaim under way ends with [driver.ErrClosed] once
// it has copied 8 MiB more, unless it has put the new file in place.
func (b *Backend) Close() error {
	b.closing.Store(true)
	b.use.Lock()
	defer b.use.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	if err := b.current.Load().close(); err != nil {
		return fmt.Errorf("close %s: %w", b.path, err)
	}
	return nil
}

// Space implements [driver.Sizer]. Free is the space that writes can use before the file
// grows.
func (b *Backend) Space(ctx context.Context) (size, free int64, err error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	for {
		size, free, err = b.current.Load().space()
		if !retired(err) {
			return size, free, b.explain(err)
		}
	}
}

// Version implements [driver.Versioner]. No other process can write the file. Setting a
// slot does not count as a change.
func (b *Backend) Version(ctx context.Context) (int64, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return b.version.Load(), nil
}

// checkEvery bounds how often the path is checked, which would slow a writer of small
// events. If the file is removed, writes until the next check are lost.
const checkEvery = 5 * time.Millisecond

// stillThere checks that the file was not moved, removed or replaced since it was opened:
// bbolt would not notice, and its writes would be lost. It checks at most every
// checkEvery, and wants writing held.
func (b *Backend) stillThere() error {
	if time.Since(b.checked) < checkEvery {
		return nil
	}
	b.checked = time.Now()
	h := b.current.Load()
	if info, err := os.Stat(b.path); err != nil || !os.SameFile(info, h.info) || info.Size() == 0 {
		return fmt.Errorf("%s: %w: the file was moved, removed or replaced since it was opened; put it back, or close the store and open it again", b.path, driver.ErrReadOnly)
	}
	return nil
}
