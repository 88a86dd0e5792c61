package drivertest_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flowlog/checkpoint/driver"
)

// concurrencyBreakages break what several see at once.
func concurrencyBreakages() []breakage {
	return []breakage{
		{"shows half a change", "readers see a change whole or not at all", showsHalf(new(waiter))},
		{"merges in two steps", "readers see segments replaced all at once: the list never has a gap or an overlap", mergesInSteps(new(waiter))},
		{"moves a run in two steps", "a page of heads has every run once, however their recencies change meanwhile", movesInSteps(new(waiter))},
		{"shows entries before their record", "readers see the entries of a change together, and when they see its records", putsFirst(new(waiter))},
		{"looks for the last event before it appends", "of several appends after the same seq exactly one is made", looksBefore},
		{"compares before it sets", "of several changes that expect the same revision exactly one is made", comparesBefore},
		{"shows the last record late", "an acknowledged change is visible at once and stays, also while others write", showsLate},
	}
}

// waiter lets a driver, through all its handles, wait until others were there.
type waiter struct{ reads, writes atomic.Int64 }

// wait waits for some of what n counts, or until it is clear that none will come.
func wait(n *atomic.Int64) {
	before := n.Load()
	for range 300 {
		if n.Load() > before+3 {
			return
		}
		runtime.Gosched()
	}
}

// showsHalf makes drivers that append the first record of a change before the
// others.
func showsHalf(w *waiter) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		x := &broken{Backend: b}
		x.records = func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
			defer w.reads.Add(1)
			return b.Records(ctx, req)
		}
		x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
			if len(c.Append) < 2 || c.Drop {
				return one(ctx, b, c)
			}
			first := c
			first.Append = c.Append[:1]
			res, err := one(ctx, b, first)
			if err != nil || res.Err != nil {
				return res, err
			}
			wait(&w.reads)
			rest, err := one(ctx, b, driver.Change{Run: c.Run, Revision: res.Revision, Head: c.Head, Append: c.Append[1:]})
			rest.Added = res.Added
			return rest, err
		})
		return x
	}
}

// mergesInSteps makes drivers that retire segments before they add the one that
// takes their place.
func mergesInSteps(w *waiter) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		x := &broken{Backend: b}
		x.segments = func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
			defer w.reads.Add(1)
			return b.Segments(ctx, req)
		}
		x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
			if len(c.Add) == 0 || len(c.Retire) == 0 || c.Drop {
				return one(ctx, b, c)
			}
			add := c.Add
			c.Add = nil
			res, err := one(ctx, b, c)
			if err != nil || res.Err != nil {
				return res, err
			}
			wait(&w.reads)
			return one(ctx, b, driver.Change{Run: c.Run, Revision: res.Revision, Head: c.Head, Add: add})
		})
		return x
	}
}

// movesInSteps makes drivers that read a list in two parts, between which runs
// may move from one to the other.
func movesInSteps(w *waiter) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		x := &broken{Backend: b}
		x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
			defer w.writes.Add(1)
			return all(ctx, b, changes)
		}
		x.heads = func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
			if req.Limit < 5 {
				return b.Heads(ctx, req)
			}
			limit := req.Limit
			req.Limit = 3
			heads, err := b.Heads(ctx, req)
			if err != nil || len(heads) < 3 {
				return heads, err
			}
			wait(&w.writes)
			req.After, req.Limit = heads[2], limit-3
			more, err := b.Heads(ctx, req)
			return append(heads, more...), err
		}
		return x
	}
}

func comparesBefore(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		for range 3 {
			h, err := headOf(ctx, b, c.Run)
			if err != nil && !errors.Is(err, driver.ErrNotFound) {
				return one(ctx, b, c)
			}
			if h.Revision != c.Revision {
				return driver.Result{Err: driver.ErrConflict}, nil
			}
			runtime.Gosched()
		}
		// The revision is right, and another writer may have the same.
		for {
			res, err := one(ctx, b, c)
			if err != nil || !errors.Is(res.Err, driver.ErrConflict) {
				return res, err
			}
			h, err := headOf(ctx, b, c.Run)
			if err != nil || h.Revision == c.Revision {
				return res, nil
			}
			c.Revision = h.Revision
		}
	})}
}

// looksBefore appends after whatever is last, once it has seen that the run's last
// event was the right one.
func looksBefore(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		if len(c.Append) == 0 || c.Head != nil || c.Drop {
			return one(ctx, b, c)
		}
		for range 3 {
			h, err := headOf(ctx, b, c.Run)
			if err != nil || h.Last == nil {
				return one(ctx, b, c)
			}
			if h.Revision != c.Revision || h.Last.Seq+1 != c.Append[0].Seq {
				return driver.Result{Err: driver.ErrConflict}, nil
			}
			runtime.Gosched()
		}
		c.Append = slices.Clone(c.Append)
		for {
			res, err := one(ctx, b, c)
			if err != nil || !errors.Is(res.Err, driver.ErrConflict) {
				return res, err
			}
			h, err := headOf(ctx, b, c.Run)
			if err != nil || h.Revision != c.Revision || h.Last == nil {
				return res, nil
			}
			for i := range c.Append {
				c.Append[i].Seq = h.Last.Seq + 1 + uint64(i)
			}
		}
	})}
}

// showsLate shows the last record of a change only after the next.
func showsLate(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	hidden := map[string]string{} // by run, the header
	x := &broken{Backend: b}
	x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		res, err := one(ctx, b, c)
		if n := len(c.Append); err == nil && res.Err == nil && n > 0 {
			hidden[c.Run] = string(c.Append[n-1].Header)
		}
		return res, err
	})
	x.records = func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		recs, err := b.Records(ctx, req)
		return slices.DeleteFunc(recs, func(r driver.Record) bool { return string(r.Header) == hidden[req.Run] }), err
	}
	return x
}
