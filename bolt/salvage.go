package bolt

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/driver"
)

// A damaged value costs what it holds and nothing else: not the rest of its run, and no
// other run. What readers need of a run's row, and of the value that its bucket ends with,
// is found elsewhere. Only readers and Drop do without them: nothing else is written to
// such a run.

// salvageHead returns what is left of a damaged row. It changes the sum, so that the
// engine sees the damage.
func salvageHead(tx *bbolt.Tx, runs *bbolt.Bucket, id string, row []byte) (driver.Head, error) {
	h := driver.Head{Run: id, Sum: 1}
	if len(row) >= rowSize {
		h = readRow(id, row)
		h.Sum, h.Recency = ^h.Sum, 0 // the last event and the place have the recency, too
	}
	rk, err := unclaimed(tx, runs)
	if err != nil {
		return driver.Head{}, err
	}
	h.Revision = rk<<32 | h.Revision&(1<<32-1)
	return h, nil
}

// unclaimed returns the number of the one run in runs that no sound row names and that is
// not dead.
func unclaimed(tx *bbolt.Tx, runs *bbolt.Bucket) (uint64, error) {
	heads, err := bucket(tx, headsBucket)
	if err != nil {
		return 0, err
	}
	dead, err := bucket(tx, deadBucket)
	if err != nil {
		return 0, err
	}
	claimed := map[uint64]bool{}
	c := heads.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if h, err := decodeRow(string(k), v); err == nil {
			claimed[numberOf(h.Revision)] = true
		}
	}
	var found []uint64
	c = runs.Cursor()
	for k, _ := c.First(); len(k) == rkSize; k, _ = c.Next() {
		if rk := uint64(binary.BigEndian.Uint32(k)); !claimed[rk] && dead.Get(deadRun(rk)) == nil {
			found = append(found, rk)
		}
	}
	if len(found) != 1 {
		return 0, corrupt("", 0, "the rows of several runs are damaged, so it is unknown whose events are whose")
	}
	return found[0], nil
}

// unsealed returns the seq after the last segment.
func (r *run) unsealed() uint64 {
	tail := uint64(1)
	c := r.bucket.Cursor()
	for k, v := c.First(); len(k) > 0 && k[0] == 'g'; k, v = c.Next() {
		if first, id, ok := isSegment(k); ok {
			if s, err := decodeSegment(r.id, r.rk, first, id, v); err == nil {
				tail = max(tail, s.Last+1)
			}
		}
	}
	return tail
}

// salvageEnd returns the seq of the last event that is there, or of which something says
// that it was.
func (r *run) salvageEnd() uint64 {
	c := r.bucket.Cursor()
	k, v := lastKey(c)
	e, _ := decodeEnd(r.rk, v)
	for ; k != nil; k, _ = c.Prev() {
		if seq, ok := isRecord(k); ok {
			return max(e.seq, seq)
		}
		if !isState(k) && !bytes.Equal(k, endKey) {
			break
		}
	}
	return max(e.seq, r.head.Tail, 1)
}

// placed returns where a run is in the order of runs. If the end of its bucket does not
// say so, it looks through the order.
func (r *run) placed(tx *bbolt.Tx) (at place, ok bool, err error) {
	if e, _, err := r.end(); err == nil {
		return e.place, true, nil
	}
	places, err := bucket(tx, placesBucket)
	if err != nil {
		return place{}, false, err
	}
	c := places.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if at, id, ok := placeOf(k); ok && id == r.id {
			return at, true, nil
		}
	}
	return place{}, false, nil
}
