package drivertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// breakage is a driver that breaks one rule, and maybe others in consequence.
type breakage struct {
	name string
	rule string // of a case that must fail
	make func(driver.Backend) driver.Backend
}

// recordBreakages break what is stored and returned of records.
func recordBreakages() []breakage {
	return []breakage{
		{"loses the last record of a batch", "a change appends all its records", losesLast},
		{"gives every record the hash of the first", "a record reads back as it was given", editing(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Hash = c.Append[0].Hash
			}
		})},
		{"writes headers anew", "the header of a record reads back byte for byte", editing(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i, r := range c.Append {
				var b bytes.Buffer
				if json.Compact(&b, r.Header) == nil {
					c.Append[i].Header = b.Bytes()
				}
			}
		})},
		{"ends states at a NUL", "the state of a record reads back byte for byte", editing(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i, r := range c.Append {
				c.Append[i].State, _, _ = bytes.Cut(r.State, []byte{0})
			}
		})},
		{"writes the data of heads anew", "the data of a head reads back byte for byte", editingHead(func(h *driver.Head) {
			var b bytes.Buffer
			if json.Compact(&b, h.Data) == nil {
				h.Data = b.Bytes()
			}
		})},
		{"keeps no recency beyond 62 bits", "a head reads back as it was given, with the run's id and the revision of the result", editingHead(func(h *driver.Head) {
			h.Recency &= 1<<62 - 1
		})},
		{"keeps the recency of a record in microseconds", "a record reads back as it was given", editing(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Recency -= c.Append[i].Recency % 1000
			}
		})},
		{"keeps the known flags only", "a record reads back as it was given", editing(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Flags &= driver.Passed | driver.Opaque
			}
		})},
		{"forgets where a line is unbroken", "a record reads back as it was given", editing(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Since = min(c.Append[i].Since, 1)
			}
		})},
		{"keeps no totals beyond 32 bits", "the running totals of a record read back as they were given", editing(func(c *driver.Change) {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Stored &= math.MaxUint32
			}
		})},
		{"keeps no seq beyond 31 bits", "a seq may be anything from 1 to 2³²-1", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
				recs, err := b.Records(ctx, req)
				for i := range recs {
					recs[i].Seq &= math.MaxInt32
				}
				return recs, err
			}}
		}},
		{"rewrites nothing", "Rewrite replaces the records that have the same seq, whole, and no others", editing(func(c *driver.Change) { c.Rewrite = nil })},
		{"shows dead records", "records below Head.Tail are never returned", editingHead(func(h *driver.Head) { h.Tail = 1 })},
		{"believes StateLen", "StateLen is the length of the stored state, whatever Apply was given", believesStateLen},
		{"ignores From", "Records returns the records From to To, both included, in ascending order", asking(func(r *driver.RecordsRequest) { r.From = 1 })},
		{"ignores Reverse", "Records with Reverse returns the records To down to From", asking(func(r *driver.RecordsRequest) { r.Reverse = false })},
		{"ignores Limit", "Records returns at most Limit records, and fewer only at the end of the range", asking(func(r *driver.RecordsRequest) { r.Limit = math.MaxInt })},
		{"ignores MaxBytes", "a page ends before it would hold more than MaxBytes bytes of headers and states", asking(func(r *driver.RecordsRequest) { r.MaxBytes = 0 })},
		{"returns a byte more than MaxBytes", "a page ends before it would hold more than MaxBytes bytes of headers and states", asking(func(r *driver.RecordsRequest) {
			if r.MaxBytes > 0 {
				r.MaxBytes++
			}
		})},
		{"leaves out a first record that is too large", "the first record is returned whatever its size", leavesOutLarge},
		{"goes on with the last record again", "continuing after the last record of each page gives every record once", asking(func(r *driver.RecordsRequest) {
			if r.From > 1 {
				r.From--
			}
		})},
		{"returns states though HeadersOnly", "HeadersOnly leaves out the states and nothing else", asking(func(r *driver.RecordsRequest) { r.HeadersOnly = false })},
		{"ends ids at a NUL", "Records returns records of its own run only", asking(func(r *driver.RecordsRequest) { r.Run, _, _ = strings.Cut(r.Run, "\x00") })},
		{"fails for unknown runs", "Records of a run that doesn't exist are none and no error", failsForUnknown},
	}
}

// editing makes a driver that changes what it is given before it stores it.
func editing(edit func(*driver.Change)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
			changes = slices.Clone(changes)
			for i := range changes {
				edit(&changes[i])
			}
			return all(ctx, b, changes)
		}}
	}
}

// editingHead makes a driver that changes the rows that it is given.
func editingHead(edit func(*driver.Head)) func(driver.Backend) driver.Backend {
	return editing(func(c *driver.Change) {
		if c.Head != nil {
			h := *c.Head
			edit(&h)
			c.Head = &h
		}
	})
}

// asking makes a driver that answers another request than it was given.
func asking(edit func(*driver.RecordsRequest)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
			edit(&req)
			return b.Records(ctx, req)
		}}
	}
}

func losesLast(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	lost := map[string]bool{} // by header
	x := &broken{Backend: b}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range changes {
			if n := len(c.Append); n > 1 {
				lost[string(c.Append[n-1].Header)] = true
			}
		}
		return all(ctx, b, changes)
	}
	x.records = func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		recs, err := b.Records(ctx, req)
		mu.Lock()
		defer mu.Unlock()
		return slices.DeleteFunc(recs, func(r driver.Record) bool { return lost[string(r.Header)] }), err
	}
	return x
}

func believesStateLen(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	given := map[string]int64{}
	x := &broken{Backend: b}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range changes {
			for _, r := range c.Append {
				given[string(r.Header)] = r.StateLen
			}
		}
		return all(ctx, b, changes)
	}
	x.records = func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		recs, err := b.Records(ctx, req)
		mu.Lock()
		defer mu.Unlock()
		for i := range recs {
			recs[i].StateLen = given[string(recs[i].Header)]
		}
		return recs, err
	}
	return x
}

func leavesOutLarge(b driver.Backend) driver.Backend {
	return &broken{Backend: b, records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		recs, err := b.Records(ctx, req)
		if req.MaxBytes > 0 && len(recs) > 0 && int64(len(recs[0].Header)+len(recs[0].State)) > req.MaxBytes {
			return nil, err
		}
		return recs, err
	}}
}

func failsForUnknown(b driver.Backend) driver.Backend {
	return &broken{Backend: b, records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		if _, err := headOf(ctx, b, req.Run); err != nil {
			return nil, err
		}
		return b.Records(ctx, req)
	}}
}
