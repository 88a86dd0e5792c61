package statediff

import (
	"fmt"
	"iter"
	"math"
	"sync"
)

// Type is what kind of value a value of JSON is.
type Type uint8

// The types of values.
const (
	Null Type = iota
	Bool
	Number
	String
	Array
	Object
)

// String returns the type's name in JSON's own words, such as "object".
func (t Type) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "object"}[t]
}

// Document is a JSON document that has been read once, to be compared with several others, walked through
// or asked for values. It takes 24 bytes for each value and each name besides the document itself.
//
// It keeps the bytes it was made of, which must not be changed. Any number of goroutines may use it.
type Document struct {
	raw   []byte
	nodes []node
	depth int       // the deepest nesting
	once  sync.Once // hashes the nodes
}

// Parse reads a document. It takes what encoding/json's Valid takes: names may come twice in an object, and
// strings needn't be UTF-8. The error is a [*SyntaxError], or [ErrTooLarge] at 4 GiB.
func Parse(raw []byte) (*Document, error) {
	if uint64(len(raw)) >= math.MaxUint32 {
		return nil, fmt.Errorf("a document of %d bytes: %w", len(raw), ErrTooLarge)
	}
	s := scanner{raw: raw, nodes: make([]node, 0, 16+len(raw)/64)}
	if err := s.document(); err != nil {
		return nil, err
	}
	return &Document{raw: raw, nodes: s.nodes, depth: s.depth}, nil
}

// Raw returns the document as it was given.
func (d *Document) Raw() []byte { return d.raw }

// bytes returns a node as written.
func (d *Document) bytes(n uint32) []byte {
	return d.raw[d.nodes[n].start:d.nodes[n].end:d.nodes[n].end]
}

// name returns what a name says.
func (d *Document) name(n uint32) []byte {
	text := d.bytes(n)
	text = text[1 : len(text)-1]
	if d.nodes[n].flags&escaped != 0 {
		return unescape(nil, text)
	}
	return text
}

// children returns the nodes of an array's elements.
func (d *Document) children(n uint32) []uint32 {
	count := 0
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k].next {
		count++
	}
	kids := make([]uint32, 0, count)
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k].next {
		kids = append(kids, k)
	}
	return kids
}

// Lookup returns the value at p as written, a part of the document's bytes. Of members of the same name it
// takes the last, as encoding/json does. The error is a [*LookupError].
func (d *Document) Lookup(p Pointer) ([]byte, error) {
	n, at := uint32(0), 0
	for end, token := range p.tokens() {
		kid := d.child(n, token)
		if kid == 0 {
			return nil, missing(p[:at], token, d.nodes[n].kind)
		}
		n, at = kid, end
	}
	return d.bytes(n), nil
}

// child returns the node of a container's child, or 0, the document's, if it has none of that token.
func (d *Document) child(n uint32, token string) uint32 {
	found := uint32(0)
	switch d.nodes[n].kind {
	case Array:
		i := index(token)
		for k := n + 1; k < d.nodes[n].next && i >= 0; k = d.nodes[k].next {
			if i == 0 {
				return k
			}
			i--
		}
	case Object:
		for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
			if string(d.name(k)) == token {
				found = k + 1
			}
		}
	}
	return found
}

// Value is a value met on a walk through a document.
type Value struct {
	walk *walk
	node uint32
}

type walk struct {
	doc  *Document
	path []byte
	open []opened
}

type opened struct {
	node, end uint32 // end: the node behind the container
	path      int    // the length of the path to it
	index     int    // of the next element
}

// All walks through all values, in the order in which they stand in the document: a container before what
// is in it. It allocates nothing for a value.
func (d *Document) All() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		w := walk{doc: d}
		for n := uint32(0); n < uint32(len(d.nodes)); n++ {
			for len(w.open) > 0 && n == w.open[len(w.open)-1].end {
				w.open = w.open[:len(w.open)-1]
			}
			if len(w.open) > 0 {
				parent := &w.open[len(w.open)-1]
				w.path = w.path[:parent.path]
				if d.nodes[parent.node].kind == Array {
					w.path = appendIndex(w.path, parent.index)
					parent.index++
				} else {
					w.path = appendToken(w.path, d.name(n))
					n++
				}
			}
			if !yield(Value{&w, n}) {
				return
			}
			if kind := d.nodes[n].kind; kind >= Array {
				w.open = append(w.open, opened{n, d.nodes[n].next, len(w.path), 0})
			}
		}
	}
}

// Raw returns the value as written, a part of the document's bytes.
func (v Value) Raw() []byte { return v.walk.doc.bytes(v.node) }

// Type returns what kind of value it is.
func (v Value) Type() Type { return v.walk.doc.nodes[v.node].kind }

// Pointer returns where the value is. It may be asked only before the walk goes on.
func (v Value) Pointer() Pointer { return Pointer(v.walk.path) }

// Depth returns in how many containers the value lies. It may be asked only before the walk goes on.
func (v Value) Depth() int { return len(v.walk.open) }

// Text returns what a string says, unescaped; of any other value, nil.
func (v Value) Text() []byte {
	if v.Type() != String {
		return nil
	}
	return v.walk.doc.name(v.node)
}
