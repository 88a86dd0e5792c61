package statediff

// matcher finds out which elements of an array remained in another one, and which became which.
type matcher struct {
	a, b     *Document
	identity []uint64 // the hashes of the names
	effort   int      // left
	visits   int      // left to the resemblance that is being found out
	search   search
}

// maxSearched is how many elements two arrays may have together, besides those that are equal at both
// ends, to be matched by content.
const maxSearched = 1 << 21

func newMatcher(a, b *Document, options Options) matcher {
	m := matcher{a: a, b: b, effort: options.Effort}
	for _, name := range options.Identity {
		m.identity = append(m.identity, hashText([]byte(name)))
	}
	return m
}

// match returns for each new element the index of the old one that it was, or -1. The indexes rise. It
// reports false if the match is coarser than it could be.
//
// Elements that are equal are matched first, so that as many as possible are; then, between them, those
// that are one another's successors.
func (m *matcher) match(old, new []uint32) (from []int32, exact bool) {
	from = make([]int32, len(new))
	for j := range from {
		from[j] = -1
	}
	start, endOld, endNew := 0, len(old), len(new)
	for start < endOld && start < endNew && m.equal(old[start], new[start]) {
		from[start] = int32(start)
		start++
	}
	for endOld > start && endNew > start && m.equal(old[endOld-1], new[endNew-1]) {
		endOld--
		endNew--
		from[endNew] = int32(endOld)
	}
	g := gap{m, from, old, new, start, endOld, start, endNew}
	if g.empty() {
		return from, true
	}
	if endOld-start+endNew-start > maxSearched {
		g.byPosition()
		return from, false
	}
	exact = true
	if endOld-start > 1 || endNew-start > 1 {
		exact = m.remained(g)
	}
	g.between(func(g gap) { exact = g.pair() && exact })
	return from, exact
}

func (m *matcher) equal(a, b uint32) bool {
	return m.a.nodes[a].hash == m.b.nodes[b].hash
}

// remained matches the elements of a gap that are equal.
func (m *matcher) remained(g gap) (exact bool) {
	// An element without an equal on the other side is in no common subsequence: only the others are searched.
	type symbol struct{ number, old, new int32 }
	symbols := make(map[uint64]symbol)
	for _, a := range g.old[g.i:g.endI] {
		s := symbols[m.a.nodes[a].hash]
		s.old++
		symbols[m.a.nodes[a].hash] = s
	}
	var inNew sequence
	unique := true
	next := int32(0)
	for j := g.j; j < g.endJ; j++ {
		s := symbols[m.b.nodes[g.new[j]].hash]
		if s.old == 0 {
			continue
		}
		if s.new++; s.new == 1 {
			s.number = next
			next++
		}
		unique = unique && s.old == 1 && s.new == 1
		symbols[m.b.nodes[g.new[j]].hash] = s
		inNew.add(s.number, j)
	}
	var inOld sequence
	for i := g.i; i < g.endI; i++ {
		if s := symbols[m.a.nodes[g.old[i]].hash]; s.new > 0 {
			inOld.add(s.number, i)
		}
	}
	if unique {
		m.unique(inOld, inNew, g.from)
		return true
	}
	return m.search.run(inOld, inNew, g.from, &m.effort)
}

// sequence is a part of an array's elements, as symbols that are the same for equal elements.
type sequence struct {
	symbols []int32
	at      []int32 // the elements' indexes in the array
}

func (s *sequence) add(symbol int32, at int) {
	s.symbols = append(s.symbols, symbol)
	s.at = append(s.at, int32(at))
}

// unique matches two sequences that have the same symbols, each once, in different orders: their longest
// common subsequence is the longest one of the old sequence's positions that rises.
func (m *matcher) unique(old, new sequence, from []int32) {
	where := make([]int32, len(new.symbols)) // a symbol's position in new
	for j, s := range new.symbols {
		where[s] = int32(j)
	}
	row := make([]int32, len(old.symbols))
	for i, s := range old.symbols {
		row[i] = where[s]
	}
	for _, i := range rising(row) {
		from[new.at[row[i]]] = old.at[i]
	}
}

// rising returns the indexes of the longest rising subsequence of numbers that all differ.
func rising(row []int32) []int32 {
	before := make([]int32, len(row))
	var piles []int32 // the index of the least number that ends a subsequence of each length
	for i, v := range row {
		lo, hi := 0, len(piles)
		if hi > 0 && row[piles[hi-1]] < v {
			lo = hi
		}
		for lo < hi {
			if mid := (lo + hi) / 2; row[piles[mid]] < v {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		before[i] = -1
		if lo > 0 {
			before[i] = piles[lo-1]
		}
		if lo == len(piles) {
			piles = append(piles, 0)
		}
		piles[lo] = int32(i)
	}
	if len(piles) == 0 {
		return nil
	}
	k := piles[len(piles)-1]
	for n := len(piles) - 1; n >= 0; n-- {
		piles[n], k = k, before[k]
	}
	return piles
}
