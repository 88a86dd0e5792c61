package drivertest_test

import (
	"context"
	"sync"
	"time"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

// storage is a driver of which several handles share what is stored, and which keeps all
// that was done, so that the stored can be made anew.
type storage struct {
	// wrap makes each handle; rewrite changes what is read when it is opened again.
	wrap    func(driver.Backend) driver.Backend
	rewrite func(journal []step) []step
}

// step is a call of Apply, or of SetSlot.
type step struct {
	changes []driver.Change
	slot    driver.SlotChange
	at      time.Time // when the slot was set
}

// disk is what a storage has stored.
type disk struct {
	mu      sync.Mutex // guards those below
	b       driver.Backend
	journal []step
}

// handle is one of the handles on a disk.
type handle struct {
	driver.Backend // what it answers with
	disk           *disk

	use    sync.RWMutex // held for reading by calls under way
	closed bool
}

func (s storage) driver() drivertest.Driver {
	return drivertest.Driver{
		Open:    func() (driver.Backend, error) { return s.open(&disk{b: memory.New()}), nil },
		Another: func(b driver.Backend) (driver.Backend, error) { return s.open(b.(*handle).disk), nil },
		Reopen: func(b driver.Backend) (driver.Backend, error) {
			b.Close()
			d := b.(*handle).disk
			d.mu.Lock()
			defer d.mu.Unlock()
			anew := replayed(s.rewrite(d.journal))
			return s.open(anew), nil
		},
	}
}

func (s storage) open(d *disk) *handle {
	h := &handle{disk: d}
	h.Backend = s.wrap(&broken{
		Backend: d.b,
		head: func(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
			return inUse(h, func() (driver.Head, error) { return d.b.Head(ctx, req) })
		},
		heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
			return inUse(h, func() ([]driver.Head, error) { return d.b.Heads(ctx, req) })
		},
		records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
			return inUse(h, func() ([]driver.Record, error) { return d.b.Records(ctx, req) })
		},
		segments: func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
			return inUse(h, func() ([]driver.Segment, error) { return d.b.Segments(ctx, req) })
		},
		segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
			return inUse(h, func() (driver.Segment, error) { return d.b.Segment(ctx, req) })
		},
		entries: func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
			return inUse(h, func() ([]driver.Entry, error) { return d.b.Entries(ctx, req) })
		},
		apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
			return inUse(h, func() ([]driver.Result, error) { return d.apply(ctx, changes) })
		},
		slot: func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
			return inUse(h, func() (driver.Slot, error) { return d.b.Slot(ctx, req) })
		},
		setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
			return inUse(h, func() (driver.Slot, error) { return d.setSlot(ctx, c) })
		},
		purge: func(ctx context.Context) (bool, error) {
			return inUse(h, func() (bool, error) {
				res, err := d.b.Purge(ctx, driver.PurgeRequest{})
				return res.More, err
			})
		},
		close: h.close,
	})
	return h
}

func inUse[T any](h *handle, f func() (T, error)) (T, error) {
	h.use.RLock()
	defer h.use.RUnlock()
	if h.closed {
		var none T
		return none, driver.ErrClosed
	}
	return f()
}

func (h *handle) close() error {
	h.use.Lock()
	defer h.use.Unlock()
	h.closed = true
	return nil
}

func (d *disk) apply(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	results, err := all(ctx, d.b, changes)
	if err == nil {
		d.journal = append(d.journal, step{changes: drivertest.CloneChanges(changes)})
	}
	return results, err
}

func (d *disk) setSlot(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.b.SetSlot(ctx, c)
	if err == nil {
		if c.Value != nil {
			c.Value = append([]byte{}, c.Value...)
		}
		d.journal = append(d.journal, step{slot: c, at: time.Now()})
	}
	return s, err
}

// replayed returns a disk after the steps of a journal. Slots have what is left of their
// time.
func replayed(journal []step) *disk {
	ctx, d := context.Background(), &disk{b: memory.New(), journal: journal}
	for _, s := range journal {
		if s.slot.Key == "" {
			all(ctx, d.b, s.changes)
			continue
		}
		if s.slot.TTL != 0 {
			if s.slot.TTL -= time.Since(s.at); s.slot.TTL <= 0 {
				s.slot.TTL = 1 // it has expired
			}
		}
		d.b.SetSlot(ctx, s.slot)
	}
	return d
}

// unchanged and everything are what a right storage does.
func unchanged(b driver.Backend) driver.Backend { return b }
func everything(journal []step) []step          { return journal }
