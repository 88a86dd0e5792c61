package drivertest_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// entryBreakages break what is stored and returned of entries.
func entryBreakages() []breakage {
	return []breakage{
		{"fails for a run without entries", "Entries of a run that doesn't exist, or has none, are none and no error", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, entries: func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
				entries, err := b.Entries(ctx, req)
				if err == nil && len(entries) == 0 {
					err = driver.ErrNotFound
				}
				return entries, err
			}}
		}},
		{"ends the value of an entry at a NUL", "the key and the value of an entry read back byte for byte", putting(func(e *driver.Entry) { e.Value, _, _ = bytes.Cut(e.Value, []byte{0}) })},
		{"cuts a key at 20 bytes", "Entries are in ascending order of their keys, as bytes", putting(func(e *driver.Entry) { e.Key = e.Key[:min(len(e.Key), 20)] })},
		{"orders entries by case", "Entries are in ascending order of their keys, as bytes", listsEntries(func(x, y driver.Entry) int {
			return strings.Compare(strings.ToLower(string(x.Key)), strings.ToLower(string(y.Key)))
		})},
		{"lists entries upwards only", "Entries with Reverse are in descending order of their keys", askingEntries(func(r *driver.EntriesRequest) { r.Reverse = false })},
		{"lists the entry of To, too", "Entries returns the entries from From up to, but without, To", askingEntries(func(r *driver.EntriesRequest) {
			if r.To != nil {
				r.To = append(bytes.Clone(r.To), 0)
			}
		})},
		{"takes no bound for the largest key", "Entries returns the entries from From up to, but without, To", askingEntries(func(r *driver.EntriesRequest) {
			if r.To == nil {
				r.To = []byte("\xff\xff")
			}
		})},
		{"ignores the limit of entries", "Entries returns Limit entries, fewer only at the end of the range", askingEntries(func(r *driver.EntriesRequest) { r.Limit = math.MaxInt32 })},
		{"ignores MaxBytes of entries", "a page of entries ends before it would hold more than MaxBytes bytes of keys and values, but for its first", askingEntries(func(r *driver.EntriesRequest) { r.MaxBytes = 0 })},
		{"counts values only", "a page of entries ends before it would hold more than MaxBytes bytes of keys and values, but for its first", countsValues},
		{"puts entries in all runs", "a change of entries changes those of its own run only", putsEverywhere},
		{"keeps entries that are there", "Put sets each of its entries, whole, whether or not it was there, and no others", keepsEntries},
		{"counts entries as revisions", "Put and Remove with an append leave the revision and the row as they are", touchesRow},
		{"removes the first range only", "Remove removes the entries in its ranges, and no others", editing(func(c *driver.Change) { c.Remove = c.Remove[:min(len(c.Remove), 1)] })},
		{"removes the entry of To, too", "Remove removes the entries in its ranges, and no others", editing(func(c *driver.Change) {
			c.Remove = slices.Clone(c.Remove)
			for i, r := range c.Remove {
				if r.To != nil {
					c.Remove[i].To = append(bytes.Clone(r.To), 0)
				}
			}
		})},
		{"puts before it removes", "Remove is done before Put", putsBefore},
		{"keeps the entry of what is pruned", "entries that are removed with a Rewrite are gone when it is made", editing(func(c *driver.Change) {
			if len(c.Rewrite) > 0 {
				c.Remove = nil
			}
		})},
	}
}

// putting makes a driver that changes the entries that it is given.
func putting(edit func(*driver.Entry)) func(driver.Backend) driver.Backend {
	return editing(func(c *driver.Change) {
		c.Put = slices.Clone(c.Put)
		for i := range c.Put {
			edit(&c.Put[i])
		}
	})
}

// askingEntries makes a driver that answers another request than it was given.
func askingEntries(edit func(*driver.EntriesRequest)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, entries: func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
			edit(&req)
			return b.Entries(ctx, req)
		}}
	}
}

// listsEntries makes a driver that lists pages in an order of its own.
func listsEntries(order func(x, y driver.Entry) int) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, entries: func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
			entries, err := b.Entries(ctx, req)
			slices.SortStableFunc(entries, order)
			return entries, err
		}}
	}
}

func countsValues(b driver.Backend) driver.Backend {
	return &broken{Backend: b, entries: func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
		limit := req.MaxBytes
		req.MaxBytes = 0
		entries, err := b.Entries(ctx, req)
		var size int64
		for i, e := range entries {
			if size += int64(len(e.Value)); limit > 0 && size > limit && i > 0 {
				return entries[:i], err
			}
		}
		return entries, err
	}}
}

func putsEverywhere(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && len(c.Put) > 0 {
			heads, _ := b.Heads(ctx, driver.HeadsRequest{Limit: 1000})
			for _, h := range heads {
				if h.Run != c.Run {
					one(ctx, b, driver.Change{Run: h.Run, Revision: h.Revision, Head: &h, Put: c.Put})
				}
			}
		}
		return res, err
	})}
}

func keepsEntries(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		have, _ := b.Entries(ctx, driver.EntriesRequest{Run: c.Run, Limit: math.MaxInt32})
		c.Put = slices.DeleteFunc(slices.Clone(c.Put), func(e driver.Entry) bool {
			return slices.ContainsFunc(have, func(h driver.Entry) bool { return bytes.Equal(h.Key, e.Key) })
		})
		return one(ctx, b, c)
	})}
}

// touchesRow writes the row anew with entries.
func touchesRow(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		if h, err := headOf(ctx, b, c.Run); err == nil && len(c.Put) > 0 && c.Head == nil {
			c.Head = &h
		}
		return one(ctx, b, c)
	})}
}

func putsBefore(b driver.Backend) driver.Backend {
	return editing(func(c *driver.Change) {
		c.Put = slices.DeleteFunc(slices.Clone(c.Put), func(e driver.Entry) bool {
			return slices.ContainsFunc(c.Remove, func(r driver.EntryRange) bool {
				return bytes.Compare(e.Key, r.From) >= 0 && (r.To == nil || bytes.Compare(e.Key, r.To) < 0)
			})
		})
	})(b)
}

// putsFirst makes drivers that put the entries of an append before its records.
func putsFirst(w *waiter) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		x := &broken{Backend: b}
		x.entries = func(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
			defer w.reads.Add(1)
			return b.Entries(ctx, req)
		}
		x.apply = applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
			h, err := headOf(ctx, b, c.Run)
			if errors.Is(err, driver.ErrNotFound) || h.Revision != c.Revision || len(c.Put) == 0 || len(c.Append) == 0 {
				return one(ctx, b, c)
			}
			first := driver.Change{Run: c.Run, Revision: c.Revision, Head: &h, Put: c.Put}
			if h.Last != nil && c.Head == nil {
				res, err := one(ctx, b, first)
				if err != nil || res.Err != nil {
					return res, err
				}
				wait(&w.reads)
				c.Revision = res.Revision
				row := h
				c.Head = &row
			}
			return one(ctx, b, c)
		})
		return x
	}
}
