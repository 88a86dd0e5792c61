package drivertest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

// storage is a driver of which several handles share what is stored, and which
// keeps all changes, so that the stored can be made anew.
type storage struct {
	// wrap makes each handle; rewrite changes what is read when it is opened
	// again.
	wrap    func(driver.Backend) driver.Backend
	rewrite func(journal [][]driver.Change) [][]driver.Change
}

// disk is what a storage has stored.
type disk struct {
	mu      sync.Mutex // guards those below
	b       driver.Backend
	journal [][]driver.Change
}

// handle is one of the handles on a disk.
type handle struct {
	driver.Backend // what it answers with
	disk        *disk

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
			anew := &disk{b: memory.New()}
			for _, changes := range s.rewrite(d.journal) {
				if _, err := anew.apply(context.Background(), changes); err != nil {
					return nil, err
				}
			}
			return s.open(anew), nil
		},
	}
}

func (s storage) open(d *disk) *handle {
	h := &handle{disk: d}
	h.Backend = s.wrap(&broken{
		Backend: d.b,
		head: func(ctx context.Context, run string) (driver.Head, error) {
			return inUse(h, func() (driver.Head, error) { return d.b.Head(ctx, run) })
		},
		heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
			return inUse(h, func() ([]driver.Head, error) { return d.b.Heads(ctx, req) })
		},
		records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
			return inUse(h, func() ([]driver.Record, error) { return d.b.Records(ctx, req) })
		},
		segments: func(ctx context.Context, run string) ([]driver.Segment, error) {
			return inUse(h, func() ([]driver.Segment, error) { return d.b.Segments(ctx, run) })
		},
		segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
			return inUse(h, func() (driver.Segment, error) { return d.b.Segment(ctx, req) })
		},
		apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
			return inUse(h, func() ([]driver.Result, error) { return d.apply(ctx, changes) })
		},
		purge: func(ctx context.Context) (bool, error) {
			return inUse(h, func() (bool, error) { return d.b.Purge(ctx) })
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
	results, err := d.b.Apply(ctx, changes)
	if err == nil {
		d.journal = append(d.journal, drivertest.CloneChanges(changes))
	}
	return results, err
}

// unchanged and everything are what a right storage does.
func unchanged(b driver.Backend) driver.Backend              { return b }
func everything(journal [][]driver.Change) [][]driver.Change { return journal }

// storageBreakage is a storage that breaks a rule of several handles or of
// opening again.
type storageBreakage struct {
	name string
	rule string
	storage
}

func storageBreakages() []storageBreakage {
	return []storageBreakage{
		{"sees another handle's records late", "what one handle wrote every other sees once Apply returned", storage{cachesRecords, everything}},
		{"believes the heads it has seen", "compare-and-sets of several handles exclude each other", storage{believesHeads, everything}},
		{"believes the last event it has seen", "appends of several handles after the same event exclude each other", storage{believesLast, everything}},
		{"appends by several handles", "of several appends after the same seq exactly one is made, through whatever handles", storage{looksBefore, everything}},
		{"excludes handles that saw the run before an append", "an append through one handle and a change of the row through another don't exclude each other unless the revision differs", storage{countsAppends, everything}},
		{"sees late that another handle appended", "Heads with Newest follows the last event of each run, whichever handle wrote it", storage{cachesHeads, everything}},
		{"locks no other handle out", "of several changes that expect the same revision exactly one is made, through whatever handles", storage{comparesBefore, everything}},
		{"shows other handles half a change", "a handle sees the change of another whole or not at all", storage{showsHalf(new(waiter)), everything}},
		{"numbers segments by handle", "several handles never give out the same revision or the same segment id", storage{reusesIDs, everything}},
		{"shows other handles the last record late", "what was acknowledged to one handle is there at once and stays, whatever others write", storage{showsLate, everything}},
		{"shows other handles half a merge", "a handle sees another replace segments all at once", storage{mergesInSteps(new(waiter)), everything}},
		{"shows other handles half a move", "a page of heads has every run once, however another handle changes their recencies", storage{movesInSteps(new(waiter)), everything}},
		{"closes the other handles", "Close of one handle leaves the others as they are", storage{closesOthers, everything}},
		{"forgets the last change", "what was acknowledged is there after the storage was closed and opened again", storage{unchanged, func(journal [][]driver.Change) [][]driver.Change {
			return journal[:max(len(journal), 1)-1]
		}}},
		{"forgets drops", "what was dropped, retired or below the tail stays away after the storage was opened again", storage{unchanged, forgetsDrops}},
		{"forgets its counters", "a revision never comes back, not even after the storage was opened again", storage{unchanged, forgetsCounters}},
		{"forgets which segment ids it gave", "the id of a segment is never given to another, not even after the storage was opened again", storage{unchanged, forgetsSegments}},
	}
}

// cachesRecords shows what a handle has read before until it writes itself.
func cachesRecords(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	cache := map[driver.RecordsRequest][]driver.Record{}
	x := &broken{Backend: b}
	x.records = func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		if recs, ok := cache[req]; ok {
			return drivertest.CloneRecords(recs), ctx.Err()
		}
		recs, err := b.Records(ctx, req)
		if err == nil {
			cache[req] = drivertest.CloneRecords(recs)
		}
		return recs, err
	}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		clear(cache)
		return b.Apply(ctx, changes)
	}
	return x
}

// believesHeads compares with the revision that the handle itself saw last.
func believesHeads(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	seen := map[string]uint64{}
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if h, err := b.Head(ctx, c.Run); err == nil && c.Revision == seen[c.Run] {
			c.Revision = h.Revision
		}
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil {
			seen[c.Run] = res.Revision
		}
		return res, err
	})}
}

// believesLast appends after the newest record if that to append would follow on
// what the handle itself saw last.
func believesLast(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	seen := map[string]uint64{}
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		n := len(c.Append)
		if h, err := b.Head(ctx, c.Run); err == nil && h.Last != nil && n > 0 && c.Append[0].Seq == seen[c.Run]+1 {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Seq = h.Last.Seq + 1 + uint64(i)
			}
		}
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && n > 0 {
			seen[c.Run] = c.Append[n-1].Seq
		}
		return res, err
	})}
}

// cachesHeads lists what a handle has listed before until it writes itself.
func cachesHeads(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	cache := map[string][]driver.Head{}
	x := &broken{Backend: b}
	x.heads = func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		mu.Lock()
		defer mu.Unlock()
		key := fmt.Sprint(req)
		if heads, ok := cache[key]; ok {
			return slices.Clone(heads), ctx.Err()
		}
		heads, err := b.Heads(ctx, req)
		if err == nil {
			cache[key] = slices.Clone(heads)
		}
		return heads, err
	}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		clear(cache)
		return b.Apply(ctx, changes)
	}
	return x
}

// closesOthers closes what its handle shares with others.
func closesOthers(b driver.Backend) driver.Backend {
	return &broken{Backend: b, close: func() error {
		b.(*broken).Backend.Close()
		return b.Close()
	}}
}

func forgetsDrops(journal [][]driver.Change) [][]driver.Change {
	var out [][]driver.Change
	for _, changes := range journal {
		if !slices.ContainsFunc(changes, func(c driver.Change) bool { return c.Drop }) {
			out = append(out, changes)
		}
	}
	return out
}

// forgetsCounters begins anew when there is no run left.
func forgetsCounters(journal [][]driver.Change) [][]driver.Change {
	if heads, _ := replayed(journal).Heads(context.Background(), driver.HeadsRequest{Limit: 1}); len(heads) == 0 {
		return nil
	}
	return journal
}

// forgetsSegments counts segments anew when none is in force.
func forgetsSegments(journal [][]driver.Change) [][]driver.Change {
	b := replayed(journal)
	heads, _ := b.Heads(context.Background(), driver.HeadsRequest{Limit: 1000})
	for _, h := range heads {
		if segs, _ := b.Segments(context.Background(), h.Run); len(segs) > 0 {
			return journal
		}
	}
	var out [][]driver.Change
	for _, changes := range journal {
		changes = slices.Clone(changes)
		for i := range changes {
			changes[i].Add = nil
		}
		out = append(out, changes)
	}
	return out
}

// replayed returns a Backend after the changes of a journal.
func replayed(journal [][]driver.Change) driver.Backend {
	b := memory.New()
	for _, changes := range journal {
		b.Apply(context.Background(), changes)
	}
	return b
}
