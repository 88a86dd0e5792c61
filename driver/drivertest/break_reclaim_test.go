package drivertest_test

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

// roomy is a Backend that is a Reclaimer and a Sizer: what is dropped leaves room
// until it is given back.
type roomy struct {
	driver.Backend
	used atomic.Int64
	room atomic.Int64
	// before is called first by Reclaim, which returns so much more.
	before func(ctx context.Context, b driver.Backend) int64
	deaf   bool // to Close
	grows  bool
	gone   atomic.Bool
}

func newRoomy() *roomy { return &roomy{Backend: memory.New()} }

func (r *roomy) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	for _, c := range req.Changes {
		for _, rec := range c.Append {
			r.used.Add(int64(len(rec.State)))
		}
		if c.Drop {
			r.room.Store(r.used.Load())
		}
	}
	return r.Backend.Apply(ctx, req)
}

func (r *roomy) Space(ctx context.Context) (size, free int64, err error) {
	if r.gone.Load() && !r.deaf {
		return 0, 0, driver.ErrClosed
	}
	return r.used.Load(), r.room.Load(), ctx.Err()
}

func (r *roomy) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	if r.gone.Load() && !r.deaf {
		return 0, driver.ErrClosed
	}
	var more int64
	if r.before != nil {
		more = r.before(ctx, r.Backend)
	}
	if progress != nil {
		progress(driver.Reclaimed{Done: 1, Total: 1})
	}
	n := r.room.Swap(0)
	if r.grows {
		r.used.Add(1000)
		return 0, ctx.Err()
	}
	r.used.Add(-n)
	return n + more, ctx.Err()
}

func (r *roomy) Close() error {
	r.gone.Store(true)
	return r.Backend.Close()
}

func rightReclaimer() drivertest.Driver {
	return drivertest.Driver{Open: func() (driver.Backend, error) { return newRoomy(), nil }}
}

// reclaimBreakages break what must hold of Reclaim and Space.
func reclaimBreakages() []breakage {
	reclaiming := func(before func(ctx context.Context, b driver.Backend) int64) func(driver.Backend) driver.Backend {
		return func(driver.Backend) driver.Backend {
			r := newRoomy()
			r.before = before
			return r
		}
	}
	return []breakage{
		{"reclaims a segment in force", "Reclaim changes nothing that can be read", reclaiming(func(ctx context.Context, b driver.Backend) int64 {
			heads, _ := b.Heads(ctx, driver.HeadsRequest{Limit: 100})
			for _, h := range heads {
				if segs, _ := segmentsOf(ctx, b, h.Run); len(segs) > 0 {
					one(ctx, b, driver.Change{Run: h.Run, Revision: h.Revision, Head: &h, Retire: retiring(segs[0])})
				}
			}
			return 0
		})},
		{"counts what it did not give back", "after Drop, Purge and Reclaim the storage takes no more than before, and less by what Reclaim returned", reclaiming(func(context.Context, driver.Backend) int64 { return 4096 })},
		{"grows by reclaiming", "after Drop, Purge and Reclaim the storage takes no more than before, and less by what Reclaim returned", func(driver.Backend) driver.Backend {
			r := newRoomy()
			r.grows = true
			return r
		}},
		{"leaves half a copy when it is stopped", "a done ctx ends Reclaim, and nothing is lost", reclaiming(func(ctx context.Context, b driver.Backend) int64 {
			if ctx.Err() != nil {
				dropAny(b)
			}
			return 0
		})},
		{"swaps in a copy of before", "reads and writes work as usual while Reclaim does", reclaiming(copiesBefore)},
		{"reclaims after Close", "after Close, Reclaim and Space return ErrClosed", func(driver.Backend) driver.Backend {
			r := newRoomy()
			r.deaf = true
			return r
		}},
	}
}

func dropAny(b driver.Backend) {
	ctx := context.Background()
	heads, _ := b.Heads(ctx, driver.HeadsRequest{Limit: 1})
	for _, h := range heads {
		one(ctx, b, driver.Change{Run: h.Run, Revision: h.Revision, Drop: true})
	}
}

// copiesBefore puts each run back to where it was when it began.
func copiesBefore(ctx context.Context, b driver.Backend) int64 {
	heads, _ := b.Heads(ctx, driver.HeadsRequest{Limit: 100})
	var before uint64
	for _, h := range heads {
		if h.Run == "zz" && h.Last != nil {
			before = h.Last.Seq
		}
	}
	for range 100_000 { // until others have written, if any do
		now, err := headOf(ctx, b, "zz")
		if err != nil || now.Last != nil && now.Last.Seq > max(before, 3) {
			break
		}
		runtime.Gosched()
	}
	for _, h := range heads {
		now, err := headOf(ctx, b, h.Run)
		if err != nil || now.Last == nil || h.Last != nil && now.Last.Seq == h.Last.Seq {
			continue
		}
		var recs []driver.Record
		if h.Last != nil {
			recs, _ = b.Records(ctx, driver.RecordsRequest{Run: h.Run, From: 1, To: h.Last.Seq, Limit: 1000})
		}
		one(ctx, b, driver.Change{Run: h.Run, Revision: now.Revision, Drop: true})
		one(ctx, b, driver.Change{Run: h.Run, Head: &h, Append: recs})
	}
	return 0
}
