package bolt_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// TestDamagedMetaPage damages each byte of either meta page. bbolt goes by the other page, which may be that of the commit before.
func TestDamagedMetaPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	require.NoError(t, b.Warning(), "a new file")
	for seq := range uint64(5) {
		change := driver.Change{Run: "run", Append: records("run", seq+1, seq+1, 30)}
		if seq == 0 {
			change.Head = row(1)
		} else {
			change.Revision = headOf(t, b, "run").Revision
		}
		apply(t, b, change)
		require.NoError(t, b.Close())
		b, err = bolt.Open(path, bolt.Options{})
		require.NoError(t, err)
		require.NoError(t, b.Warning())
	}
	require.NoError(t, b.Close())
	sound, err := os.ReadFile(path)
	require.NoError(t, err)
	pageSize := os.Getpagesize()
	lost := 0
	for at := 0; at < 2*pageSize; at++ {
		if in := at % pageSize; in < 16 || in >= 80 { // see meta
			continue
		}
		for _, readOnly := range []bool{true, false} {
			damaged := bytes.Clone(sound)
			damaged[at] ^= 0x10
			require.NoError(t, os.WriteFile(path, damaged, 0o600))
			b, err := bolt.Open(path, bolt.Options{ReadOnly: readOnly, Durability: driver.Off})
			require.NoError(t, err, "byte %d", at)
			require.ErrorIs(t, b.Warning(), driver.ErrCorrupt, "byte %d", at)
			require.ErrorContains(t, b.Warning(), path+": corrupt: one of its two meta pages is damaged")
			if headOf(t, b, "run").Last.Seq < 5 {
				lost++
			}
			require.NoError(t, b.Close())
		}
	}
	require.Equal(t, 2*64, lost, "the newer of them")
}
