package delta

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Append appends the delta's bytes to dst and returns the extended slice: a composed delta is stored this way. Parsing them
// gives a delta that makes the same target of the same base. dst must not overlap the bytes that d was parsed from.
func (d *Delta) Append(dst []byte) []byte {
	count, literals := d.measure()
	// A copy's two numbers and a literal's one take fewer than 16 bytes, mostly 5: the rest grows.
	dst = slices.Grow(dst, MaxOverhead+6*count+literals)
	start := len(dst)
	dst = append(dst, Version, 0, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(d.baseLen))
	dst = binary.AppendUvarint(dst, uint64(d.TargetLen()))
	dst = binary.AppendUvarint(dst, uint64(count))
	dst = d.appendOps(dst)
	for i := range d.ops {
		dst = append(dst, d.ops[i].lit...)
	}
	binary.LittleEndian.PutUint32(dst[start+1:], crc32.Checksum(dst[start+sumEnd:], castagnoli))
	return dst
}

// measure counts what is written: neighbouring literals, which a composed delta can have, are written as one.
func (d *Delta) measure() (count, literals int) {
	afterLiteral := false
	for i := range d.ops {
		o := &d.ops[i]
		if o.lit == nil || !afterLiteral {
			count++
		}
		literals += len(o.lit)
		afterLiteral = o.lit != nil
	}
	return count, literals
}

func (d *Delta) appendOps(dst []byte) []byte {
	at, cursor, literal := 0, 0, 0
	for i := range d.ops {
		o := &d.ops[i]
		n := o.end - at
		at = o.end
		if o.lit != nil {
			literal += n
			continue
		}
		if literal > 0 {
			dst = binary.AppendUvarint(dst, uint64(literal)<<1|1)
			cursor += literal
			literal = 0
		}
		dst = binary.AppendUvarint(dst, uint64(n)<<1)
		dst = binary.AppendUvarint(dst, zigzag(int64(o.off)-int64(cursor)))
		cursor = o.off + n
	}
	if literal > 0 {
		dst = binary.AppendUvarint(dst, uint64(literal)<<1|1)
	}
	return dst
}
