package statediff

import (
	"iter"
	"strconv"
)

// Child is an element of an array, or a member of an object.
type Child struct {
	// Token is the index or the name, unescaped: what a pointer to it ends with.
	Token string
	// New is the value as written in the new document, Old what it was in the old one if it changed, else nil.
	New, Old []byte
}

// Children goes through what is directly in the array or object at p in the new document, in order, and says of
// each where it was. Of members of the same name it takes the last. A value of another type has no
// children. The error is a [*LookupError] if the new document has nothing at p.
//
// It takes time in proportion to the children, where asking Origin for each would take that to the square.
func (t *Tracer) Children(p Pointer) (iter.Seq2[Child, Origin], error) {
	v, err := t.find(p)
	if err != nil {
		return nil, err
	}
	return func(yield func(Child, Origin) bool) {
		give := func(token string, n uint32, i int) bool {
			kid := t.step(v, n, i)
			c := Child{Token: token, New: t.b.bytes(n)}
			if kid.Kind == Changed {
				c.Old = t.a.bytes(kid.old)
			}
			return yield(c, kid.Origin)
		}
		switch parent := t.b.nodes[v.new]; parent.kind {
		case Array:
			i := 0
			for n := v.new + 1; n < parent.next; n = t.b.nodes[n].next {
				if !give(strconv.Itoa(i), n, i) {
					return
				}
				i++
			}
		case Object:
			last := t.b.lasts(v.new)
			for n := v.new + 1; n < parent.next; n = t.b.nodes[n+1].next {
				name := string(t.b.name(n))
				if last != nil && last[name] != n {
					continue
				}
				if !give(name, n+1, 0) {
					return
				}
			}
		}
	}, nil
}

// lasts returns the last node of each name of an object that has a name twice, nil for any other.
func (d *Document) lasts(n uint32) map[string]uint32 {
	if d.nodes[n].flags&duplicate == 0 {
		return nil
	}
	last := map[string]uint32{}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		last[string(d.name(k))] = k
	}
	return last
}
