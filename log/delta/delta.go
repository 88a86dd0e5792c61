package delta

import "slices"

// Version is the format's version, a delta's first byte. It changes with every change of the format.
const Version = 1

// MaxOverhead is the most bytes by which a delta is longer than its target: when nothing of the base is of use, a delta is
// a header and one literal. It holds for bases and targets up to 2^40 bytes.
const MaxOverhead = 32

// Delta is a checked delta, ready to be applied or composed.
//
// A Delta is immutable and safe for concurrent use as long as the bytes it was parsed from stay unchanged: it aliases their
// literals. It takes 40 bytes of memory per operation besides. The zero value turns nothing into nothing.
type Delta struct {
	baseLen int
	ops     []op
}

// op makes the target's bytes from the end of the operation before up to end.
type op struct {
	lit []byte // what a literal puts there; nil for a copy
	off int    // where a copy takes it from the base
	end int    // in the target
}

// BaseLen returns the length in bytes of the base that the delta applies to.
func (d *Delta) BaseLen() int { return d.baseLen }

// TargetLen returns the length in bytes of the target that the delta makes.
func (d *Delta) TargetLen() int {
	if len(d.ops) == 0 {
		return 0
	}
	return d.ops[len(d.ops)-1].end
}

// Ops returns the number of operations: what applying and composing cost besides the bytes.
func (d *Delta) Ops() int { return len(d.ops) }

// Apply appends to dst the target that the delta makes of base, and returns the extended slice. It allocates at most once,
// when dst lacks room for TargetLen more bytes.
//
// The result shares no memory with base or with the delta; the spare room of dst must not overlap either. A base of another
// length is ErrBase, and dst is returned as it was. A base of the right length and other content can't be told here and
// gives another target of the right length, so callers check what they get against a hash.
func (d *Delta) Apply(dst, base []byte) ([]byte, error) {
	if len(base) != d.baseLen {
		return dst, &Error{Err: ErrBase, What: "base length", Offset: -1, Have: uint64(len(base)), Want: uint64(d.baseLen)}
	}
	dst = slices.Grow(dst, d.TargetLen())
	at := 0
	for i := range d.ops {
		o := &d.ops[i]
		if o.lit != nil {
			dst = append(dst, o.lit...)
		} else {
			dst = append(dst, base[o.off:o.off+o.end-at]...)
		}
		at = o.end
	}
	return dst, nil
}
