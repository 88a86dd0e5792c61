package segment

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
)

// cacheBytes is how much a Reader keeps besides the block that was used last.
const cacheBytes = 8 << 20

// Reader gives out a segment's payloads. It is safe for concurrent use; one call of Payload
// at a time decompresses.
type Reader struct {
	c    *Codec
	x    *Index
	data []byte

	mu     sync.Mutex
	cached [][]byte // by block
	recent []int32  // cached blocks, the one used last in front
	bytes  int64    // in the cache
}

// NewReader returns a reader of an index's data after it has checked that they
// belong together, as far as can be seen without looking at the blocks. The data
// must not change while the reader, or a payload that it gave out, is in use.
//
// Errors are ErrCorrupt and ErrUnsupportedVersion, and ErrTooLarge if the index
// was parsed by a codec that allows longer payloads, in an *Error.
func (c *Codec) NewReader(x *Index, data []byte) (*Reader, error) {
	if err := checkPrologue("data: ", dataMagic, data); err != nil {
		return nil, err
	}
	if have := binary.LittleEndian.Uint32(data[sumAt:]); have != x.sum {
		return nil, corrupt("data: its index's checksum", sumAt, have, x.sum)
	}
	if int64(len(data)) != x.size {
		return nil, corrupt("data: length", len(data), len(data), x.size)
	}
	for k := range x.blocks {
		if b := &x.blocks[k]; b.raw > c.opts.MaxPayload { // another codec's index
			return nil, tooLarge("data: block's length", int(b.off), b.raw, c.opts.MaxPayload)
		}
	}
	return &Reader{c: c, x: x, data: data, cached: make([][]byte, len(x.blocks))}, nil
}

// Memory returns about how many bytes of memory the reader takes besides the index, at most.
func (r *Reader) Memory() int64 {
	raw, largest := int64(0), int64(0)
	for k := range r.x.blocks {
		raw += r.x.blocks[k].raw
		largest = max(largest, r.x.blocks[k].raw)
	}
	return r.x.size + min(raw, largest+cacheBytes)
}

// Payload returns an entry's payload, after it has checked the block that it is
// in. The caller must not change it; it stays valid, and keeps its block in
// memory for as long as it is referred to.
//
// Errors are ErrCorrupt and, for a seq that is not in the segment, ErrInvalid, in
// an *Error.
func (r *Reader) Payload(seq uint64) ([]byte, error) {
	info := &r.x.info
	if seq < info.First || seq > info.Last {
		return nil, invalid("seq outside the segment", seq, info.Last)
	}
	i := seq - info.First
	s, n := r.x.spans[i], r.x.entries[i].Len
	switch s.block {
	case nowhere:
		return nil, nil
	case inIndex:
		return r.x.small(int(i))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	raw, err := r.blockLocked(s.block)
	if err != nil {
		return nil, err
	}
	return raw[s.off : s.off+n : s.off+n], nil
}

// Alone reports whether the payload of a seq in the segment fills a block that is
// stored compressed: the bytes that Payload gives are then all of what it made of
// the block, and no part of the reader's data.
func (r *Reader) Alone(seq uint64) bool {
	i := seq - r.x.info.First
	k := r.x.spans[i].block
	return k >= 0 && r.x.blocks[k].method == methodZstd && r.x.blocks[k].raw == r.x.entries[i].Len
}

// blockLocked returns a block's payloads, from the cache if they are there.
func (r *Reader) blockLocked(k int32) ([]byte, error) {
	if raw := r.cached[k]; raw != nil {
		if r.recent[0] != k {
			at := slices.Index(r.recent, k)
			copy(r.recent[1:], r.recent[:at])
			r.recent[0] = k
		}
		return raw, nil
	}
	raw, err := r.load(nil, k)
	if err != nil {
		return nil, err
	}
	r.cached[k] = raw
	r.recent = slices.Insert(r.recent, 0, k)
	r.bytes += int64(len(raw))
	for r.bytes-int64(len(raw)) > cacheBytes {
		last := r.recent[len(r.recent)-1]
		r.recent = r.recent[:len(r.recent)-1]
		r.bytes -= int64(len(r.cached[last]))
		r.cached[last] = nil
	}
	return raw, nil
}

// load checks a block and decompresses it, into dst if there is room.
func (r *Reader) load(dst []byte, k int32) ([]byte, error) {
	b := &r.x.blocks[k]
	stored := r.data[b.off : b.off+b.stored : b.off+b.stored]
	if have := crc32.Checksum(stored, castagnoli); have != b.crc {
		return nil, corrupt("data: block's checksum", int(b.off), have, b.crc)
	}
	if b.method == methodStored {
		return stored, nil
	}
	raw, err := r.c.inflate(dst, stored, b.raw, 0)
	if err != nil {
		return nil, &Error{Err: ErrCorrupt, What: "data: block", Offset: b.off, Cause: err}
	}
	return raw, nil
}

// Check reads every block and group and returns the first error, which is ErrCorrupt in
// an *Error.
func (r *Reader) Check() error {
	for i, s := range r.x.spans {
		if s.block == inIndex {
			if _, err := r.x.small(i); err != nil {
				return err
			}
		}
	}
	var scratch []byte
	for k := range r.x.blocks {
		raw, err := r.load(scratch, int32(k))
		if err != nil {
			return err
		}
		if r.x.blocks[k].method == methodZstd {
			scratch = raw[:0]
		}
	}
	return nil
}
