package log_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// raceState is a state that is stored as a delta on the one before.
func raceState(seq int) []byte {
	b := make([]byte, 0, 12_000)
	for i := range 1000 {
		b = fmt.Appendf(b, "%08x", uint32(i)*2654435761)
	}
	return fmt.Appendf(b, "seq %d", seq)
}

// raceRun appends the events first to last to a run, each continuing from the one
// before or from what parents says.
func raceRun(t *testing.T, l *log.Log, first, last int, parents map[int]uint64) {
	t.Helper()
	for seq := first; seq <= last; seq++ {
		a := log.Append{Header: log.Header{RunID: "run", NodeID: "node", Kind: log.Bytes}, State: raceState(seq), From: log.Position{Seq: parents[seq]}}
		_, err := l.Append(context.Background(), a)
		require.NoError(t, err)
	}
}

// TestReadWhileSegmentsMerge: a reader has read a part of a chain from the tail when
// that is merged with the segment that the chain goes on in, where the deltas lead
// the other way.
func TestReadWhileSegmentsMerge(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	raceRun(t, l, 1, 10, nil)
	_, err := l.Seal(ctx, "run", log.SealOptions{Whole: true})
	require.NoError(t, err)
	_, err = l.At(ctx, "run", 10) // so that 11 is a delta on it
	require.NoError(t, err)
	raceRun(t, l, 11, 25, nil)

	sealed := false
	b.onRecord = func(_ string, r *driver.Record) bool {
		if r.Seq == 11 && !sealed {
			sealed = true
			require.EqualValues(t, 10, r.Base)
			done, err := l.Seal(ctx, "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
			require.EqualValues(t, 25, done.Events)
		}
		return true
	}
	ev, err := open(t, b, log.Options{}).At(ctx, "run", 25)
	require.NoError(t, err)
	require.Equal(t, raceState(25), ev.State)
	require.True(t, sealed)
}

// TestSealWhilePruned: a state that others rest on is pruned while they are being
// sealed. That is no damage, and no reason to leave the run as it is.
func TestSealWhilePruned(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	raceRun(t, l, 1, 12, map[int]uint64{12: 5})

	pruned := false
	b.onRecord = func(_ string, r *driver.Record) bool {
		if r.Seq == 12 && r.State != nil && !pruned {
			pruned = true
			n, err := open(t, b, log.Options{}).Prune(ctx, "run", []uint64{5}, "test")
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		return true
	}
	done, err := l.Seal(ctx, "run", log.SealOptions{Whole: true})
	require.NoError(t, err)
	require.True(t, pruned)
	require.EqualValues(t, 12, done.Events)
	for seq := uint64(1); seq <= 12; seq++ {
		ev, err := l.At(ctx, "run", seq)
		if seq == 5 {
			require.ErrorIs(t, err, log.ErrPruned)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, raceState(int(seq)), ev.State)
	}
}
