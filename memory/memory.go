// Package memory is the driver that keeps runs in memory: for tests, and for runs that
// need not survive the process. It keeps all data, bounded only by memory, and answers
// like the drivers that write to disk.
package memory

import (
	"context"
	"sync"

	"github.com/tidwall/btree"

	"github.com/flowlog/checkpoint/driver"
)

var (
	_ driver.Backend   = (*Backend)(nil)
	_ driver.Eraser    = (*Backend)(nil)
	_ driver.Versioner = (*Backend)(nil)
)

// Backend implements [driver.Backend], [driver.Eraser] and [driver.Versioner] in memory.
// Here durable means: until Close.
type Backend struct {
	mu       sync.RWMutex            // guards all below
	runs     btree.Map[string, *run] // by id
	places   *places                 // all runs, newest last
	classes  *places                 // the same, by class first
	slots    slots                   // of the storage itself
	revision uint64                  // the last assigned, over all runs
	segment  uint64                  // the last assigned segment id
	slot     uint64                  // the last assigned slot version, over all slots
	version  int64                   // counts the calls of Apply
	closed   bool
}

// New returns an empty Backend.
func New() *Backend {
	return &Backend{places: newPlaces(), classes: newPlaces(), slots: slots{}}
}

// enter takes the lock for reading, unless ctx is done or the Backend is closed.
func (b *Backend) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.RLock()
	if b.closed {
		b.mu.RUnlock()
		return driver.ErrClosed
	}
	return nil
}

// Version implements [driver.Versioner].
func (b *Backend) Version(ctx context.Context) (int64, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.RUnlock()
	return b.version, nil
}

// Purge implements [driver.Backend]. Dead data was freed at once.
func (b *Backend) Purge(ctx context.Context, _ driver.PurgeRequest) (driver.PurgeResult, error) {
	if err := b.enter(ctx); err != nil {
		return driver.PurgeResult{}, err
	}
	b.mu.RUnlock()
	return driver.PurgeResult{}, nil
}

// Erase implements [driver.Eraser]. There are no files, and the garbage collector frees
// the memory: nobody waits.
func (b *Backend) Erase(ctx context.Context) error {
	_, err := b.Purge(ctx, driver.PurgeRequest{})
	return err
}

// Close implements [driver.Backend]. The stored data is lost.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.runs, b.places, b.classes, b.slots = btree.Map[string, *run]{}, nil, nil, nil
	return nil
}
