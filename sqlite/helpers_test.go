package sqlite_test

import (
	"context"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// open opens a file until the test ends.
func open(t testing.TB, path string, opts sqlite.Options) *sqlite.Backend {
	t.Helper()
	b, err := sqlite.Open(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// look opens a file as a SQLite shell would.
func look(t *testing.T, path string) *sql.DB {
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func query[T any](t *testing.T, db *sql.DB, text string) T {
	var v T
	require.NoError(t, db.QueryRow(text).Scan(&v), text)
	return v
}

// check expects what must hold of a file after whatever was done to it.
func check(t *testing.T, path string) {
	db := look(t, path)
	require.Equal(t, "ok", query[string](t, db, `PRAGMA integrity_check`))
	for what, text := range map[string]string{
		"bodies of no event":                        `SELECT count(*) FROM bodies WHERE n NOT IN (SELECT body FROM events UNION ALL SELECT body FROM recent)`,
		"events whose body is missing":              `SELECT count(*) FROM events WHERE body <> 0 AND body NOT IN (SELECT n FROM bodies)`,
		"recent events whose body is missing":       `SELECT count(*) FROM recent WHERE body NOT IN (SELECT n FROM bodies)`,
		"events that are recent and settled":        `SELECT count(*) FROM recent WHERE id IN (SELECT id FROM events)`,
		"recent events of no run":                   `SELECT count(*) FROM recent WHERE id >> 32 NOT IN (SELECT rk FROM runs)`,
		"events that share a body":                  `SELECT count(*) - count(DISTINCT body) FROM (SELECT body FROM events UNION ALL SELECT body FROM recent) WHERE body <> 0`,
		"events that are in both places":            `SELECT count(*) FROM events WHERE body <> 0 AND header IS NOT NULL`,
		"events in no place":                        `SELECT count(*) FROM events WHERE body = 0 AND header IS NULL`,
		"entries of no run":                         `SELECT count(*) FROM entries WHERE rk NOT IN (SELECT rk FROM runs UNION ALL SELECT rk FROM dead WHERE "all")`,
		"slots of no run":                           `SELECT count(*) FROM slots WHERE rk <> 0 AND rk NOT IN (SELECT rk FROM runs UNION ALL SELECT rk FROM dead WHERE "all")`,
		"slots of a version that was not given yet": `SELECT count(*) FROM slots, slot_version WHERE version > last`,
	} {
		require.Zero(t, query[int](t, db, text), what)
	}
	checkPlaces(t, path)
}

// checkPlaces expects each run to be listed where its last event is, or a little behind.
func checkPlaces(t *testing.T, path string) {
	b, err := sqlite.Open(path, sqlite.Options{ReadOnly: true})
	require.NoError(t, err)
	defer b.Close()
	heads, err := b.Heads(context.Background(), driver.HeadsRequest{Newest: true, Limit: 1 << 20})
	require.NoError(t, err)
	for _, h := range heads {
		require.LessOrEqual(t, h.Place, h.Recency, h.Run)
		require.Less(t, h.Recency-h.Place, driver.Lag, h.Run)
	}
}

// bodies is a file of which some runs were written together.
type bodies struct {
	*testing.T
	path      string
	b         *sqlite.Backend
	db        *sql.DB
	revisions map[string]uint64
}

func newBodies(t *testing.T) *bodies {
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{})
	t.Cleanup(func() {
		require.NoError(t, b.Close())
		check(t, path)
	})
	return &bodies{T: t, path: path, b: b, db: look(t, path), revisions: map[string]uint64{}}
}

// another opens the file again.
func (b *bodies) another() *sqlite.Backend { return open(b.T, b.path, sqlite.Options{}) }

// apply makes changes at the revisions that the runs have.
func (b *bodies) apply(changes ...driver.Change) {
	for i := range changes {
		changes[i].Revision = b.revisions[changes[i].Run]
	}
	results, err := b.b.Apply(b.Context(), driver.ApplyRequest{Changes: changes})
	require.NoError(b, err)
	for i, res := range results {
		require.NoError(b, res.Err)
		b.revisions[changes[i].Run] = res.Revision
	}
}

// purge erases all and returns in how many slices.
func (b *bodies) purge() int {
	for n := 1; ; n++ {
		res, err := b.b.Purge(b.Context(), driver.PurgeRequest{})
		require.NoError(b, err)
		if !res.More {
			return n
		}
	}
}

func (b *bodies) want(bodies, events int) {
	b.Helper()
	require.Equal(b, bodies, query[int](b.T, b.db, `SELECT count(*) FROM bodies`), "bodies")
	require.Equal(b, events, query[int](b.T, b.db, `SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM recent)`), "events")
}

func row(tail uint64) *driver.Head { return &driver.Head{Recency: 1, Tail: tail, Data: []byte(`{}`)} }

func events(from, to uint64) []driver.Record {
	var recs []driver.Record
	for seq := from; seq <= to; seq++ {
		recs = append(recs, driver.Record{Seq: seq, Recency: seq, Encoding: driver.Plain, Header: []byte(`{}`), State: []byte("state")})
	}
	return recs
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
