package delta

import "sync"

// Encode appends to dst the delta that turns base into target, and returns the extended slice. The delta is at most
// MaxOverhead bytes longer than target. Neither base nor target is kept; they may overlap or be the same slice, while the
// spare room of dst must not overlap either. Safe for concurrent use.
//
// Time is about linear in both lengths, whatever they hold. There is about one operation at most for each 8 bytes of the target, and
// scratch memory is 40 bytes for each (and what a growing slice leaves behind). Where what the two have in common isn't found
// nearby, a table takes three eighths of the base's length besides, at most 6 MiB. Up to 11 MiB of it are pooled between calls.
func Encode(dst, base, target []byte) []byte {
	d, _ := differs.Get().(*differ)
	if d == nil {
		d = new(differ)
	}
	d.diff(base, target)
	delta := Delta{baseLen: len(base), ops: d.ops}
	dst = delta.Append(dst)
	d.release()
	differs.Put(d)
	return dst
}

var differs sync.Pool // of *differ

// A copy takes two numbers and parts a literal in two, which is another: 4 to 10 bytes mostly, and below 2^40 never 16. So no
// copy makes a delta longer, and MaxOverhead holds without counting.
const (
	minEnd   = 8  // bytes in common at the beginning or at the end that are worth a copy: no literal is parted
	minMatch = 16 // bytes in common anywhere else that are worth one

	maxPooled = 1 << 17 // operations whose memory is kept for the next call
)

// differ finds what target has in common with base. It belongs to one Encode at a time.
type differ struct {
	base, target []byte
	limit        int // target's end without what it has in common with base's end
	ops          []op
	done         int // target bytes that ops make
	copyEnd      int // in the base, of the last copy
	index        index
	streak       streak
	credit       int // wide searches that may still fail
}

// release lets go of what the caller owns and of what is too large to keep.
func (d *differ) release() {
	clear(d.ops)
	d.ops = d.ops[:0]
	if cap(d.ops) > maxPooled {
		d.ops = nil
	}
	d.base, d.target, d.index.base = nil, nil, nil
}

// diff sets ops. It compares from both ends, and in between goes from difference to difference: past each it looks for
// where the two agree again, nearby first and then anywhere in the base.
func (d *differ) diff(base, target []byte) {
	prefix := commonPrefix(base, target)
	suffix := commonSuffix(base[prefix:], target[prefix:])
	d.base, d.target = base, target
	d.limit = len(target) - suffix
	d.done, d.copyEnd = 0, -1
	d.credit = 64 + len(target)>>12
	d.streak = newStreak()
	d.copy(0, 0, prefix, minEnd)
	for i, j := prefix, prefix; j < d.limit; {
		ok := false
		if i, j, ok = d.next(i, j); !ok {
			break
		}
		back := commonSuffix(base[:i], target[d.done:j])
		n := commonPrefix(base[i:], target[j:d.limit])
		d.copy(i-back, j-back, back+n, minMatch)
		d.streak.matched(back + n)
		i, j = i+n, j+n
	}
	d.copy(len(base)-suffix, d.limit, suffix, minEnd)
	d.literal(len(target))
}

// next returns where base and target agree again after differing at i and j.
func (d *differ) next(i, j int) (int, int, bool) {
	if d.streak.ended() {
		// Many short matches in a row: perhaps all are beside one long one.
		if bi, bj, n := d.around(j); n > d.streak.long() {
			d.streak.reset()
			return bi, bj, true
		}
		d.streak.fruitless()
	}
	if i, j, ok := d.nearby(i, j); ok {
		return i, j, true
	}
	return d.anywhere(j)
}

// copy records that n bytes from target's offset at are base's from off, if that is worth it.
func (d *differ) copy(off, at, n, worth int) {
	joins := off == d.copyEnd && at == d.done && len(d.ops) > 0
	if n < worth && !joins || n == 0 {
		return
	}
	d.copyEnd = off + n
	if joins {
		d.done += n
		d.ops[len(d.ops)-1].end = d.done
		return
	}
	d.literal(at)
	d.done = at + n
	d.ops = append(d.ops, op{off: off, end: d.done})
}

// literal records that what is left up to target's offset at is its own.
func (d *differ) literal(at int) {
	if at > d.done {
		d.ops = append(d.ops, op{lit: d.target[d.done:at], end: at})
		d.done = at
	}
}

// streak tells when the matches have been short for suspiciously long.
type streak struct {
	short    int // matches in a row that were
	bytes    int // of the longest of them
	patience int // how many there must be before it is worth a look
}

const (
	shortMatch  = 512
	minPatience = 4
	maxPatience = 256
)

func newStreak() streak { return streak{patience: minPatience} }

func (s *streak) matched(n int) {
	if n >= shortMatch {
		s.reset()
		return
	}
	s.short++
	s.bytes = max(s.bytes, n)
}

func (s *streak) ended() bool { return s.short >= s.patience }

// dense tells that the last two matches already were short.
func (s *streak) dense() bool { return s.short >= 2 }

// long is how long a match must be to break the streak.
func (s *streak) long() int { return 2 * s.bytes }

func (s *streak) reset() { *s = newStreak() }

func (s *streak) fruitless() {
	*s = streak{patience: min(2*s.patience, maxPatience)}
}
