package drivertest_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// segmentBreakages break what is stored and returned of segments.
func segmentBreakages() []breakage {
	const holds = "Segment returns the segment that holds the event, and ErrNotFound if none does"
	return []breakage{
		{"returns an empty segment for an unknown seq", "a run without segments has none, and Segment is then ErrNotFound", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
				s, err := b.Segment(ctx, req)
				if errors.Is(err, driver.ErrNotFound) {
					err = nil
				}
				return s, err
			}}
		}},
		{"loses the last byte of a segment", "a segment reads back as it was given, under the id of the result", editing(func(c *driver.Change) {
			c.Add = slices.Clone(c.Add)
			for i, s := range c.Add {
				c.Add[i].Data = s.Data[:len(s.Data)-1]
			}
		})},
		{"returns ids in another order", "a segment reads back as it was given, under the id of the result", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
				res, err := one(ctx, b, c)
				slices.Reverse(res.Added)
				return res, err
			})}
		}},
		{"lists segments by id", "Segments lists in ascending order of First, without contents", listsSegments(func(segs []driver.Segment) {
			slices.SortFunc(segs, func(x, y driver.Segment) int { return int(x.ID) - int(y.ID) })
		})},
		{"lists segments with data", "Segments lists in ascending order of First, without contents", listsSegments(func(segs []driver.Segment) {
			for i := range segs {
				segs[i].Data = []byte("data")
			}
		})},
		{"lists segments whose last is in the range", "Segments lists the segments whose First is from From to To, both included", listsByLast},
		{"lists segments upwards only", "Segments with Reverse lists in descending order of First", askingSegments(func(r *driver.SegmentsRequest) { r.Reverse = false })},
		{"ignores the limit of a list of segments", "paging through Segments lists every segment once, Limit at a time", askingSegments(func(r *driver.SegmentsRequest) { r.Limit = math.MaxInt32 })},
		{"looks for segments that begin before the seq", holds, func(b driver.Backend) driver.Backend { return beginning(b, 0) }},
		{"looks for segments that end after the seq", holds, func(b driver.Backend) driver.Backend { return beginning(b, 2) }},
		{"does not look where a segment ends", holds, ignoresEnds},
		{"believes that a caller has what it asks for", "a segment that the caller has comes without contents, and any other with them", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
				s, err := b.Segment(ctx, req)
				if req.Have != 0 {
					s.Index, s.Data = nil, nil
				}
				return s, err
			}}
		}},
		{"reads the data with the index", "with IndexOnly a segment comes without its data", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
				req.IndexOnly = false
				return b.Segment(ctx, req)
			}}
		}},
		{"looks for segments in all runs", "Segment returns segments of its own run only", looksEverywhere},
		{"retires the first only", "Retire takes the segments that it names out of force, and no others", editing(func(c *driver.Change) { c.Retire = c.Retire[:min(len(c.Retire), 1)] })},
		{"retires segments of any run", "a change leaves the segments of other runs as they are", retiresAny},
		{"retires by First", "a change leaves the segments of other runs as they are", retiresByFirst},
		{"reuses a segment id", "the id of a segment is never given to another", reusesIDs},
	}
}

func listsSegments(edit func([]driver.Segment)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, segments: func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
			segs, err := b.Segments(ctx, req)
			edit(segs)
			return segs, err
		}}
	}
}

// askingSegments makes a driver that lists what another request asks for.
func askingSegments(edit func(*driver.SegmentsRequest)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, segments: func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
			edit(&req)
			return b.Segments(ctx, req)
		}}
	}
}

func listsByLast(b driver.Backend) driver.Backend {
	return &broken{Backend: b, segments: func(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
		all := req
		all.From, all.To, all.Limit = 1, driver.MaxSeq, math.MaxInt32
		segs, err := b.Segments(ctx, all)
		segs = slices.DeleteFunc(segs, func(s driver.Segment) bool { return s.Last < req.From || s.Last > req.To })
		return segs[:min(len(segs), req.Limit)], err
	}}
}

// beginning makes a driver that looks for the segment that holds another seq, 1 being
// added, than it was asked for.
func beginning(b driver.Backend, add uint64) driver.Backend {
	return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
		req.Seq = req.Seq + add - 1
		return b.Segment(ctx, req)
	}}
}

func ignoresEnds(b driver.Backend) driver.Backend {
	return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
		s, err := b.Segment(ctx, req)
		if !errors.Is(err, driver.ErrNotFound) {
			return s, err
		}
		before := driver.SegmentsRequest{Run: req.Run, From: 1, To: req.Seq, Reverse: true, Limit: 1}
		if segs, err := b.Segments(ctx, before); err == nil && len(segs) == 1 {
			req.Seq = segs[0].First
			return b.Segment(ctx, req)
		}
		return s, err
	}}
}

func looksEverywhere(b driver.Backend) driver.Backend {
	return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
		heads, err := b.Heads(ctx, driver.HeadsRequest{Limit: 1000})
		if err != nil {
			return driver.Segment{}, err
		}
		for _, h := range heads {
			req.Run = h.Run
			if s, err := b.Segment(ctx, req); err == nil {
				return s, nil
			}
		}
		return driver.Segment{}, driver.ErrNotFound
	}}
}

func retiresAny(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && len(c.Retire) > 0 {
			heads, _ := b.Heads(ctx, driver.HeadsRequest{Limit: 1000})
			for _, h := range heads {
				if h.Run != c.Run {
					one(ctx, b, driver.Change{Run: h.Run, Revision: h.Revision, Head: &h, Retire: c.Retire})
				}
			}
		}
		return res, err
	})}
}

// retiresByFirst takes any segment out of force that begins where one to retire does.
func retiresByFirst(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		segs, _ := segmentsOf(ctx, b, c.Run)
		c.Retire = slices.Clone(c.Retire)
		for i, r := range c.Retire {
			for _, s := range segs {
				if s.First == r.First {
					c.Retire[i].ID = s.ID
				}
			}
		}
		return one(ctx, b, c)
	})}
}

// reuser gives out the smallest segment id that is free.
type reuser struct {
	b    driver.Backend
	mu   sync.Mutex
	real map[uint64]uint64 // by the id that was given out
	of   map[uint64]string // the run that it belongs to
}

func reusesIDs(b driver.Backend) driver.Backend {
	r := &reuser{b: b, real: map[uint64]uint64{}, of: map[uint64]string{}}
	return &broken{Backend: b, apply: applying(r.change), segments: r.segments, segment: r.segment}
}

func (r *reuser) change(ctx context.Context, c driver.Change) (driver.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	retire := map[uint64]bool{}
	c.Retire = slices.Clone(c.Retire)
	for i, s := range c.Retire {
		retire[s.ID] = true
		c.Retire[i].ID = r.real[s.ID]
	}
	res, err := one(ctx, r.b, c)
	if err != nil || res.Err != nil {
		return res, err
	}
	for id, run := range r.of {
		if run == c.Run && (retire[id] || c.Drop) {
			delete(r.of, id)
			delete(r.real, id)
		}
	}
	for i, real := range res.Added {
		id := uint64(1)
		for r.real[id] != 0 {
			id++
		}
		r.real[id], r.of[id], res.Added[i] = real, c.Run, id
	}
	return res, nil
}

// shown returns the id that was given out for a real one.
func (r *reuser) shown(real uint64) uint64 {
	for id, x := range r.real {
		if x == real {
			return id
		}
	}
	return 0
}

func (r *reuser) segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	segs, err := r.b.Segments(ctx, req)
	for i := range segs {
		segs[i].ID = r.shown(segs[i].ID)
	}
	return segs, err
}

func (r *reuser) segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	req.Have = r.real[req.Have]
	s, err := r.b.Segment(ctx, req)
	s.ID = r.shown(s.ID)
	return s, err
}
