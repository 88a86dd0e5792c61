package bolt_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

func entriesOf(t *testing.T, b *bolt.Backend, run string) []driver.Entry {
	t.Helper()
	entries, err := b.Entries(t.Context(), driver.EntriesRequest{Run: run, Limit: 1 << 20})
	require.NoError(t, err)
	return entries
}

// TestEntriesOfAllSizes has entries grow and shrink, since large ones are stored in another
// way, and expects that nothing of them is left when they are removed.
func TestEntriesOfAllSizes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	t.Cleanup(func() { check(t, path) })
	b := open(t, path, bolt.Options{Durability: driver.Off})
	c := driver.Change{Run: "a", Head: row(1)}
	sizes := []int{0, 1, 2048, 2049, 100, 70_000, 3_000_000, 2048, 0, 5000, 5000, 5001}
	for i := range sizes {
		c.Put = nil
		for n := range len(sizes) {
			size := sizes[(i+n)%len(sizes)]
			c.Put = append(c.Put, driver.Entry{Key: fmt.Appendf(nil, "key %02d", n), Value: state("entry", uint64(i), size)})
		}
		c.Revision = apply(t, b, c).Revision
		require.Equal(t, c.Put, entriesOf(t, b, "a"), "round %d", i)
	}
	c.Put, c.Remove = nil, []driver.EntryRange{{From: []byte("key 01"), To: []byte("key 03")}, {From: []byte("key 09")}}
	want := entriesOf(t, b, "a")
	want = append(want[:1:1], want[3:9]...)
	c.Revision = apply(t, b, c).Revision
	require.Equal(t, want, entriesOf(t, b, "a"))
	c.Remove = []driver.EntryRange{{}}
	c.Put = []driver.Entry{{Key: []byte("key 02"), Value: []byte("again")}} // Remove is done first
	c.Revision = apply(t, b, c).Revision
	require.Equal(t, c.Put, entriesOf(t, b, "a"))
	size, free, err := b.Space(t.Context())
	require.NoError(t, err)
	require.Less(t, size-free, int64(64<<10))
}

// TestPurgeOfEntriesAndSlots drops a run with more entries than a slice of Purge erases.
func TestPurgeOfEntriesAndSlots(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	t.Cleanup(func() { check(t, path) })
	b := open(t, path, bolt.Options{Durability: driver.Off})
	revision := uint64(0)
	for _, run := range []string{"before", "gone", "after"} {
		c := driver.Change{Run: run, Head: row(1)}
		for i := range 2000 {
			c.Put = append(c.Put, driver.Entry{Key: fmt.Appendf(nil, "key %04d", i), Value: state(run, uint64(i), 25)})
		}
		c.Put = append(c.Put, driver.Entry{Key: []byte("large"), Value: state(run, 1, 5<<20)})
		if r := apply(t, b, c).Revision; run == "gone" {
			revision = r
		}
		for i := range 20 {
			_, err := b.SetSlot(t.Context(), driver.SlotChange{Run: run, Key: fmt.Sprint("slot ", i), Value: []byte(run)})
			require.NoError(t, err)
		}
	}
	apply(t, b, driver.Change{Run: "gone", Revision: revision, Drop: true})
	require.Empty(t, entriesOf(t, b, "gone"))
	apply(t, b, driver.Change{Run: "gone", Head: row(1)}) // its next life has none of them
	require.Empty(t, entriesOf(t, b, "gone"))
	require.GreaterOrEqual(t, purge(t, b), 4)
	for _, run := range []string{"before", "after"} {
		require.Len(t, entriesOf(t, b, run), 2001)
		s, err := b.Slot(t.Context(), driver.SlotRequest{Run: run, Key: "slot 19"})
		require.NoError(t, err)
		require.Equal(t, run, string(s.Value))
	}
	_, err := b.Slot(t.Context(), driver.SlotRequest{Run: "gone", Key: "slot 19"})
	require.ErrorIs(t, err, driver.ErrNotFound)
}
