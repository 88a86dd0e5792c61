package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// newRun is a change that makes a run with one event.
func newRun(id, state string) driver.Change {
	return driver.Change{
		Run:    id,
		Head:   &driver.Head{Recency: 1, Tail: 1, Data: []byte("{}")},
		Append: []driver.Record{{Seq: 1, Recency: 1, Encoding: driver.Plain, Header: []byte("{}"), State: []byte(state)}},
	}
}

func apply(t *testing.T, b *sqlite.Backend, c driver.Change) driver.Result {
	t.Helper()
	results, err := b.Apply(context.Background(), driver.ApplyRequest{Changes: []driver.Change{c}})
	require.NoError(t, err)
	return results[0]
}

// A file that is moved, removed or replaced under an open store would take writes
// into nothing: they are refused.
func TestMovedFileIsNotWrittenInto(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(path string) error{
		"moved":     func(path string) error { return os.Rename(path, path+".bak") },
		"removed":   os.Remove,
		"replaced":  func(path string) error { return os.Rename(path+".other", path) },
		"truncated": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			require.NoError(t, os.WriteFile(path+".other", []byte("another file"), 0o600))
			b, err := sqlite.Open(path, sqlite.Options{})
			require.NoError(t, err)
			defer b.Close()
			require.NoError(t, apply(t, b, newRun("before", "1")).Err)
			require.NoError(t, harm(path))
			// It is not looked for at every write, but at once for a person.
			start := time.Now()
			for i := 0; err == nil && time.Since(start) < 10*time.Second; i++ {
				_, err = b.Apply(context.Background(), driver.ApplyRequest{Changes: []driver.Change{newRun(fmt.Sprint("after-", i), "2")}})
			}
			var notApplied *driver.NotAppliedError
			require.ErrorAs(t, err, &notApplied)
			require.ErrorIs(t, err, driver.ErrReadOnly)
			require.ErrorContains(t, err, "moved, removed or replaced since it was opened; put it back")
		})
	}
}

// A WAL without its file holds the newest events: making a new file would destroy
// it.
func TestFileMissingBesideItsWAL(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	defer b.Close()
	require.NoError(t, apply(t, b, newRun("run", "1")).Err)
	wal, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	require.NotEmpty(t, wal)
	require.NoError(t, os.Rename(path, path+".bak"))
	_, err = sqlite.Open(path, sqlite.Options{})
	require.ErrorIs(t, err, driver.ErrInvalid)
	require.ErrorContains(t, err, "it is missing, but its newest events are still in "+path+"-wal")
	after, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	require.Equal(t, wal, after)
	require.NoFileExists(t, path)
}

// What was erased while another read is erased from the WAL by a later Purge.
func TestErasedBytesLeaveTheWAL(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	defer b.Close()
	const secret = "a secret that must go"
	rev := apply(t, b, newRun("run", secret)).Revision
	require.Contains(t, stored(t, path), secret)

	other, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	require.NoError(t, err)
	defer other.Close()
	rows, err := other.QueryContext(ctx, "SELECT run FROM runs")
	require.NoError(t, err)
	require.True(t, rows.Next())
	require.NoError(t, apply(t, b, driver.Change{Run: "run", Revision: rev, Drop: true}).Err)
	purge(t, b)
	require.Contains(t, stored(t, path), secret, "a reader holds on to it")
	require.NoError(t, rows.Close())
	require.NoError(t, other.Close())
	purge(t, b)
	require.NotContains(t, stored(t, path), secret)
}

func purge(t *testing.T, b *sqlite.Backend) {
	t.Helper()
	for more := true; more; {
		res, err := b.Purge(context.Background(), driver.PurgeRequest{})
		require.NoError(t, err)
		more = res.More
	}
}

// stored returns all that the files of a database hold.
func stored(t *testing.T, path string) string {
	t.Helper()
	all := ""
	for _, p := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		all += string(b)
	}
	return all
}
