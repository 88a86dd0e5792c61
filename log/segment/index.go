package segment

import (
	"math/bits"
	"sync"
)

// Index is all of a segment but the larger payloads, checked. It is safe for concurrent
// use.
type Index struct {
	c       *Codec
	info    Info
	entries []Entry
	spans   []span
	depth   []uint8
	blocks  []block
	size    int64  // of the data
	sum     uint32 // of the index, which the data repeats
	memory  int64

	mu     sync.Mutex // of what groups keep
	groups []group
}

// Memory returns about how many bytes of memory the index takes once all of its small
// payloads were needed.
func (x *Index) Memory() int64 { return x.memory }

// Info returns what the segment is a part of.
func (x *Index) Info() Info { return x.info }

// Entries returns the entries by seq: Last - First + 1 of them. They and their
// headers belong to the index and must not be changed.
func (x *Index) Entries() []Entry { return x.entries }

// DataLen returns how long the data is that belongs to the index, in bytes.
func (x *Index) DataLen() int64 { return x.size }

// Depth returns how many bases there are to go through from an entry to one that
// has none: 0 if the entry itself has none, or is not in the segment.
func (x *Index) Depth(seq uint64) int {
	if seq < x.info.First || seq > x.info.Last {
		return 0
	}
	return int(x.depth[seq-x.info.First])
}

// entryMemory is what an entry takes besides its header and meta, in bytes.
const entryMemory = 224

// share divides what is stored among the entries: the index by the lengths of header,
// meta and digest, each block and group by the payloads'.
func (x *Index) share(index int64) {
	length := func(e *Entry) int64 { return int64(len(e.Header) + len(e.Meta) + digestLen) }
	x.memory = index
	for k := range x.groups {
		index -= x.groups[k].size
		x.memory += x.groups[k].raw
	}
	var all, sum int64
	for i := range x.entries {
		all += length(&x.entries[i])
		x.memory += int64(len(x.entries[i].Header)+len(x.entries[i].Meta)) + entryMemory
	}
	for i := range x.entries {
		e := &x.entries[i]
		n := length(e)
		e.Stored = part(index, sum, n, all)
		sum += n
		switch s := x.spans[i]; s.block {
		case nowhere:
		case inIndex:
			g := &x.groups[i/GroupEntries]
			e.StoredPayload = part(g.size, s.off, e.Len, g.raw)
			e.Shared = g.count > 1
		default:
			b := x.blocks[s.block]
			e.StoredPayload = part(b.stored, s.off, e.Len, b.raw)
			e.Shared = b.payloads > 1
		}
		e.Stored += e.StoredPayload
	}
}

// part returns the share of total that n at off of all have, so that the shares of
// neighbours add up.
func part(total, off, n, all int64) int64 {
	return scale(total, off+n, all) - scale(total, off, all)
}

// scale returns total*n/all, for n up to all.
func scale(total, n, all int64) int64 {
	hi, lo := bits.Mul64(uint64(total), uint64(n))
	q, _ := bits.Div64(hi, lo, uint64(all))
	return int64(q)
}
