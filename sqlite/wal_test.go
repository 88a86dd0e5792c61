package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// TestWALGrowsWithManyTransactions: it is written back at 1 MB at first, and at 4 MB
// by a handle that has made many transactions.
func TestWALGrowsWithManyTransactions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	backend, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
	require.NoError(t, err)
	defer backend.Close()
	made := 0
	upTo := func(transactions int) int64 {
		for ; made < transactions; made++ {
			_, err := backend.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{{Run: fmt.Sprint("run-", made), Head: &driver.Head{Tail: 1, Data: []byte("{}")}}}})
			require.NoError(t, err)
		}
		info, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		return info.Size()
	}
	require.Less(t, upTo(900), int64(2<<20))
	require.Greater(t, upTo(3000), int64(3<<20))
}
