package bolt_test

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// edit changes a file as any program with bbolt would.
func edit(t *testing.T, path string, opts *bbolt.Options, f func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, opts)
	require.NoError(t, err)
	require.NoError(t, db.Update(f))
	require.NoError(t, db.Close())
}

func books(tx *bbolt.Tx) error {
	for _, name := range []string{"books", "authors"} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

var jpeg = append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"), bytes.Repeat([]byte{0x55}, 20_000)...)

// gunzip returns what is in a file.
func gunzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r, err := gzip.NewReader(f)
	require.NoError(t, err)
	all, err := io.ReadAll(r)
	require.NoError(t, err)
	return all
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	write := func(b []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, b, 0o600)) }
	}
	format := func(change func(ours *bbolt.Bucket) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			require.NoError(t, open(t, path, bolt.Options{}).Close())
			edit(t, path, nil, func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte("flowlog"))) })
		}
	}
	tests := map[string]struct {
		make func(t *testing.T, path string)
		err  error
		text []string
	}{
		"a JPEG":       {write(jpeg), driver.ErrInvalid, []string{"checkpoints.db: it is not a bbolt database but image/jpeg", "it was not changed", "give flowlog a path of its own"}},
		"a short text": {write([]byte("hello\n")), driver.ErrInvalid, []string{"it is not a bbolt database but text/plain"}},
		"one byte":     {write([]byte{0}), driver.ErrInvalid, []string{"it is not a bbolt database but "}},
		"a folder": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, driver.ErrInvalid,
			[]string{"it is a folder; give the name of a file in it, such as ", filepath.Join("checkpoints.db", "checkpoints.db")}},
		"a SQLite database": {func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			_, err = db.Exec(`CREATE TABLE books (title TEXT)`)
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}, driver.ErrInvalid, []string{"it is not a bbolt database but a SQLite database"}},
		"another program's": {func(t *testing.T, path string) { edit(t, path, nil, books) }, driver.ErrInvalid,
			[]string{`it is another program's bbolt database (2 buckets, "authors" first) and was not changed; give flowlog a path of its own`}},
		"another program's, without a list of free pages": {func(t *testing.T, path string) {
			edit(t, path, &bbolt.Options{NoFreelistSync: true}, books)
		}, driver.ErrInvalid, []string{`it is another program's bbolt database and was not changed; give flowlog a path of its own`}},
		"another program's of our name": {func(t *testing.T, path string) {
			edit(t, path, nil, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("flowlog")); return err })
		}, driver.ErrInvalid, []string{`it is another program's bbolt database (1 buckets, "flowlog" first)`}},
		"a newer format": {format(func(ours *bbolt.Bucket) error {
			return ours.Put([]byte("format"), bolt.Formatted(99))
		}), driver.ErrUnsupportedVersion, []string{"the file has format 99, this flowlog reads 2; update flowlog"}},
		"format 1": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, gunzip(t, "testdata/format1.db.gz"), 0o600))
		}, driver.ErrUnsupportedVersion, []string{"the file has format 1, this flowlog reads 2; export its runs as JSON Lines with the flowlog that wrote it (commit 65a31d3) and import those"}},
		"a damaged format": {format(func(ours *bbolt.Bucket) error {
			v := bytes.Clone(ours.Get([]byte("format")))
			v[len(v)-5] ^= 1
			return ours.Put([]byte("format"), v)
		}), driver.ErrCorrupt, []string{"what says that the file is flowlog's doesn't match its checksum"}},
		"a file cut off": {func(t *testing.T, path string) {
			b := open(t, path, bolt.Options{})
			apply(t, b, driver.Change{Run: "a", Head: row(1), Append: records("a", 1, 50, 3000)})
			require.NoError(t, b.Close())
			require.NoError(t, os.Truncate(path, 100_000))
		}, driver.ErrCorrupt, []string{"the file was cut off: it has 100000 bytes, must have "}},
		"meta pages damaged": {func(t *testing.T, path string) {
			require.NoError(t, open(t, path, bolt.Options{}).Close())
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			b[70] ^= 1
			b[os.Getpagesize()+70] ^= 1
			require.NoError(t, os.WriteFile(path, b, 0o600))
		}, driver.ErrCorrupt, []string{"neither of the two meta pages matches its checksum"}},
	}
	for name, test := range tests {
		for _, readOnly := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " readOnly=", readOnly), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, "checkpoints.db")
				test.make(t, path)
				before := contents(t, dir)
				_, err := bolt.Open(path, bolt.Options{ReadOnly: readOnly})
				require.ErrorIs(t, err, test.err)
				require.ErrorContains(t, err, path)
				for _, text := range test.text {
					require.ErrorContains(t, err, text)
				}
				require.Equal(t, before, contents(t, dir), "what is refused is not changed")
				if test.err == driver.ErrInvalid && name != "a folder" { // nor is its lock kept
					require.NoError(t, os.Remove(path))
					require.NoError(t, open(t, path, bolt.Options{}).Close())
				}
			})
		}
	}
}

func TestOpenOddPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "a\x00b"} {
		_, err := bolt.Open(path, bolt.Options{})
		require.ErrorIs(t, err, driver.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("path %q: give the name of a file", path))
	}
	for _, d := range []driver.Durability{"HALF", driver.Normal} {
		_, err := bolt.Open(filepath.Join(t.TempDir(), "x.db"), bolt.Options{Durability: d})
		require.ErrorIs(t, err, driver.ErrInvalid)
		require.ErrorContains(t, err, "a bbolt file has FULL or OFF")
	}
	_, err := bolt.Open(filepath.Join(t.TempDir(), "none.db"), bolt.Options{ReadOnly: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = bolt.Open(filepath.Join(file, "x.db"), bolt.Options{})
	require.ErrorContains(t, err, file)

	for _, name := range []string{"a b.db", "a?b=c&d.db", "ä;'\".db", "-.db"} {
		path := filepath.Join(t.TempDir(), "made", name, name)
		require.NoError(t, open(t, path, bolt.Options{}).Close())
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		require.Len(t, contents(t, filepath.Dir(path)), 1)
	}
}

func TestOpenAnEmptyFile(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(path string) error{
		"of no bytes":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"of no buckets": func(path string) error { edit(t, path, nil, func(*bbolt.Tx) error { return nil }); return nil },
	} {
		path := filepath.Join(t.TempDir(), "empty.db")
		require.NoError(t, prepare(path), name)
		before := contents(t, filepath.Dir(path))
		_, err := bolt.Open(path, bolt.Options{ReadOnly: true})
		require.ErrorIs(t, err, driver.ErrInvalid, name)
		require.ErrorContains(t, err, "it is empty", name)
		require.Equal(t, before, contents(t, filepath.Dir(path)), name)
		require.NoError(t, open(t, path, bolt.Options{}).Close()) // to write makes it a store
		require.NoError(t, open(t, path, bolt.Options{ReadOnly: true}).Close())
	}
}

// TestSmallFile holds that a file takes little more than what is in it.
func TestSmallFile(t *testing.T) {
	t.Parallel()
	for events, most := range map[uint64]int64{1: 64 << 10, 1000: 5 << 18} {
		path := filepath.Join(t.TempDir(), "small.db")
		b := open(t, path, bolt.Options{Durability: driver.Off})
		rev := apply(t, b, driver.Change{Run: "a", Head: row(1), Append: records("a", 1, 1, 500)}).Revision
		for seq := uint64(2); seq <= events; seq++ {
			apply(t, b, driver.Change{Run: "a", Revision: rev, Append: records("a", seq, seq, 500)})
		}
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), most, "%d events", events)
		t.Logf("%d events: %d bytes", events, info.Size())
	}
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
			b := open(t, path, bolt.Options{})
			apply(t, b, driver.Change{Run: "before", Head: row(1), Append: records("a", 1, 1, 1)})
			require.NoError(t, harm(path))
			time.Sleep(6 * time.Millisecond) // it is not looked for at every write
			_, err := b.Apply(t.Context(), request(driver.Change{Run: "after", Head: row(1)}))
			_, notApplied := err.(*driver.NotAppliedError)
			require.True(t, notApplied, "%v", err)
			require.ErrorIs(t, err, driver.ErrReadOnly)
			require.ErrorContains(t, err, "moved, removed or replaced since it was opened; put it back")
			if name == "truncated" {
				_, err = b.Head(t.Context(), driver.HeadRequest{Run: "before"})
				require.ErrorIs(t, err, driver.ErrCorrupt)
			}
		})
	}
}
