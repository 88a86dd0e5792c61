package segment

import (
	"encoding/binary"
	"math"
	"strconv"
)

// most returns how long what is made of n bytes can be: a table of its compressed
// form, and the headers of an index. What would be longer isn't compressed, so that
// what a reader allocates stays in proportion to what it was given.
func most(n int) int64 { return min(4<<20+1024*int64(n), MaxTable) }

func format(n uint64) string { return strconv.FormatUint(n, 10) }

// check says whether a segment can be what info says.
func (info *Info) check() error {
	switch {
	case info.Run == "":
		return invalid("length of the run's id", 0, 1)
	case info.First == 0:
		return invalid("first seq", 0, 1)
	case info.Last < info.First:
		return invalid("last seq", info.Last, info.First)
	case info.Last-info.First >= MaxEntries:
		return invalid("number of entries", info.Last-info.First+1, MaxEntries)
	case info.First == 1 && info.Prev != [32]byte{}:
		return invalid("hash before event 1", 1, 0)
	case info.Bytes < 0:
		return invalid("bytes before the segment", info.Bytes, int64(math.MaxInt64))
	case info.Stored < 0:
		return invalid("stored bytes before the segment", info.Stored, int64(math.MaxInt64))
	}
	return nil
}

// parts is what an index is made of.
type parts struct {
	info    Info
	entries []Entry
	small   [][]byte // by entry, the payloads that lie in the index
	groups  []group
	blocks  []block
	order   []int32 // of the payloads in the blocks, as places in entries
}

// append writes the table, which is compressed, and the tail, which has all that
// can't be: hashes, checksums, and what is compressed already. Headers are in full, or
// as what differs from one of the same form.
func (p *parts) append(t []byte, full bool) (table, tail []byte) {
	info, entries, blocks := p.info, p.entries, p.blocks
	number := func(v uint64) { t = binary.AppendUvarint(t, v) }
	text := func(s string) {
		number(uint64(len(s)))
		t = append(t, s...)
	}
	t = append(t, info.Suite)
	text(info.Run)
	text(info.Life)
	number(info.First)
	number(info.Last - info.First)
	number(info.Recency)
	number(uint64(info.Bytes))
	number(uint64(info.Stored))
	if info.First > 1 {
		tail = append(tail, info.Prev[:]...)
	}
	tail = append(tail, info.Hash[:]...)

	for i := range entries {
		t = append(t, entries[i].Kind)
	}
	for i := range entries {
		if e := &entries[i]; e.Base == 0 {
			number(0)
		} else {
			number(zigzag(int64(e.Base - e.Seq)))
		}
	}
	t = appendMetas(t, entries)
	for i := range entries {
		number(uint64(entries[i].Len))
	}
	for _, g := range p.groups {
		number(uint64(len(g.stored))<<1 | uint64(g.method))
	}
	for i := range entries {
		if len(p.groups[i/GroupEntries].stored) > 0 {
			t = append(t, byteOf(p.small[i] != nil))
		}
		if p.small[i] == nil {
			tail = append(tail, entries[i].Digest[:]...)
		}
		if endsGroup(i, len(entries)) {
			tail = append(tail, entries[i].Hash[:]...)
		}
	}
	at := int32(0)
	for _, i := range p.order {
		number(zigzag(int64(i - at)))
		at = i
	}
	number(uint64(len(blocks)))
	for _, b := range blocks {
		number(uint64(b.payloads))
	}
	for _, b := range blocks {
		number(uint64(b.stored)<<1 | uint64(b.method))
	}
	for _, b := range blocks {
		tail = binary.LittleEndian.AppendUint32(tail, b.crc)
	}
	t, tail = appendHeaders(t, tail, entries, full)
	for _, g := range p.groups {
		tail = append(tail, g.stored...)
	}
	return t, tail
}

// endsGroup reports whether the ith of n entries is the last of a group, and not of
// the segment.
func endsGroup(i, n int) bool { return (i+1)%GroupEntries == 0 && i+1 < n }

func byteOf(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
