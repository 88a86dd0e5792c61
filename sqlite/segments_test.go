package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// sealed makes a run of segments of ten events each, and returns them.
func sealed(t *testing.T, b *sqlite.Backend, run string, n uint64) []driver.Segment {
	t.Helper()
	c := driver.Change{Run: run, Head: row(10*n + 1)}
	for i := range n {
		c.Add = append(c.Add, driver.Segment{First: 10*i + 1, Last: 10*i + 10, Index: []byte("index"), Data: fmt.Appendf(nil, "data %d", i)})
	}
	res := apply(t, b, c)
	require.NoError(t, res.Err)
	for i := range c.Add {
		c.Add[i].ID, c.Add[i].Size = res.Added[i], int64(len(c.Add[i].Index)+len(c.Add[i].Data))
	}
	return c.Add
}

// TestSegmentBesideADamagedOne finds a segment where a damaged row seems to be nearer to
// the event, and takes the nearer one if it seems to hold the event.
func TestSegmentBesideADamagedOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{Durability: driver.Off})
	segs := sealed(t, b, "run", 20)
	at := func(seq uint64) uint64 {
		t.Helper()
		s, err := b.Segment(t.Context(), driver.SegmentRequest{Run: "run", Seq: seq})
		require.NoError(t, err)
		return s.ID
	}
	require.Equal(t, segs[4].ID, at(45))
	exec(t, path, fmt.Sprintf(`UPDATE segments SET first = 43 WHERE id = %d`, segs[9].ID)) // 43 to 100
	require.Equal(t, segs[4].ID, at(42))
	require.Equal(t, segs[9].ID, at(45))
	exec(t, path, fmt.Sprintf(`UPDATE segments SET last = 3 WHERE id = %d`, segs[9].ID)) // 43 to 3
	require.Equal(t, segs[4].ID, at(45))
	require.Equal(t, segs[7].ID, at(80))
	exec(t, path, fmt.Sprintf(`UPDATE segments SET first = 'x', last = x'ff' WHERE id = %d`, segs[9].ID))
	require.Equal(t, segs[4].ID, at(45))
	list, err := b.Segments(t.Context(), driver.SegmentsRequest{Run: "run", To: driver.MaxSeq, Limit: 100})
	require.NoError(t, err)
	require.Len(t, list, 19, "what begins nowhere is not in the range")
	_, err = b.Segment(t.Context(), driver.SegmentRequest{Run: "run", Seq: 95})
	require.ErrorIs(t, err, driver.ErrNotFound)
	_, err = b.Segment(t.Context(), driver.SegmentRequest{Run: "run", Seq: 201})
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// TestDroppedRunIsErased erases in slices what a run had of every kind, and nothing of
// another.
func TestDroppedRunIsErased(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{})
	db := look(t, path)
	count := func(table string) int { return query[int](t, db, `SELECT count(*) FROM `+table) }
	const secret = "a secret that must go"
	var drop []driver.Change
	for _, run := range []string{"gone", "kept"} {
		sealed(t, b, run, 3)
		h, err := b.Head(t.Context(), driver.HeadRequest{Run: run})
		require.NoError(t, err)
		c := driver.Change{Run: run, Revision: h.Revision, Append: events(31, 40)}
		for i := range 1000 {
			c.Put = append(c.Put, driver.Entry{Key: fmt.Appendf(nil, "%04d", i), Value: make([]byte, i)})
		}
		c.Put = append(c.Put, driver.Entry{Key: []byte("large"), Value: make([]byte, 3<<20)})
		if run == "gone" {
			copy(c.Put[1000].Value[2<<20:], secret)
			copy(c.Put[999].Value[100:], secret)
		}
		require.NoError(t, apply(t, b, c).Err)
		for i := range 5 {
			_, err := b.SetSlot(t.Context(), driver.SlotChange{Run: run, Key: fmt.Sprint(i), Value: []byte("v")})
			require.NoError(t, err)
		}
		drop = append(drop, driver.Change{Run: run, Revision: h.Revision, Drop: true})
	}
	require.Contains(t, stored(t, path), secret)
	require.NoError(t, apply(t, b, drop[0]).Err)
	require.Equal(t, 2002, count("entries"))
	slices := 0
	for more := true; more; slices++ {
		before := count("entries")
		res, err := b.Purge(t.Context(), driver.PurgeRequest{})
		require.NoError(t, err)
		require.LessOrEqual(t, before-count("entries"), 256)
		more = res.More
	}
	require.Greater(t, slices, 8)
	for table, want := range map[string]int{"events": 10, "segments": 3, "entries": 1001, "slots": 5, "runs": 1, "dead": 0} {
		require.Equal(t, want, count(table), table)
	}
	require.NotContains(t, stored(t, path), secret)
	check(t, path)
}

// TestRemovedEntriesAreGone holds that what was replaced or removed is overwritten.
func TestRemovedEntriesAreGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{})
	const secret = "a secret that must go"
	put := func(key, value string) driver.Entry {
		return driver.Entry{Key: []byte(key), Value: append([]byte(value), make([]byte, 5000)...)}
	}
	c := newRun("run", "1")
	c.Put = []driver.Entry{put("a", secret+"a"), put("b", secret+"b"), put("c", "c")}
	rev := apply(t, b, c).Revision
	require.Contains(t, stored(t, path), secret+"b")
	c = driver.Change{Run: "run", Revision: rev, Append: events(2, 2), Put: []driver.Entry{put("a", "other")},
		Remove: []driver.EntryRange{{From: []byte("b"), To: []byte("b\x00")}}}
	require.NoError(t, apply(t, b, c).Err)
	require.NoError(t, b.Erase(t.Context()))
	require.NotContains(t, stored(t, path), secret)
	entries, err := b.Entries(t.Context(), driver.EntriesRequest{Run: "run", Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []driver.Entry{put("a", "other"), put("c", "c")}, entries)
}
