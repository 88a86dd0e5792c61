package checkpoint_test

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// unzipped returns what is in a compressed file of testdata.
func unzipped(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return b
}

// filesIn returns the files of a folder, but for SQLite's index of a WAL, which is nobody's
// data.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := map[string]string{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "-shm") {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			all[e.Name()] = string(b)
		}
	}
	return all
}

// TestFilesOfFormat1AreRefused: stores that flowlog wrote at commit 65a31d3, of two runs
// with a pruned event, a pin and a sealed block each. Opening one fails, says what to do,
// and leaves the files as they are.
func TestFilesOfFormat1AreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  string
		files map[string]string // of testdata, by suffix
	}{
		"sqlite":               {"sqlite", map[string]string{"": "v1.sqlite.gz"}},
		"sqlite, after a kill": {"sqlite", map[string]string{"": "v1-hot.sqlite.gz", "-wal": "v1-hot.sqlite-wal.gz"}},
		"bolt":                 {"bolt", map[string]string{"": "v1.bolt.gz"}},
	} {
		for how, opts := range map[string][]checkpoint.Option{"to write": nil, "to read": {checkpoint.WithReadOnly()}} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, "store")
				for suffix, file := range c.files {
					require.NoError(t, os.WriteFile(path+suffix, unzipped(t, file), 0o600))
				}
				before := filesIn(t, dir)
				for range 2 {
					_, err := tryOpen(c.kind, path, opts...)
					require.ErrorIs(t, err, checkpoint.ErrUnsupportedVersion)
					require.NotErrorIs(t, err, checkpoint.ErrCorrupt)
					require.ErrorContains(t, err, "the file has format 1, this flowlog reads 2; export its runs as JSON Lines with the flowlog that wrote it (commit 65a31d3) and import those")
					require.Equal(t, before, filesIn(t, dir))
				}
			})
		}
	}
}

// TestSealedFileOfVersion1IsRefused: nothing of it is in the store afterwards.
func TestSealedFileOfVersion1IsRefused(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(filepath.Join("testdata", "v1.flowlog"))
	require.NoError(t, err)
	for _, st := range storages(t) {
		s := st.open(t)
		_, err := s.Import(t.Context(), bytes.NewReader(file), checkpoint.ImportOptions{})
		require.ErrorIs(t, err, checkpoint.ErrUnsupportedVersion)
		require.NotErrorIs(t, err, checkpoint.ErrCorrupt)
		require.ErrorContains(t, err, "commit 65a31d3")
		noRuns(t, s)
	}
}

// TestFileOfALaterFormatIsRefused: the advice is to update flowlog, and the file stays as
// it is.
func TestFileOfALaterFormatIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store")
	s := openFile(t, "sqlite", path)
	saved(t, s, "run", "node", `1`)
	require.NoError(t, s.Close())
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	var version int
	require.NoError(t, db.QueryRow(`PRAGMA user_version`).Scan(&version))
	require.Equal(t, 2, version)
	_, err = db.Exec(`PRAGMA user_version = 3`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	before := filesIn(t, dir)
	for _, opts := range [][]checkpoint.Option{nil, {checkpoint.WithReadOnly()}} {
		_, err = tryOpen("sqlite", path, opts...)
		require.ErrorIs(t, err, checkpoint.ErrUnsupportedVersion)
		require.ErrorContains(t, err, "the file has format 3, this flowlog reads 2; update flowlog")
		require.Equal(t, before, filesIn(t, dir))
	}
}
