package log_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

var errPinned = errors.New("pinned")

// unpinned allows what drops no pinned event of some, and counts how often it was asked.
func unpinned(asked *int, seqs ...uint64) func(log.Marks) error {
	return func(m log.Marks) error {
		*asked++
		for _, seq := range seqs {
			if m.Events[seq].Pinned || m.Run.Pinned {
				return errPinned
			}
		}
		return nil
	}
}

// guarded returns a storage with a run of 40 events and two Logs on it.
func guarded(t *testing.T, sealed bool) (b *tapped, mine, other *log.Log) {
	b = newTapped(t)
	mine, other = open(t, b, log.Options{}), another(t, b)
	for i := range 40 {
		add(t, mine, event("run", fmt.Sprint("node-", i%3)))
	}
	if sealed {
		_, err := mine.Seal(t.Context(), "run", log.SealOptions{Whole: true})
		require.NoError(t, err)
	}
	return b, mine, other
}

// TestPinGoesBeforePruneIf: a pin that another process adds after the pins were looked at,
// and before states are dropped, keeps them.
func TestPinGoesBeforePruneIf(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		for _, seq := range []uint64{0, 7} {
			b, mine, other := guarded(t, sealed)
			run, err := mine.Run(t.Context(), "run")
			require.NoError(t, err)
			asked := 0
			opts := log.PruneOptions{Life: run.Life, Policy: "test", May: unpinned(&asked, 7, 8)}
			b.meanwhile(func() { require.NoError(t, other.Pin(t.Context(), "run", seq)) })
			n, err := mine.PruneIf(t.Context(), "run", []uint64{7, 8}, opts)
			require.ErrorIs(t, err, errPinned)
			require.Zero(t, n)
			require.Equal(t, 3, asked, "at once, before the change, and after the conflict")
			_, err = other.At(t.Context(), "run", 7)
			require.NoError(t, err)

			// An event that comes meanwhile, or a label, is no reason to stop.
			require.NoError(t, other.Unpin(t.Context(), "run", seq))
			b.meanwhile(func() { add(t, other, event("run", "more")) }, func() { require.NoError(t, other.Label(t.Context(), "run", 8, "a", "b")) })
			n, err = mine.PruneIf(t.Context(), "run", []uint64{7, 8}, opts)
			require.NoError(t, err)
			require.Equal(t, 2, n)
			require.ErrorIs(t, other.Pin(t.Context(), "run", 7), log.ErrPruned)
			require.NoError(t, other.Pin(t.Context(), "run", 9))

			opts.Life = "00000000000000000000000000000000"
			_, err = mine.PruneIf(t.Context(), "run", []uint64{10}, opts)
			require.ErrorIs(t, err, log.ErrConflict)
			requireIntact(t, mine, "run")
			requireIndex(t, b, mine, "run")
		}
	}
}

// TestPruneGoesBeforePin: a pin that comes just after the state was dropped says so.
func TestPruneGoesBeforePin(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		b, mine, other := guarded(t, sealed)
		b.meanwhile(func() {
			_, err := other.Prune(t.Context(), "run", []uint64{7}, "test")
			require.NoError(t, err)
		})
		require.ErrorIs(t, mine.Pin(t.Context(), "run", 7), log.ErrPruned)
		marks, err := mine.Marks(t.Context(), "run")
		require.NoError(t, err)
		require.Zero(t, marks)
		requireIntact(t, mine, "run")
	}
}

// TestPruneIgnoresPins: what names events itself goes before pins.
func TestPruneIgnoresPins(t *testing.T) {
	t.Parallel()
	_, mine, _ := guarded(t, false)
	require.NoError(t, mine.Pin(t.Context(), "run", 7))
	n, err := mine.Prune(t.Context(), "run", []uint64{7}, "test")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// TestDropIf: a run that an event came to, or a mark that speaks against it, is not
// dropped, whoever was faster.
func TestDropIf(t *testing.T) {
	t.Parallel()
	b, mine, other := guarded(t, false)
	run, err := mine.Run(t.Context(), "run")
	require.NoError(t, err)
	asked := 0
	may := unpinned(&asked, 1)
	b.meanwhile(func() { add(t, other, event("run", "more")) })
	require.ErrorIs(t, mine.DropIf(t.Context(), "run", run.Life, 40, may), log.ErrConflict)
	b.meanwhile(func() { require.NoError(t, other.Pin(t.Context(), "run", 0)) })
	require.ErrorIs(t, mine.DropIf(t.Context(), "run", run.Life, 41, may), errPinned)
	require.NoError(t, other.Unpin(t.Context(), "run", 0))
	require.ErrorIs(t, mine.DropIf(t.Context(), "run", "another", 41, may), log.ErrConflict)
	require.Len(t, lineage(t, other, "run"), 41)
	b.meanwhile(func() { require.NoError(t, other.Label(t.Context(), "run", 0, "a", "b")) })
	require.NoError(t, mine.DropIf(t.Context(), "run", run.Life, 41, may))
	nothing(t, b, "run")
	require.ErrorIs(t, mine.DropIf(t.Context(), "run", run.Life, 41, may), log.ErrNotFound)
}

// TestMarkOn: what was said later goes before what was saved, which stays as it is.
func TestMarkOn(t *testing.T) {
	t.Parallel()
	saved := map[string]string{"a": "1", "b": "2"}
	m := log.Mark{Labels: map[string]string{"b": "3", "c": "4"}, Unlabelled: map[string]bool{"a": true, "d": true}}
	require.Equal(t, map[string]string{"b": "3", "c": "4"}, m.On(saved))
	require.Equal(t, map[string]string{"a": "1", "b": "2"}, saved)
	require.Equal(t, saved, log.Mark{Pinned: true}.On(saved))
	require.Equal(t, map[string]string{"b": "3", "c": "4"}, m.On(nil))
}
