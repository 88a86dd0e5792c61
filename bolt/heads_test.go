package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// crowd makes a store with runs of three classes that were all placed within one second.
func crowd(t *testing.T, runs int) *bolt.Backend {
	t.Helper()
	b := open(t, filepath.Join(t.TempDir(), "crowd.db"), bolt.Options{Durability: driver.Off})
	for at := 0; at < runs; at += 1000 {
		var changes []driver.Change
		for i := at; i < at+1000; i++ {
			class := uint8(i % 3)
			h := row(1)
			h.Recency = 1e18 + uint64(i/2) // two of each
			c := driver.Change{Run: crowdID(i), Head: h, Class: &class, Append: records("r", 1, 1, 20)}
			changes = append(changes, c)
		}
		results, err := b.Apply(t.Context(), request(changes...))
		require.NoError(t, err)
		for _, res := range results {
			require.NoError(t, res.Err)
		}
	}
	return b
}

// crowdID scatters the ids over their order.
func crowdID(i int) string { return fmt.Sprintf("run-%05x", i*0x3779%0x100000) }

// pagesOf reads pages of a list until one is short, or as many as asked for, and returns
// the heads of the last and the shortest time that reading that one took.
func pagesOf(t *testing.T, b *bolt.Backend, req driver.HeadsRequest, pages int) (last []driver.Head, took time.Duration) {
	t.Helper()
	for range pages {
		if len(last) > 0 {
			req.After = driver.Head{Run: last[len(last)-1].Run, Place: last[len(last)-1].Place}
		}
		var err error
		last, err = b.Heads(t.Context(), req)
		require.NoError(t, err)
	}
	took = time.Hour
	for range 20 {
		start := time.Now()
		_, err := b.Heads(context.Background(), req)
		took = min(took, time.Since(start))
		require.NoError(t, err)
	}
	return last, took
}

// TestPagesOfACrowd holds that a page of heads costs what a page costs, however many runs
// were placed in the same second.
func TestPagesOfACrowd(t *testing.T) {
	t.Parallel()
	const few, many = 6_000, 102_000
	small, large := crowd(t, few), crowd(t, many)
	class := uint8(1)
	for name, test := range map[string]struct {
		req   driver.HeadsRequest
		pages int
		runs  func(last, i int) string // the i-th run of a page of a store whose last run is given
	}{
		"first":           {driver.HeadsRequest{Newest: true}, 1, nil},
		"100th":           {driver.HeadsRequest{Newest: true}, 100, nil},
		"first of class":  {driver.HeadsRequest{Newest: true, Class: &class}, 1, nil},
		"30th of class":   {driver.HeadsRequest{Newest: true, Class: &class}, 30, nil},
		"by id":           {driver.HeadsRequest{}, 100, nil},
		"by id, a prefix": {driver.HeadsRequest{Prefix: crowdID(777)}, 1, nil},
	} {
		test.req.Limit = 50
		want, base := pagesOf(t, small, test.req, test.pages)
		have, took := pagesOf(t, large, test.req, test.pages)
		require.Len(t, have, len(want), name)
		if test.req.Newest {
			wantCrowd(t, have, many, test.req.Class, test.pages)
			wantCrowd(t, want, few, test.req.Class, test.pages)
		}
		t.Logf("%s: %v of %d runs, %v of %d", name, base, few, took, many)
		require.Less(t, took, 3*base+time.Millisecond, name)
	}
}

// wantCrowd expects a page of 50 heads, counted from 1, of a crowd.
func wantCrowd(t *testing.T, page []driver.Head, runs int, class *uint8, number int) {
	t.Helper()
	skip := (number - 1) * 50
	for i, h := range page {
		var n int // two runs share a place, and the larger id comes first
		if class == nil {
			n = runs - 1 - skip - i
			if other := n ^ 1; (crowdID(n) > crowdID(other)) != (n > other) {
				n = other
			}
		} else {
			n = runs - 1 - (skip+i)*3
			n -= (n - int(*class) + 3) % 3
		}
		require.Equal(t, crowdID(n), h.Run, "head %d of page %d of %d runs", i, number, runs)
		require.EqualValues(t, 1e18+uint64(n/2), h.Place)
		require.EqualValues(t, n%3, h.Class)
	}
}

// TestLostRow takes the row of a run away: the lists by place still have it, as damaged,
// and all others.
func TestLostRow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b := open(t, path, bolt.Options{Durability: driver.Off})
	someRuns(t, b, 3)
	require.NoError(t, b.Close())
	edit(t, path, nil, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("heads")).Delete([]byte("run-1")) })
	b = open(t, path, bolt.Options{})
	heads, err := b.Heads(t.Context(), driver.HeadsRequest{Newest: true, Limit: 10})
	require.NoError(t, err)
	require.Len(t, heads, 3)
	for i, h := range heads {
		require.Equal(t, fmt.Sprint("run-", 2-i), h.Run)
		require.EqualValues(t, someEvents, h.Place)
		require.Equal(t, h.Run == "run-1", h.Sum != row(1).Sum)
	}
}
