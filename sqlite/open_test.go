package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/sqlite"
)

// fill writes a run of n events with large states and returns them by seq.
func fill(t *testing.T, path, run string, n int) []string {
	t.Helper()
	b, err := sqlite.Open(path, sqlite.Options{Durability: sqlite.Off})
	require.NoError(t, err)
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err)
	states := []string{""}
	noise := rand.NewChaCha8([32]byte{1})
	state := make([]byte, 20_000)
	noise.Read(state)
	for i := range n {
		noise.Read(state[i*10 : i*10+10])
		states = append(states, string(state))
		_, err := l.Append(context.Background(), log.Append{
			Header: log.Header{RunID: run, NodeID: fmt.Sprint("node-", i), Kind: log.Bytes}, State: state,
		})
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	return states
}

// contents reads all files of a folder, but for the WAL's index, which SQLite
// makes to read and which holds nothing.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".db-shm" {
			var b []byte
			b, err = os.ReadFile(path)
			all[path] = string(b)
		}
		return err
	}))
	return all
}

// exec edits a database with SQL.
func exec(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

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
		"a JPEG":       {write(jpeg), log.ErrInvalid, []string{"checkpoints.db: it is not a SQLite database but image/jpeg", "it was not changed", "give flowlog a path of its own"}},
		"a short text": {write([]byte("hello\n")), log.ErrInvalid, []string{"it is not a SQLite database but text/plain"}},
		"a folder": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, log.ErrInvalid,
			[]string{"it is a folder; give the name of a file in it, such as ", filepath.Join("checkpoints.db", "checkpoints.db")}},
		"another program's": {edit(`CREATE TABLE books (title TEXT)`, `INSERT INTO books VALUES ('x')`), log.ErrInvalid,
			[]string{"it is another program's SQLite database (application_id 0x0, 1 tables and indexes) and was not changed; give flowlog a path of its own"}},
		"another program's, in WAL mode": {edit(`PRAGMA journal_mode = WAL`, `CREATE TABLE checkpoints (title TEXT)`), log.ErrInvalid,
			[]string{"it is another program's SQLite database"}},
		"another program's, empty": {edit(`PRAGMA application_id = 7`), log.ErrInvalid, []string{"it is another program's SQLite database (application_id 0x7, 0 tables"}},
		"a crashed program's":      {crashed, log.ErrInvalid, []string{"it is a flowgraph checkpoint database"}},
		"flowgraph's": {func(t *testing.T, path string) {
			s, err := fgcheckpoint.NewSQLiteStore(path)
			require.NoError(t, err)
			require.NoError(t, s.Save("run", "node", []byte(`{}`)))
			require.NoError(t, s.Close())
		}, log.ErrInvalid, []string{"it is a flowgraph checkpoint database; it was not changed, and can be imported into a flowlog store, which needs a path of its own"}},
		"a newer format": {func(t *testing.T, path string) {
			fill(t, path, "run", 3)
			exec(t, path, `PRAGMA user_version = 99`)
		}, log.ErrUnsupportedVersion, []string{"the file has format 99, this flowlog reads up to 1; update flowlog"}},
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

// crashed leaves a database as a process that was killed does: with a WAL that
// nobody has written back. Whoever opens it to write would do that when closing.
func crashed(t *testing.T, path string) {
	live := filepath.Join(t.TempDir(), "live.db")
	s, err := fgcheckpoint.NewSQLiteStore(live)
	require.NoError(t, err)
	require.NoError(t, s.Save("run", "node", []byte(`{}`)))
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(live + suffix)
		require.NoError(t, err)
		require.NotEmpty(t, b)
		require.NoError(t, os.WriteFile(path+suffix, b, 0o600))
	}
	require.NoError(t, s.Close())
}

func TestOpenOddPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "a\x00b"} {
		_, err := sqlite.Open(path, sqlite.Options{})
		require.ErrorIs(t, err, log.ErrInvalid)
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
		fill(t, path, "run", 2)
		all := contents(t, dir)
		require.Len(t, all, 1)
		require.Contains(t, all, path)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		b, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
		require.NoError(t, err)
		_, err = b.Head(context.Background(), "run")
		require.NoError(t, err)
		require.NoError(t, b.Close())
	}
}

func TestOpenAnEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "empty.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
	require.ErrorIs(t, err, log.ErrInvalid)
	require.ErrorContains(t, err, "it is empty")
	require.Equal(t, map[string]string{path: ""}, contents(t, filepath.Dir(path)))
	fill(t, path, "run", 1) // whoever writes makes it a store
}

func TestFileIsMadeAsItShould(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	defer b.Close()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	for pragma, want := range map[string]string{
		"application_id": fmt.Sprint(0x666c6f67), "user_version": "1", "auto_vacuum": "2", "journal_mode": "wal", "encoding": "UTF-8",
	} {
		var have string
		require.NoError(t, db.QueryRow("PRAGMA "+pragma).Scan(&have))
		require.Equal(t, want, have, pragma)
	}
}

// TestNewerRun holds that a run of a later format is refused, and the others not.
func TestNewerRun(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	fill(t, path, "newer", 3)
	fill(t, path, "run", 3)
	// With a checksum that is right: it is the same in every version.
	data := strings.Replace(query[string](t, look(t, path), `SELECT head FROM runs WHERE run = 'newer'`), `"version":1`, `"version":3`, 1)
	sum := crc32.Checksum([]byte("newer\x00\x00\x00\x00\x00\x00\x00\x01"+data), crc32.MakeTable(crc32.Castagnoli))
	exec(t, path, fmt.Sprintf(`UPDATE runs SET head = '%s', sum = %d WHERE run = 'newer'`, data, sum))
	b, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Newest(ctx, "newer")
	require.ErrorIs(t, err, log.ErrUnsupportedVersion)
	require.NotErrorIs(t, err, log.ErrCorrupt)
	require.ErrorContains(t, err, `run "newer": unsupported version: the run was written by a newer flowlog; update this one (want at most 2, have 3)`)
	_, err = l.Append(ctx, log.Append{Header: log.Header{RunID: "newer", NodeID: "n", Kind: log.JSON}, State: []byte(`1`)})
	require.ErrorIs(t, err, log.ErrUnsupportedVersion)
	listed := map[string]error{}
	for run, err := range l.Runs(ctx, log.RunsOptions{}) {
		listed[run.ID] = err
	}
	require.Len(t, listed, 2)
	require.NoError(t, listed["run"])
	require.ErrorIs(t, listed["newer"], log.ErrUnsupportedVersion)
	_, err = l.Newest(ctx, "run")
	require.NoError(t, err)
}
