package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/flowlog/checkpoint/driver"
)

// An entry is stored under its run's key and its own as a CRC and its value, in a bucket
// of its own if it is larger than inlineEntry bytes.
//
// Entries of all runs are in one bucket, so that the few entries of a small run take no
// page. They are not stored among a run's events: many entries would make the run's tree
// so high that each append writes one more page.
const inlineEntry = 2048

// entryFill is how full bbolt leaves a page of entries that it splits. A run's entries
// are put in many places, mostly in order at each.
const entryFill = 0.8

func entryKey(rk uint64, key []byte) []byte { return append(runKey(rk), key...) }

func entrySum(rk uint64, key, value []byte) uint32 {
	return checksum(kindEntry, rk, uint64(len(key)), key, value)
}

// Entries implements [driver.Backend]. A page that meets damage is an error.
func (b *Backend) Entries(ctx context.Context, req driver.EntriesRequest) (out []driver.Entry, err error) {
	err = b.view(ctx, func(tx *transaction) error {
		out = nil
		r, err := find(tx, req.Run)
		if r == nil || err != nil {
			return err
		}
		entries, err := bucket(tx, entriesBucket)
		if err != nil {
			return err
		}
		var size int64
		return eachEntry(entries, r.rk, req.EntryRange, req.Reverse, func(k, v []byte) (bool, error) {
			e, err := getEntry(entries, r, k, v)
			if err != nil {
				return false, err
			}
			size += int64(len(e.Key) + len(e.Value))
			if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
				return false, nil
			}
			out = append(out, e)
			return len(out) < req.Limit, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eachEntry calls f with the stored keys and values of a range until it returns false.
func eachEntry(entries *tree, rk uint64, in driver.EntryRange, reverse bool, f func(k, v []byte) (bool, error)) error {
	from, to := entryKey(rk, in.From), entryKey(rk, in.To)
	if in.To == nil {
		to = runKey(rk + 1)
	}
	c := entries.Cursor()
	k, v := c.Seek(from)
	step := c.Next
	if reverse {
		k, v = before(c, to)
		step = c.Prev
	}
	for ; k != nil && bytes.Compare(k, from) >= 0 && bytes.Compare(k, to) < 0; k, v = step() {
		if more, err := f(k, v); err != nil || !more {
			return err
		}
	}
	return nil
}

// getEntry returns a copy of an entry.
func getEntry(entries *tree, r *run, k, v []byte) (driver.Entry, error) {
	if v == nil {
		if own := entries.Bucket(k); own != nil {
			v = own.Get(firstKey)
		}
	}
	e := driver.Entry{Key: bytes.Clone(k[rkSize:])}
	if len(v) >= 4 {
		e.Value = append([]byte{}, v[4:]...)
		if binary.LittleEndian.Uint32(v) == entrySum(r.rk, e.Key, e.Value) {
			return e, nil
		}
	}
	return driver.Entry{}, corrupt(r.id, 0, "an entry doesn't match its checksum")
}

// changeEntries removes entries, and then puts others.
func (r *run) changeEntries(tx *transaction, remove []driver.EntryRange, put []driver.Entry) error {
	if len(remove) == 0 && len(put) == 0 {
		return nil
	}
	entries, err := bucket(tx, entriesBucket)
	if err != nil {
		return err
	}
	entries.fill(entryFill)
	for _, in := range remove {
		if err := removeEntries(entries, r.rk, in); err != nil {
			return err
		}
	}
	for i := range put {
		if err := putEntry(entries, r.rk, &put[i]); err != nil {
			return err
		}
	}
	return nil
}

func removeEntries(entries *tree, rk uint64, in driver.EntryRange) error {
	var keys [][]byte // a cursor does not survive a deletion
	if err := eachEntry(entries, rk, in, false, func(k, _ []byte) (bool, error) {
		keys = append(keys, bytes.Clone(k))
		return true, nil
	}); err != nil {
		return err
	}
	for _, k := range keys {
		if err := removeKey(entries, k); err != nil {
			return err
		}
	}
	return nil
}

func putEntry(entries *tree, rk uint64, e *driver.Entry) error {
	k := entryKey(rk, e.Key)
	v := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(e.Value)), entrySum(rk, e.Key, e.Value))
	v = append(v, e.Value...)
	if len(e.Value) <= inlineEntry {
		err := entries.Put(k, v)
		if !errors.Is(err, bolterrors.ErrIncompatibleValue) {
			return err
		}
		if err := entries.DeleteBucket(k); err != nil {
			return err
		}
		return entries.Put(k, v)
	}
	if err := removeKey(entries, k); err != nil {
		return err
	}
	own, err := entries.CreateBucket(k)
	if err != nil {
		return err
	}
	return own.Put(firstKey, v)
}

// removeKey deletes a key, whether it has a value or is a bucket.
func removeKey(b *tree, k []byte) error {
	err := b.Delete(k)
	if errors.Is(err, bolterrors.ErrIncompatibleValue) {
		err = b.DeleteBucket(k)
	}
	return err
}
