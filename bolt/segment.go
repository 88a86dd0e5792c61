package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// A segment's row is stored by its first seq and its id, as
//
//	0     4              8             12     16              20             24
//	+-----+--------------+-------------+------+---------------+--------------+
//	| CRC | CRC of index | CRC of data | last | length: index | length: data |
//	+-----+--------------+-------------+------+---------------+--------------+
//
// so the segment that holds an event has the largest key that is not above the event's.
const segmentSize = 24

// segmentKeySize is the length of a segment's key.
const segmentKeySize = 13

func segmentKey(first, id uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32([]byte{'g'}, uint32(first)), id)
}

func contentKey(first, id uint64) []byte { return append(segmentKey(first, id), 'c') }

// isSegment reports whether a key of a run's bucket belongs to a segment's row, and to
// which.
func isSegment(key []byte) (first, id uint64, ok bool) {
	if len(key) != segmentKeySize || key[0] != 'g' {
		return 0, 0, false
	}
	return uint64(binary.BigEndian.Uint32(key[1:])), binary.BigEndian.Uint64(key[5:]), true
}

func segmentSum(rk, first, id uint64, v []byte) uint32 {
	return checksum(kindSegment, rk, id, binary.LittleEndian.AppendUint64(nil, first), v[4:])
}

func encodeSegment(rk, id uint64, s *driver.Segment) []byte {
	v := make([]byte, segmentSize)
	order := binary.LittleEndian
	order.PutUint32(v[4:], checksum(kindIndex, rk, id, s.Index))
	order.PutUint32(v[8:], checksum(kindData, rk, id, s.Data))
	order.PutUint32(v[12:], uint32(s.Last))
	order.PutUint32(v[16:], uint32(len(s.Index)))
	order.PutUint32(v[20:], uint32(len(s.Data)))
	order.PutUint32(v, segmentSum(rk, s.First, id, v))
	return v
}

// decodeSegment returns a row's fields, even with the error of a damaged row.
func decodeSegment(run string, rk, first, id uint64, v []byte) (s driver.Segment, err error) {
	s = driver.Segment{ID: id, First: first, Last: first}
	if len(v) != segmentSize {
		return s, corruptSegment(run, id, "its row doesn't match its checksum")
	}
	order := binary.LittleEndian
	if order.Uint32(v) != segmentSum(rk, first, id, v) {
		err = corruptSegment(run, id, "its row doesn't match its checksum")
	}
	s.Last = uint64(order.Uint32(v[12:]))
	s.Size = int64(order.Uint32(v[16:])) + int64(order.Uint32(v[20:]))
	return s, err
}

func corruptSegment(run string, id uint64, reason string) error {
	return corrupt(run, 0, fmt.Sprintf("segment %d: %s", id, reason))
}

// Segments implements [driver.Backend].
func (b *Backend) Segments(ctx context.Context, req driver.SegmentsRequest) (out []driver.Segment, err error) {
	err = b.view(ctx, func(tx *transaction) error {
		out = nil
		r, err := find(tx, req.Run)
		if r == nil || err != nil || req.From > driver.MaxSeq {
			return err
		}
		c := r.bucket.Cursor()
		step := c.Next
		k, v := c.Seek(segmentKey(req.From, 0))
		if req.Reverse {
			step = c.Prev
			k, v = before(c, afterSegments(req.To))
		}
		for ; k != nil && k[0] == 'g' && len(out) < req.Limit; k, v = step() {
			first, id, ok := isSegment(k)
			if !ok {
				continue
			}
			if first < req.From || first > req.To {
				break
			}
			// A damaged segment is listed with its apparent range, so that the others
			// can be read. Its contents can't be read.
			s, _ := decodeSegment(req.Run, r.rk, first, id, v)
			out = append(out, s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// afterSegments returns a key above those of all segments that begin at or before a seq,
// and below those that begin after it.
func afterSegments(seq uint64) []byte {
	return append(contentKey(min(seq, driver.MaxSeq), 1<<64-1), 0)
}

// Segment implements [driver.Backend].
func (b *Backend) Segment(ctx context.Context, req driver.SegmentRequest) (s driver.Segment, err error) {
	err = b.view(ctx, func(tx *transaction) error {
		r, err := find(tx, req.Run)
		if err != nil {
			return err
		}
		if r == nil {
			return driver.ErrNotFound
		}
		var row []byte
		if s, row, err = r.segmentOf(req.Seq); err != nil || s.ID == req.Have {
			return err
		}
		return r.contents(tx, &s, row, req.IndexOnly)
	})
	if err != nil {
		return driver.Segment{}, err
	}
	return s, nil
}

// segmentOf returns the segment that holds an event, and its row.
func (r *run) segmentOf(seq uint64) (driver.Segment, []byte, error) {
	c := r.bucket.Cursor()
	k, row := before(c, afterSegments(seq))
	first, id, ok := isSegment(k)
	if !ok && len(k) > 0 && k[0] == 'g' { // its contents
		k, row = c.Prev()
		first, id, ok = isSegment(k)
	}
	if !ok {
		return driver.Segment{}, nil, driver.ErrNotFound
	}
	s, err := decodeSegment(r.id, r.rk, first, id, row)
	if err == nil && s.Last < seq {
		err = driver.ErrNotFound
	}
	return s, row, err
}

// contents reads the contents of a segment.
func (r *run) contents(tx *transaction, s *driver.Segment, row []byte, indexOnly bool) (err error) {
	var get func(part []byte) []byte
	if own := r.bucket.Bucket(contentKey(s.First, s.ID)); own != nil {
		get = own.Get
	} else {
		blocks, err := bucket(tx, blocksBucket)
		if err != nil {
			return err
		}
		get = func(part []byte) []byte { return getPieces(blocks, append(blockKey(r.rk, s.ID), part...)) }
	}
	if s.Index, err = r.part(s.ID, kindIndex, get(firstKey), row[4:], row[16:]); err != nil || indexOnly {
		return err
	}
	s.Data, err = r.part(s.ID, kindData, get(secondKey), row[8:], row[20:])
	return err
}

// part returns a copy of one part of a segment's contents, if it matches the row.
func (r *run) part(id uint64, kind byte, part, sum, length []byte) ([]byte, error) {
	order := binary.LittleEndian
	if uint64(len(part)) == uint64(order.Uint32(length)) {
		part = bytes.Clone(part)
		if checksum(kind, r.rk, id, part) == order.Uint32(sum) {
			return part, nil
		}
	}
	what := "its data doesn't match its checksum"
	if kind == kindIndex {
		what = "its index doesn't match its checksum"
	}
	return nil, corruptSegment(r.id, id, what)
}

// add puts segments in force.
func (r *run) add(tx *transaction, segments []driver.Segment) (ids []uint64, err error) {
	if len(segments) == 0 {
		return nil, nil
	}
	n, err := getCounters(tx)
	if err != nil {
		return nil, err
	}
	for i := range segments {
		n.segment++
		s := &segments[i]
		if err := r.bucket.Put(segmentKey(s.First, n.segment), encodeSegment(r.rk, n.segment, s)); err != nil {
			return nil, err
		}
		if err := r.addContents(tx, n.segment, s); err != nil {
			return nil, err
		}
		ids = append(ids, n.segment)
	}
	return ids, n.put(tx)
}

func (r *run) addContents(tx *transaction, id uint64, s *driver.Segment) error {
	if len(s.Index)+len(s.Data) <= smallBlock {
		blocks, err := bucket(tx, blocksBucket)
		if err != nil {
			return err
		}
		blocks.fill(1) // they mostly come in order
		key := blockKey(r.rk, id)
		if err := putPieces(blocks, append(key, firstKey...), s.Index); err != nil {
			return err
		}
		return putPieces(blocks, append(key, secondKey...), s.Data)
	}
	own, err := r.bucket.CreateBucket(contentKey(s.First, id))
	if err != nil {
		return err
	}
	own.fill(1)
	if err := own.Put(firstKey, s.Index); err != nil {
		return err
	}
	return own.Put(secondKey, s.Data)
}

// retire takes a segment out of force, if it belongs to the run.
func (r *run) retire(tx *transaction, s *driver.Segment) error {
	key := segmentKey(s.First, s.ID)
	if r.bucket.Get(key) == nil {
		return nil
	}
	if err := r.bucket.Delete(key); err != nil {
		return err
	}
	return bury(tx, deadSegment(r.rk, s.First, s.ID), 0)
}

// smallBlock is the size in bytes up to which a segment's contents lie in blocks.
const smallBlock = 16 << 10

// pieceSize is the size of the pieces in bytes. Eight of them, with bbolt's overhead
// and the keys, fill a page of 4 KiB.
const pieceSize = (4096-pageHeader)/8 - perKey - blockKeySize - 2

// blockKeySize is the length of blockKey's result.
const blockKeySize = rkSize + 8

// blockKey returns the prefix of the keys of a segment's contents in blocks. Then comes
// firstKey or secondKey, and the piece's number as a byte.
func blockKey(rk, id uint64) []byte { return binary.BigEndian.AppendUint64(runKey(rk), id) }

// putPieces stores a part of a segment in blocks.
func putPieces(blocks *tree, key, part []byte) error {
	n := byte(0)
	for piece := range slices.Chunk(part, pieceSize) {
		if err := blocks.Put(append(key[:len(key):len(key)], n), piece); err != nil {
			return err
		}
		n++
	}
	return nil
}

// getPieces returns a part that putPieces stored, or nil.
func getPieces(blocks *tree, key []byte) []byte {
	var part []byte
	c := blocks.Cursor()
	for k, v := c.Seek(key); bytes.HasPrefix(k, key); k, v = c.Next() {
		part = append(part, v...)
	}
	return part
}
