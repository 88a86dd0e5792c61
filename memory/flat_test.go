package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// filled returns a Backend with n runs saved within one minute, of which the first has n
// records in its tail, n segments and n entries.
func filled(t *testing.T, n int) *memory.Backend {
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	apply := func(c driver.Change) {
		results, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{c}})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
	}
	for i := range n {
		class := uint8(i % 2)
		apply(driver.Change{Run: fmt.Sprintf("run-%08d", i), Class: &class, Head: &driver.Head{Recency: 1e18 + uint64(i*7919%60)*1e9, Tail: 1}})
	}
	c := driver.Change{Run: "full", Head: &driver.Head{Recency: 2e18, Tail: uint64(n) + 1}}
	for i := range uint64(n) {
		c.Add = append(c.Add, driver.Segment{First: i + 1, Last: i + 1, Index: []byte{1}, Data: []byte{1}})
		c.Append = append(c.Append, driver.Record{Seq: uint64(n) + i + 1, Recency: 2e18, Tip: uint64(n) + 1})
		c.Put = append(c.Put, driver.Entry{Key: fmt.Appendf(nil, "%08d", i)})
	}
	apply(c)
	return b
}

// read is a read of a few items, from a Backend that filled made with n.
type read struct {
	name string
	do   func(b *memory.Backend, n uint64) error
}

func reads() []read {
	class := uint8(1)
	ctx := context.Background()
	return []read{
		{"a page by id", func(b *memory.Backend, n uint64) error {
			_, err := b.Heads(ctx, driver.HeadsRequest{Limit: 10, After: driver.Head{Run: fmt.Sprintf("run-%08d", n/2)}})
			return err
		}},
		{"a prefix of one run", func(b *memory.Backend, n uint64) error {
			_, err := b.Heads(ctx, driver.HeadsRequest{Limit: 10, Prefix: fmt.Sprintf("run-%08d", n/2)})
			return err
		}},
		{"the newest", func(b *memory.Backend, n uint64) error {
			_, err := b.Heads(ctx, driver.HeadsRequest{Newest: true, Limit: 10})
			return err
		}},
		{"a page among equal places", func(b *memory.Backend, n uint64) error {
			_, err := b.Heads(ctx, driver.HeadsRequest{Newest: true, Limit: 10, After: driver.Head{Place: 1e18 + 30e9, Run: "run-1"}})
			return err
		}},
		{"a page of a class", func(b *memory.Backend, n uint64) error {
			_, err := b.Heads(ctx, driver.HeadsRequest{Newest: true, Class: &class, Limit: 10})
			return err
		}},
		{"a head with its tip", func(b *memory.Backend, n uint64) error {
			_, err := b.Head(ctx, driver.HeadRequest{Run: "full", Tip: true})
			return err
		}},
		{"the newest records", func(b *memory.Backend, n uint64) error {
			_, err := b.Records(ctx, driver.RecordsRequest{Run: "full", From: 1, To: driver.MaxSeq, Reverse: true, Limit: 10})
			return err
		}},
		{"a segment", func(b *memory.Backend, n uint64) error {
			_, err := b.Segment(ctx, driver.SegmentRequest{Run: "full", Seq: n / 2})
			return err
		}},
		{"a page of segments", func(b *memory.Backend, n uint64) error {
			_, err := b.Segments(ctx, driver.SegmentsRequest{Run: "full", From: 1, To: driver.MaxSeq, Reverse: true, Limit: 10})
			return err
		}},
		{"a page of entries", func(b *memory.Backend, n uint64) error {
			_, err := b.Entries(ctx, driver.EntriesRequest{Run: "full", EntryRange: driver.EntryRange{From: fmt.Appendf(nil, "%08d", n/2)}, Limit: 10})
			return err
		}},
	}
}

// TestReadsCostWhatTheyReturn holds that reads of a few items take no longer among
// 100,000 than among 100, but for what a tree's depth adds.
func TestReadsCostWhatTheyReturn(t *testing.T) {
	if testing.Short() {
		t.Skip("measures times")
	}
	// Not parallel: it measures times.
	const small, large = 100, 100_000
	few, many := filled(t, small), filled(t, large)
	for _, read := range reads() {
		t.Run(read.name, func(t *testing.T) {
			const atMost = 5
			var ratio float64
			for range 5 { // another process may be in the way
				ratio = quickest(t, func() error { return read.do(many, large) }) / quickest(t, func() error { return read.do(few, small) })
				if ratio <= atMost {
					return
				}
			}
			t.Errorf("it takes %.1f times as long among %d as among %d", ratio, large, small)
		})
	}
}

// quickest returns the shortest of several measurements.
func quickest(t *testing.T, do func() error) float64 {
	best := time.Hour
	for range 20 {
		begin := time.Now()
		for range 10 {
			require.NoError(t, do())
		}
		best = min(best, time.Since(begin))
	}
	return float64(best)
}
