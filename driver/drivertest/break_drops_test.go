package drivertest_test

import (
	"context"
	"strings"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// dropBreakages break what Drop and Purge do.
func dropBreakages() []breakage {
	return []breakage{
		{"reuses a revision after drop", "a revision never comes back, not even after the run was dropped and made anew", reusesRevision},
		{"drops what begins with the id", "Drop leaves all other runs as they are", dropsPrefix},
		{"appends and drops", "with Drop, all fields of a change but Run, Revision and Last are ignored", appendsAndDrops},
		{"keeps the segments of a dropped run", "Drop removes the run with all its records, segments, entries and slots", keepsSegments},
		{"ignores the last event of a drop", "a Drop that expects another last event than the run's is ErrConflict, and drops nothing", editing(func(c *driver.Change) {
			if c.Drop {
				c.Last = 0
			}
		})},
		{"keeps the entries of a dropped run", "Drop removes the run with all its records, segments, entries and slots", keepsDroppedEntries},
		{"shows a new life the entries of before", "a run made anew sees nothing of its earlier life", keepsDroppedEntries},
		{"keeps the records of a dropped run", "a run made anew sees nothing of its earlier life", keepsRecords},
		{"purges segments in force", "Purge erases nothing but what is dead", purgesLive},
		{"never ends purging", "Purge reports that more is left until all is erased", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, purge: func(ctx context.Context) (bool, error) { return true, ctx.Err() }}
		}},
	}
}

// dropsPrefix drops further runs with each.
func dropsPrefix(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && c.Drop {
			heads, _ := b.Heads(ctx, driver.HeadsRequest{Prefix: c.Run, Limit: 1000})
			for _, h := range heads {
				one(ctx, b, driver.Change{Run: h.Run, Revision: h.Revision, Drop: true})
			}
		}
		return res, err
	})}
}

// appendsAndDrops makes a run of what a change has beside its Drop.
func appendsAndDrops(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && c.Drop && len(c.Append) > 0 {
			c.Revision, c.Drop, c.Append = 0, false, nil
			one(ctx, b, c)
		}
		return res, err
	})}
}

// graveyard keeps what was dropped.
type graveyard struct {
	driver.Backend
	mu       sync.Mutex
	records  map[string][]driver.Record
	segments map[string][]driver.Segment
}

func (g *graveyard) bury(ctx context.Context, c driver.Change) (driver.Result, error) {
	recs, _ := g.Records(ctx, driver.RecordsRequest{Run: c.Run, From: 1, To: driver.MaxSeq, Limit: 1000})
	segs, _ := segmentsOf(ctx, g, c.Run)
	res, err := one(ctx, g.Backend, c)
	if err == nil && res.Err == nil && c.Drop {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.records[c.Run], g.segments[c.Run] = recs, segs
	}
	return res, err
}

func newGraveyard(b driver.Backend) *graveyard {
	return &graveyard{Backend: b, records: map[string][]driver.Record{}, segments: map[string][]driver.Segment{}}
}

func keepsSegments(b driver.Backend) driver.Backend {
	g := newGraveyard(b)
	return &broken{Backend: b, apply: applying(g.bury), segments: func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
		segs, err := b.Segments(ctx, req)
		g.mu.Lock()
		defer g.mu.Unlock()
		return append(segs, g.segments[req.Run]...), err
	}}
}

// keepsRecords shows a new life the records of the one before.
func keepsRecords(b driver.Backend) driver.Backend {
	g := newGraveyard(b)
	return &broken{Backend: b, apply: applying(g.bury), records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		recs, err := b.Records(ctx, req)
		if err != nil || len(recs) == 0 || len(recs) == req.Limit {
			return recs, err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, r := range g.records[req.Run] {
			if r.Seq > recs[len(recs)-1].Seq {
				recs = append(recs, r)
			}
		}
		return recs, err
	}}
}

// keepsDroppedEntries shows the entries of a dropped run where there are none.
func keepsDroppedEntries(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	kept := map[string][]driver.Entry{}
	x := &broken{Backend: b}
	x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		entries, _ := b.Entries(ctx, driver.EntriesRequest{Run: c.Run, Limit: 1000})
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && c.Drop {
			mu.Lock()
			defer mu.Unlock()
			kept[c.Run] = entries
		}
		return res, err
	})
	x.entries = func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
		entries, err := b.Entries(ctx, req)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && len(entries) == 0 {
			entries = kept[req.Run]
		}
		return entries, err
	}
	return x
}

func purgesLive(b driver.Backend) driver.Backend {
	return &broken{Backend: b, purge: func(ctx context.Context) (bool, error) {
		heads, err := b.Heads(ctx, driver.HeadsRequest{Limit: 1000})
		for _, h := range heads {
			if segs, _ := segmentsOf(ctx, b, h.Run); len(segs) > 0 && strings.HasPrefix(h.Run, "a") {
				one(ctx, b, driver.Change{Run: h.Run, Revision: h.Revision, Head: &h, Retire: retiring(segs[0])})
			}
		}
		return false, err
	}}
}
