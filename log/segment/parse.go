package segment

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// ParseIndex checks all of an index and returns what is in it: its version, its
// checksum, each number against its bounds, that payloads and blocks add up, and
// that bases end somewhere. Small payloads stay compressed until they are needed, and
// so b must not change while the index is in use. It allocates in proportion to the
// index's length, but for at most 4 MiB; see the package's documentation for the
// factors.
//
// Errors are ErrCorrupt, ErrUnsupportedVersion and ErrTooLarge, in an *Error.
func (c *Codec) ParseIndex(b []byte) (*Index, error) {
	if err := checkPrologue("index: ", indexMagic, b); err != nil {
		return nil, err
	}
	sum := binary.LittleEndian.Uint32(b[sumAt:])
	if have := crc32.Checksum(b[sumEnd:], castagnoli); have != sum {
		return nil, corrupt("index: checksum", sumAt, have, sum)
	}
	r := reader{part: "index: ", b: b, pos: sumEnd}
	table, err := c.table(&r)
	if err != nil {
		return nil, err
	}
	x := &Index{c: c, sum: sum}
	t := reader{part: "table: ", b: table}
	if err := x.parse(c, &t, &r); err != nil {
		return nil, err
	}
	if err := t.end(); err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	x.share(int64(len(b)) + dataStart)
	return x, nil
}

// checkPrologue checks the magic bytes and the version, in this order: bytes that
// are no segment have no version.
func checkPrologue(part, magic string, b []byte) error {
	for i := range magic {
		if i >= len(b) {
			return corrupt(part+"length", len(b), len(b), sumEnd)
		}
		if b[i] != magic[i] {
			return corrupt(part+"magic", i, int(b[i]), int(magic[i]))
		}
	}
	switch {
	case len(b) == len(magic):
		return corrupt(part+"length", len(b), len(b), sumEnd)
	case b[len(magic)] != Version:
		return &Error{Err: ErrUnsupportedVersion, What: part + "version", Offset: int64(len(magic)), Have: uint64(b[len(magic)]), Want: Version}
	case len(b) < sumEnd:
		return corrupt(part+"length", len(b), len(b), sumEnd)
	}
	return nil
}

// table returns the table, decompressed and not shared with the index.
func (c *Codec) table(r *reader) ([]byte, error) {
	at := r.pos
	raw, err := r.number("table's length", math.MaxInt64)
	if err != nil {
		return nil, err
	}
	stored, err := r.number("table's stored length", uint64(len(r.b))<<1)
	if err != nil {
		return nil, err
	}
	b, err := r.bytes("table", int(stored>>1))
	if err != nil {
		return nil, err
	}
	if raw > MaxTable {
		return nil, tooLarge("index: table's length", at, raw, uint64(MaxTable))
	}
	if stored&1 == methodStored {
		if uint64(len(b)) != raw {
			return nil, corrupt("index: table's length", at, raw, len(b))
		}
		return append([]byte(nil), b...), nil
	}
	if int64(raw) > most(len(b)) {
		return nil, tooLarge("index: table's length for its compressed length", at, int64(raw), most(len(b)))
	}
	table, err := c.inflate(nil, b, int64(raw), dictionaryID)
	if err != nil {
		return nil, &Error{Err: ErrCorrupt, What: "index: table", Offset: int64(r.pos - len(b)), Cause: err}
	}
	return table, nil
}

func (x *Index) parse(c *Codec, t, tail *reader) error {
	if err := x.parseInfo(t, tail); err != nil {
		return err
	}
	// An entry takes a kind, a base, a meta's length, a payload's length and a header's
	// form at least.
	n := int(x.info.Last-x.info.First) + 1
	if most := t.left() / 5; n > most {
		return corrupt("table: number of entries", t.pos, n, most)
	}
	x.entries = make([]Entry, n)
	if err := x.parseEntries(t); err != nil {
		return err
	}
	if err := readMetas(t, x.entries); err != nil {
		return err
	}
	if err := x.parseLengths(c, t); err != nil {
		return err
	}
	if err := x.parseGroups(t, tail); err != nil {
		return err
	}
	if err := x.parseBlocks(c, t, tail); err != nil {
		return err
	}
	if err := readHeaders(t, tail, x.entries, most(len(tail.b))); err != nil {
		return err
	}
	for k := range x.groups {
		g := &x.groups[k]
		var err error
		g.at = int64(tail.pos)
		if g.stored, err = tail.bytes("small payloads", int(g.size)); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) parseInfo(t, tail *reader) error {
	info := &x.info
	suite, err := t.bytes("suite", 1)
	if err != nil {
		return err
	}
	info.Suite = suite[0]
	if info.Run, err = t.text("run"); err != nil {
		return err
	}
	if info.Life, err = t.text("life"); err != nil {
		return err
	}
	at := t.pos
	number := func(p *uint64, what string, most uint64) {
		if err == nil {
			*p, err = t.number(what, most)
		}
	}
	var more, size, stored uint64
	number(&info.First, "first seq", math.MaxUint64)
	number(&more, "number of entries", MaxEntries-1)
	number(&info.Recency, "recency", math.MaxUint64)
	number(&size, "bytes before", math.MaxInt64)
	number(&stored, "stored bytes before", math.MaxInt64)
	if err != nil {
		return err
	}
	info.Last, info.Bytes, info.Stored = info.First+more, int64(size), int64(stored)
	for _, h := range []*[32]byte{&info.Prev, &info.Hash} {
		if h == &info.Prev && info.First == 1 {
			continue
		}
		b, err := tail.bytes("hash", len(h))
		if err != nil {
			return err
		}
		copy(h[:], b)
	}
	if err := info.check(); err != nil {
		e := err.(*Error)
		return corrupt("table: "+e.What, at, e.Have, e.Want)
	}
	return nil
}

func (x *Index) parseEntries(t *reader) error {
	kinds, err := t.bytes("kinds", len(x.entries))
	if err != nil {
		return err
	}
	bases := make([]int32, len(x.entries))
	at := t.pos
	for i := range x.entries {
		e := &x.entries[i]
		e.Seq, e.Kind = x.info.First+uint64(i), kinds[i]
		v, err := t.number("base", 2*MaxEntries)
		if err != nil {
			return err
		}
		bases[i] = -1
		if v == 0 {
			continue
		}
		base := int64(i) + unzigzag(v)
		if base < 0 || base >= int64(len(x.entries)) {
			return corrupt("table: base", t.pos, base, len(x.entries)-1)
		}
		bases[i], e.Base = int32(base), x.info.First+uint64(base)
	}
	bad, ok := 0, false
	if x.depth, bad, ok = depths(bases); !ok {
		return corrupt("table: bases to go through from seq "+format(x.entries[bad].Seq), at, MaxDepth+1, MaxDepth)
	}
	return nil
}

func (x *Index) parseLengths(c *Codec, t *reader) error {
	for i := range x.entries {
		at := t.pos
		n, err := t.number("payload's length", math.MaxInt64)
		if err != nil {
			return err
		}
		if int64(n) > c.opts.MaxPayload {
			return tooLarge("table: payload's length", at, int64(n), c.opts.MaxPayload)
		}
		x.entries[i].Len = int64(n)
	}
	return nil
}
