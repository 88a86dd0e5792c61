package logtest_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/log"
)

// headBreakages break what is returned of heads.
func headBreakages() []breakage {
	return []breakage{
		{"knows no unknown run", "Head of a run that doesn't exist is ErrNotFound", func(b log.Backend) log.Backend {
			return &broken{Backend: b, head: func(ctx context.Context, run string) (log.Head, error) {
				h, err := b.Head(ctx, run)
				if errors.Is(err, log.ErrNotFound) {
					err = nil
				}
				return h, err
			}}
		}},
		{"ignores case", "ids are compared as bytes", editing(func(c *log.Change) { c.Run = strings.ToLower(c.Run) })},
		{"keeps the old data of a head", "a change replaces the whole head", keepsHead},
		{"lists with LIKE", "Prefix restricts Heads to runs whose id begins with those very bytes", listsLike},
		{"ignores the prefix", "Prefix restricts Heads to runs whose id begins with those very bytes", listing(func(r *log.HeadsRequest) { r.Prefix = "" })},
		{"ignores the limit of a list", "Heads returns Limit heads, fewer only at the end", listing(func(r *log.HeadsRequest) { r.Limit = math.MaxInt })},
		{"ignores the cursor", "Heads goes on after the place that After names, whether or not that run is still there", listing(func(r *log.HeadsRequest) { r.After = log.Head{} })},
		{"lists only by id", "Heads with Newest lists every run once, newest first, runs of equal recency by descending id", listing(func(r *log.HeadsRequest) { r.Newest = false })},
		{"lists only by recency", "Heads without Newest lists every run once, by ascending id as bytes", listing(func(r *log.HeadsRequest) { r.Newest = true })},
		{"skips what is as recent as the last of a page", "Heads with Newest lists every run once, newest first, runs of equal recency by descending id", skipsTies},
		{"has no list when it is empty", "Heads of a storage without runs is empty and no error", func(b log.Backend) log.Backend {
			return &broken{Backend: b, heads: func(ctx context.Context, req log.HeadsRequest) ([]log.Head, error) {
				heads, err := b.Heads(ctx, req)
				if err == nil && len(heads) == 0 {
					err = log.ErrNotFound
				}
				return heads, err
			}}
		}},
		{"keeps no recency beyond 61 bits", "Recency may be anything from 1 to 2⁶³-1", editing(func(c *log.Change) { c.Head.Recency &= 1<<61 - 1 })},
	}
}

// listing makes a driver that answers another request than it was given.
func listing(edit func(*log.HeadsRequest)) func(log.Backend) log.Backend {
	return func(b log.Backend) log.Backend {
		return &broken{Backend: b, heads: func(ctx context.Context, req log.HeadsRequest) ([]log.Head, error) {
			edit(&req)
			return b.Heads(ctx, req)
		}}
	}
}

func keepsHead(b log.Backend) log.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c log.Change) (log.Result, error) {
		if h, err := b.Head(ctx, c.Run); err == nil {
			c.Head.Data = h.Data
		}
		return one(ctx, b, c)
	})}
}

// listsLike compares prefixes as SQL's LIKE does.
func listsLike(b log.Backend) log.Backend {
	return &broken{Backend: b, heads: func(ctx context.Context, req log.HeadsRequest) ([]log.Head, error) {
		pattern, limit := strings.ToLower(req.Prefix), req.Limit
		req.Prefix, req.Limit = "", math.MaxInt32
		heads, err := b.Heads(ctx, req)
		heads = slices.DeleteFunc(heads, func(h log.Head) bool { return !like(pattern, strings.ToLower(h.Run)) })
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

func skipsTies(b log.Backend) log.Backend {
	return listing(func(r *log.HeadsRequest) {
		if r.Newest && r.After.Run != "" {
			r.After.Run = "\x00"
		}
	})(b)
}
