package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// change makes one change. A conflict is found before anything is written.
func change(tx *bbolt.Tx, c *log.Change, res *log.Result) error {
	r, err := find(tx, c.Run)
	if err != nil {
		return err
	}
	var revision uint64
	if r != nil {
		revision = r.head.Revision
	}
	switch {
	case revision != c.Revision, c.Drop && r == nil:
		res.Err = log.ErrConflict
		return nil
	case c.Drop:
		return drop(tx, r)
	case r != nil && r.damage != nil:
		return r.damage
	}
	end, indexed, err := r.end()
	if err != nil {
		return err
	}
	if c.Last != 0 && c.Last != end {
		res.Err = log.ErrConflict
		return nil
	}
	if c.Head != nil { // the segments that it adds count, too
		end = max(end, max(c.Head.Tail, 1)-1)
	}
	if len(c.Append) > 0 && c.Append[0].Seq != end+1 {
		res.Err = log.ErrConflict
		return nil
	}
	if r == nil {
		if c.Head == nil {
			return fmt.Errorf("%w change of run %q: a new run needs a head", log.ErrInvalid, c.Run)
		}
		if r, err = create(tx, c.Run); err != nil {
			return err
		}
	}
	if err := r.contents(tx, c, res); err != nil {
		return err
	}
	res.Revision = r.head.Revision
	return r.index(tx, indexed, revision == 0)
}

// end returns the seq of the run's last event, and its recency.
func (r *run) end() (seq, recency uint64, err error) {
	if r == nil {
		return 0, 0, nil
	}
	last, err := r.last()
	if err != nil || last == nil {
		return max(r.head.Tail, 1) - 1, r.head.Recency, err
	}
	return last.seq, max(r.head.Recency, last.recency()), nil
}

// create makes a run without a row.
func create(tx *bbolt.Tx, id string) (*run, error) {
	n, err := getCounters(tx)
	if err != nil {
		return nil, err
	}
	n.run++
	if err := n.put(tx); err != nil {
		return nil, err
	}
	runs, err := bucket(tx, runsBucket)
	if err != nil {
		return nil, err
	}
	b, err := runs.CreateBucket(numberKey(n.run))
	if err != nil {
		return nil, fmt.Errorf("make run %q: %w", id, err)
	}
	if err := b.Put(endKey, encodeEnd(n.run, 0)); err != nil {
		return nil, err
	}
	return &run{id: id, rk: n.run, head: log.Head{Revision: n.run << 32, Tail: 1}, bucket: b}, nil
}

// contents writes all of a change but the index.
func (r *run) contents(tx *bbolt.Tx, c *log.Change, res *log.Result) error {
	r.bucket.FillPercent = 1
	tail := r.head.Tail
	if c.Head != nil {
		revision := r.head.Revision + 1
		r.head = *c.Head
		r.head.Revision = revision
		heads, err := bucket(tx, headsBucket)
		if err != nil {
			return err
		}
		if err := heads.Put([]byte(r.id), encodeHead(r.id, &r.head)); err != nil {
			return err
		}
	}
	for i := range c.Append {
		if err := r.put(&c.Append[i]); err != nil {
			return err
		}
	}
	if n := len(c.Append); n > 0 {
		if err := r.bucket.Put(endKey, encodeEnd(r.rk, c.Append[n-1].Seq)); err != nil {
			return err
		}
	}
	for i := range c.Rewrite {
		if err := r.rewrite(&c.Rewrite[i]); err != nil {
			return err
		}
	}
	if err := r.add(tx, c.Add, res); err != nil {
		return err
	}
	for _, id := range c.Retire {
		if err := r.retire(tx, id); err != nil {
			return err
		}
	}
	if r.head.Tail > tail && c.Revision != 0 {
		return bury(tx, deadTail(r.rk), r.head.Tail)
	}
	return nil
}

// put stores an event.
func (r *run) put(rec *log.Record) error {
	if err := r.bucket.Put(recordKey(rec.Seq), encodeRecord(r.rk, rec)); err != nil {
		return err
	}
	if len(rec.State) <= inlineState {
		return nil
	}
	own, err := r.bucket.CreateBucket(stateKey(rec.Seq))
	if err != nil {
		return err
	}
	return own.Put(firstKey, rec.State)
}

// rewrite stores an event of the tail anew.
func (r *run) rewrite(rec *log.Record) error {
	v := r.bucket.Get(recordKey(rec.Seq))
	if rec.Seq < r.head.Tail || v == nil {
		return nil
	}
	// Whatever it was, it goes, even if it is damaged.
	if r.bucket.Bucket(stateKey(rec.Seq)) != nil {
		if err := r.bucket.DeleteBucket(stateKey(rec.Seq)); err != nil {
			return err
		}
	}
	return r.put(rec)
}

// add puts segments in force.
func (r *run) add(tx *bbolt.Tx, segments []log.Segment, res *log.Result) error {
	if len(segments) == 0 {
		return nil
	}
	n, err := getCounters(tx)
	if err != nil {
		return err
	}
	for i := range segments {
		n.segment++
		if err := r.bucket.Put(segmentKey(n.segment), encodeSegment(r.rk, n.segment, &segments[i])); err != nil {
			return err
		}
		if err := r.addContents(tx, n.segment, &segments[i]); err != nil {
			return err
		}
		res.Added = append(res.Added, n.segment)
	}
	return n.put(tx)
}

func (r *run) addContents(tx *bbolt.Tx, id uint64, s *log.Segment) error {
	if len(s.Index)+len(s.Data) <= smallBlock {
		blocks, err := bucket(tx, blocksBucket)
		if err != nil {
			return err
		}
		blocks.FillPercent = 1 // they mostly come in order
		key := blockKey(r.rk, id)
		if err := putPieces(blocks, append(key, firstKey...), s.Index); err != nil {
			return err
		}
		return putPieces(blocks, append(key, secondKey...), s.Data)
	}
	b, err := r.bucket.CreateBucket(contentKey(id))
	if err != nil {
		return err
	}
	b.FillPercent = 1
	if err := b.Put(firstKey, s.Index); err != nil {
		return err
	}
	return b.Put(secondKey, s.Data)
}

// retire takes a segment out of force, if it is one of the run's.
func (r *run) retire(tx *bbolt.Tx, id uint64) error {
	if r.bucket.Get(segmentKey(id)) == nil {
		return nil
	}
	if err := r.bucket.Delete(segmentKey(id)); err != nil {
		return err
	}
	return bury(tx, deadSegment(r.rk, id), 0)
}

// index keeps the run where its last event belongs, which was indexed before.
func (r *run) index(tx *bbolt.Tx, indexed uint64, anew bool) error {
	_, recency, err := r.end()
	if err != nil || minute(recency) == minute(indexed) && !anew {
		return err
	}
	recent, err := bucket(tx, recentBucket)
	if err != nil {
		return err
	}
	if !anew {
		if err := recent.Delete(recentKey(minute(indexed), r.id)); err != nil {
			return err
		}
	}
	k := recentKey(minute(recency), r.id)
	return recent.Put(k, binary.LittleEndian.AppendUint32(nil, checksum(kindRecent, 0, 0, k)))
}

// drop takes a run out of all lists; its events are dead.
func drop(tx *bbolt.Tx, r *run) error {
	heads, err := bucket(tx, headsBucket)
	if err != nil {
		return err
	}
	recent, err := bucket(tx, recentBucket)
	if err != nil {
		return err
	}
	if err := heads.Delete([]byte(r.id)); err != nil {
		return err
	}
	if err := recent.Delete(r.indexed(recent)); err != nil {
		return err
	}
	return bury(tx, deadRun(r.rk), 0)
}

// indexed returns the key that the run has in recent, which has to be looked for if
// it is not known when its last event came.
func (r *run) indexed(recent *bbolt.Bucket) []byte {
	if _, recency, err := r.end(); err == nil && r.damage == nil {
		return recentKey(minute(recency), r.id)
	}
	c := recent.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) > 8 && string(k[8:]) == r.id {
			return bytes.Clone(k)
		}
	}
	return nil // bbolt deletes nothing then
}
