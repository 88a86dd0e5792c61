package statediff

// gap is a part of two arrays that are being matched, from i and j on.
type gap struct {
	*matcher
	from     []int32
	old, new []uint32
	i, endI  int
	j, endJ  int
}

func (g gap) empty() bool { return g.i == g.endI || g.j == g.endJ }

// between calls f with the parts between those elements that are matched.
func (g gap) between(f func(gap)) {
	call := func(endI, endJ int) {
		part := g
		part.endI, part.endJ = endI, endJ
		if !part.empty() {
			f(part)
		}
	}
	end := g.endJ
	for j := g.j; j < end; j++ {
		if i := int(g.from[j]); i >= 0 {
			call(i, j)
			g.i, g.j = i+1, j+1
		}
	}
	call(g.endI, end)
}

// byPosition matches from the front.
func (g gap) byPosition() {
	for n := range min(g.endI-g.i, g.endJ-g.j) {
		g.from[g.j+n] = int32(g.i + n)
	}
}

// pair matches elements none of which are equal: first those of the same identity; between those the ones
// that resemble each other most; and what is left between those by position.
func (g gap) pair() (exact bool) {
	exact = true
	n, m := g.endI-g.i, g.endJ-g.j
	if n > 1 || m > 1 {
		g.byIdentity()
	}
	g.between(func(g gap) {
		exact = g.byResemblance() && exact
		g.between(gap.byPosition)
	})
	return exact
}

// byIdentity matches the elements whose identity no other one on their side has.
func (g gap) byIdentity() {
	type seen struct{ i, n int32 }
	ids := make(map[uint64]seen)
	for i := g.i; i < g.endI; i++ {
		if id := g.id(g.a, g.old[i]); id != 0 {
			ids[id] = seen{int32(i), ids[id].n + 1}
		}
	}
	if len(ids) == 0 {
		return
	}
	inNew := make(map[uint64]int, len(ids))
	for j := g.j; j < g.endJ; j++ {
		inNew[g.id(g.b, g.new[j])]++
	}
	var row, at []int32
	for j := g.j; j < g.endJ; j++ {
		id := g.id(g.b, g.new[j])
		if s := ids[id]; s.n == 1 && inNew[id] == 1 {
			row, at = append(row, s.i), append(at, int32(j))
		}
	}
	for _, k := range rising(row) {
		g.from[at[k]] = row[k]
	}
}

// id returns a hash of what an object is recognized by, or 0.
func (m *matcher) id(d *Document, n uint32) uint64 {
	if d.nodes[n].kind != Object {
		return 0
	}
	for _, name := range m.identity {
		for k, seen := n+1, 0; k < d.nodes[n].next && seen < maxMembers; k, seen = d.nodes[k+1].next, seen+1 {
			if kind := d.nodes[k+1].kind; d.nodes[k].hash == name && (kind == String || kind == Number) {
				return mix(name, d.nodes[k+1].hash)
			}
		}
	}
	return 0
}

// maxPairs is how many pairs of elements are held against each other in one gap.
const maxPairs = 1024

// byResemblance matches, in a small gap, those elements whose resemblances add up to most.
func (g gap) byResemblance() (exact bool) {
	n, m := g.endI-g.i, g.endJ-g.j
	if n == 1 && m == 1 || n*m > maxPairs {
		return true
	}
	if g.effort <= 0 {
		return false
	}
	// best has the most that the elements from some i and j on can add up to.
	alike := make([]int32, n*m)
	best := make([]int32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			sum := max(best[(i+1)*(m+1)+j], best[i*(m+1)+j+1])
			if r := g.successor(g.old[g.i+i], g.new[g.j+j]); r >= enough {
				alike[i*m+j] = r
				sum = max(sum, best[(i+1)*(m+1)+j+1]+r)
			}
			best[i*(m+1)+j] = sum
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch sum := best[i*(m+1)+j]; {
		case alike[i*m+j] > 0 && sum == best[(i+1)*(m+1)+j+1]+alike[i*m+j]:
			g.from[g.j+j] = int32(g.i + i)
			i++
			j++
		case sum == best[(i+1)*(m+1)+j]:
			i++
		default:
			j++
		}
	}
	return true
}

// successor is the resemblance, or nothing if each has an identity of its own.
func (m *matcher) successor(a, b uint32) int32 {
	if x, y := m.id(m.a, a), m.id(m.b, b); x != y && x != 0 && y != 0 {
		return 0
	}
	return m.resemblance(a, b)
}

// kin reports whether what is in two elements that were matched is to be compared, rather than that one
// was replaced by the other.
func (m *matcher) kin(a, b uint32) bool {
	if m.a.nodes[a].kind != m.b.nodes[b].kind || m.a.nodes[a].kind < Array {
		return false
	}
	x, y := m.id(m.a, a), m.id(m.b, b)
	if x != 0 && x == y || (x == 0 || y == 0) && m.a.nodes[a].kind == Object && m.shareMembers(a, b) {
		return true
	}
	return m.resemblance(a, b) >= enough
}
