package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// What is to be erased is named in a bucket:
//
//	rk a       a dropped run with all that it has
//	rk s id    the contents of a retired segment
//	rk t       the events of a run below the seq that is the value
//
// so that, of one run, the first makes the others needless. A value is a checksum
// and a number.
func deadRun(rk uint64) []byte         { return append(numberKey(rk), 'a') }
func deadSegment(rk, id uint64) []byte { return append(append(numberKey(rk), 's'), numberKey(id)...) }
func deadTail(rk uint64) []byte        { return append(numberKey(rk), 't') }

// bury names something that is dead.
func bury(tx *bbolt.Tx, key []byte, n uint64) error {
	dead, err := bucket(tx, deadBucket)
	if err != nil {
		return err
	}
	v := binary.LittleEndian.AppendUint64(make([]byte, 4, 12), n)
	binary.LittleEndian.PutUint32(v, checksum(kindDead, 0, 0, key, v[4:]))
	return dead.Put(key, v)
}

// What one transaction of Purge erases, at most: keys, and bytes of states unless
// one alone has more.
const (
	purgeKeys  = 512
	purgeBytes = 4 << 20
)

// Purge implements [log.Backend].
func (b *Backend) Purge(ctx context.Context) (more bool, err error) {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return b.purgeSlice()
}

// purgeSlice wants writing held.
func (b *Backend) purgeSlice() (more bool, err error) {
	h := b.current.Load()
	committing := false
	txid, err := h.update(func(tx *bbolt.Tx) error {
		dead, err := bucket(tx, deadBucket)
		if err != nil {
			return err
		}
		k, v := dead.Cursor().First()
		if k == nil {
			return errNothing
		}
		if err := purgeOne(tx, dead, bytes.Clone(k), bytes.Clone(v)); err != nil {
			return err
		}
		k, _ = dead.Cursor().First()
		more, committing = k != nil, true
		return nil
	})
	switch {
	case errors.Is(err, errNothing):
		return false, nil
	case err != nil && committing && unknown(h, txid, err):
		// What is written from now on would lie on pages of which nobody knows
		// whether they reached the disk.
		b.failed = fmt.Errorf("%s: %w since a sync failed while something was erased (%w): nothing was written now; close the store, make sure that its disk is sound, and open it again", b.path, log.ErrReadOnly, err)
	}
	return more && err == nil, b.explain(err)
}

// purgeOne erases a slice of one thing that is dead, and its name with the last.
func purgeOne(tx *bbolt.Tx, dead *bbolt.Bucket, k, v []byte) error {
	if len(k) < 9 || len(v) != 12 || binary.LittleEndian.Uint32(v) != checksum(kindDead, 0, 0, k, v[4:]) {
		return corrupt("", 0, "the list of what is to be erased doesn't match its checksum")
	}
	runs, err := bucket(tx, runsBucket)
	if err != nil {
		return err
	}
	run := runs.Bucket(k[:8])
	if run == nil {
		return dead.Delete(k)
	}
	blocks, err := bucket(tx, blocksBucket)
	if err != nil {
		return err
	}
	run.FillPercent = 1
	switch k[8] {
	case 'a':
		if more, err := erase(run, nil, nil); err != nil || more {
			return err
		}
		rk := binary.BigEndian.Uint64(k)
		if more, err := erase(blocks, numberKey(rk), numberKey(rk+1)); err != nil || more {
			return err
		}
		if err := runs.DeleteBucket(k[:8]); err != nil {
			return err
		}
	case 's':
		rk, id := binary.BigEndian.Uint64(k), binary.BigEndian.Uint64(k[9:])
		if more, err := erase(blocks, blockKey(rk, id), blockKey(rk, id+1)); err != nil || more {
			return err
		}
		key := contentKey(id)
		if run.Bucket(key) != nil {
			if err := run.DeleteBucket(key); err != nil {
				return err
			}
		}
	case 't':
		below := binary.LittleEndian.Uint64(v[4:])
		if more, err := erase(run, []byte{'r'}, recordKey(below)); err != nil || more {
			return err
		}
	}
	return dead.Delete(k)
}

// erase deletes a slice of the keys of a run from from on and below below, which
// is nil for all, and reports whether more are left.
func erase(run *bbolt.Bucket, from, below []byte) (more bool, err error) {
	var keys [][]byte
	nested := map[int]bool{}
	size := 0
	c := run.Cursor()
	for k, v := c.Seek(from); k != nil && (below == nil || bytes.Compare(k, below) < 0); k, v = c.Next() {
		if len(keys) >= purgeKeys || size >= purgeBytes {
			more = true
			break
		}
		if v == nil {
			nested[len(keys)] = true
			size += held(run.Bucket(k))
		}
		size += len(v)
		keys = append(keys, bytes.Clone(k))
	}
	for i, k := range keys {
		if nested[i] {
			err = run.DeleteBucket(k)
		} else {
			err = run.Delete(k)
		}
		if err != nil {
			return false, err
		}
	}
	return more, nil
}

// held returns how many bytes the values of a bucket have.
func held(b *bbolt.Bucket) int {
	size := 0
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		size += len(v)
	}
	return size
}
