package bolt

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// A damaged value takes what it holds with it and nothing else: not the rest of its
// run, and no other run. What readers need of a run's row, and of the value that
// says where its events end, is found a second time elsewhere. Only readers and
// Drop go on without them: nothing is written to such a run.

// salvageHead returns what is left of a damaged row. Its sum is changed, lest the
// engine should take it for sound.
func salvageHead(tx *bbolt.Tx, runs *bbolt.Bucket, id string, row []byte) (log.Head, error) {
	h := log.Head{Run: id, Sum: 1}
	if len(row) >= headSize {
		order := binary.LittleEndian
		h.Sum, h.Revision, h.Recency, h.Data = ^order.Uint32(row[4:]), order.Uint64(row[8:]), order.Uint64(row[16:]), row[headSize:]
	}
	if h.Recency > 1<<63-1 {
		h.Recency = 0
	}
	rk, err := unclaimed(tx, runs)
	if err != nil {
		return log.Head{}, err
	}
	h.Revision = rk<<32 | h.Revision&(1<<32-1)
	return h, nil
}

// unclaimed returns the one run in runs that no sound row leads to, and that is
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
		if h, err := decodeHead(string(k), v); err == nil {
			claimed[runKey(h.Revision)] = true
		}
	}
	var found []uint64
	c = runs.Cursor()
	for k, _ := c.First(); len(k) == 8; k, _ = c.Next() {
		if rk := binary.BigEndian.Uint64(k); !claimed[rk] && dead.Get(deadRun(rk)) == nil {
			found = append(found, rk)
		}
	}
	if len(found) != 1 {
		return 0, corrupt("", 0, "the rows of several runs are damaged: whose events are whose can't be told")
	}
	return found[0], nil
}

// unsealed returns the seq behind the last segment.
func (r *run) unsealed() uint64 {
	tail := uint64(1)
	c := r.bucket.Cursor()
	for k, v := c.First(); len(k) > 0 && k[0] == 'g'; k, v = c.Next() {
		if n, ok := isSegment(k); ok {
			if s, err := decodeSegment(r.id, r.rk, n, v); err == nil {
				tail = max(tail, s.Last+1)
			}
		}
	}
	return tail
}

// salvageEnd returns the seq of the last event that is there or said to be there.
func (r *run) salvageEnd() uint64 {
	c := r.bucket.Cursor()
	k, v := c.Last()
	end, _ := decodeEnd(r.rk, v)
	for ; k != nil; k, _ = c.Prev() {
		if seq, ok := isRecord(k); ok {
			return max(end, seq)
		}
		if !isState(k) && !bytes.Equal(k, endKey) {
			break
		}
	}
	return max(end, r.head.Tail, 1)
}
