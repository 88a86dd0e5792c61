package sqlite_test

import (
	"bytes"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares the schema and every kind of row with testdata/format2.golden. A
// difference is another format, and needs another version.
func TestGolden(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
	require.NoError(t, err)
	began := time.Now().UnixNano()
	writeSpecimen(t, b)
	ended := time.Now().UnixNano()
	require.NoError(t, b.Close())

	db := look(t, path)
	// Times of slots are from the machine's clock: their unit is checked here, and the
	// file has their distance.
	require.Zero(t, query[int](t, db, fmt.Sprintf(`SELECT count(*) FROM slots WHERE set_at NOT BETWEEN %d AND %d`, began, ended)))
	require.Equal(t, 2, query[int](t, db, `SELECT count(*) FROM slots`))
	check(t, path)
	have := dumpSettings(t, db) + dumpSchema(t, db) + dumpTables(t, db)

	const golden = "testdata/format2.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(have), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), have)
}

// writeSpecimen writes a row of every kind to a new file.
func writeSpecimen(t *testing.T, b *sqlite.Backend) {
	t.Helper()
	all := func(changes ...driver.Change) []driver.Result {
		t.Helper()
		results, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: changes})
		require.NoError(t, err)
		for _, res := range results {
			require.NoError(t, res.Err)
		}
		return results
	}
	one := func(c driver.Change) driver.Result { t.Helper(); return all(c)[0] }

	// A run with segments, entries and events of all fields, one of them opaque.
	class := uint8(2)
	rev := one(driver.Change{
		Run: "run-1", Class: &class,
		Head: &driver.Head{
			Recency: 7, Tail: 5, Suite: 1, Sum: 0x85667788, // negative as the signed number that is stored
			Life: [16]byte(bytes.Repeat([]byte{0xaf}, 16)), Data: []byte(`{"data":1}`),
		},
		Append: []driver.Record{fullRecord(5, driver.Passed), fullRecord(6, driver.Passed|driver.Opaque)},
		Add: []driver.Segment{
			{First: 1, Last: 2, Index: []byte("index 1"), Data: []byte("data 1")},
			{First: 3, Last: 4, Index: []byte("index 2"), Data: []byte("data 2")},
		},
		Put: []driver.Entry{{Key: []byte("key"), Value: []byte("value")}, {Key: []byte{'n', 0, 0xff}, Value: []byte{}}},
	}).Revision

	// Two more appends: the first moves the run to another place. The states are none and
	// empty.
	pruned := driver.Record{Seq: 7, Recency: 2_000_000_007, Encoding: driver.Pruned, Base: 3, Recoverable: 5, Tip: 5, Since: 1, Header: []byte(`{"node":"pruned"}`)}
	one(driver.Change{Run: "run-1", Revision: rev, Append: []driver.Record{pruned}})
	empty := driver.Record{Seq: 8, Recency: 2_000_000_008, Encoding: driver.Plain, Header: []byte(`{"node":"empty"}`), State: []byte{}}
	one(driver.Change{Run: "run-1", Revision: rev, Append: []driver.Record{empty}})

	// A run whose events were sealed, and their segment retired.
	rev = one(driver.Change{Run: "run-2", Head: row(1), Append: events(1, 2)}).Revision
	sealed := &driver.Head{Recency: 2, Tail: 3, Data: []byte(`{}`)}
	res := one(driver.Change{Run: "run-2", Revision: rev, Head: sealed, Add: []driver.Segment{{First: 1, Last: 2, Index: []byte("i"), Data: []byte("d")}}})
	one(driver.Change{Run: "run-2", Revision: res.Revision, Head: sealed, Retire: []driver.Segment{{ID: res.Added[0], First: 1, Last: 2}}})

	// A dropped run.
	rev = one(driver.Change{Run: "run-3", Head: row(1), Append: events(1, 1)}).Revision
	one(driver.Change{Run: "run-3", Revision: rev, Drop: true})

	// Two commits that runs share: their events are in recent and bodies. Those of the last
	// run move to events, and one of them is rewritten there.
	var begin, next []driver.Change
	for _, run := range []string{"run-4", "run-5", "run-6", "run-7"} {
		begin = append(begin, driver.Change{Run: run, Head: row(1), Append: events(1, 1)})
	}
	for i, res := range all(begin...) {
		next = append(next, driver.Change{Run: begin[i].Run, Revision: res.Revision, Append: events(2, 2)})
	}
	all(next...)
	one(driver.Change{Run: "run-7", Revision: next[3].Revision, Head: row(1), Rewrite: events(1, 1)})

	// Slots of the storage and of a run, and one that was removed.
	slot := func(c driver.SlotChange) uint64 {
		t.Helper()
		s, err := b.SetSlot(t.Context(), c)
		require.NoError(t, err)
		return s.Version
	}
	slot(driver.SlotChange{Key: "lease", Value: []byte("storage")})
	slot(driver.SlotChange{Run: "run-1", Key: "lease", Value: []byte{}, TTL: time.Hour})
	slot(driver.SlotChange{Key: "removed", Version: slot(driver.SlotChange{Key: "removed", Value: []byte("x")})})
}

// fullRecord is a record whose fields all have values of their own.
func fullRecord(seq uint64, flags driver.Flags) driver.Record {
	return driver.Record{
		Seq: seq, Recency: 0x0102, Flags: flags, Encoding: driver.Delta, Base: seq - 1, Links: 200, Recoverable: seq - 2, Tip: seq - 3, Since: 1,
		Bytes: 1000, Stored: 300, Sum: 0x91223344,
		Hash: driver.Digest(bytes.Repeat([]byte{0xa0 | byte(seq)}, 32)), StateHash: driver.Digest(bytes.Repeat([]byte{0xb0 | byte(seq)}, 32)),
		Header: fmt.Appendf(nil, `{"node":"node %d"}`, seq), State: fmt.Appendf(nil, "state %d", seq),
	}
}

// dumpSettings returns what is in the header of the file.
func dumpSettings(t *testing.T, db *sql.DB) string {
	var out strings.Builder
	for _, name := range []string{"application_id", "user_version", "page_size", "auto_vacuum", "encoding", "journal_mode"} {
		fmt.Fprintf(&out, "%s %s\n", name, query[string](t, db, "PRAGMA "+name))
	}
	return out.String()
}

// dumpSchema returns the statements of the schema, which SQLite stores as they were given.
func dumpSchema(t *testing.T, db *sql.DB) string {
	var out strings.Builder
	for _, r := range rows(t, db, `SELECT type || ' ' || name || ' on ' || tbl_name, ifnull(sql, '(SQLite''s own)') FROM sqlite_schema ORDER BY type, name`) {
		fmt.Fprintf(&out, "\n%s\n%s\n", r[0], r[1])
	}
	return out.String()
}

// dumpTables returns the rows of all tables, in order, with values as SQLite quotes them:
// 'text', X'blob', a number or NULL.
func dumpTables(t *testing.T, db *sql.DB) string {
	var out strings.Builder
	for _, table := range rows(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`) {
		var names, values []string
		for _, c := range rows(t, db, `SELECT name FROM pragma_table_info('`+table[0]+`') ORDER BY cid`) {
			names = append(names, `"`+c[0]+`"`)
			values = append(values, `quote(`+masked(table[0], c[0])+`)`)
		}
		fmt.Fprintf(&out, "\nrows of %s (%s)\n", table[0], strings.ReplaceAll(strings.Join(names, ", "), `"`, ""))
		all := rows(t, db, fmt.Sprintf(`SELECT %s FROM %s ORDER BY %s`, strings.Join(values, ", "), table[0], strings.Join(names, ", ")))
		require.NotEmpty(t, all, "table %s", table[0])
		for _, r := range all {
			fmt.Fprintf(&out, "%s\n", strings.Join(r, ", "))
		}
	}
	return out.String()
}

// masked returns an expression for a column, without the time of the test.
func masked(table, column string) string {
	switch table + "." + column {
	case "slots.set_at":
		return `'the time'`
	case "slots.expires":
		return `iif(expires = 0, 0, 'the time + ' || (expires - set_at))`
	}
	return `"` + column + `"`
}

// rows returns what a query gives, as text.
func rows(t *testing.T, db *sql.DB, text string) (all [][]string) {
	t.Helper()
	found, err := db.Query(text)
	require.NoError(t, err, text)
	defer found.Close()
	columns, err := found.Columns()
	require.NoError(t, err)
	for found.Next() {
		row := make([]string, len(columns))
		dest := make([]any, len(columns))
		for i := range row {
			dest[i] = &row[i]
		}
		require.NoError(t, found.Scan(dest...))
		all = append(all, row)
	}
	require.NoError(t, found.Err())
	return all
}
