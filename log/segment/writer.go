package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Writer builds one segment. It is not safe for concurrent use.
type Writer struct {
	c       *Codec
	added   []added
	blocks  []block
	order   []int32 // of the payloads in the blocks, as places in added
	open    []byte  // payloads of the block to come
	waiting []int32 // whose payloads they are
	data    []byte
	table   int64 // bytes, at most
	done    bool
}

type added struct {
	Entry
	place int32  // in the order of seqs
	small []byte // the payload, if it goes to the index
}

// NewWriter returns a writer of one segment.
func (c *Codec) NewWriter() *Writer {
	return &Writer{c: c, data: make([]byte, dataStart, 4<<10)}
}

// Add adds an entry with its payload and keeps neither: both are copied. Entries
// may come in any order of seq; payloads that are alike compress better if they
// come together. e.Len, e.Stored and what follows it are not looked at. An entry that was
// read from an index needs its Digest first: see Index.Digest.
//
// Errors are ErrTooLarge, when the payload is longer than the codec's options allow,
// the meta is longer than MaxMeta, or there are too many entries or headers; and
// ErrInvalid after Finish.
func (w *Writer) Add(e Entry, payload []byte) error {
	const overhead = 64 // of an entry in the table, at most
	e.Len, e.Stored, e.StoredPayload, e.Shared = int64(len(payload)), 0, 0, false
	table := w.table + int64(len(e.Header)+len(e.Meta)) + overhead
	switch {
	case w.done:
		return invalid("Add after Finish", len(w.added)+1, len(w.added))
	case e.Len > w.c.opts.MaxPayload:
		return tooLarge("payload's length", -1, e.Len, w.c.opts.MaxPayload)
	case len(e.Meta) > MaxMeta:
		return tooLarge("meta's length", -1, len(e.Meta), MaxMeta)
	case len(w.added) == MaxEntries:
		return tooLarge("number of entries", -1, MaxEntries+1, MaxEntries)
	case table > MaxTable:
		return tooLarge("headers' length", -1, table, MaxTable)
	}
	w.table = table
	e.Header, e.Meta = bytes.Clone(e.Header), bytes.Clone(e.Meta)
	k := int32(len(w.added))
	w.added = append(w.added, added{Entry: e})
	switch {
	case len(payload) == 0:
	case len(payload) <= MaxSmall && sha256.Sum256(payload) == e.Digest:
		w.added[k].small = bytes.Clone(payload)
	case len(payload) >= w.c.opts.BlockSize:
		// The open block stays open, so that deltas before and after a large state
		// lie together.
		w.write(payload, []int32{k})
	default:
		if len(w.open)+len(payload) > w.c.opts.BlockSize {
			w.flush()
		}
		w.open = append(w.open, payload...)
		w.waiting = append(w.waiting, k)
	}
	return nil
}

// Size returns how many bytes of data there are so far, those of the open block
// uncompressed. Payloads that go to the index are no part of the data.
func (w *Writer) Size() int64 { return int64(len(w.data) + len(w.open)) }

// flush ends the open block.
func (w *Writer) flush() {
	if len(w.open) > 0 {
		w.write(w.open, w.waiting)
		w.open, w.waiting = w.open[:0], w.waiting[:0]
	}
}

func (w *Writer) write(raw []byte, whose []int32) {
	at := len(w.data)
	b := block{payloads: len(whose), off: int64(at), raw: int64(len(raw))}
	w.data, b.method = deflate(w.c.enc, w.data, raw)
	b.stored = int64(len(w.data) - at)
	b.crc = crc32.Checksum(w.data[at:], castagnoli)
	w.blocks = append(w.blocks, b)
	w.order = append(w.order, whose...)
}

// Finish returns the segment's two strings, which are the caller's. The entries
// that were added have to be exactly info.First to info.Last, each base one of
// them or 0, and at most MaxDepth bases may lead from one to the next: else it is
// ErrInvalid, and nothing has happened. After it has succeeded the writer is of no
// more use.
func (w *Writer) Finish(info Info) (index, data []byte, err error) {
	if w.done {
		return nil, nil, invalid("Finish after Finish", 2, 1)
	}
	entries, err := w.sorted(info)
	if err != nil {
		return nil, nil, err
	}
	table := w.table + int64(len(info.Run)+len(info.Life)) + 256 + int64(len(w.blocks))*16
	if table > MaxTable {
		return nil, nil, tooLarge("index's length", -1, table, MaxTable)
	}
	w.flush()
	w.done = true
	order := make([]int32, len(w.order))
	for k, i := range w.order {
		order[k] = w.added[i].place
	}
	small := make([][]byte, len(entries))
	for k := range w.added {
		small[w.added[k].place] = w.added[k].small
	}
	index = w.c.appendIndex(parts{info, entries, small, w.c.group(small), w.blocks, order})
	copy(w.data, dataMagic)
	w.data[len(dataMagic)] = Version
	copy(w.data[sumAt:sumEnd], index[sumAt:sumEnd])
	return index, w.data, nil
}

// sorted returns the entries by seq, after it has checked that they are a segment.
func (w *Writer) sorted(info Info) ([]Entry, error) {
	if err := info.check(); err != nil {
		return nil, err
	}
	if n := info.Last - info.First + 1; uint64(len(w.added)) != n {
		return nil, invalid("number of entries", len(w.added), n)
	}
	entries := make([]Entry, len(w.added))
	bases := make([]int32, len(w.added))
	there := make([]bool, len(w.added))
	for k := range w.added {
		e := &w.added[k]
		i := e.Seq - info.First
		switch {
		case e.Seq < info.First || e.Seq > info.Last:
			return nil, invalid("seq outside the segment", e.Seq, info.Last)
		case there[i]:
			return nil, invalid("times a seq was added", 2, 1)
		case e.Base != 0 && (e.Base < info.First || e.Base > info.Last):
			return nil, invalid("base outside the segment", e.Base, info.Last)
		}
		there[i], entries[i], e.place = true, e.Entry, int32(i)
		bases[i] = int32(int64(e.Base - info.First))
		if e.Base == 0 {
			bases[i] = -1
		}
	}
	if _, bad, ok := depths(bases); !ok {
		return nil, invalid("bases to go through from seq "+format(info.First+uint64(bad)), MaxDepth+1, MaxDepth)
	}
	return entries, nil
}

// group compresses small payloads, which are given by entry.
func (c *Codec) group(small [][]byte) (groups []group) {
	for some := range slices.Chunk(small, GroupEntries) {
		var g group
		if raw := bytes.Join(some, nil); len(raw) > 0 {
			g.stored, g.method = deflate(c.enc, nil, raw)
		}
		groups = append(groups, g)
	}
	return groups
}

// appendIndex writes the index.
func (c *Codec) appendIndex(p parts) []byte {
	headers := int64(0)
	for i := range p.entries {
		headers += int64(len(p.entries[i].Header))
	}
	table, tail := p.append(nil, false)
	index := c.packIndex(table, tail)
	if len(table) > MaxTable || headers > most(len(index)) {
		index = c.packIndex(p.append(nil, true))
	}
	return index
}

func (c *Codec) packIndex(table, tail []byte) []byte {
	stored, method := deflate(c.tab, nil, table)
	if method == methodZstd && int64(len(table)) > most(len(stored)) {
		stored, method = table, methodStored
	}
	index := append([]byte(indexMagic), Version, 0, 0, 0, 0)
	index = binary.AppendUvarint(index, uint64(len(table)))
	index = binary.AppendUvarint(index, uint64(len(stored))<<1|uint64(method))
	index = append(append(index, stored...), tail...)
	binary.LittleEndian.PutUint32(index[sumAt:], crc32.Checksum(index[sumEnd:], castagnoli))
	return index
}
