package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

var jpeg = append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"), bytes.Repeat([]byte{0x55}, 20_000)...)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	write := func(b []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, b, 0o600)) }
	}
	edit := func(statements ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) { exec(t, path, statements...) }
	}
	tests := map[string]struct {
		make func(t *testing.T, path string)
		err  error
		text []string
	}{
		"a JPEG":       {write(jpeg), driver.ErrInvalid, []string{"checkpoints.db: it is not a SQLite database but image/jpeg", "it was not changed", "give flowlog a path of its own"}},
		"a short text": {write([]byte("hello\n")), driver.ErrInvalid, []string{"it is not a SQLite database but text/plain"}},
		"a folder": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, driver.ErrInvalid,
			[]string{"it is a folder; give the name of a file in it, such as ", filepath.Join("checkpoints.db", "checkpoints.db")}},
		"another program's": {edit(`CREATE TABLE books (title TEXT)`, `INSERT INTO books VALUES ('x')`), driver.ErrInvalid,
			[]string{"it is another program's SQLite database (application_id 0x0, 1 tables and indexes) and was not changed; give flowlog a path of its own"}},
		"another program's, in WAL mode": {edit(`PRAGMA journal_mode = WAL`, `CREATE TABLE checkpoints (title TEXT)`), driver.ErrInvalid,
			[]string{"it is another program's SQLite database"}},
		"another program's, empty": {edit(`PRAGMA application_id = 7`), driver.ErrInvalid, []string{"it is another program's SQLite database (application_id 0x7, 0 tables"}},
		"a crashed program's":      {crashed, driver.ErrInvalid, []string{"it is a flowgraph checkpoint database"}},
		"flowgraph's": {func(t *testing.T, path string) {
			s, err := fgcheckpoint.NewSQLiteStore(path)
			require.NoError(t, err)
			require.NoError(t, s.Save("run", "node", []byte(`{}`)))
			require.NoError(t, s.Close())
		}, driver.ErrInvalid, []string{"it is a flowgraph checkpoint database; it was not changed, and can be imported into a flowlog store, which needs a path of its own"}},
		"a newer format": {func(t *testing.T, path string) {
			fill(t, path, "run")
			exec(t, path, `PRAGMA user_version = 99`)
		}, driver.ErrUnsupportedVersion, []string{"the file has format 99, this flowlog reads 2; update flowlog"}},
		"format 1": {edit(format1...), driver.ErrUnsupportedVersion,
			[]string{"the file has format 1, this flowlog reads 2; export its runs as JSON Lines with the flowlog that wrote it (commit 65a31d3) and import those"}},
		"format 1, crashed": {func(t *testing.T, path string) { leave(t, path, format1...) }, driver.ErrUnsupportedVersion, []string{"the file has format 1"}},
	}
	for name, test := range tests {
		for _, readOnly := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " readOnly=", readOnly), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, "checkpoints.db")
				test.make(t, path)
				before := contents(t, dir)
				_, err := sqlite.Open(path, sqlite.Options{ReadOnly: readOnly})
				require.ErrorIs(t, err, test.err)
				require.ErrorContains(t, err, path)
				for _, text := range test.text {
					require.ErrorContains(t, err, text)
				}
				require.Equal(t, before, contents(t, dir), "what is refused is not changed")
			})
		}
	}
}

// format1 makes a file as flowlog did before format 2.
var format1 = []string{
	`PRAGMA auto_vacuum = INCREMENTAL`, `PRAGMA journal_mode = WAL`,
	`CREATE TABLE runs (rk INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, changes INTEGER NOT NULL, minute INTEGER NOT NULL,
		recency INTEGER NOT NULL, tail INTEGER NOT NULL, sum INTEGER NOT NULL, head TEXT NOT NULL)`,
	`INSERT INTO runs VALUES (1, 'run', 1, 0, 1, 1, 0, '{}')`, `PRAGMA application_id = 0x666c6f67`, `PRAGMA user_version = 1`,
}

// crashed leaves another program's database as a process that was killed does.
func crashed(t *testing.T, path string) {
	leave(t, path, `PRAGMA journal_mode = WAL`, `CREATE TABLE checkpoints (run_id TEXT, node_id TEXT, sequence INTEGER, data BLOB)`)
}

// leave leaves a database with a WAL that nobody has written back. Opening it to write
// would do that when it is closed.
func leave(t *testing.T, path string, statements ...string) {
	t.Helper()
	live := filepath.Join(t.TempDir(), "live.db")
	db := look(t, live)
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(live + suffix)
		require.NoError(t, err)
		require.NotEmpty(t, b)
		require.NoError(t, os.WriteFile(path+suffix, b, 0o600))
	}
}

func TestOpenOddPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "a\x00b"} {
		_, err := sqlite.Open(path, sqlite.Options{})
		require.ErrorIs(t, err, driver.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("path %q: give the name of a file", path))
	}
	_, err := sqlite.Open(filepath.Join(t.TempDir(), "none.db"), sqlite.Options{ReadOnly: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = sqlite.Open(filepath.Join(file, "x.db"), sqlite.Options{})
	require.ErrorContains(t, err, file)

	for _, name := range []string{"a b.db", "a?b=c&d.db", "a%20b#c.db", "ä;'\".db", "file:x.db", ":memory:.db", "-.db"} {
		dir := filepath.Join(t.TempDir(), "made", name)
		path := filepath.Join(dir, name)
		fill(t, path, "run")
		all := contents(t, dir)
		require.Len(t, all, 1)
		require.Contains(t, all, path)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		b, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
		require.NoError(t, err)
		_, err = b.Head(context.Background(), driver.HeadRequest{Run: "run"})
		require.NoError(t, err)
		require.NoError(t, b.Close())
	}
}

func TestOpenAnEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "empty.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
	require.ErrorIs(t, err, driver.ErrInvalid)
	require.ErrorContains(t, err, "it is empty")
	require.Equal(t, map[string]string{path: ""}, contents(t, filepath.Dir(path)))
	fill(t, path, "run") // opened to write it becomes a store
}

func TestFileIsMadeAsItShould(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	open(t, path, sqlite.Options{})
	db := look(t, path)
	for pragma, want := range map[string]string{
		"application_id": fmt.Sprint(0x666c6f67), "user_version": "2", "auto_vacuum": "2", "journal_mode": "wal", "encoding": "UTF-8",
	} {
		require.Equal(t, want, query[string](t, db, "PRAGMA "+pragma), pragma)
	}
}

// TestConnectionIsAsItShould holds what durability rests on.
func TestConnectionIsAsItShould(t *testing.T) {
	t.Parallel()
	for durability, want := range map[driver.Durability][3]string{
		"": {"2", "1", "1"}, driver.Full: {"2", "1", "1"}, driver.Normal: {"1", "0", "0"}, driver.Off: {"0", "0", "0"},
	} {
		b := open(t, filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{Durability: durability})
		for i, pragma := range []string{"synchronous", "fullfsync", "checkpoint_fullfsync"} {
			have, err := b.Pragma(t.Context(), pragma)
			require.NoError(t, err)
			require.Equal(t, want[i], have, "%s of %q", pragma, durability)
		}
		for pragma, want := range map[string]string{"busy_timeout": "0", "secure_delete": "1"} {
			have, err := b.Pragma(t.Context(), pragma)
			require.NoError(t, err)
			require.Equal(t, want, have, pragma)
		}
		_, err := b.Reclaim(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, b.Erase(t.Context()))
		have, err := b.Pragma(t.Context(), "busy_timeout")
		require.NoError(t, err)
		require.Equal(t, "0", have, "after emptying the WAL")
	}
	_, err := sqlite.Open(filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{Durability: "SOME"})
	require.ErrorIs(t, err, driver.ErrInvalid)
	require.ErrorContains(t, err, `durability "SOME": it is FULL, NORMAL or OFF`)
}

// TestDamagedSchema (F28): where the text of the schema is damaged, that is what is said, with
// the sentinel for damage, when opening or at the first use.
func TestDamagedSchema(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"encoding INTEGER,", "encodinx INTEGER,"}, {"changes INTEGER", "chonges INTEGER"}, {"TABLE entries", "TABLE entrees"}, {"CREATE TABLE slots", "CREATE TABLE slits"}} {
		t.Run(c[0], func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			b := open(t, path, sqlite.Options{})
			require.NoError(t, apply(t, b, newRun("run", "1")).Err)
			require.NoError(t, b.Close())
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			damaged := bytes.Replace(content, []byte(c[0]), []byte(c[1]), 1)
			require.NotEqual(t, content, damaged)
			require.NoError(t, os.WriteFile(path, damaged, 0o600))

			for _, readOnly := range []bool{false, true} {
				b, err := sqlite.Open(path, sqlite.Options{ReadOnly: readOnly})
				if err == nil {
					_, err = b.Head(t.Context(), driver.HeadRequest{Run: "run", Tip: true})
					if err == nil {
						_, err = b.Records(t.Context(), driver.RecordsRequest{Run: "run", From: 1, To: 1, Limit: 1})
					}
					if err == nil {
						_, err = b.Entries(t.Context(), driver.EntriesRequest{Run: "run", Limit: 1})
					}
					if err == nil {
						_, err = b.Slot(t.Context(), driver.SlotRequest{Key: "key"})
					}
					require.NoError(t, b.Close())
				}
				require.ErrorIs(t, err, driver.ErrCorrupt)
			}
		})
	}
}
