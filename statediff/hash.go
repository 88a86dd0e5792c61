package statediff

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// Two values are held equal if their hashes are. They have 64 bits, and keys drawn anew in each process, so
// that no document can be made to have two that collide; by chance, among 10^9 pairs of differing values
// there is one that does with a probability of 10^-10.
var (
	textSeed   = maphash.MakeSeed()
	numberSeed = maphash.MakeSeed()
	keys       = func() (k [6]uint64) {
		for i := range k {
			k[i] = maphash.Comparable(maphash.MakeSeed(), i)
		}
		return k
	}()
)

// mix is the folded product of wyhash.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^keys[0], b^keys[1])
	return hi ^ lo
}

// hash hashes all nodes, once, from the last to the first, so that a container's children come before it.
func (d *Document) hash() {
	d.once.Do(func() {
		h := hasher{doc: d}
		for n := len(d.nodes) - 1; n >= 0; n-- {
			d.nodes[n].hash = h.node(uint32(n))
		}
	})
}

type hasher struct {
	doc   *Document
	text  []byte
	names []uint64
}

func (h *hasher) node(n uint32) uint64 {
	d := h.doc
	switch d.nodes[n].kind {
	case String:
		text := d.bytes(n)
		text = text[1 : len(text)-1]
		if d.nodes[n].flags&escaped != 0 {
			h.text = unescape(h.text[:0], text)
			text = h.text
		}
		return hashText(text)
	case Number:
		h.text = appendNumber(h.text[:0], d.bytes(n))
		return maphash.Bytes(numberSeed, h.text)
	case Array:
		sum, count := keys[2], uint64(0)
		for k := n + 1; k < d.nodes[n].next; k = d.nodes[k].next {
			sum = mix(sum, d.nodes[k].hash)
			count++
		}
		return mix(sum, count)
	case Object:
		return h.object(n)
	}
	return mix(keys[3], uint64(d.raw[d.nodes[n].start]))
}

func hashText(text []byte) uint64 { return maphash.Bytes(textSeed, text) }

// object adds the members' hashes up, so that their order doesn't matter, unless a name comes twice: what
// such an object means is for its reader to say, so its order does matter.
func (h *hasher) object(n uint32) uint64 {
	d := h.doc
	sum, ordered := uint64(0), keys[4]
	h.names = h.names[:0]
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		member := mix(d.nodes[k].hash, d.nodes[k+1].hash)
		sum += member
		ordered = mix(ordered, member)
		h.names = append(h.names, d.nodes[k].hash)
	}
	if twice(h.names) {
		d.nodes[n].flags |= duplicate
		return ordered
	}
	return mix(sum, keys[5])
}

// twice reports whether there are two equal ones. It may reorder them.
func twice(names []uint64) bool {
	if len(names) > 16 {
		slices.Sort(names)
		for i := 1; i < len(names); i++ {
			if names[i] == names[i-1] {
				return true
			}
		}
		return false
	}
	for i, a := range names {
		for _, b := range names[:i] {
			if a == b {
				return true
			}
		}
	}
	return false
}

// Equal reports whether two documents are the same value: numbers by exact decimal value, strings by what
// they say, objects whatever the order of their members, unless one of them has a name twice. The errors
// are [Parse]'s.
func Equal(a, b []byte) (bool, error) {
	old, new, err := parseBoth(a, b)
	if err != nil {
		return false, err
	}
	old.hash()
	new.hash()
	return old.nodes[0].hash == new.nodes[0].hash, nil
}
