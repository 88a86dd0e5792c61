package sqlite

import (
	"database/sql"
	sqldriver "database/sql/driver"
	"math"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// bodyColumns are the columns of an event but for its id, its body and its state, in the
// order of appendBody and of recordRow.dest.
var bodyColumns = []string{
	"recency", "flags", "encoding", "base", "links", "recoverable", "tip", "since", "bytes", "stored", "sum", "hash", "statehash", "header",
}

// bodyList is bodyColumns and state as a statement names them, and bodyParams a parameter
// for each.
var (
	bodyList   = strings.Join(bodyColumns, ", ") + ", state"
	bodyParams = strings.Repeat("?, ", len(bodyColumns)) + "?"
)

// settledColumns returns the bodyColumns, and the length of the state, of a row of events
// with that alias, which has them itself or in a row of bodies.
func settledColumns(event, body string) string {
	var s strings.Builder
	for _, c := range bodyColumns {
		s.WriteString("ifnull(" + event + "." + c + ", " + body + "." + c + "), ")
	}
	return s.String() + "ifnull(length(" + event + ".state), ifnull(length(" + body + ".state), 0))"
}

// recentColumns returns the same of a row of bodies.
func recentColumns(body string) string {
	return body + "." + strings.Join(bodyColumns, ", "+body+".") + ", ifnull(length(" + body + ".state), 0)"
}

func eventID(rk int64, seq uint64) int64 { return rk<<32 | int64(seq) }

// appendBody appends the columns of bodyList to row.
func appendBody(row []sqldriver.Value, r *driver.Record) []sqldriver.Value {
	var header sqldriver.Value
	if r.Flags&driver.Opaque == 0 {
		header = string(r.Header)
	} else {
		header = blob(r.Header)
	}
	return append(row, int64(r.Recency), int64(r.Flags), int64(r.Encoding), int64(r.Base), int64(r.Links),
		int64(r.Seq-r.Recoverable), int64(r.Seq-r.Tip), int64(r.Since), r.Bytes, r.Stored,
		signed(r.Sum), r.Hash[:], r.StateHash[:], header, r.State)
}

// signed returns a checksum as the number that is stored.
func signed(sum uint32) int64 { return int64(int32(sum)) }

// blob keeps SQLite from storing an empty slice as a null.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// number takes a column of a row. It takes 0 from a null, and from a column that damage
// made something else: the engine's checksum finds out, and one damaged row does not
// spoil a list.
type number int64

// Scan implements [sql.Scanner].
func (n *number) Scan(v any) error {
	i, _ := v.(int64)
	*n = number(i)
	return nil
}

// recordRow takes the columns of a record that may not be there.
type recordRow struct {
	id                                                                                         sql.NullInt64
	recency, flags, encoding, base, links, recoverable, tip, since, bytes, stored, sum, length number
	hash, stateHash, header                                                                    []byte
}

// dest returns where to put an id, the bodyColumns and the length of the state.
func (n *recordRow) dest() []any {
	return []any{
		&n.id, &n.recency, &n.flags, &n.encoding, &n.base, &n.links, &n.recoverable, &n.tip, &n.since,
		&n.bytes, &n.stored, &n.sum, &n.hash, &n.stateHash, &n.header, &n.length,
	}
}

func (n *recordRow) record() *driver.Record {
	if !n.id.Valid {
		return nil
	}
	seq := uint64(n.id.Int64 & math.MaxUint32)
	r := &driver.Record{
		Seq: seq, Recency: uint64(n.recency), Flags: driver.Flags(n.flags), Encoding: driver.Encoding(n.encoding),
		Base: uint64(n.base), Links: uint32(n.links),
		Recoverable: seq - uint64(n.recoverable), Tip: seq - uint64(n.tip), Since: uint64(n.since),
		Bytes: int64(n.bytes), Stored: int64(n.stored), Sum: uint32(n.sum), Header: n.header, StateLen: int64(n.length),
	}
	copy(r.Hash[:], n.hash)
	copy(r.StateHash[:], n.stateHash)
	return r
}
