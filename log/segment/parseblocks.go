package segment

import (
	"encoding/binary"
	"math"
)

// parseBlocks reads in which order the payloads lie, and which blocks they are in.
func (x *Index) parseBlocks(c *Codec, t, tail *reader) error {
	order, err := x.parseOrder(t)
	if err != nil {
		return err
	}
	n, err := t.number("number of blocks", uint64(len(order)))
	if err != nil {
		return err
	}
	x.blocks = make([]block, n)
	x.size = dataStart
	for k := range x.blocks {
		b := &x.blocks[k]
		at := t.pos
		payloads, err := t.number("number of a block's payloads", uint64(len(order)))
		if err != nil {
			return err
		}
		if payloads == 0 {
			return corrupt("table: number of a block's payloads", at, 0, 1)
		}
		b.payloads = int(payloads)
		for _, i := range order[:payloads] {
			x.spans[i] = span{block: int32(k), off: b.raw}
			b.raw += x.entries[i].Len
			if b.raw > c.opts.MaxPayload {
				return tooLarge("table: block's length", at, b.raw, c.opts.MaxPayload)
			}
		}
		order = order[payloads:]
	}
	if len(order) > 0 {
		return corrupt("table: payloads without a block", t.pos, len(order), 0)
	}
	for k := range x.blocks {
		if err := x.parseBlock(&x.blocks[k], t, tail); err != nil {
			return err
		}
	}
	return nil
}

// parseOrder returns the entries with payloads in blocks, in the order of those.
func (x *Index) parseOrder(t *reader) ([]int32, error) {
	order := make([]int32, 0, len(x.entries))
	const unset = -3
	for i := range x.entries {
		if x.entries[i].Len > 0 && x.spans[i].block == nowhere {
			x.spans[i].block = unset
			order = append(order, 0)
		}
	}
	i := int64(0)
	for k := range order {
		at := t.pos
		v, err := t.number("payload's entry", 2*MaxEntries)
		if err != nil {
			return nil, err
		}
		i += unzigzag(v)
		if i < 0 || i >= int64(len(x.entries)) {
			return nil, corrupt("table: payload's entry", at, i, len(x.entries)-1)
		}
		if x.spans[i].block != unset {
			if x.spans[i].block == nowhere {
				return nil, corrupt("table: bytes of a payload that has a place", at, 0, 1)
			}
			return nil, corrupt("table: places of a payload", at, 2, 1)
		}
		x.spans[i].block = 0
		order[k] = int32(i)
	}
	return order, nil
}

func (x *Index) parseBlock(b *block, t, tail *reader) error {
	at := t.pos
	v, err := t.number("block's stored length", math.MaxInt64)
	if err != nil {
		return err
	}
	b.method, b.stored, b.off = byte(v&1), int64(v>>1), x.size
	if b.method == methodStored && b.stored != b.raw {
		return corrupt("table: length of a block stored as it is", at, b.stored, b.raw)
	}
	if b.method == methodZstd && b.stored >= b.raw {
		return corrupt("table: length of a compressed block", at, b.stored, b.raw-1)
	}
	x.size += b.stored
	sum, err := tail.bytes("block's checksum", 4)
	if err != nil {
		return err
	}
	b.crc = binary.LittleEndian.Uint32(sum)
	return nil
}
