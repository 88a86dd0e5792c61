package delta

import (
	"math/bits"
	"slices"
)

const (
	block     = 32      // bytes that a hash stands for
	maxSparse = 4       // times its length that a block may be apart from the next where little is looked up
	maxBlocks = 1 << 19 // in an index; the blocks of a longer base are further apart
	chain     = 8       // blocks of one hash that are tried
	numBits   = 20      // of an entry that hold the block's number plus one
	numMask   = 1<<numBits - 1
)

// index finds blocks of the base by their hash, as rsync does: the blocks lie side by side, and the target is looked up at
// any offset. A table of chains; an entry holds a block's number and, above it, bits of its hash, so that most of what
// merely shares a slot is passed over without touching the base.
type index struct {
	base   []byte // nil while there is no index
	stride int
	shift  int
	heads  []uint32
	next   []uint32 // by block
	effort int      // comparisons that may still be spent on choosing among candidates
}

// build indexes base for at most so many lookups.
func (x *index) build(base []byte, lookups, effort int) {
	x.base, x.effort = base, effort
	// A power of two, so that the odd steps of pace meet every block.
	x.stride = block
	for n := len(base) / block; n > maxBlocks || n > lookups && x.stride < maxSparse*block; n /= 2 {
		x.stride *= 2
	}
	n := 0
	if len(base) >= block {
		n = (len(base)-block)/x.stride + 1
	}
	log := max(bits.Len(uint(n)), 4)
	x.shift = 64 - log
	x.heads = slices.Grow(x.heads[:0], 1<<log)[:1<<log]
	clear(x.heads)
	x.next = slices.Grow(x.next[:0], n)[:n]
	last := uint64(0)
	for k := range n {
		h := hash((*[block]byte)(base[k*x.stride:]))
		x.next[k] = 0
		if k > 0 && h == last {
			continue // in a run the first block leads to the longest match
		}
		last = h
		slot := &x.heads[h>>x.shift]
		x.next[k] = *slot
		*slot = tag(h) | uint32(k+1)
	}
}

// hash is four words each times an odd number, whose products don't wait for each other. It is computed afresh at each
// offset: rolling one along is a third faster where every offset is looked up, but pace sees to it that few are.
func hash(b *[block]byte) uint64 {
	return load64(b[:], 0)*0x9e3779b97f4a7c15 + load64(b[:], 8)*0xc2b2ae3d27d4eb4f +
		load64(b[:], 16)*0x165667b19e3779f9 + load64(b[:], 24)*0xd6e8feb86659fd93
}

// tag is the bits of a hash kept in an entry. They lie below those that choose the slot.
func tag(h uint64) uint32 { return uint32(h>>12) &^ numMask }

// lookup returns the longest match of target at j, not beyond limit: its offset in the base and its length.
func (x *index) lookup(target []byte, j, limit int) (off, n int) {
	h := hash((*[block]byte)(target[j:]))
	e := x.heads[h>>x.shift]
	if e == 0 {
		return 0, 0
	}
	want := tag(h)
	for tries := chain; e != 0 && tries > 0; e = x.next[e&numMask-1] {
		if e&^numMask != want {
			tries--
			continue
		}
		at := (int(e&numMask) - 1) * x.stride
		if m := commonPrefix(x.base[at:], target[j:limit]); m > n {
			off, n = at, m
		}
		if x.effort--; x.effort < 0 {
			break
		}
		tries--
	}
	return off, n
}

const (
	lazy    = 32  // offsets that are looked at for a longer match once there is one
	content = 256 // bytes of a match that is long enough at once

	worthIndex = 64 // bytes of the target for which the base is indexed
)

// anywhere returns where in the whole base the target's bytes from j on are found again.
func (d *differ) anywhere(j int) (bi, bj int, ok bool) {
	if left := d.limit - j; len(d.base) < block || left < block || left < worthIndex && d.index.base == nil {
		return 0, 0, false
	}
	d.needIndex(j)
	for from, at := j, j; at+block <= d.limit; at += pace(at - from) {
		off, n := d.index.lookup(d.target, at, d.limit)
		if n < block {
			continue
		}
		if n < content && d.index.effort > 0 {
			if o, a, m := d.longest(at+1, at+1+lazy); m > n {
				off, at = o, a
			}
		}
		return off, at, true
	}
	return 0, 0, false
}

// pace lets the search go faster the longer it has found nothing. Steps are odd and so meet every offset of a block; what
// a step passes over is a match of a few blocks, a long one is met later and followed back.
func pace(missed int) int { return 1 + 2*min(missed>>10, 7) }

// around returns the longest match that begins at j, where base and target differ, or covers it: one of its blocks does.
// It finds none once the search's effort is spent.
func (d *differ) around(j int) (bi, bj, n int) {
	d.needIndex(j)
	if d.index.effort <= 0 {
		return 0, 0, 0
	}
	bi, bj, n = d.longest(max(0, j-block+1), j+block)
	if done := max(0, d.done-bj); done > 0 {
		bi, bj, n = bi+done, bj+done, n-done
	}
	return bi, bj, n
}

func (d *differ) longest(from, to int) (bi, bj, n int) {
	for at := from; at < to && at+block <= d.limit; at++ {
		if o, m := d.index.lookup(d.target, at, d.limit); m > n {
			bi, bj, n = o, at, m
		}
	}
	return bi, bj, n
}

func (d *differ) needIndex(j int) {
	if d.index.base == nil {
		d.index.build(d.base, d.limit-j, 4096+len(d.target)/16)
	}
}
