package statediff

import "math"

// search finds a longest common subsequence of two sequences by Myers' algorithm in linear space: from both
// ends at once it follows, for each number of differences, the furthest path on each diagonal, until the
// two meet in the middle of a shortest one; then it does the same on either side. As in GNU diff and git it
// gives up on a part once that has cost too much, and goes on from the furthest point it has reached: the
// result is then a common subsequence, not always a longest one.
type search struct {
	x, y            []int32
	matched         []int32 // for each of y the index in x, or -1
	forward, behind []int32 // by diagonal x-y, plus len(y)+1: the furthest x
	limit           int     // of differences, for a part
	effort          *int
	exact           bool
}

// leastDifferences is how many are followed whatever effort is left, so that the search is never more than
// some 32 steps for each element.
const leastDifferences = 16

// run matches two sequences and writes the pairs to from. It reports whether there are no longer ones.
func (s *search) run(old, new sequence, from []int32, effort *int) bool {
	s.x, s.y, s.effort, s.exact = old.symbols, new.symbols, effort, true
	n := len(s.x) + len(s.y)
	s.limit = max(leastDifferences, *effort/(n+1))
	if room := n + 3; cap(s.forward) < room {
		s.forward, s.behind = make([]int32, room), make([]int32, room)
	}
	s.forward, s.behind = s.forward[:n+3], s.behind[:n+3]
	s.matched = make([]int32, len(s.y))
	for j := range s.matched {
		s.matched[j] = -1
	}
	s.part(0, len(s.x), 0, len(s.y))
	for j, i := range s.matched {
		if i >= 0 {
			from[new.at[j]] = old.at[i]
		}
	}
	return s.exact
}

func (s *search) part(x, endX, y, endY int) {
	for {
		for x < endX && y < endY && s.x[x] == s.y[y] {
			s.matched[y] = int32(x)
			x++
			y++
		}
		for x < endX && y < endY && s.x[endX-1] == s.y[endY-1] {
			endX--
			endY--
			s.matched[endY] = int32(endX)
		}
		if x == endX || y == endY {
			return
		}
		midX, midY := s.middle(x, endX, y, endY)
		s.part(x, midX, y, midY)
		x, y = midX, midY
	}
}

// middle returns a point on a shortest path, neither the part's first nor its last.
func (s *search) middle(x, endX, y, endY int) (int, int) {
	off := len(s.y) + 1
	first, last := x-y, endX-endY // the diagonals of both ends
	low, high := x-endY, endX-y   // those of the part
	odd := (first-last)&1 != 0
	fLow, fHigh, bLow, bHigh := first, first, last, last
	s.forward[off+first], s.behind[off+last] = int32(x), int32(endX)
	for cost := 1; ; cost++ {
		fLow, fHigh = s.widen(s.forward, fLow, fHigh, low, high, -1)
		for d := fHigh; d >= fLow; d -= 2 {
			fx := int(max(s.forward[off+d-1]+1, s.forward[off+d+1]))
			fy := fx - d
			start := fx
			for fx < endX && fy < endY && s.x[fx] == s.y[fy] {
				fx++
				fy++
			}
			*s.effort -= fx - start + 1
			s.forward[off+d] = int32(fx)
			if odd && bLow <= d && d <= bHigh && int(s.behind[off+d]) <= fx {
				return fx, fy
			}
		}
		bLow, bHigh = s.widen(s.behind, bLow, bHigh, low, high, 1<<30)
		for d := bHigh; d >= bLow; d -= 2 {
			bx := int(min(s.behind[off+d-1], s.behind[off+d+1]-1))
			by := bx - d
			start := bx
			for bx > x && by > y && s.x[bx-1] == s.y[by-1] {
				bx--
				by--
			}
			*s.effort -= start - bx + 1
			s.behind[off+d] = int32(bx)
			if !odd && fLow <= d && d <= fHigh && bx <= int(s.forward[off+d]) {
				return bx, by
			}
		}
		if cost >= s.limit || cost >= leastDifferences && *s.effort <= 0 {
			s.exact = false
			return s.furthest(x, endX, y, endY, fLow, fHigh, bLow, bHigh)
		}
	}
}

// widen lets a search follow one diagonal more on either side, or, at the part's edge, one less, and marks
// those next to them as not reached.
func (s *search) widen(reached []int32, from, to, low, high int, never int32) (int, int) {
	off := len(s.y) + 1
	if from > low {
		from--
		reached[off+from-1] = never
	} else {
		from++
	}
	if to < high {
		to++
		reached[off+to+1] = never
	} else {
		to--
	}
	return from, to
}

// furthest returns the point furthest from its end that either search has reached within the part.
func (s *search) furthest(x, endX, y, endY, fLow, fHigh, bLow, bHigh int) (int, int) {
	off := len(s.y) + 1
	bestF, fx := -1, 0
	for d := fHigh; d >= fLow; d -= 2 {
		at := min(int(s.forward[off+d]), endX)
		if at-d > endY {
			at = endY + d
		}
		if bestF < at+at-d {
			bestF, fx = at+at-d, at
		}
	}
	bestB, bx := math.MaxInt/2, 0
	for d := bHigh; d >= bLow; d -= 2 {
		at := max(x, int(s.behind[off+d]))
		if at-d < y {
			at = y + d
		}
		if at+at-d < bestB {
			bestB, bx = at+at-d, at
		}
	}
	if endX+endY-bestB < bestF-(x+y) {
		return fx, bestF - fx
	}
	return bx, bestB - bx
}
