package delta

import "bytes"

const (
	inPlace = 64   // how far a replacement of equal length is looked for
	narrow  = 256  // how far an insertion or a deletion is looked for, always
	wide    = 4096 // and how far as long as that pays
	needle  = 24   // bytes that are looked for there
	sure    = 64   // bytes in common that end the search
)

// Needles are taken here, past what a replacement of another length may have put there.
var (
	narrowAnchors = [...]int{0, 8, 16, 24, 32, 48, 64}
	wideAnchors   = [...]int{0, 16, 64}
)

// nearby returns where base and target agree again close to where they differ, at i and j.
func (d *differ) nearby(i, j int) (int, int, bool) {
	a := alignment{b: d.base[i:], t: d.target[j:d.limit], enough: sure}
	if d.streak.dense() {
		// A careful choice each time would cost more than it gains, and the streak sees to a wrong one.
		a.enough = minMatch
	}
	a.inPlace()
	a.shifted(narrow, narrowAnchors[:])
	if a.n < minMatch && d.credit > 0 {
		a.shifted(wide, wideAnchors[:])
		if a.n < minMatch {
			d.credit--
		}
	}
	return i + a.i, j + a.j, a.n >= minMatch
}

// alignment looks for the best place where base and target agree again.
type alignment struct {
	b, t   []byte // from the difference on
	enough int
	i, j   int // the best place so far
	n      int // bytes that agree there
}

// inPlace looks for the end of a replacement of equal length.
func (a *alignment) inPlace() {
	end := min(min(len(a.b), len(a.t))-minMatch, inPlace)
	for k := 1; k <= end && a.n < a.enough; k++ {
		if load64(a.b, k) == load64(a.t, k) {
			k += a.try(k, k)
		}
	}
}

// shifted looks in the base for what the target goes on with, as after a deletion, and the other way round.
func (a *alignment) shifted(window int, anchors []int) {
	b, t := a.b[:min(len(a.b), window)], a.t[:min(len(a.t), window)]
	for _, at := range anchors {
		if a.n >= a.enough {
			return
		}
		if k := find(b, t, at); k >= 0 {
			a.try(k, at)
		}
		if k := find(t, b, at); k >= 0 {
			a.try(at, k)
		}
	}
}

// find returns where in s the needle at p's offset at is, or -1.
func find(s, p []byte, at int) int {
	if len(p) < at+needle {
		return -1
	}
	return bytes.Index(s, p[at:at+needle])
}

// try takes the place if more agrees there, and returns how much does, up to wide.
func (a *alignment) try(i, j int) int {
	n := commonPrefix(a.b[i:min(len(a.b), i+wide)], a.t[j:])
	if n >= minMatch && n > a.n {
		a.i, a.j, a.n = i, j, n
	}
	return n
}
