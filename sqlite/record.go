package sqlite

import (
	"database/sql"
	sqldriver "database/sql/driver"
	"encoding/binary"
	"math"

	"github.com/flowlog/checkpoint/driver"
)

// One column, meta, holds the fields of an event except the seq, the encoding and the
// tip, which statements need. A column for each number would take a third more time to
// write and to read.
//
//	0         4      36           68      69        77
//	+---------+------+------------+-------+---------+------+-------+-------------+-------+-------+--------+
//	| sum     | hash | state hash | flags | recency | base | links | recoverable | since | bytes | stored |
//	| 4 bytes | 32   | 32         | 1     | 8       | a uvarint each                                      |
//	+---------+------+------------+-------+---------+------+-------+-------------+-------+-------+--------+
//
// Numbers of a fixed size are little-endian; a uvarint is that of encoding/binary.
// Recoverable and tip are stored as distances back from the event's own seq, mostly 0.
// From a damaged meta the readable part is returned: the engine detects the damage by
// the sum.
const metaFixed = 77

// metaRoom is enough for most metas.
const metaRoom = metaFixed + 24

func appendMeta(b []byte, r *driver.Record) []byte {
	b = binary.LittleEndian.AppendUint32(b, r.Sum)
	b = append(b, r.Hash[:]...)
	b = append(b, r.StateHash[:]...)
	b = append(b, byte(r.Flags))
	b = binary.LittleEndian.AppendUint64(b, r.Recency)
	for _, n := range [...]uint64{
		r.Base, uint64(r.Links), r.Seq - r.Recoverable, r.Since, uint64(r.Bytes), uint64(r.Stored),
	} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// readMeta sets the fields of the event r.Seq from meta. Missing fields stay 0.
func readMeta(r *driver.Record, meta []byte) {
	var fixed [metaFixed]byte
	numbers := meta[copy(fixed[:], meta):]
	r.Sum = binary.LittleEndian.Uint32(fixed[:])
	copy(r.Hash[:], fixed[4:])
	copy(r.StateHash[:], fixed[36:])
	r.Flags = driver.Flags(fixed[68])
	r.Recency = binary.LittleEndian.Uint64(fixed[69:])
	var n [6]uint64
	for i := range n {
		v, size := binary.Uvarint(numbers)
		if size <= 0 {
			break
		}
		n[i], numbers = v, numbers[size:]
	}
	r.Base, r.Links, r.Recoverable, r.Since = n[0], uint32(n[1]), r.Seq-n[2], n[3]
	r.Bytes, r.Stored = int64(n[4]), int64(n[5])
}

// The columns that hold an event beside its id, and a parameter for each.
const (
	bodyList    = `encoding, tip, meta, header, state`
	bodyParams  = `?, ?, ?, ?, ?`
	bodyColumns = 5
)

// settledColumns are the columns that recordRow takes from a row of events, which has
// them itself or in a row of bodies. recentColumns are the same columns of a row of
// bodies.
func settledColumns(event, body string) string {
	either := func(column string) string { return "ifnull(" + event + "." + column + ", " + body + "." + column + ")" }
	return either("encoding") + ", " + either("tip") + ", " + either("meta") + ", " + either("header") +
		", ifnull(length(" + event + ".state), ifnull(length(" + body + ".state), 0))"
}

const recentColumns = `b.encoding, b.tip, b.meta, b.header, ifnull(length(b.state), 0)`

func eventID(rk int64, seq uint64) int64 { return rk<<32 | int64(seq) }

// appendBody appends the columns of bodyList to row.
func appendBody(row []sqldriver.Value, r *driver.Record) []sqldriver.Value {
	var header sqldriver.Value
	if r.Flags&driver.Opaque == 0 {
		header = string(r.Header)
	} else {
		header = blob(r.Header)
	}
	return append(row, int64(r.Encoding), int64(r.Seq-r.Tip), appendMeta(make([]byte, 0, metaRoom), r), header, r.State)
}

// signed returns a checksum as the stored number: a signed one takes four bytes, an
// unsigned one takes six in half of the cases.
func signed(sum uint32) int64 { return int64(int32(sum)) }

// blob keeps SQLite from storing an empty slice as a null.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// number takes a column of a row. It takes 0 from a null, and from a column whose type
// was changed by damage: the engine's checksum detects that, and one damaged row does
// not fail a list.
type number int64

// Scan implements [sql.Scanner].
func (n *number) Scan(v any) error {
	i, _ := v.(int64)
	*n = number(i)
	return nil
}

// recordRow takes the columns of a record that may be missing.
type recordRow struct {
	id                    sql.NullInt64
	encoding, tip, length number
	meta, header          []byte
}

// dest returns where to put an id and settledColumns.
func (n *recordRow) dest() []any {
	return []any{&n.id, &n.encoding, &n.tip, &n.meta, &n.header, &n.length}
}

// record returns the record without its state, or nil.
func (n *recordRow) record() *driver.Record {
	if !n.id.Valid {
		return nil
	}
	r := &driver.Record{
		Seq: uint64(n.id.Int64 & math.MaxUint32), Encoding: driver.Encoding(n.encoding), Header: n.header, StateLen: int64(n.length),
	}
	r.Tip = r.Seq - uint64(n.tip)
	readMeta(r, n.meta)
	return r
}
