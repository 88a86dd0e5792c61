package drivertest_test

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
)

// sealingBreakages break what must hold while events are sealed.
func sealingBreakages() []breakage {
	return []breakage{
		{"ignores the last event that a change expects", "a change that expects another last event than the run's is ErrConflict, and nothing of it is done", editing(func(c *driver.Change) { c.Last = 0 })},
		{"expects the last event of appends only", "a change that expects another last event than the run's is ErrConflict, and nothing of it is done", editing(func(c *driver.Change) {
			if len(c.Append) == 0 {
				c.Last = 0
			}
		})},
		{"keeps what a reader's first page saw", "a page that is read after its beginning was sealed has what is left of the tail, and the segments have the rest", pagesOfOneView},
		{"purges a record too many", "Purge between seals and merges leaves all that is in force", purgesTooMany},
		{"purges segments that were merged into", "Purge between seals and merges leaves all that is in force", purgesMerged},
		{"keeps segments that no other replaces", "events below the tail that are in no segment are gone", keepsFront},
		{"compares before it seals", "of several seals of the same events exactly one is made", sealsTwice},
		{"seals all that there is", "events that are appended while others are sealed stay in the tail", sealsAll},
		{"moves the tail before the segment is there", "an event is in the tail or in a segment at all times, also while it is sealed", sealsInSteps(new(waiter))},
		{"serves the index of another segment", "an event is in the tail or in a segment at all times, also while it is sealed", indexesByPlace},
	}
}

// sealingStorageBreakages are those that several handles show.
func sealingStorageBreakages() []storageBreakage {
	return []storageBreakage{
		{"keeps what a handle's first page saw", "a page that is read after another handle sealed its beginning has what is left of the tail", storage{pagesOfOneView, everything}},
		{"seals once per handle", "of several seals of the same events exactly one is made, through any handles", storage{sealsTwice, everything}},
		{"seals what another handle appended", "events that one handle appends while another seals stay in the tail", storage{sealsAll, everything}},
		{"shows other handles the tail before the segment", "a handle sees an event in the tail or in a segment at all times, also while another handle seals it", storage{sealsInSteps(new(waiter)), everything}},
	}
}

// pagesOfOneView answers later pages from what the first page's view held.
func pagesOfOneView(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	views := map[string][]driver.Record{}
	return &broken{Backend: b, records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		if req.Limit != 3 { // the page size of the readers that this is about
			return b.Records(ctx, req)
		}
		view, ok := views[req.Run]
		if !ok {
			all := req
			all.From, all.To, all.Limit, all.Reverse = 1, driver.MaxSeq, 1<<20, false
			var err error
			if view, err = b.Records(ctx, all); err != nil {
				return nil, err
			}
			views[req.Run] = view
		}
		var out []driver.Record
		view = drivertest.CloneRecords(view)
		if req.Reverse {
			slices.Reverse(view)
		}
		for _, r := range view {
			if r.Seq >= req.From && r.Seq <= req.To && len(out) < req.Limit {
				out = append(out, r)
			}
		}
		return out, nil
	}}
}

// purging makes a driver that does something to each run when it erases.
func purging(b driver.Backend, do func(ctx context.Context, h driver.Head, segs []driver.Segment) (driver.Change, bool)) driver.Backend {
	return &broken{Backend: b, purge: func(ctx context.Context) (bool, error) {
		heads, err := b.Heads(ctx, driver.HeadsRequest{Limit: 1000})
		for _, h := range heads {
			segs, _ := segmentsOf(ctx, b, h.Run)
			if c, ok := do(ctx, h, segs); ok {
				c.Run, c.Revision = h.Run, h.Revision
				one(ctx, b, c)
			}
		}
		return false, err
	}}
}

func purgesTooMany(b driver.Backend) driver.Backend {
	return purging(b, func(_ context.Context, h driver.Head, segs []driver.Segment) (driver.Change, bool) {
		h.Tail++
		return driver.Change{Head: &h}, len(segs) > 1
	})
}

func purgesMerged(b driver.Backend) driver.Backend {
	return purging(b, func(_ context.Context, h driver.Head, segs []driver.Segment) (driver.Change, bool) {
		if len(segs) != 1 || segs[0].ID < 5 {
			return driver.Change{}, false
		}
		return driver.Change{Head: &h, Retire: retiring(segs[0])}, true
	})
}

// keepsFront retires only segments whose events are in those that are added.
func keepsFront(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		segs, _ := segmentsOf(ctx, b, c.Run)
		c.Retire = slices.DeleteFunc(slices.Clone(c.Retire), func(r driver.Segment) bool {
			i := slices.IndexFunc(segs, func(s driver.Segment) bool { return s.ID == r.ID })
			return i >= 0 && len(c.Add) > 0 && segs[i].Last < c.Add[0].First
		})
		return one(ctx, b, c)
	})}
}

// seals reports whether a change seals events.
func seals(c driver.Change) bool {
	return len(c.Add) > 0 && len(c.Append) == 0 && c.Revision != 0 && !c.Drop
}

// sealsTwice compares the revision some time before it seals.
func sealsTwice(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		h, err := headOf(ctx, b, c.Run)
		if err != nil || !seals(c) || h.Revision != c.Revision {
			return one(ctx, b, c)
		}
		for range 100 {
			runtime.Gosched()
		}
		for range 1000 {
			res, err := one(ctx, b, c)
			if err != nil || res.Err == nil {
				return res, err
			}
			if h, err = headOf(ctx, b, c.Run); err != nil {
				return res, nil
			}
			c.Revision, c.Last = h.Revision, 0
		}
		return driver.Result{Err: driver.ErrConflict}, nil
	})}
}

// sealsAll drops all records that are there when it seals.
func sealsAll(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		if h, err := headOf(ctx, b, c.Run); err == nil && seals(c) && h.Last != nil {
			head := *c.Head
			head.Tail = h.Last.Seq + 1
			c.Head = &head
		}
		return one(ctx, b, c)
	})}
}

// sealsInSteps makes drivers that move the tail, and then put the segment in force.
func sealsInSteps(w *waiter) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		x := &broken{Backend: b}
		x.segments = func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
			defer w.reads.Add(1)
			return b.Segments(ctx, req)
		}
		x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
			if !seals(c) {
				return one(ctx, b, c)
			}
			first := c
			first.Add, first.Retire = nil, nil
			res, err := one(ctx, b, first)
			if err != nil || res.Err != nil {
				return res, err
			}
			wait(&w.reads)
			c.Revision = res.Revision
			return one(ctx, b, c)
		})
		return x
	}
}

// indexesByPlace reads the index of the run's last segment, whatever the seq.
func indexesByPlace(b driver.Backend) driver.Backend {
	return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
		s, err := b.Segment(ctx, req)
		if segs, _ := segmentsOf(ctx, b, req.Run); err == nil && req.IndexOnly && len(segs) > 2 {
			other := req
			other.Seq = segs[len(segs)-1].First
			if o, err := b.Segment(ctx, other); err == nil {
				s.Index = o.Index
			}
		}
		return s, err
	}}
}
