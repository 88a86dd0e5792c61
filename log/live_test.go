package log

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// liveSnapshot is of the newest event of a run, with a state of so many bytes.
func liveSnapshot(r Run, state int) *snapshot {
	return &snapshot{event: Event{Header: Header{RunID: r.ID, Seq: r.Last}, State: make([]byte, state)}, life: r.Life, rewrites: r.row.Rewrites}
}

func liveRunAt(id string, last uint64) Run { return Run{ID: id, Life: "life of " + id, Last: last} }

// check holds the sums to what is there.
func (c *liveRuns) check(t *testing.T) {
	t.Helper()
	require.Equal(t, len(c.runs), c.order.Len())
	var bytes int64
	for el := c.order.Front(); el != nil; el = el.Next() {
		e := el.Value.(*liveEntry)
		require.Same(t, c.runs[e.id], el)
		want := int64(liveOverhead)
		if e.newest != nil {
			want += int64(len(e.newest.event.State))
		}
		require.Equal(t, want, e.bytes)
		bytes += e.bytes
	}
	require.Equal(t, bytes, c.bytes)
	// The one in use stays, whatever the bound is.
	if len(c.runs) > 1 {
		require.LessOrEqual(t, c.bytes, c.max)
	}
	require.LessOrEqual(t, c.bytes, c.max+liveOverhead)
}

func TestLiveForgetsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	c := newLiveRuns(3 * (liveOverhead + 1000))
	known := func(id string) bool { _, ok := c.runs[id]; return ok }
	write := func(id string, state int) {
		r := liveRunAt(id, 1)
		c.wrote(r, liveSnapshot(r, state))
		c.check(t)
	}
	write("a", 1000)
	write("b", 1000)
	write("c", 1000)
	require.Equal(t, c.max, c.bytes)
	_, ok := c.get("a") // used: now b is the oldest
	require.True(t, ok)
	write("d", 1000)
	require.False(t, known("b"))
	require.True(t, known("a") && known("c") && known("d"))
	write("c", 900) // used, and smaller
	write("e", 100)
	require.False(t, known("a"))
	require.True(t, known("c") && known("d") && known("e"))
	_, ok = c.get("never")
	require.False(t, ok)
	c.forget("c")
	c.forget("c")
	c.check(t)
	require.False(t, known("c"))
	require.Len(t, c.runs, 2)
}

func TestLiveKeepsNoStateOverItsBound(t *testing.T) {
	t.Parallel()
	c := newLiveRuns(10_000)
	small := liveRunAt("small", 1)
	c.wrote(small, liveSnapshot(small, 10))
	large := liveRunAt("large", 1)
	c.wrote(large, liveSnapshot(large, 10_001))
	c.check(t)
	lr, ok := c.get("large")
	require.True(t, ok, "where it stands is remembered all the same")
	require.Nil(t, lr.newest)
	require.EqualValues(t, 1, lr.seen)
	lr, ok = c.get("small")
	require.True(t, ok)
	require.NotNil(t, lr.newest)

	// A state that is just small enough displaces all others.
	c.wrote(large, liveSnapshot(large, 10_000))
	c.check(t)
	require.Len(t, c.runs, 1)
	lr, _ = c.get("large")
	require.NotNil(t, lr.newest)

	// One that was read is no exception.
	c.wrote(large, nil)
	c.loaded(large, liveSnapshot(large, 10_001))
	c.check(t)
	lr, _ = c.get("large")
	require.Nil(t, lr.newest)
	c.loaded(large, liveSnapshot(large, 100))
	c.check(t)
	lr, _ = c.get("large")
	require.NotNil(t, lr.newest)
}

// TestLiveSnapshots: a state is only remembered for the event that is the newest,
// of the same life, and not from before a rewrite.
func TestLiveSnapshots(t *testing.T) {
	t.Parallel()
	run := liveRunAt("run", 5)
	older, other, rewritten := run, run, run
	older.Last = 4
	other.Life = "another"
	rewritten.row.Rewrites = 1
	for name, of := range map[string]Run{"an older event": older, "another life": other, "after a rewrite": rewritten} {
		c := newLiveRuns(1 << 20)
		c.loaded(run, liveSnapshot(run, 1))
		require.Empty(t, c.runs, "nobody asked to remember the run")
		c.saw(run)
		c.loaded(of, liveSnapshot(of, 10))
		lr, _ := c.get("run")
		require.Nil(t, lr.newest, name)
		c.loaded(run, liveSnapshot(run, 10))
		lr, _ = c.get("run")
		require.NotNil(t, lr.newest, name)
		c.check(t)
	}
}

// TestLiveSeen: what was seen only grows, but for a new life.
func TestLiveSeen(t *testing.T) {
	t.Parallel()
	c := newLiveRuns(1 << 20)
	seen := func() uint64 { lr, _ := c.get("run"); return lr.seen }
	c.saw(liveRunAt("run", 5))
	require.EqualValues(t, 5, seen())
	c.saw(liveRunAt("run", 4)) // a reader that was slow
	require.EqualValues(t, 5, seen())
	c.saw(liveRunAt("run", 8))
	require.EqualValues(t, 8, seen())
	c.doubt("run")
	require.EqualValues(t, 8, seen())
	next := liveRunAt("run", 2)
	next.Life = "the next"
	c.saw(next)
	require.EqualValues(t, 2, seen())
	c.check(t)
}

// TestLiveBound does anything, many times over.
func TestLiveBound(t *testing.T) {
	t.Parallel()
	for _, max := range []int64{1, liveOverhead, 20_000, 100_000} {
		c := newLiveRuns(max)
		r := rand.New(rand.NewPCG(7, uint64(max)))
		for range 3000 {
			run := liveRunAt(fmt.Sprint("run ", r.IntN(40)), r.Uint64N(3))
			switch r.IntN(6) {
			case 0:
				c.forget(run.ID)
			case 1:
				c.saw(run)
			case 2:
				c.loaded(run, liveSnapshot(run, r.IntN(30_000)))
			case 3:
				c.get(run.ID)
			default:
				c.wrote(run, liveSnapshot(run, r.IntN(30_000)))
			}
			c.check(t)
		}
	}
}
