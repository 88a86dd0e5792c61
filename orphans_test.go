package checkpoint_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/driver"
)

// requireTiled holds that each run's segments cover the events from its first to its tail
// exactly, and its records begin just there. It is all there is to see of a storage
// through its contract.
func requireTiled(t *testing.T, b driver.Backend, when string) {
	t.Helper()
	ctx := context.Background()
	heads, err := b.Heads(ctx, driver.HeadsRequest{Limit: 1 << 20})
	require.NoError(t, err, when)
	for _, h := range heads {
		segments, err := b.Segments(ctx, driver.SegmentsRequest{Run: h.Run, From: 1, To: driver.MaxSeq, Limit: 1 << 20})
		require.NoError(t, err, when)
		var row struct{ Anchor struct{ Seq uint64 } }
		require.NoError(t, json.Unmarshal(h.Data, &row), when)
		next := row.Anchor.Seq + 1
		for _, s := range segments {
			require.Equal(t, next, s.First, "%s: a segment of %q", when, h.Run)
			next = s.Last + 1
		}
		require.Equal(t, h.Tail, next, "%s: segments of %q", when, h.Run)
		recs, err := b.Records(ctx, driver.RecordsRequest{Run: h.Run, From: 1, To: driver.MaxSeq, HeadersOnly: true, Limit: 1 << 20})
		require.NoError(t, err, when)
		for i, r := range recs {
			require.Equal(t, h.Tail+uint64(i), r.Seq, "%s: a record of %q", when, h.Run)
		}
	}
}

// requireNoOrphansSQLite looks into a file that nobody has open for whatever
// belongs to nothing.
func requireNoOrphansSQLite(t *testing.T, path, when string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	require.NoError(t, err)
	defer db.Close()
	const ofTail = `SELECT 1 FROM runs r WHERE r.rk = id >> 32 AND id & 4294967295 >= r.tail`
	for what, query := range map[string]string{
		"events that are sealed or of no run": `SELECT count(*) FROM events WHERE NOT EXISTS (` + ofTail + `)`,
		"recent events of no run":             `SELECT count(*) FROM recent WHERE NOT EXISTS (` + ofTail + `)`,
		"bodies of no event":                  `SELECT count(*) FROM bodies WHERE n NOT IN (SELECT body FROM events UNION ALL SELECT body FROM recent)`,
		"segments that are retired":           `SELECT count(*) FROM segments WHERE NOT live`,
		"segments of no run":                  `SELECT count(*) FROM segments WHERE rk NOT IN (SELECT rk FROM runs)`,
		"entries of no run":                   `SELECT count(*) FROM entries WHERE rk NOT IN (SELECT rk FROM runs)`,
		"slots of no run":                     `SELECT count(*) FROM slots WHERE rk <> 0 AND rk NOT IN (SELECT rk FROM runs)`,
		"things left to erase":                `SELECT count(*) FROM dead`,
		"free pages":                          `SELECT freelist_count FROM pragma_freelist_count`,
		"faults in the file":                  `SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'`,
	} {
		n := -1
		require.NoError(t, db.QueryRow(query).Scan(&n), "%s: %s", when, what)
		require.Zero(t, n, "%s: %s", when, what)
	}
}

// requireNoOrphansBolt is requireNoOrphansSQLite for a bbolt file; bolt/layout.go
// says what is in it.
func requireNoOrphansBolt(t *testing.T, path, when string) {
	t.Helper()
	require.Empty(t, matching(t, path, []string{".compact-*"}), when)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("%s: %v", when, err)
		}
		require.Zero(t, tx.Bucket([]byte("dead")).Stats().KeyN, "%s: things left to erase", when)
		tails := map[string]uint64{} // by the keys of runs
		require.NoError(t, tx.Bucket([]byte("heads")).ForEach(func(_, v []byte) error {
			key := binary.BigEndian.AppendUint32(nil, uint32(binary.LittleEndian.Uint64(v[8:])>>32))
			tails[string(key)] = binary.LittleEndian.Uint64(v[24:])
			return nil
		}))
		require.Equal(t, len(tails), tx.Bucket([]byte("places")).Stats().KeyN, "%s: runs in the index", when)
		for _, of := range []string{"entries", "slots"} {
			require.NoError(t, tx.Bucket([]byte(of)).ForEach(func(k, _ []byte) error {
				_, known := tails[string(k[:4])]
				require.True(t, known || of == "slots" && bytes.Equal(k[:4], make([]byte, 4)), "%s: %s of no run", when, of)
				return nil
			}))
		}
		runs, blocks := tx.Bucket([]byte("runs")), tx.Bucket([]byte("blocks"))
		pieces := 0 // of small segments
		err := runs.ForEachBucket(func(key []byte) error {
			tail, known := tails[string(key)]
			require.True(t, known, "%s: a bucket of no run", when)
			run := runs.Bucket(key)
			return run.ForEach(func(k, v []byte) error {
				const record, segment = 5, 13 // the lengths of their keys
				switch {
				case k[0] == 'r':
					require.GreaterOrEqual(t, uint64(binary.BigEndian.Uint32(k[1:])), tail, "%s: an event that is sealed", when)
					require.NotNil(t, run.Get(k[:record]), "%s: a state of no event", when)
				case k[0] == 'g' && v == nil:
					require.NotNil(t, run.Get(k[:segment]), "%s: contents of no segment", when)
				case k[0] == 'g' && run.Bucket(append(bytes.Clone(k), 'c')) == nil:
					for _, part := range []string{"1", "2"} {
						prefix, found := []byte(string(key)+string(k[record:])+part), pieces
						c := blocks.Cursor()
						for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
							pieces++
						}
						require.Greater(t, pieces, found, "%s: a segment without contents", when)
					}
				}
				return nil
			})
		})
		require.Equal(t, pieces, blocks.Stats().KeyN, "%s: contents of no segment", when)
		return err
	}))
}
