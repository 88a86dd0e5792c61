package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// TestFullDisk expects that a write for which there is no room was not made, says so, and
// does not keep later ones from being made.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("flowlog-test", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("a small disk can't be mounted: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	path := filepath.Join(dir, "x.db")
	t.Cleanup(func() { check(t, path) })
	b := open(t, path, bolt.Options{})
	rev := apply(t, b, driver.Change{Run: "a", Head: row(1), Append: records("a", 1, 5, 3000)}).Revision
	last := uint64(5)
	for round := range 3 {
		rest, err := os.Create(filepath.Join(dir, "rest"))
		require.NoError(t, err)
		for err == nil {
			_, err = rest.Write(make([]byte, 4096))
		}
		require.ErrorIs(t, err, unix.ENOSPC)
		require.NoError(t, rest.Close())
		for _, size := range []int{300_000, 60_000, 1_000_000} {
			recs := records("a", last+1, last+1, size)
			_, err = b.Apply(t.Context(), request(driver.Change{Run: "a", Revision: rev, Append: recs}, driver.Change{Run: "new", Head: row(1), Append: recs[:0]}))
			_, notApplied := errors.AsType[*driver.NotAppliedError](err)
			require.True(t, notApplied, "round %d: %d bytes: %v", round, size, err)
			require.ErrorContains(t, err, "nothing was written: "+path+": the disk is full")
			wantRun(t, b, "a", last, 3000)
			_, err = b.Head(t.Context(), driver.HeadRequest{Run: "new"})
			require.ErrorIs(t, err, driver.ErrNotFound)
		}
		_, err = b.Reclaim(t.Context(), nil)
		if err != nil {
			require.ErrorContains(t, err, "the disk is full")
		}
		require.Empty(t, copies(t, path))
		require.NoError(t, os.Remove(rest.Name()))
		apply(t, b, driver.Change{Run: "a", Revision: rev, Append: records("a", last+1, last+3, 3000)})
		last += 3
		wantRun(t, b, "a", last, 3000)
	}
	require.NoError(t, b.Close())
	wantRun(t, open(t, path, bolt.Options{ReadOnly: true}), "a", last, 3000)
}
