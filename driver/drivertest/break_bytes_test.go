package drivertest_test

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// byteBreakages break who owns which bytes.
func byteBreakages() []breakage {
	return []breakage{
		{"returns the same bytes again", "what is returned belongs to the caller: changing it changes nothing stored", returnsAliases},
		{"returns pages in one buffer", "what is returned belongs to the caller: appending to one slice changes no other", returnsOneBuffer},
		{"keeps the given bytes", "Apply does not keep a slice that it was given", keepsGiven},
		{"changes what it is given", "Apply does not change what it was given", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
				for _, c := range changes {
					for i := range c.Append {
						c.Append[i].StateLen = int64(len(c.Append[i].State))
					}
				}
				return all(ctx, b, changes)
			}}
		}},
	}
}

func returnsAliases(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	data := map[uint64][]byte{} // segments never change
	return &broken{Backend: b, segment: func(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
		s, err := b.Segment(ctx, req)
		if req.IndexOnly {
			return s, err
		}
		id := s.ID
		mu.Lock()
		defer mu.Unlock()
		if data[id] == nil {
			data[id] = s.Data
		}
		s.Data = data[id]
		return s, err
	}}
}

func returnsOneBuffer(b driver.Backend) driver.Backend {
	return &broken{Backend: b, records: func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		recs, err := b.Records(ctx, req)
		for i := range recs {
			r := &recs[i]
			n := len(r.Header)
			buf := slices.Concat(r.Header, r.State)
			r.Header = buf[:n]
			if !req.HeadersOnly {
				r.State = buf[n:]
			}
		}
		return recs, err
	}}
}

func keepsGiven(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	var kept [][2][]byte // a copy of a state and the state as it was given
	x := &broken{Backend: b}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		for _, c := range changes {
			for _, r := range c.Append {
				kept = append(kept, [2][]byte{bytes.Clone(r.State), r.State})
			}
		}
		mu.Unlock()
		return all(ctx, b, changes)
	}
	x.records = func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		recs, err := b.Records(ctx, req)
		mu.Lock()
		defer mu.Unlock()
		for i := range recs {
			for _, k := range kept {
				if len(k[0]) > 0 && bytes.Equal(k[0], recs[i].State) {
					recs[i].State = bytes.Clone(k[1])
					break
				}
			}
		}
		return recs, err
	}
	return x
}
