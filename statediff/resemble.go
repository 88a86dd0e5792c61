package statediff

// What resemblance looks at is bounded, so that it costs some microseconds at most.
const (
	enough      = 50 // percent: below, two elements have little to do with each other
	whollyAlike = 100
	maxVisits   = 256 // values
	maxText     = 1024
	maxMembers  = 32
	maxElements = 32
)

// resemblance returns how much of two values is the same, in percent: of texts what they begin and end
// with, of objects the names and what is behind them, by length; of arrays the elements.
func (m *matcher) resemblance(a, b uint32) int32 {
	m.visits = maxVisits
	return m.resemble(a, b)
}

func (m *matcher) resemble(a, b uint32) int32 {
	x, y := &m.a.nodes[a], &m.b.nodes[b]
	m.visits--
	m.effort -= 4
	switch {
	case x.hash == y.hash:
		return whollyAlike
	case x.kind != y.kind || m.visits <= 0:
		return 0
	case x.kind == String:
		return m.texts(m.a.bytes(a), m.b.bytes(b))
	case x.kind == Object:
		return m.objects(a, b)
	case x.kind == Array:
		return m.arrays(a, b)
	}
	return 0
}

// shareMembers reports whether at least half of two objects' members are equal, by number.
func (m *matcher) shareMembers(a, b uint32) bool {
	equal, common, n := 0, 0, 0
	for k := b + 1; k < m.b.nodes[b].next && n < maxMembers; k, n = m.b.nodes[k+1].next, n+1 {
		if old, _ := m.member(a, m.b.nodes[k].hash); old != 0 {
			common++
			if m.equal(old+1, k+1) {
				equal++
			}
		}
	}
	old := 0
	for k := a + 1; k < m.a.nodes[a].next && old < maxMembers; k = m.a.nodes[k+1].next {
		old++
	}
	return equal > 0 && 2*equal >= n+old-common
}

func (m *matcher) texts(a, b []byte) int32 {
	a, b = a[1:len(a)-1], b[1:len(b)-1]
	longer, shorter := max(len(a), len(b)), min(len(a), len(b), maxText)
	n := 0
	for n < shorter && a[n] == b[n] {
		n++
	}
	for k := 0; n < shorter && a[len(a)-1-k] == b[len(b)-1-k]; k++ {
		n++
	}
	m.effort -= n / 4
	return int32(min(whollyAlike, whollyAlike*n/max(1, min(longer, maxText))))
}

func (m *matcher) objects(a, b uint32) int32 {
	var same, all int
	var used uint32 // bits: which of the old members have been found
	k, seen := b+1, 0
	guess, place := a+1, 0 // the old member of the same place
	for ; k < m.b.nodes[b].next && seen < maxMembers; k, seen = m.b.nodes[k+1].next, seen+1 {
		name := weight(m.b, k)
		all += name
		old := guess
		at := place
		if guess >= m.a.nodes[a].next || m.a.nodes[guess].hash != m.b.nodes[k].hash {
			old, at = m.member(a, m.b.nodes[k].hash)
		}
		if old == 0 {
			all += weight(m.b, k+1)
		} else {
			value := max(weight(m.a, old+1), weight(m.b, k+1))
			all += value
			same += name + value*int(m.resemble(old+1, k+1))/whollyAlike
			used |= 1 << at
		}
		if guess < m.a.nodes[a].next {
			guess, place = m.a.nodes[guess+1].next, min(place+1, maxMembers-1)
		}
	}
	for k, seen := a+1, 0; k < m.a.nodes[a].next && seen < maxMembers; k, seen = m.a.nodes[k+1].next, seen+1 {
		if used>>seen&1 == 0 {
			all += weight(m.a, k) + weight(m.a, k+1)
		}
	}
	return int32(whollyAlike * same / max(1, all))
}

// weight is how much a value counts for.
func weight(d *Document, n uint32) int {
	return min(maxText, int(d.nodes[n].end-d.nodes[n].start))
}

// member finds a member among the first ones, and its place.
func (m *matcher) member(a uint32, name uint64) (uint32, int) {
	place := 0
	for k := a + 1; k < m.a.nodes[a].next && place < maxMembers; k = m.a.nodes[k+1].next {
		m.effort--
		if m.a.nodes[k].hash == name {
			return k, place
		}
		place++
	}
	return 0, 0
}

// arrays looks for elements that are equal, wherever they are, and holds those that are left against what is
// at the same place.
func (m *matcher) arrays(a, b uint32) int32 {
	var old [maxElements]uint32
	var used, found uint32 // bits, of old and new elements
	n, seen := 0, 0
	for k := a + 1; k < m.a.nodes[a].next && n < maxElements; k = m.a.nodes[k].next {
		old[n] = k
		n++
	}
	all, same := 0, 0
	for k := b + 1; k < m.b.nodes[b].next && seen < maxElements; k = m.b.nodes[k].next {
		for i, o := range old[:n] {
			if used>>i&1 == 0 && m.equal(o, k) {
				used |= 1 << i
				found |= 1 << seen
				all += weight(m.b, k)
				same += weight(m.b, k)
				break
			}
		}
		seen++
	}
	m.effort -= n * seen / 8
	i := 0
	for k := b + 1; i < seen; k, i = m.b.nodes[k].next, i+1 {
		switch {
		case found>>i&1 != 0:
		case i < n && used>>i&1 == 0:
			used |= 1 << i
			value := max(weight(m.a, old[i]), weight(m.b, k))
			all += value
			same += value * int(m.resemble(old[i], k)) / whollyAlike
		default:
			all += weight(m.b, k)
		}
	}
	for i, o := range old[:n] {
		if used>>i&1 == 0 {
			all += weight(m.a, o)
		}
	}
	return int32(whollyAlike * same / max(1, all))
}
