package log_test

import (
	"context"
	"fmt"
	"math"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// mostDependents is how many events one damaged row may take with it.
const mostDependents = 256

// unit is what is damaged together: a record of the tail, or a segment, which is
// named by its first seq.
type unit struct {
	segment bool
	first   uint64
}

func (u unit) String() string {
	if u.segment {
		return fmt.Sprintf("the segment from %d on", u.first)
	}
	return fmt.Sprintf("the record of %d", u.first)
}

// layout is how a run is stored.
type layout struct {
	head     driver.Head
	segments []driver.Segment
	records  []driver.Record // of the tail
	// needs says what each event can't be read without.
	needs map[uint64]map[unit]bool
}

// readLayout reads how a run is stored; nil if there is none.
func readLayout(t require.TestingT, b driver.Backend, run string) *layout {
	ctx := context.Background()
	h, err := b.Head(ctx, driver.HeadRequest{Run: run})
	if err != nil {
		require.ErrorIs(t, err, log.ErrNotFound)
		return nil
	}
	y := &layout{head: h, needs: map[uint64]map[unit]bool{}}
	y.segments, err = b.Segments(ctx, driver.SegmentsRequest{Run: run, From: 1, To: log.MaxSeq, Limit: math.MaxInt32})
	require.NoError(t, err)
	y.records, err = b.Records(ctx, driver.RecordsRequest{Run: run, From: 1, To: log.MaxSeq, Limit: math.MaxInt32})
	require.NoError(t, err)
	next := uint64(1)
	if len(y.segments) > 0 { // what came before was dropped
		next = y.segments[0].First
	}
	for _, s := range y.segments {
		require.Equal(t, next, s.First, "segments follow each other")
		u := unit{segment: true, first: s.First}
		for ; next <= s.Last; next++ {
			y.needs[next] = map[unit]bool{u: true}
		}
	}
	require.Equal(t, max(h.Tail, 1), next, "the tail follows the segments")
	for _, r := range y.records {
		require.Equal(t, next, r.Seq, "records follow each other")
		next++
		needs := map[unit]bool{{first: r.Seq}: true}
		if r.Encoding == driver.Delta || r.Encoding == driver.DeltaZstd {
			require.Less(t, r.Base, r.Seq, "a delta of the tail is on an older state")
			for u := range y.needs[r.Base] {
				needs[u] = true
			}
		}
		y.needs[r.Seq] = needs
	}
	return y
}

// dependents counts the events that each unit would take with it.
func (y *layout) dependents() map[unit]int {
	n := map[unit]int{}
	for _, needs := range y.needs {
		for u := range needs {
			n[u]++
		}
	}
	return n
}

// requireBound wants no row and no segment of a run to be needed by more than 256
// events. It returns how many need the one that most do.
func requireBound(t require.TestingT, b driver.Backend, run string) int {
	y := readLayout(t, b, run)
	if y == nil {
		return 0
	}
	most := 0
	for u, n := range y.dependents() {
		if n > mostDependents {
			require.FailNow(t, "the bound is broken", "%d events depend on %v", n, u)
		}
		most = max(most, n)
	}
	return most
}
