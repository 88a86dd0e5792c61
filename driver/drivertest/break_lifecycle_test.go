package drivertest_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// segmentBreakages break what is stored and returned of segments.
func segmentBreakages() []breakage {
	return []breakage{
		{"returns an empty segment for an unknown id", "a run without segments has none, and Segment is then ErrNotFound", func(b driver.Backend) driver.Backend {
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
		{"reads the data with the index", "with IndexOnly a segment comes without its data", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
				req.IndexOnly = false
				return b.Segment(ctx, req)
			}}
		}},
		{"looks for segments in all runs", "Segment is ErrNotFound for an id of another run's segment", looksEverywhere},
		{"retires the first only", "Retire takes the segments with these ids out of force, and no others", editing(func(c *driver.Change) { c.Retire = c.Retire[:min(len(c.Retire), 1)] })},
		{"retires segments of any run", "a change leaves the segments of other runs as they are", retiresAny},
		{"reuses a segment id", "the id of a segment is never given to another", reusesIDs},
	}
}

func listsSegments(edit func([]driver.Segment)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, segments: func(ctx context.Context, run string) ([]driver.Segment, error) {
			segs, err := b.Segments(ctx, run)
			edit(segs)
			return segs, err
		}}
	}
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
	retire := c.Retire
	c.Retire = nil
	for _, id := range retire {
		c.Retire = append(c.Retire, r.real[id])
	}
	res, err := one(ctx, r.b, c)
	if err != nil || res.Err != nil {
		return res, err
	}
	for id, run := range r.of {
		if slices.Contains(retire, id) || c.Drop && run == c.Run {
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

func (r *reuser) segments(ctx context.Context, run string) ([]driver.Segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	segs, err := r.b.Segments(ctx, run)
	for i := range segs {
		for id, real := range r.real {
			if real == segs[i].ID {
				segs[i].ID = id
				break
			}
		}
	}
	return segs, err
}

func (r *reuser) segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := req.ID
	req.ID = r.real[id]
	s, err := r.b.Segment(ctx, req)
	s.ID = id
	return s, err
}

// lifecycleBreakages break contexts and Close.
func lifecycleBreakages() []breakage {
	return []breakage{
		{"ignores the context", "a method that was given a cancelled context returns an error that satisfies ctx.Err()", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, segments: func(ctx context.Context, run string) ([]driver.Segment, error) {
				return b.Segments(context.WithoutCancel(ctx), run)
			}}
		}},
		{"writes in spite of the context", "an Apply that was given a cancelled context changes nothing and says so with a NotAppliedError", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				results, err := b.Apply(context.WithoutCancel(ctx), changes)
				if ctx.Err() != nil {
					return nil, &driver.NotAppliedError{Err: ctx.Err()}
				}
				return results, err
			}}
		}},
		{"does not say that nothing was written", "an Apply that was given a cancelled context changes nothing and says so with a NotAppliedError", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				results, err := b.Apply(ctx, changes)
				if ctx.Err() != nil {
					err = ctx.Err()
				}
				return results, err
			}}
		}},
		{"gives up after half the changes", "after a NotAppliedError none of the changes happened and none ever will; without an error they all did", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				if _, ok := ctx.Deadline(); ok && len(changes) == 2 {
					b.Apply(context.WithoutCancel(ctx), changes[:1])
					return nil, &driver.NotAppliedError{Err: context.DeadlineExceeded}
				}
				return b.Apply(ctx, changes)
			}}
		}},
		{"answers after Close", "after Close every method returns ErrClosed", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, close: func() error { return nil }}
		}},
		{"fails when it is closed again", "a second Close does nothing and returns nil", func(b driver.Backend) driver.Backend {
			var mu sync.Mutex
			closed := false
			return &broken{Backend: b, close: func() error {
				mu.Lock()
				defer mu.Unlock()
				if closed {
					return driver.ErrClosed
				}
				closed = true
				return b.Close()
			}}
		}},
		{"fails in its own way while it is closed", "Close may be called at any time: calls under way end as they would have, later ones are ErrClosed", ownErrors},
	}
}

// ownErrors says in words of its own that it is closed.
func ownErrors(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		results, err := b.Apply(ctx, changes)
		if errors.Is(err, driver.ErrClosed) {
			err = errors.New("bad file descriptor")
		}
		return results, err
	}}
}
