package log

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// liveSnapshot is of the newest recoverable event of a run, with a state of so many bytes.
func liveSnapshot(r Run, state int) *snapshot {
	return &snapshot{event: Event{Header: Header{RunID: r.ID, Seq: r.Tip}, State: make([]byte, state)}, life: r.Life, rewrites: r.row.Rewrites}
}

func liveRunAt(id string, last uint64) Run {
	return Run{ID: id, Life: "life of " + id, Last: last, Tip: last}
}

// overhead is what a snapshot of liveSnapshot takes beside its state.
var overhead = liveSnapshot(Run{}, 0).size()

// check holds the sums to what is there.
func (c *liveRuns) check(t *testing.T) {
	t.Helper()
	require.Equal(t, len(c.runs), c.order.Len())
	var bytes int64
	for el := c.order.Front(); el != nil; el = el.Next() {
		e := el.Value.(*liveEntry)
		require.Same(t, c.runs[e.id], el)
		want := int64(0)
		if e.newest != nil {
			want = overhead + int64(len(e.newest.event.State))
		}
		require.Equal(t, want, e.bytes)
		bytes += e.bytes
	}
	require.Equal(t, bytes, c.bytes)
	require.LessOrEqual(t, c.bytes, c.max)
	require.LessOrEqual(t, len(c.runs), maxLive)
}

// states returns those of ids whose states are remembered.
func (c *liveRuns) states(ids ...string) (known []string) {
	for _, id := range ids {
		if el, ok := c.runs[id]; ok && el.Value.(*liveEntry).newest != nil {
			known = append(known, id)
		}
	}
	return known
}

// TestLiveForgetsTheLeastRecentlyUsed: of the others it forgets the states, and not
// what was seen.
func TestLiveForgetsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	c := newLiveRuns(3 * (overhead + 1000))
	all := []string{"a", "b", "c", "d", "e"}
	write := func(id string, state int) {
		r := liveRunAt(id, 7)
		c.wrote(r, liveSnapshot(r, state), openBlock{})
		c.check(t)
	}
	write("a", 1000)
	write("b", 1000)
	write("c", 1000)
	require.Equal(t, c.max, c.bytes)
	require.Equal(t, []string{"a", "b", "c"}, c.states(all...))
	_, ok := c.get("a") // used: now b is the oldest
	require.True(t, ok)
	write("d", 1000)
	require.Equal(t, []string{"a", "c", "d"}, c.states(all...))
	write("c", 900) // used, and smaller
	write("e", 100)
	require.Equal(t, []string{"c", "d", "e"}, c.states(all...))
	for _, id := range all {
		lr, ok := c.get(id)
		require.True(t, ok)
		require.EqualValues(t, 7, lr.run.Last)
	}
	_, ok = c.get("never")
	require.False(t, ok)

	c.forget("c")
	c.forget("c")
	c.unload("d")
	c.unload("d")
	c.unload("never")
	c.check(t)
	require.Equal(t, []string{"e"}, c.states(all...))
	lr, ok := c.get("d")
	require.True(t, ok)
	require.True(t, lr.stale)
	require.EqualValues(t, 7, lr.run.Last)
	_, ok = c.get("c")
	require.False(t, ok)
}

func TestLiveKeepsNoStateOverItsBound(t *testing.T) {
	t.Parallel()
	const most = 10_000
	c := newLiveRuns(most + overhead)
	small := liveRunAt("small", 1)
	c.wrote(small, liveSnapshot(small, 10), openBlock{})
	large := liveRunAt("large", 1)
	c.wrote(large, liveSnapshot(large, most+1), openBlock{})
	c.check(t)
	require.Equal(t, []string{"small"}, c.states("small", "large"))
	lr, ok := c.get("large")
	require.True(t, ok, "where it stands is remembered all the same")
	require.EqualValues(t, 1, lr.run.Last)

	// A state that is just small enough displaces all others.
	c.wrote(large, liveSnapshot(large, most), openBlock{})
	c.check(t)
	require.Equal(t, []string{"large"}, c.states("small", "large"))

	// One that was read is no exception.
	c.forget("large")
	c.wrote(large, nil, openBlock{})
	c.loaded(large, liveSnapshot(large, most+1))
	c.check(t)
	require.Empty(t, c.states("large"))
	c.loaded(large, liveSnapshot(large, 100))
	c.check(t)
	require.Equal(t, []string{"large"}, c.states("large"))
}

// TestLiveSize: what an event holds beside its state counts too.
func TestLiveSize(t *testing.T) {
	t.Parallel()
	s := liveSnapshot(liveRunAt("run", 1), 100)
	require.Equal(t, overhead+100, s.size())
	s.event.Envelope = &Envelope{Prefix: "12345", Suffix: "123"}
	s.event.Metadata.Labels = map[string]string{"a": "bc", "": "d"}
	require.Equal(t, overhead+100+8+4, s.size())
}

// TestLiveNumber: of so many runs nothing is remembered but of those used last.
func TestLiveNumber(t *testing.T) {
	t.Parallel()
	c := newLiveRuns(1 << 20)
	write := func(id string) { c.wrote(liveRunAt(id, 1), nil, openBlock{}) }
	for i := range maxLive {
		write(fmt.Sprint(i))
	}
	require.Len(t, c.runs, maxLive)
	c.get("0")
	write("one more")
	write("another")
	require.Len(t, c.runs, maxLive)
	for id, want := range map[string]bool{"0": true, "1": false, "2": false, "3": true, "one more": true, "another": true} {
		_, ok := c.get(id)
		require.Equal(t, want, ok, id)
	}
}

// TestLiveSnapshots: a state is only remembered for the event that is the newest
// recoverable one, of the same life, and not from before a rewrite or a seal.
func TestLiveSnapshots(t *testing.T) {
	t.Parallel()
	run := liveRunAt("run", 5)
	older, other, rewritten, sealed := run, run, run, run
	older.Tip = 4
	other.Life = "another"
	rewritten.row.Rewrites = 1
	sealed.tail = 6
	for name, of := range map[string]Run{"an older event": older, "another life": other, "after a rewrite": rewritten, "after a seal": sealed} {
		c := newLiveRuns(1 << 20)
		c.loaded(of, liveSnapshot(run, 10))
		require.Empty(t, c.runs, name)
		c.wrote(of, nil, openBlock{})
		c.loaded(of, liveSnapshot(run, 10))
		lr, _ := c.get("run")
		require.Nil(t, lr.newest, name)
		c.wrote(run, nil, openBlock{})
		c.loaded(run, liveSnapshot(run, 10))
		lr, _ = c.get("run")
		require.NotNil(t, lr.newest, name)
		require.False(t, lr.newest.of(&of) && of.Tip == 5, name)
		c.check(t)
	}
}

// TestLiveOfReaders: what a reader found is not for the writer, and what is older than
// what the writer knows is not kept.
func TestLiveOfReaders(t *testing.T) {
	t.Parallel()
	run := liveRunAt("run", 5)
	c := newLiveRuns(1 << 20)
	c.loaded(run, liveSnapshot(run, 10))
	lr, ok := c.get("run")
	require.True(t, ok && lr.stale, "the writer looks for itself")
	require.NotNil(t, lr.newest)

	written := liveRunAt("run", 6)
	written.revision = 2
	c.wrote(written, nil, openBlock{})
	lr, _ = c.get("run")
	require.False(t, lr.stale)
	c.loaded(run, liveSnapshot(run, 10)) // by a reader that was slow
	lr, _ = c.get("run")
	require.EqualValues(t, 6, lr.run.Last)
	require.Nil(t, lr.newest)
	require.False(t, lr.stale)
	earlier := written
	earlier.revision = 1
	c.loaded(earlier, liveSnapshot(earlier, 10))
	lr, _ = c.get("run")
	require.Nil(t, lr.newest)

	c.loaded(written, liveSnapshot(written, 10))
	lr, _ = c.get("run")
	require.NotNil(t, lr.newest)
	require.False(t, lr.stale)
	c.doubt("run")
	c.doubt("never")
	lr, _ = c.get("run")
	require.True(t, lr.stale)
	require.NotNil(t, lr.newest, "the state is still that of its event")
	c.check(t)
}

// TestLiveBehindFailures: events that recovery passes over leave the newest state where
// it was.
func TestLiveBehindFailures(t *testing.T) {
	t.Parallel()
	c := newLiveRuns(1 << 20)
	run := liveRunAt("run", 5)
	c.wrote(run, liveSnapshot(run, 10), openBlock{})
	run.Last = 7 // two failures
	c.wrote(run, nil, openBlock{})
	lr, _ := c.get("run")
	require.NotNil(t, lr.newest)
	require.EqualValues(t, 5, lr.newest.event.Seq)
	run.Last, run.Tip = 8, 8
	c.wrote(run, nil, openBlock{})
	lr, _ = c.get("run")
	require.Nil(t, lr.newest)
	c.check(t)
}

// TestLiveBound does anything, many times over.
func TestLiveBound(t *testing.T) {
	t.Parallel()
	for _, max := range []int64{1, 2_000, 20_000, 100_000} {
		c := newLiveRuns(max)
		r := rand.New(rand.NewPCG(7, uint64(max)))
		for range 3000 {
			run := liveRunAt(fmt.Sprint("run ", r.IntN(40)), r.Uint64N(3))
			switch r.IntN(7) {
			case 6:
				c.unload(run.ID)
			case 0:
				c.forget(run.ID)
			case 1:
				c.doubt(run.ID)
			case 2:
				c.loaded(run, liveSnapshot(run, r.IntN(30_000)))
			case 3:
				c.get(run.ID)
			default:
				c.wrote(run, liveSnapshot(run, r.IntN(30_000)), openBlock{})
			}
			c.check(t)
		}
	}
}
