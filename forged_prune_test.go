package checkpoint_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/log/segment"
	"github.com/flowlog/checkpoint/sqlite"
)

// TestForgedPrune edits a file with SQL so that the state of an event looks pruned: as
// somebody would who knows nothing, who knows the checksums, and who knows the head
// as well. Verify tells each from a state that was pruned.
func TestForgedPrune(t *testing.T) {
	t.Parallel()
	const forged = 1
	for _, sealed := range []bool{false, true} {
		for _, how := range []string{"the state taken out", "checksums made good", "the head as well"} {
			t.Run(fmt.Sprintf("sealed %t, %s", sealed, how), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "checkpoints.db")
				l := openLog(t, path)
				for i := range 9 {
					_, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: "run", NodeID: "a", Kind: log.JSON}, State: fmt.Appendf(nil, `{"i":%d}`, i)})
					require.NoError(t, err)
				}
				_, err := l.Prune(t.Context(), "run", []uint64{5}, "too old") // a real one
				require.NoError(t, err)
				if sealed {
					_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
					require.NoError(t, err)
				}
				run, err := l.Run(t.Context(), "run")
				require.NoError(t, err)
				ev, err := l.Header(t.Context(), "run", forged)
				require.NoError(t, err)
				require.NoError(t, l.Close())

				db, err := sql.Open("sqlite", "file:"+path)
				require.NoError(t, err)
				db.SetMaxOpenConns(1)
				exec := func(query string, args ...any) {
					res, err := db.Exec(query, args...)
					require.NoError(t, err)
					n, err := res.RowsAffected()
					require.NoError(t, err)
					require.EqualValues(t, 1, n)
				}
				f := forger{db, run.Life}
				if sealed {
					f.segment(t, exec, forged, how == "the state taken out")
				} else {
					exec(`UPDATE events SET encoding = 5, state = NULL WHERE `+forgedRow, forged)
					if how != "the state taken out" {
						exec(`UPDATE events SET meta = ? WHERE `+forgedRow, f.prunedMeta(t, forged), forged)
					}
				}
				if how == "the head as well" {
					f.head(t, exec, ev.Size)
				}
				require.NoError(t, db.Close())

				rep, err := openLog(t, path).Verify(t.Context(), "run")
				require.NoError(t, err)
				require.False(t, rep.Intact())
				require.ErrorIs(t, rep.Problems[0], log.ErrCorrupt)
				require.EqualValues(t, forged, rep.BrokenAt)
				if how != "the state taken out" {
					require.EqualValues(t, 2, rep.Pruned)
					require.ErrorContains(t, rep.Problems[0], "its state is marked as pruned, and note 1 does not say that it was")
				}
			})
		}
	}
}

func openLog(t *testing.T, path string) *log.Log {
	b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
	require.NoError(t, err)
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// forger knows how checksums are made.
type forger struct {
	db   *sql.DB
	life string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// forgedRow is the row of an event of the run.
const forgedRow = `id & 4294967295 = ? AND id >> 32 = (SELECT rk FROM runs WHERE run = 'run')`

// prunedMeta returns the meta that an event's row ought to have if its state had been
// pruned by note 1: see sqlite/record.go.
func (f forger) prunedMeta(t *testing.T, seq uint64) []byte {
	var encoding, tip int64
	var meta, header []byte
	require.NoError(t, f.db.QueryRow(`SELECT encoding, tip, meta, header FROM events WHERE `+forgedRow, seq).Scan(&encoding, &tip, &meta, &header))
	var n [6]uint64 // base, links, how far back the newest recoverable event is, since, bytes, stored
	rest := meta[metaNumbers:]
	for i := range n {
		v, size := binary.Uvarint(rest)
		require.Positive(t, size)
		n[i], rest = v, rest[size:]
	}
	n[0], n[1] = 1, 0 // the note, and no links
	order := binary.BigEndian
	var b []byte
	for _, v := range []uint64{seq, binary.LittleEndian.Uint64(meta[metaRecency:]), n[4], n[5], n[0], seq - n[2], seq - uint64(tip), n[3]} {
		b = order.AppendUint64(b, v)
	}
	b = order.AppendUint32(append(b, byte(encoding), meta[metaFlags]), uint32(n[1]))
	b = append(append(b, meta[metaHash:metaFlags]...), f.life...)
	forged := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(append(b, header...), castagnoli))
	forged = append(forged, meta[metaHash:metaNumbers]...)
	for _, v := range n {
		forged = binary.AppendUvarint(forged, v)
	}
	return forged
}

// head has one pruned event more in the run's row.
func (f forger) head(t *testing.T, exec func(string, ...any), size int64) {
	var tail uint64
	var suite byte
	var life, head []byte
	require.NoError(t, f.db.QueryRow(`SELECT tail, suite, life, head FROM runs WHERE run = 'run'`).Scan(&tail, &suite, &life, &head))
	var row map[string]any
	require.NoError(t, json.Unmarshal(head, &row))
	row["pruned"] = row["pruned"].(float64) + 1
	row["pruned_bytes"] = row["pruned_bytes"].(float64) + float64(size)
	head, err := json.Marshal(row)
	require.NoError(t, err)
	b := append(append([]byte("run"), life...), suite)
	sum := crc32.Checksum(append(binary.BigEndian.AppendUint64(b, tail), head...), castagnoli)
	exec(`UPDATE runs SET head = ?, sum = ? WHERE run = 'run'`, head, int64(int32(sum)))
}

// segment makes the run's segment anew, without the state of an event, or damages it.
func (f forger) segment(t *testing.T, exec func(string, ...any), seq uint64, damage bool) {
	const ours = ` FROM segments WHERE live AND rk = (SELECT rk FROM runs WHERE run = 'run')`
	var id int64
	var index, data []byte
	require.NoError(t, f.db.QueryRow(`SELECT id, "index", data`+ours).Scan(&id, &index, &data))
	codec, err := segment.NewCodec(segment.Options{})
	require.NoError(t, err)
	x, err := codec.ParseIndex(index)
	require.NoError(t, err)
	r, err := codec.NewReader(x, data)
	require.NoError(t, err)
	w := codec.NewWriter()
	for _, e := range x.Entries() {
		payload, err := r.Payload(e.Seq)
		require.NoError(t, err)
		if e.Seq == seq {
			e.Kind, payload = uint8(driver.Pruned), nil
			e.Meta = append(bytes.Clone(e.Meta[:len(e.Meta)-1]), 1) // by note 1
		}
		digest, err := x.Digest(e.Seq)
		require.NoError(t, err)
		require.NoError(t, w.Add(segment.Entry{Seq: e.Seq, Header: e.Header, Kind: e.Kind, Base: e.Base, Digest: digest, Meta: e.Meta}, payload))
	}
	newIndex, newData, err := w.Finish(x.Info())
	require.NoError(t, err)
	if damage { // the states without the one, under the index with it
		newIndex = index
	}
	exec(`UPDATE segments SET "index" = ?, data = ? WHERE id = ?`, newIndex, newData, id)
}
