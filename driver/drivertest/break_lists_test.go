package drivertest_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// listBreakages break classes, places and the order of lists.
func listBreakages() []breakage {
	const bounds = "Place is at most Recency and less than Lag behind it, after every change"
	return []breakage{
		{"takes the class of a new run from its head", "a new run has the class of its change, 0 without one, and never that of its Head", editing(func(c *driver.Change) {
			if c.Class == nil && c.Head != nil && c.Revision == 0 {
				c.Class = &c.Head.Class
			}
		})},
		{"updates no class without a head", "an append can change the class, at once, and leaves the revision as it is", editing(func(c *driver.Change) {
			if c.Head == nil {
				c.Class = nil
			}
		})},
		{"takes a class for a change of the row", "an append can change the class, at once, and leaves the revision as it is", classTouches},
		{"resets the class with the head", "a change without a Class leaves the class as it is", editing(func(c *driver.Change) {
			if c.Class == nil && c.Head != nil {
				c.Class = new(uint8)
			}
		})},
		{"ignores the class of a list", "Class restricts Heads to the runs of that class, in the order of Newest", listing(func(r *driver.HeadsRequest) { r.Class = nil })},
		{"restricts a page to the class after it was cut", "Class restricts Heads to the runs of that class, in the order of Newest", filtersLate},
		{"lists a run in its first class", "a run whose class changed is listed in its new class, and in no other", listsFirstClass},
		{"never places a run anew", bounds, showing(neverPlaced())},
		{"places a run before its last event", bounds, showing(func(h *driver.Head) { h.Place = h.Recency + 1 })},
		{"places runs by the second", "Place is a Recency that the run had, and goes forward only", showing(func(h *driver.Head) {
			if second := h.Place - h.Place%1e9; h.Recency-second < driver.Lag {
				h.Place = second
			}
		})},
		{"lists runs by their rows", "a run whose last event came Lag or more after another's is listed before it", sortsRows},
		{"keeps the life of before", "a run keeps its Life and Suite, and has others in its next life", keepsLife},
		{"takes the run after a prefix for one that has it", "Prefix restricts Heads to runs whose id begins with those bytes", listsOneMore},
	}
}

// classTouches writes the row anew with a class.
func classTouches(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		if h, err := headOf(ctx, b, c.Run); err == nil && c.Class != nil && c.Head == nil {
			c.Head = &h
		}
		return one(ctx, b, c)
	})}
}

func filtersLate(b driver.Backend) driver.Backend {
	return &broken{Backend: b, heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		class := req.Class
		req.Class = nil
		heads, err := b.Heads(ctx, req)
		return slices.DeleteFunc(heads, func(h driver.Head) bool { return class != nil && h.Class != *class }), err
	}}
}

// listsFirstClass lists runs by the class that they were made with.
func listsFirstClass(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	first := map[string]uint8{}
	x := &broken{Backend: b}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		for _, c := range changes {
			if c.Revision == 0 && c.Class != nil {
				first[c.Run] = *c.Class
			}
		}
		mu.Unlock()
		return all(ctx, b, changes)
	}
	x.heads = func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		if req.Class == nil {
			return b.Heads(ctx, req)
		}
		class, limit := *req.Class, req.Limit
		req.Class, req.Limit = nil, math.MaxInt32
		heads, err := b.Heads(ctx, req)
		mu.Lock()
		defer mu.Unlock()
		heads = slices.DeleteFunc(heads, func(h driver.Head) bool { return first[h.Run] != class })
		return heads[:min(len(heads), limit)], err
	}
	return x
}

// neverPlaced shows each life of a run in the place that it had first.
func neverPlaced() func(*driver.Head) {
	var mu sync.Mutex
	first := map[string]uint64{}
	return func(h *driver.Head) {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := first[h.Run]; !ok {
			first[h.Run] = h.Place
		}
		h.Place = first[h.Run]
	}
}

func keepsLife(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	lives := map[string][16]byte{}
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		mu.Lock()
		if c.Head != nil {
			row := *c.Head
			if life, ok := lives[c.Run]; ok {
				row.Life = life
			}
			lives[c.Run], c.Head = row.Life, &row
		}
		mu.Unlock()
		return one(ctx, b, c)
	})}
}

// listsOneMore has an upper bound of a prefix that is itself listed.
func listsOneMore(b driver.Backend) driver.Backend {
	return &broken{Backend: b, heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		heads, err := b.Heads(ctx, req)
		if err != nil || req.Prefix == "" || req.Newest || len(heads) == req.Limit {
			return heads, err
		}
		bound := []byte(req.Prefix)
		bound[len(bound)-1]++
		h, err := headOf(ctx, b, string(bound))
		if errors.Is(err, driver.ErrNotFound) || h.Run <= req.After.Run {
			return heads, nil
		}
		return append(heads, h), err
	}}
}

// sorting makes a driver that lists the newest by another key.
func sorting(b driver.Backend, key func(driver.Head) uint64) *broken {
	return &broken{Backend: b, heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		if !req.Newest {
			return b.Heads(ctx, req)
		}
		heads, err := b.Heads(ctx, driver.HeadsRequest{Prefix: req.Prefix, Limit: math.MaxInt32})
		slices.SortFunc(heads, func(x, y driver.Head) int {
			return cmp.Or(cmp.Compare(key(y), key(x)), strings.Compare(y.Run, x.Run))
		})
		if i := slices.IndexFunc(heads, func(h driver.Head) bool { return h.Run == req.After.Run }); i >= 0 {
			heads = heads[i+1:]
		}
		return heads[:min(len(heads), req.Limit)], err
	}}
}

func sortsRows(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	rows := map[string]uint64{}
	x := sorting(b, func(h driver.Head) uint64 {
		mu.Lock()
		defer mu.Unlock()
		return rows[h.Run]
	})
	x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		if c.Head != nil {
			mu.Lock()
			rows[c.Run] = c.Head.Recency
			mu.Unlock()
		}
		return one(ctx, b, c)
	})
	return x
}
