package drivertest_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// headBreakages break what is returned of heads.
func headBreakages() []breakage {
	return []breakage{
		{"knows no unknown run", "Head of a run that doesn't exist is ErrNotFound", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, head: func(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
				h, err := b.Head(ctx, req)
				if errors.Is(err, driver.ErrNotFound) {
					err = nil
				}
				return h, err
			}}
		}},
		{"ignores case", "ids are compared as bytes", editing(func(c *driver.Change) { c.Run = strings.ToLower(c.Run) })},
		{"keeps the old data of a head", "a Head replaces the whole row", keepsHead},
		{"shows the state of the newest record", "Head.Last is the newest record of the tail, without its state, as soon as it was written", showing(func(h *driver.Head) {
			if h.Last != nil {
				h.Last.State = []byte("state")
			}
		})},
		{"lists without the newest record", "Head.Last is the newest record of the tail, without its state, as soon as it was written", listsWithoutLast},
		{"shows a new record when its row changes", "Head.Last is the newest record of the tail, without its state, as soon as it was written", showsLastLate},
		{"remembers the newest record", "Head.Last is nil while the tail is empty, and Recency is then the row's", remembersLast},
		{"takes the recency of the newest record only", "Head.Recency is that of the row or of the newest record, whichever is larger", showing(func(h *driver.Head) {
			if h.Last != nil {
				h.Recency = h.Last.Recency
			}
		})},
		{"sorts runs by their rows", "Heads with Newest places each run by its last event, less than Lag behind it, at once", sortsRows},
		{"sorts runs by the minute", "Heads with Newest places each run by its last event, less than Lag behind it, at once", func(b driver.Backend) driver.Backend {
			return sorting(b, func(h driver.Head) uint64 { return h.Recency / 60e9 })
		}},
		{"lists with LIKE", "Prefix restricts Heads to runs whose id begins with those bytes", listsLike},
		{"ignores the prefix", "Prefix restricts Heads to runs whose id begins with those bytes", listing(func(r *driver.HeadsRequest) { r.Prefix = "" })},
		{"ignores the limit of a list", "Heads returns Limit heads, fewer only at the end", listing(func(r *driver.HeadsRequest) { r.Limit = math.MaxInt })},
		{"ignores the cursor", "Heads continues after the place that After names, whether or not that run is still there", listing(func(r *driver.HeadsRequest) { r.After = driver.Head{} })},
		{"lists only by id", "Heads with Newest lists every run once, newest first, by their place, runs of equal place by descending id", listing(func(r *driver.HeadsRequest) { r.Newest = false })},
		{"lists only by recency", "Heads without Newest lists every run once, by ascending id as bytes", listing(func(r *driver.HeadsRequest) { r.Newest = true })},
		{"skips what is in the place of the last of a page", "Heads with Newest lists every run once, newest first, by their place, runs of equal place by descending id", skipsTies},
		{"has no list when it is empty", "Heads of a storage without runs is empty and no error", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
				heads, err := b.Heads(ctx, req)
				if err == nil && len(heads) == 0 {
					err = driver.ErrNotFound
				}
				return heads, err
			}}
		}},
		{"keeps no recency beyond 61 bits", "Recency may be anything from 1 to 2⁶³-1", editingHead(func(h *driver.Head) { h.Recency &= 1<<61 - 1 })},
	}
}

// showing makes a driver that changes every head that it returns.
func showing(edit func(*driver.Head)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{
			Backend: b,
			head: func(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
				h, err := b.Head(ctx, req)
				edit(&h)
				return h, err
			},
			heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
				heads, err := b.Heads(ctx, req)
				for i := range heads {
					edit(&heads[i])
				}
				return heads, err
			},
		}
	}
}

func listsWithoutLast(b driver.Backend) driver.Backend {
	return &broken{Backend: b, heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		heads, err := b.Heads(ctx, req)
		for i := range heads {
			heads[i].Last = nil
		}
		return heads, err
	}}
}

// showsLastLate keeps the newest record beside the row.
func showsLastLate(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	last := map[uint64]*driver.Record{} // by revision
	return showing(func(h *driver.Head) {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := last[h.Revision]; !ok {
			last[h.Revision] = h.Last
		}
		h.Last = last[h.Revision]
	})(b)
}

// remembersLast goes on to show the newest record of a run that has none any more.
func remembersLast(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	last := map[string]*driver.Record{}
	return showing(func(h *driver.Head) {
		mu.Lock()
		defer mu.Unlock()
		if h.Last != nil {
			last[h.Run] = h.Last
		}
		h.Last = last[h.Run]
	})(b)
}

// listing makes a driver that answers another request than it was given.
func listing(edit func(*driver.HeadsRequest)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
			edit(&req)
			return b.Heads(ctx, req)
		}}
	}
}

func keepsHead(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		if h, err := headOf(ctx, b, c.Run); err == nil && c.Head != nil {
			row := *c.Head
			row.Data = h.Data
			c.Head = &row
		}
		return one(ctx, b, c)
	})}
}

// listsLike compares prefixes as SQL's LIKE does.
func listsLike(b driver.Backend) driver.Backend {
	return &broken{Backend: b, heads: func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		pattern, limit := strings.ToLower(req.Prefix), req.Limit
		req.Prefix, req.Limit = "", math.MaxInt32
		heads, err := b.Heads(ctx, req)
		heads = slices.DeleteFunc(heads, func(h driver.Head) bool { return !like(pattern, strings.ToLower(h.Run)) })
		return heads[:min(len(heads), limit)], err
	}}
}

// like reports whether s begins with what the pattern stands for.
func like(pattern, s string) bool {
	switch {
	case pattern == "":
		return true
	case pattern[0] == '%':
		return like(pattern[1:], s) || s != "" && like(pattern, s[1:])
	}
	return s != "" && (pattern[0] == '_' || pattern[0] == s[0]) && like(pattern[1:], s[1:])
}

func skipsTies(b driver.Backend) driver.Backend {
	return listing(func(r *driver.HeadsRequest) {
		if r.Newest && r.After.Run != "" {
			r.After.Run = "\x00"
		}
	})(b)
}
