package drivertest_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// changeBreakages break what Apply does.
func changeBreakages() []breakage {
	return []breakage{
		{"makes runs of revision 0", "revision 0 means that the run doesn't exist: a change at revision 0 makes the run, and no run has it", zeroRevision},
		{"ignores the revision", "a change that expects another revision than the run's is ErrConflict", ignoresRevision},
		{"hides a conflict", "a change that expects another revision than the run's is ErrConflict", hidesConflict},
		{"appends in spite of a conflict", "a change that is ErrConflict does nothing", appendsOnConflict},
		{"stops at the first conflict", "a conflict does not keep the other changes of the same Apply from being made", stopsAtConflict},
		{"returns results in another order", "Apply returns a result for each change, in the same order", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				results, err := all(ctx, b, changes)
				slices.Reverse(results)
				return results, err
			}}
		}},
		{"returns no results for conflicts", "Apply returns a result for each change, in the same order", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				results, err := all(ctx, b, changes)
				return slices.DeleteFunc(results, func(r driver.Result) bool { return r.Err != nil }), err
			}}
		}},
		{"keeps the revision", "every change with a Head gives the run a new revision, which is the result's", keepsRevision},
		{"counts appends as revisions", "an append leaves the revision and the row as they are", countsAppends},
		{"hides that an append does not follow", "an append whose first seq does not follow the run's last event, being too low or too high, is ErrConflict", hidesMisfit},
		{"appends where it does not fit", "a change whose append does not follow the run's last event does nothing", appendsAnyway},
		{"takes the row though the append does not fit", "a change whose append does not follow the run's last event does nothing", takesRowAnyway},
		{"forgets the last event with its record", "an append follows the run's last event also where that is in a segment", forgetsLast},
		{"excludes those who saw the run before an append", "an append and another's change of the row don't exclude each other unless the revision differs", countsAppends},
		{"loses the hashes of large commits", "a change does the same alone and beside others in one Apply", inCompany(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Hash = driver.Digest{}
			}
		})},
		{"rewrites nothing in large commits", "a change does the same alone and beside others in one Apply", inCompany(func(c *driver.Change) { c.Rewrite = nil })},
		{"changes fifty runs at most", "one Apply may change many runs", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				results, err := all(ctx, b, changes[:min(len(changes), 50)])
				return append(results, make([]driver.Result, len(changes)-len(results))...), err
			}}
		}},
		{"either adds or retires", "one change may append, rewrite, add, retire, put, remove, and replace the head and the class", editing(func(c *driver.Change) {
			if len(c.Add) > 0 {
				c.Retire = nil
			}
		})},
		{"makes a change again", "a change that was made is ErrConflict the second time, and does nothing", ignoresRevision},
		{"makes a change again after a lost answer", "after a LostError, applying the same changes again makes each of them once", ignoresRevision},
		{"shows the row alone beside a conflict", "the head beside ErrConflict is the run's, with Last and without Tip, and nil if there is no such run", besideConflict(func(_ driver.Change, h *driver.Head) *driver.Head {
			if h != nil {
				h.Last = nil
			}
			return h
		})},
		{"shows an empty head beside the conflict of a run that isn't there", "the head beside ErrConflict is the run's, with Last and without Tip, and nil if there is no such run", besideConflict(func(c driver.Change, h *driver.Head) *driver.Head {
			if h == nil {
				h = &driver.Head{Run: c.Run}
			}
			return h
		})},
	}
}

// translating makes a driver that gives out other revisions than its storage.
func translating(b driver.Backend, show func(run string, real uint64) uint64, find func(run string, shown uint64) uint64, made func(c driver.Change, real uint64) uint64) *broken {
	x := &broken{Backend: b}
	x.head = func(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
		h, err := b.Head(ctx, req)
		h.Revision = show(req.Run, h.Revision)
		return h, err
	}
	x.heads = func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		heads, err := b.Heads(ctx, req)
		for i, h := range heads {
			heads[i].Revision = show(h.Run, h.Revision)
		}
		return heads, err
	}
	x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		given := c
		c.Revision = find(c.Run, c.Revision)
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil {
			res.Revision = made(given, res.Revision)
		}
		res.Head = nil
		return res, err
	})
	return x
}

// numbers are the revisions that a driver gives out in place of the real ones.
type numbers struct {
	mu    sync.Mutex
	shown map[string]uint64
	real  map[string]uint64
}

func (n *numbers) show(run string, real uint64) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shown[run]
}

func (n *numbers) find(run string, shown uint64) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if shown == n.shown[run] {
		return n.real[run]
	}
	return shown + 1<<50 // none has it
}

// numbered shows a number for each change of the row, as next makes it from the
// last, and with appends for each append as well.
func numbered(b driver.Backend, appends bool, next func(last uint64) uint64) driver.Backend {
	n := &numbers{shown: map[string]uint64{}, real: map[string]uint64{}}
	return translating(b, n.show, n.find, func(c driver.Change, real uint64) uint64 {
		n.mu.Lock()
		defer n.mu.Unlock()
		if c.Drop {
			delete(n.shown, c.Run)
			delete(n.real, c.Run)
			return 0
		}
		n.real[c.Run] = real
		if appends || c.Head != nil {
			n.shown[c.Run] = next(n.shown[c.Run])
		}
		return n.shown[c.Run]
	})
}

func reusesRevision(b driver.Backend) driver.Backend {
	return numbered(b, false, func(last uint64) uint64 { return last + 1 })
}

func countsAppends(b driver.Backend) driver.Backend {
	return numbered(b, true, func(last uint64) uint64 { return last + 1 })
}

func keepsRevision(b driver.Backend) driver.Backend {
	return numbered(b, false, func(uint64) uint64 { return 7 })
}

func zeroRevision(b driver.Backend) driver.Backend {
	return translating(b,
		func(_ string, real uint64) uint64 { return max(real, 1) - 1 },
		func(_ string, shown uint64) uint64 { return shown + 1 },
		func(_ driver.Change, real uint64) uint64 { return real - 1 })
}

func ignoresRevision(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		h, err := headOf(ctx, b, c.Run)
		if err == nil {
			c.Revision = h.Revision
		}
		return one(ctx, b, c)
	})}
}

func hidesConflict(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if errors.Is(res.Err, driver.ErrConflict) {
			res = driver.Result{Revision: c.Revision, Added: make([]uint64, len(c.Add))}
		}
		return res, err
	})}
}

func appendsOnConflict(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if errors.Is(res.Err, driver.ErrConflict) {
			if h, err := headOf(ctx, b, c.Run); err == nil {
				c.Revision, c.Head, c.Drop = h.Revision, &h, false
				one(ctx, b, c)
			}
		}
		return res, err
	})}
}

// besideConflict makes a driver that changes the head beside a conflict.
func besideConflict(edit func(c driver.Change, h *driver.Head) *driver.Head) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
			res, err := one(ctx, b, c)
			if errors.Is(res.Err, driver.ErrConflict) {
				res.Head = edit(c, res.Head)
			}
			return res, err
		})}
	}
}

// misfitting makes a driver that does something else where an append does not
// follow the run's last event.
func misfitting(b driver.Backend, instead func(ctx context.Context, c driver.Change, h driver.Head) driver.Result) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if errors.Is(res.Err, driver.ErrConflict) && len(c.Append) > 0 {
			if h, err := headOf(ctx, b, c.Run); err == nil && h.Revision == c.Revision {
				return instead(ctx, c, h), nil
			}
		}
		return res, err
	})}
}

func hidesMisfit(b driver.Backend) driver.Backend {
	return misfitting(b, func(_ context.Context, c driver.Change, h driver.Head) driver.Result {
		return driver.Result{Revision: h.Revision}
	})
}

func appendsAnyway(b driver.Backend) driver.Backend {
	return misfitting(b, func(ctx context.Context, c driver.Change, h driver.Head) driver.Result {
		c.Append = slices.Clone(c.Append)
		for i := range c.Append {
			c.Append[i].Seq = max(h.Tail, 1) + uint64(i)
			if h.Last != nil {
				c.Append[i].Seq = h.Last.Seq + 1 + uint64(i)
			}
		}
		one(ctx, b, c)
		return driver.Result{Err: driver.ErrConflict}
	})
}

func takesRowAnyway(b driver.Backend) driver.Backend {
	return misfitting(b, func(ctx context.Context, c driver.Change, _ driver.Head) driver.Result {
		c.Append = nil
		one(ctx, b, c)
		return driver.Result{Err: driver.ErrConflict}
	})
}

// forgetsLast looks for the run's last event among its records only.
func forgetsLast(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		if h, err := headOf(ctx, b, c.Run); err == nil && h.Last == nil && len(c.Append) > 0 && c.Append[0].Seq != 1 {
			return driver.Result{Err: driver.ErrConflict}, nil
		}
		return one(ctx, b, c)
	})}
}

// inCompany makes a driver that changes what it is given where four or more
// changes share an Apply.
func inCompany(edit func(*driver.Change)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
			if len(changes) >= 4 {
				changes = slices.Clone(changes)
				for i := range changes {
					edit(&changes[i])
				}
			}
			return all(ctx, b, changes)
		}}
	}
}

func stopsAtConflict(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		results := make([]driver.Result, len(changes))
		stopped := false
		for i, c := range changes {
			if stopped {
				results[i].Err = driver.ErrConflict
				continue
			}
			var err error
			if results[i], err = one(ctx, b, c); err != nil {
				return nil, err
			}
			stopped = results[i].Err != nil
		}
		return results, nil
	}}
}
