package bolt

import (
	"bytes"
	"encoding/binary"

	"github.com/flowlog/checkpoint/driver"
)

// A damaged value loses its own contents, but not the rest of its run or another run.
// Readers find the data they need from a damaged row, or from a damaged end of a run's
// bucket, elsewhere. Only readers and Drop work without them: nothing else is written to
// such a run.

// salvageHead returns the readable part of a damaged row. It changes the sum, so that the
// engine sees the damage.
func salvageHead(tx *transaction, runs *tree, id string, row []byte) (driver.Head, error) {
	h := driver.Head{Run: id}
	if len(row) >= rowSize {
		h = readRow(id, row)
	}
	rk := numberOf(h.Revision)
	if ok, err := belongs(tx, runs, id, rk); err != nil {
		return driver.Head{}, err
	} else if !ok {
		if rk, err = search(tx, runs, id); err != nil {
			return driver.Head{}, err
		}
	}
	h.Revision = rk<<32 | h.Revision&(1<<32-1)
	h.Sum = ^h.Sum
	h.Recency = 0 // the last event and the place also have it
	return h, nil
}

// belongs reports whether a number belongs to an existing run with that id.
func belongs(tx *transaction, runs *tree, id string, rk uint64) (bool, error) {
	dead, err := bucket(tx, deadBucket)
	if err != nil {
		return false, err
	}
	r := &run{id: id, rk: rk, bucket: runs.Bucket(runKey(rk))}
	if rk > maxRuns || r.bucket == nil || dead.Get(deadRun(rk)) != nil {
		return false, nil
	}
	_, _, err = r.end()
	return err == nil, nil
}

// search returns the number of a run whose row does not have it: among the numbers that
// no sound row has, the one whose end belongs to the id.
func search(tx *transaction, runs *tree, id string) (uint64, error) {
	heads, err := bucket(tx, headsBucket)
	if err != nil {
		return 0, err
	}
	named := map[uint64]bool{}
	c := heads.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if h, err := decodeRow(string(k), v); err == nil {
			named[numberOf(h.Revision)] = true
		}
	}
	c = runs.Cursor()
	for k, _ := c.First(); len(k) == rkSize; k, _ = c.Next() {
		rk := uint64(binary.BigEndian.Uint32(k))
		if named[rk] {
			continue
		}
		if ok, err := belongs(tx, runs, id, rk); ok || err != nil {
			return rk, err
		}
	}
	return 0, corrupt(id, 0, "its events can't be found without it")
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

// salvageEnd returns the seq of the last event that is stored or for which there is
// evidence.
func (r *run) salvageEnd() uint64 {
	c := r.bucket.Cursor()
	k, v := lastKey(c)
	e, _ := decodeEnd(r.id, r.rk, v)
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

// placed returns a run's place in the order of runs. If the end of its bucket is
// unreadable, it searches the order.
func (r *run) placed(tx *transaction) (at place, ok bool, err error) {
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
