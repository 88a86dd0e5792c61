package statediff

import "iter"

// Origin says where a value of the new document was in the old one.
type Origin struct {
	// Kind is Same if it was there and equal, Changed if it was another or something else was in it, and
	// otherwise Added.
	Kind Kind
	// Old is where it was; of an added value "".
	Old Pointer
	// Coarse: it lies in an object with duplicate names that changed, or in an array that was matched in a
	// hurry, so a closer look might say otherwise.
	Coarse bool
}

// Tracer answers where values of a document were in an older one. It compares only what lies on the way to
// a value: an array at the first question that leads into it. The answers agree with [Compare]'s changes,
// unless these are too many to be told one by one. A tracer is for one goroutine at a time.
type Tracer struct {
	a, b    *Document
	matcher matcher
	arrays  map[uint32]matched           // by the new array's node
	objects map[uint32]map[uint64]uint32 // by the old object's node: names' hashes, and the values
}

type matched struct {
	old   []uint32
	from  []int32
	exact bool
}

// Trace returns a tracer from new back to old.
func Trace(old, new *Document, options Options) *Tracer {
	old.hash()
	new.hash()
	return &Tracer{
		a: old, b: new, matcher: newMatcher(old, new, options.withDefaults()),
		arrays: make(map[uint32]matched), objects: make(map[uint32]map[uint64]uint32),
	}
}

// Origin returns where the value at p was. The error is a [*LookupError] if the new document has none there.
func (t *Tracer) Origin(p Pointer) (Origin, error) {
	v, err := t.find(p)
	return v.Origin, err
}

func (t *Tracer) find(p Pointer) (traced, error) {
	v, at := t.meet(0, 0, Origin{}, true), 0
	for end, token := range p.tokens() {
		kid := t.b.child(v.new, token)
		if kid == 0 {
			return traced{}, missing(p[:at], token, t.b.nodes[v.new].kind)
		}
		v, at = t.step(v, kid, index(token)), end
	}
	return v, nil
}

// All walks through the new document, as [Document.All] does, and says of each value where it was.
func (t *Tracer) All() iter.Seq2[Value, Origin] {
	return func(yield func(Value, Origin) bool) {
		type level struct {
			traced
			next int
		}
		var open []level
		for v := range t.b.All() {
			here := t.meet(0, 0, Origin{}, true)
			if depth := v.Depth(); depth > 0 {
				open = open[:depth]
				parent := &open[depth-1]
				here = t.step(parent.traced, v.node, parent.next)
				parent.next++
			}
			if !yield(v, here.Origin) {
				return
			}
			open = append(open, level{traced: here})
		}
	}
}

// traced is a value of the new document.
type traced struct {
	Origin
	old, new uint32
	within   bool // what is in it is to be looked for in the old one
}

// meet holds a value against the one that it was.
func (t *Tracer) meet(old, new uint32, o Origin, kin bool) traced {
	x, y := &t.a.nodes[old], &t.b.nodes[new]
	if x.hash == y.hash {
		return traced{o, old, new, true}
	}
	o.Kind = Changed
	within := kin && x.kind == y.kind
	if within && (x.flags|y.flags)&duplicate != 0 {
		o.Coarse, within = true, false
	}
	return traced{o, old, new, within}
}

// step goes from a container to its child new, the index-th.
func (t *Tracer) step(v traced, new uint32, index int) traced {
	added := traced{Origin{Kind: Added, Coarse: v.Coarse}, 0, new, false}
	if !v.within {
		return added
	}
	inArray := t.b.nodes[v.new].kind == Array
	if v.Kind == Same {
		if inArray {
			return traced{Origin{Old: v.Old.Index(index), Coarse: v.Coarse}, 0, new, true}
		}
		return traced{Origin{Old: v.Old.Name(string(t.b.name(new - 1))), Coarse: v.Coarse}, 0, new, true}
	}
	if inArray {
		m := t.array(v.old, v.new)
		i := m.from[index]
		coarse := v.Coarse || !m.exact
		if i < 0 {
			added.Coarse = coarse
			return added
		}
		old := m.old[i]
		kin := t.matcher.equal(old, new) || t.matcher.kin(old, new)
		return t.meet(old, new, Origin{Old: v.Old.Index(int(i)), Coarse: coarse}, kin)
	}
	old := t.object(v.old)[t.b.nodes[new-1].hash]
	if old == 0 {
		return added
	}
	return t.meet(old, new, Origin{Old: v.Old.Name(string(t.b.name(new - 1))), Coarse: v.Coarse}, true)
}

func (t *Tracer) array(old, new uint32) matched {
	m, ok := t.arrays[new]
	if !ok {
		m.old = t.a.children(old)
		m.from, m.exact = t.matcher.match(m.old, t.b.children(new))
		t.arrays[new] = m
	}
	return m
}

func (t *Tracer) object(old uint32) map[uint64]uint32 {
	names, ok := t.objects[old]
	if !ok {
		names = make(map[uint64]uint32)
		for k := old + 1; k < t.a.nodes[old].next; k = t.a.nodes[k+1].next {
			names[t.a.nodes[k].hash] = k + 1
		}
		t.objects[old] = names
	}
	return names
}
