package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

// A bucket names the data to erase:
//
//	rk a            a dropped run with all that it has
//	rk s first id   the contents of a retired segment
//	rk t            the events of a run below the seq that is the value
//
// so that, of one run, the first makes the others needless. A value is a checksum and a
// number.
func deadRun(rk uint64) []byte  { return append(runKey(rk), 'a') }
func deadTail(rk uint64) []byte { return append(runKey(rk), 't') }
func deadSegment(rk, first, id uint64) []byte {
	return append(append(runKey(rk), 's'), segmentKey(first, id)[1:]...)
}

// bury names something that is dead.
func bury(tx *transaction, key []byte, n uint64) error {
	dead, err := bucket(tx, deadBucket)
	if err != nil {
		return err
	}
	v := binary.LittleEndian.AppendUint64(make([]byte, 4, 12), n)
	binary.LittleEndian.PutUint32(v, checksum(kindDead, 0, 0, key, v[4:]))
	return dead.Put(key, v)
}

// The most that one transaction of Purge erases: keys, and bytes of states unless a
// single state has more.
const (
	purgeKeys  = 512
	purgeBytes = 4 << 20
)

// Purge implements [driver.Backend].
func (b *Backend) Purge(ctx context.Context, _ driver.PurgeRequest) (driver.PurgeResult, error) {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return driver.PurgeResult{}, err
	}
	defer leave()
	more, err := b.purgeSlice(ctx)
	return driver.PurgeResult{More: more}, err
}

// purgeSlice wants writing held.
func (b *Backend) purgeSlice(ctx context.Context) (more bool, err error) {
	err = b.commit(ctx, func(tx *transaction) error {
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
		more = k != nil
		return nil
	})
	switch {
	case errors.Is(err, errNothing):
		return false, nil
	case err != nil:
		return false, causeOf(err)
	}
	return more, nil
}

// purgeOne erases a slice of one thing that is dead, and its name with the last.
func purgeOne(tx *transaction, dead *tree, k, v []byte) error {
	if len(k) <= rkSize || len(v) != 12 || binary.LittleEndian.Uint32(v) != checksum(kindDead, 0, 0, k, v[4:]) {
		return corrupt("", 0, "the list of what is to be erased doesn't match its checksum")
	}
	runs, err := bucket(tx, runsBucket)
	if err != nil {
		return err
	}
	own := runs.Bucket(k[:rkSize])
	if own == nil {
		return dead.Delete(k)
	}
	own.fill(1)
	more, rk := false, uint64(binary.BigEndian.Uint32(k))
	switch k[rkSize] {
	case 'a':
		more, err = purgeRun(tx, runs, own, rk)
	case 's':
		first, id, _ := isSegment(append([]byte{'g'}, k[rkSize+1:]...))
		more, err = purgeSegment(tx, own, rk, first, id)
	case 't':
		below := []byte{'r' + 1}
		if tail := binary.LittleEndian.Uint64(v[4:]); tail <= driver.MaxSeq {
			below = recordKey(tail)
		}
		more, err = erase(own, []byte{'r'}, below)
	}
	if err != nil || more {
		return err
	}
	return dead.Delete(k)
}

// purgeRun erases a slice of a run, and its bucket with the last.
func purgeRun(tx *transaction, runs, own *tree, rk uint64) (more bool, err error) {
	if more, err := erase(own, nil, nil); err != nil || more {
		return more, err
	}
	for _, name := range [][]byte{blocksBucket, entriesBucket, slotsBucket} {
		b, err := bucket(tx, name)
		if err != nil {
			return false, err
		}
		if more, err := erase(b, runKey(rk), runKey(rk+1)); err != nil || more {
			return more, err
		}
	}
	return false, runs.DeleteBucket(runKey(rk))
}

// purgeSegment erases the contents of a retired segment, or a slice of them.
func purgeSegment(tx *transaction, own *tree, rk, first, id uint64) (more bool, err error) {
	blocks, err := bucket(tx, blocksBucket)
	if err != nil {
		return false, err
	}
	if more, err := erase(blocks, blockKey(rk, id), blockKey(rk, id+1)); err != nil || more {
		return more, err
	}
	if key := contentKey(first, id); own.Bucket(key) != nil {
		return false, own.DeleteBucket(key)
	}
	return false, nil
}

// erase deletes a slice of the keys of a bucket from from up to, but not including,
// below, and reports whether more are left. A nil below sets no bound.
func erase(b *tree, from, below []byte) (more bool, err error) {
	var keys [][]byte
	size := 0
	c := b.Cursor()
	for k, v := c.Seek(from); k != nil && (below == nil || bytes.Compare(k, below) < 0); k, v = c.Next() {
		if len(keys) >= purgeKeys || size >= purgeBytes {
			more = true
			break
		}
		if v == nil {
			size += held(b.Bucket(k))
		}
		size += len(v)
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := removeKey(b, k); err != nil {
			return false, err
		}
	}
	return more, nil
}

// held returns how many bytes the values of a bucket have.
func held(b *tree) int {
	size := 0
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		size += len(v)
	}
	return size
}
