package delta

import "sort"

// MaxComposedOps bounds the operations of a composed delta, and so its memory: 2.5 MiB. Beyond about this many, applying
// one delta after the other is no slower than composing them. A chain of 256 deltas of 20 edits each has 10,000.
const MaxComposedOps = 1 << 16

// Compose returns the one delta that older followed by newer amounts to, without building the state in between: newer's
// base is older's target. Composing is associative, so a chain may be composed in any grouping. Safe for concurrent use.
//
// Literals are aliased, not copied: the result keeps alive, and relies on, the bytes that both were parsed from. It takes
// time about proportional to the operations of both and of the result. If newer's base isn't as long as older's target, the
// error is ErrBase; if the result would have more than MaxComposedOps operations, ErrTooComplex, found out within that memory.
func Compose(older, newer *Delta) (*Delta, error) {
	if older.TargetLen() != newer.baseLen {
		return nil, &Error{Err: ErrBase, What: "length of the state in between", Offset: -1,
			Have: uint64(older.TargetLen()), Want: uint64(newer.baseLen)}
	}
	c := composer{older: older.ops, ops: make([]op, 0, min(len(older.ops)+len(newer.ops), MaxComposedOps))}
	at, ok := 0, true
	for i := range newer.ops {
		o := &newer.ops[i]
		if o.lit != nil {
			ok = c.literal(o.lit)
		} else {
			ok = c.copy(o.off, o.off+o.end-at)
		}
		if !ok {
			return nil, &Error{Err: ErrTooComplex, What: "number of operations", Offset: -1, Have: MaxComposedOps + 1, Want: MaxComposedOps}
		}
		at = o.end
	}
	return &Delta{baseLen: older.baseLen, ops: c.ops}, nil
}

type composer struct {
	older []op
	ops   []op // the result
	end   int  // of the result's target
	hint  int  // the older operation used last: the next copy mostly goes on from there
}

// copy puts the older target's bytes from up to to, as what they were made of.
func (c *composer) copy(from, to int) bool {
	for k := c.find(from); from < to; k++ {
		o, begin := &c.older[k], c.begin(k)
		end := min(o.end, to)
		if o.lit != nil {
			if !c.literal(o.lit[from-begin : end-begin : end-begin]) {
				return false
			}
		} else if !c.baseCopy(o.off+from-begin, end-from) {
			return false
		}
		from, c.hint = end, k
	}
	return true
}

// find returns the older operation that made the byte at.
func (c *composer) find(at int) int {
	for k := c.hint; k < len(c.older) && k < c.hint+4; k++ {
		if c.begin(k) <= at && at < c.older[k].end {
			return k
		}
	}
	return sort.Search(len(c.older), func(k int) bool { return at < c.older[k].end })
}

func (c *composer) begin(k int) int {
	if k == 0 {
		return 0
	}
	return c.older[k-1].end
}

func (c *composer) literal(b []byte) bool {
	return c.push(op{lit: b}, len(b))
}

func (c *composer) baseCopy(off, n int) bool {
	if k := len(c.ops) - 1; k >= 0 && c.ops[k].lit == nil {
		if last := &c.ops[k]; last.off+last.end-c.lastBegin() == off {
			last.end += n
			c.end = last.end
			return true
		}
	}
	return c.push(op{off: off}, n)
}

func (c *composer) lastBegin() int {
	if len(c.ops) < 2 {
		return 0
	}
	return c.ops[len(c.ops)-2].end
}

func (c *composer) push(o op, n int) bool {
	if len(c.ops) == MaxComposedOps {
		return false
	}
	c.end += n
	o.end = c.end
	c.ops = append(c.ops, o)
	return true
}
