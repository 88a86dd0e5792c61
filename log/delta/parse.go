package delta

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumEnd = 5 // the version byte and the checksum

// Parse checks all of b and returns it as a Delta: its version, its checksum, that the target is no longer than maxTarget
// bytes, and that every copy lies in a base of the stated length and the lengths add up. Nothing is allocated before all of
// that has held, and then at most 20 bytes for each of b's.
//
// The Delta aliases b: b must not change while the Delta, or one composed from it, is in use. Errors are ErrCorrupt,
// ErrUnsupportedVersion and ErrTooLarge, in an *Error.
func Parse(b []byte, maxTarget int) (*Delta, error) {
	h, err := parseHeader(b, maxTarget)
	if err != nil {
		return nil, err
	}
	literals, err := checkOps(b, h)
	if err != nil {
		return nil, err
	}
	d := &Delta{baseLen: h.base, ops: make([]op, 0, h.ops)}
	for r := newReader(b, h); r.left > 0; {
		s, err := r.next()
		if err != nil {
			return nil, err
		}
		o := op{off: s.off, end: r.target}
		if s.literal {
			o.lit = b[literals : literals+s.n : literals+s.n]
			literals += s.n
		}
		d.ops = append(d.ops, o)
	}
	return d, nil
}

type header struct {
	base, target, ops int
	end               int // where the operations begin
}

func parseHeader(b []byte, maxTarget int) (h header, err error) {
	if len(b) == 0 {
		return h, corrupt("length", 0, 0, sumEnd)
	}
	if b[0] != Version {
		return h, &Error{Err: ErrUnsupportedVersion, What: "version", Have: uint64(b[0]), Want: Version}
	}
	if len(b) < sumEnd {
		return h, corrupt("length", len(b), len(b), sumEnd)
	}
	want := binary.LittleEndian.Uint32(b[1:])
	if have := crc32.Checksum(b[sumEnd:], castagnoli); have != want {
		return h, &Error{Err: ErrCorrupt, What: "checksum", Offset: 1, Have: uint64(have), Want: uint64(want)}
	}
	r := reader{b: b, pos: sumEnd}
	if h.base, err = r.uvarint("base length"); err != nil {
		return h, err
	}
	at := r.pos
	if h.target, err = r.uvarint("target length"); err != nil {
		return h, err
	}
	if h.target > maxTarget {
		return h, &Error{Err: ErrTooLarge, What: "target length", Offset: at, Have: uint64(h.target), Want: uint64(max(0, maxTarget))}
	}
	at = r.pos
	if h.ops, err = r.uvarint("number of operations"); err != nil {
		return h, err
	}
	h.end = r.pos
	// A copy takes two bytes at least, a literal one here and one at the end.
	if most := (len(b) - r.pos) / 2; h.ops > most {
		return h, corrupt("number of operations", at, h.ops, most)
	}
	return h, nil
}

// checkOps reads all operations and returns where the literals begin.
func checkOps(b []byte, h header) (literals int, err error) {
	r := newReader(b, h)
	for r.left > 0 {
		if _, err := r.next(); err != nil {
			return 0, err
		}
	}
	if r.target != h.target {
		return 0, corrupt("sum of the operations' lengths", r.pos, r.target, h.target)
	}
	if have := len(b) - r.pos; have != r.literal {
		return 0, corrupt("literal bytes", r.pos, have, r.literal)
	}
	return r.pos, nil
}

// reader reads a delta's operations one by one and holds each against the bounds.
type reader struct {
	b        []byte
	pos      int
	h        header
	left     int  // operations
	target   int  // made so far
	literal  int  // bytes so far
	cursor   int  // in the base, where the next copy is expected
	last     step // for what must not follow it
	notFirst bool
}

// step is an operation as it is written.
type step struct {
	literal bool
	n       int
	off     int // of a copy
}

func newReader(b []byte, h header) reader {
	return reader{b: b, pos: h.end, h: h, left: h.ops}
}

func (r *reader) next() (step, error) {
	at := r.pos
	tag, err := r.uvarint("operation")
	if err != nil {
		return step{}, err
	}
	s := step{literal: tag&1 == 1, n: tag >> 1}
	if s.n == 0 {
		return s, corrupt("operation's length", at, 0, 1)
	}
	if most := r.h.target - r.target; s.n > most {
		return s, corrupt("operation's length", at, s.n, most)
	}
	if s.literal {
		err = r.literalStep(at, s)
	} else {
		s.off, err = r.copyStep(s)
	}
	r.target += s.n
	r.left--
	r.last, r.notFirst = s, true
	return s, err
}

func (r *reader) literalStep(at int, s step) error {
	if r.notFirst && r.last.literal {
		return corrupt("literal after a literal", at, s.n, 0)
	}
	r.literal += s.n
	r.cursor += min(s.n, math.MaxInt-r.cursor)
	return nil
}

func (r *reader) copyStep(s step) (off int, err error) {
	at := r.pos
	move, err := r.uvarint64("copy's offset")
	if err != nil {
		return 0, err
	}
	if move == 0 && r.notFirst && !r.last.literal {
		return 0, corrupt("copy that goes on with a copy", at, 0, 1)
	}
	if s.n > r.h.base {
		return 0, corrupt("copy's length", at, s.n, r.h.base)
	}
	off64 := int64(r.cursor) + unzigzag(move)
	if most := int64(r.h.base - s.n); off64 < 0 || off64 > most {
		return 0, &Error{Err: ErrCorrupt, What: "copy's offset", Offset: at, Have: uint64(off64), Want: uint64(most)}
	}
	r.cursor = int(off64) + s.n
	return int(off64), nil
}

// uvarint reads a length that fits an int.
func (r *reader) uvarint(what string) (int, error) {
	at := r.pos
	v, err := r.uvarint64(what)
	if err == nil && v > math.MaxInt {
		err = &Error{Err: ErrCorrupt, What: what, Offset: at, Have: v, Want: math.MaxInt}
	}
	return int(v), err
}

// uvarint64 reads a number in its shortest form.
func (r *reader) uvarint64(what string) (uint64, error) {
	v, n := binary.Uvarint(r.b[r.pos:])
	if n == 0 {
		left := len(r.b) - r.pos
		return 0, corrupt(what+": bytes of a number", r.pos, left, left+1)
	}
	if n < 0 {
		return 0, corrupt(what+": bits of a number", r.pos, 65, 64)
	}
	if n > 1 && r.b[r.pos+n-1] == 0 {
		return 0, corrupt(what+": bytes of a number", r.pos, n, uvarintLen(v))
	}
	r.pos += n
	return v, nil
}

func corrupt(what string, at, have, want int) error {
	return &Error{Err: ErrCorrupt, What: what, Offset: at, Have: uint64(have), Want: uint64(want)}
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
