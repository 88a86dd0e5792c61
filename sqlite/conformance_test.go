package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/log/logtest"
	"github.com/flowlog/checkpoint/sqlite"
)

// files opens files in a folder and remembers which handle is on which.
type files struct {
	dir string

	mu    sync.Mutex // guards those below
	paths map[log.Backend]string
	n     int
}

func newFiles(t *testing.T) *files {
	return &files{dir: t.TempDir(), paths: map[log.Backend]string{}}
}

func (f *files) driver() logtest.Driver {
	return logtest.Driver{Open: f.Open, Another: f.Another, Reopen: f.Reopen}
}

func (f *files) open(path string) (log.Backend, error) {
	b, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths[b] = path
	return b, nil
}

func (f *files) path(n int) string { return filepath.Join(f.dir, fmt.Sprintf("%d.db", n)) }

func (f *files) Open() (log.Backend, error) {
	f.mu.Lock()
	f.n++
	path := f.path(f.n)
	f.mu.Unlock()
	return f.open(path)
}

func (f *files) Another(b log.Backend) (log.Backend, error) {
	f.mu.Lock()
	path := f.paths[b]
	f.mu.Unlock()
	return f.open(path)
}

func (f *files) Reopen(b log.Backend) (log.Backend, error) {
	if err := b.Close(); err != nil {
		return nil, err
	}
	return f.Another(b)
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
		"bodies of no event":                                   `SELECT count(*) FROM bodies WHERE n NOT IN (SELECT body FROM events UNION ALL SELECT body FROM recent)`,
		"events whose body is missing":                         `SELECT count(*) FROM events WHERE body <> 0 AND body NOT IN (SELECT n FROM bodies)`,
		"recent events whose body is missing":                  `SELECT count(*) FROM recent WHERE body NOT IN (SELECT n FROM bodies)`,
		"events that are recent and settled":                   `SELECT count(*) FROM recent WHERE id IN (SELECT id FROM events)`,
		"recent events of no run":                              `SELECT count(*) FROM recent WHERE id >> 32 NOT IN (SELECT rk FROM runs)`,
		"events that share a body":                             `SELECT count(*) - count(DISTINCT body) FROM (SELECT body FROM events UNION ALL SELECT body FROM recent) WHERE body <> 0`,
		"events that are in both places":                       `SELECT count(*) FROM events WHERE body <> 0 AND header IS NOT NULL`,
		"events in no place":                                   `SELECT count(*) FROM events WHERE body = 0 AND header IS NULL`,
		"runs whose minute is another than their last event's": minutes,
	} {
		require.Zero(t, query[int](t, db, text), what)
	}
}

// minutes counts runs that the index has not where their last event is.
const minutes = `SELECT count(*) FROM runs r WHERE minute <> max(recency, ifnull((
		SELECT ifnull(e.recency, b.recency) FROM (SELECT id, body, recency FROM events UNION ALL SELECT id, body, NULL FROM recent) e LEFT JOIN bodies b ON b.n = e.body
		WHERE e.id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295 ORDER BY e.id DESC LIMIT 1), 0)) / 60000000000`

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		for i, c := range logtest.Cases(newFiles(t).driver()) {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				f := newFiles(t)
				if err := logtest.Cases(f.driver())[i].Run(t.Context()); err != nil {
					t.Error(err)
				}
				for n := range f.n {
					check(t, f.path(n+1))
				}
			})
		}
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		d := logtest.Driver{Open: func() (log.Backend, error) { return sqlite.Open(":memory:", sqlite.Options{}) }}
		for _, c := range logtest.Cases(d) {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				if err := c.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// bodies is a file of which some runs were written together.
type bodies struct {
	*testing.T
	b         log.Backend
	db        *sql.DB
	revisions map[string]uint64
}

func newBodies(t *testing.T) *bodies {
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, b.Close())
		check(t, path)
	})
	return &bodies{T: t, b: b, db: look(t, path), revisions: map[string]uint64{}}
}

// apply makes changes at the revisions that the runs have.
func (b *bodies) apply(changes ...log.Change) {
	for i := range changes {
		changes[i].Revision = b.revisions[changes[i].Run]
	}
	results, err := b.b.Apply(b.Context(), changes)
	require.NoError(b, err)
	for i, res := range results {
		require.NoError(b, res.Err)
		b.revisions[changes[i].Run] = res.Revision
	}
}

// purge erases all and returns in how many slices.
func (b *bodies) purge() int {
	for n := 1; ; n++ {
		more, err := b.b.Purge(b.Context())
		require.NoError(b, err)
		if !more {
			return n
		}
	}
}

func (b *bodies) want(bodies, events int) {
	b.Helper()
	require.Equal(b, bodies, query[int](b.T, b.db, `SELECT count(*) FROM bodies`), "bodies")
	require.Equal(b, events, query[int](b.T, b.db, `SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM recent)`), "events")
}

func row(tail uint64) *log.Head { return &log.Head{Recency: 1, Tail: tail, Data: []byte(`{}`)} }

func events(from, to uint64) []log.Record {
	var recs []log.Record
	for seq := from; seq <= to; seq++ {
		recs = append(recs, log.Record{Seq: seq, Recency: seq, Encoding: log.Plain, Header: []byte(`{}`), State: []byte("state")})
	}
	return recs
}

// TestBodiesAreErased writes events of shared commits, which are stored apart
// from their places, and expects each to be gone when its event is.
func TestBodiesAreErased(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	runs := []string{"a", "b", "c", "d"}
	var create, more []log.Change
	for _, id := range runs {
		create = append(create, log.Change{Run: id, Head: row(1), Append: events(1, 2)})
		more = append(more, log.Change{Run: id, Append: events(3, 4)})
	}
	b.apply(create[:3]...)
	b.want(0, 6) // three are not enough
	b.apply(create[3])
	b.apply(more...)
	b.want(8, 16)
	b.apply(log.Change{Run: "a", Append: events(5, 5)})
	b.want(8, 17)

	b.apply(log.Change{Run: "a", Head: row(1), Rewrite: events(2, 3)}) // one of each kind
	b.want(7, 17)
	b.apply(log.Change{Run: "a", Head: row(1), Rewrite: events(2, 3)}) // again
	b.want(7, 17)

	b.apply(log.Change{Run: "b", Head: row(4), Add: []log.Segment{{First: 1, Last: 3, Index: []byte("i"), Data: []byte("sealed")}}})
	b.purge()
	b.want(6, 14)

	b.apply(log.Change{Run: "c", Drop: true})
	b.purge()
	b.want(4, 10)

	for _, id := range []string{"a", "b", "d"} {
		b.apply(log.Change{Run: id, Drop: true})
	}
	b.purge()
	b.want(0, 0)
	require.Zero(t, query[int](t, b.db, `SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM segments) + (SELECT count(*) FROM dead)`))
}

// TestBodiesAreErasedInSlices has more to erase than one slice holds.
func TestBodiesAreErasedInSlices(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	const n = 300
	var create []log.Change
	for _, id := range []string{"a", "b", "c", "d"} {
		create = append(create, log.Change{Run: id, Head: row(1), Append: events(1, n)})
	}
	b.apply(create...)
	b.want(4*n, 4*n)
	b.apply(log.Change{Run: "a", Drop: true})
	b.apply(log.Change{Run: "b", Head: row(n), Add: []log.Segment{{First: 1, Last: n - 1, Index: []byte("i"), Data: []byte("sealed")}}})
	require.Greater(t, b.purge(), 2)
	b.want(2*n+1, 2*n+1)
	// What comes next does not take the place of what is left.
	b.apply(log.Change{Run: "b", Append: events(n+1, n+1)}, log.Change{Run: "c", Append: events(n+1, n+1)},
		log.Change{Run: "d", Drop: true}, log.Change{Run: "e", Head: row(1), Append: events(1, 1)})
	b.want(2*n+4, 2*n+4)
	b.purge()
	b.want(n+4, n+4)
}

// TestBodiesOfAConflict puts a change that can't be made among others: they are
// then made one by one, and leave nothing of the first try.
func TestBodiesOfAConflict(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	b.apply(log.Change{Run: "x", Head: row(1), Append: events(1, 1)})
	changes := []log.Change{{Run: "x", Revision: b.revisions["x"], Head: row(1), Append: events(1, 1)}}
	for _, id := range []string{"a", "b", "c", "d"} {
		changes = append(changes, log.Change{Run: id, Head: row(1), Append: events(1, 2)})
	}
	results, err := b.b.Apply(t.Context(), append(changes[1:], changes[0]))
	require.NoError(t, err)
	require.ErrorIs(t, results[4].Err, log.ErrConflict)
	for _, res := range results[:4] {
		require.NoError(t, res.Err)
	}
	b.want(0, 9)
}
