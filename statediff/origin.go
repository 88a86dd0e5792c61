package statediff

// Origin says where a value of the new document was in the old one.
type Origin struct {
	// Same: it was there, and equal. Otherwise Kind is Added, or Changed if there was another in its place,
	// or itself with something else in it.
	Same bool
	Kind Kind
	// Old is where it was; of an added value "".
	Old Pointer
	// Coarse: it lies in an object with duplicate names that changed, or in an array that was matched in a
	// hurry, so a closer look might say otherwise.
	Coarse bool
}

// Tracer answers where values of a document were in an older one. It compares only what lies on the way to
// a value: an array at the first question that leads into it. The answers agree with [Compare]'s changes,
// unless these hit a bound of [Options]. A tracer is for one goroutine at a time.
type Tracer struct {
	c      *comparer
	arrays map[uint32]matched // by the new array's node
}

type matched struct {
	old, new []uint32
	from     []int32
	exact    bool
}

// Trace returns a tracer from new back to old.
func Trace(old, new *Document, options Options) *Tracer {
	return &Tracer{newComparer(old, new, options), make(map[uint32]matched)}
}

// Origin returns where the value at p was. The error is a [*LookupError] if the new document has none there.
func (t *Tracer) Origin(p Pointer) (Origin, error) {
	a, b := t.c.a, t.c.b
	if _, err := b.Lookup(p); err != nil {
		return Origin{}, err
	}
	var old []byte
	var coarse bool
	var x, y uint32
	at := 0
	for end, token := range p.tokens() {
		if a.nodes[x].hash == b.nodes[y].hash {
			break
		}
		kinds := [2]Type{a.nodes[x].kind, b.nodes[y].kind}
		k := b.child(y, token)
		switch {
		case (a.nodes[x].flags|b.nodes[y].flags)&duplicate != 0:
			return Origin{Kind: Added, Coarse: true}, nil
		case kinds == [2]Type{Object, Object}:
			kid := a.child(x, token)
			if kid == 0 {
				return Origin{Kind: Added, Coarse: coarse}, nil
			}
			x, old = kid, appendToken(old, []byte(token))
		case kinds == [2]Type{Array, Array}:
			m := t.array(x, y)
			coarse = coarse || !m.exact
			i := m.from[index(token)]
			if i < 0 {
				return Origin{Kind: Added, Coarse: coarse}, nil
			}
			kid := m.old[i]
			if !t.c.matcher.equal(kid, k) && !t.c.matcher.kin(kid, k) && end < len(p) {
				return Origin{Kind: Added, Coarse: coarse}, nil
			}
			x, old = kid, appendIndex(old, int(i))
		default:
			return Origin{Kind: Added, Coarse: coarse}, nil
		}
		y, at = k, end
	}
	if a.nodes[x].hash == b.nodes[y].hash {
		return Origin{Same: true, Old: Pointer(old) + p[at:], Coarse: coarse}, nil
	}
	return Origin{Kind: Changed, Old: Pointer(old), Coarse: coarse}, nil
}

func (t *Tracer) array(x, y uint32) matched {
	m, ok := t.arrays[y]
	if !ok {
		m.old, m.new = t.c.a.children(nil, x), t.c.b.children(nil, y)
		m.from, m.exact = t.c.matcher.match(m.old, m.new)
		t.arrays[y] = m
	}
	return m
}
