package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
)

// TestHistoryView reads what a person with a SQLite shell sees.
func TestHistoryView(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	record := func(seq uint64, header, state string, encoding driver.Encoding, flags driver.Flags) driver.Record {
		return driver.Record{Seq: seq, Recency: seq, Encoding: encoding, Flags: flags, Header: []byte(header), State: []byte(state)}
	}
	some := []driver.Record{
		record(1, `{"node":"plan","at":"2025-01-15T10:30:00Z","size":7}`, `{"a":1}`, driver.Plain, 0),
		record(2, `{"node":"act","at":"2025-01-15T10:31:00Z","size":70,"role":"failure"}`, "(\xb5/", driver.Zstd, driver.Passed),
		record(3, `{"node":"secret","size":1}`, `secret`, driver.Plain, driver.Opaque),
		record(4, `{"node":"cut`, `1`, driver.Plain, 0),
		record(5, `{"node":"gone"}`, ``, driver.Pruned, 0),
	}
	b.apply(driver.Change{Run: "alone", Head: row(1), Append: some})
	b.together(1, abcd...)
	var changes []driver.Change
	for _, id := range abcd {
		changes = append(changes, driver.Change{Run: id, Append: events(2, 2)})
	}
	b.apply(changes...)
	b.apply(driver.Change{Run: "hidden\x00run", Head: row(1), Append: events(1, 1)})

	rows, err := b.db.Query(`SELECT seq, node, role, time, encoding, size, state FROM history WHERE run = 'alone'`)
	require.NoError(t, err)
	defer rows.Close()
	var have [][7]any
	for rows.Next() {
		var r [7]any
		require.NoError(t, rows.Scan(&r[0], &r[1], &r[2], &r[3], &r[4], &r[5], &r[6]))
		have = append(have, r)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, [][7]any{
		{int64(1), "plan", nil, "2025-01-15T10:30:00Z", "plain", int64(7), `{"a":1}`},
		{int64(2), "act", "failure", "2025-01-15T10:31:00Z", "zstd", int64(70), nil},
		{int64(3), nil, nil, nil, "plain", nil, nil},
		{int64(4), nil, nil, nil, "plain", nil, nil},
		{int64(5), "gone", nil, nil, "pruned", nil, nil},
	}, have)
	require.Equal(t, 5+8, query[int](t, b.db, `SELECT count(*) FROM history`))
	require.Equal(t, "state", query[string](t, b.db, `SELECT state FROM history WHERE run = 'c' AND seq = 2`))
}
