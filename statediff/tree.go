package statediff

import "fmt"

// tree is a value that a patch may change: a part of a document, until it is looked into.
type tree struct {
	doc  *Document // nil once it is open
	node uint32

	kind     Type
	elements list
	members  []member
	places   map[string]int // of the members, by name
}

type member struct {
	key   string
	name  []byte // the key as written
	value *tree  // nil: removed
}

// open makes trees of what is in a container.
func (t *tree) open() {
	d, n := t.doc, t.node
	if d == nil {
		return
	}
	t.kind = d.nodes[n].kind
	switch t.kind {
	case Array:
		t.doc = nil
		kids := d.children(n)
		trees := make([]tree, len(kids))
		t.elements.items = make([]*tree, len(kids))
		for i, k := range kids {
			trees[i] = tree{doc: d, node: k}
			t.elements.items[i] = &trees[i]
		}
		t.elements.gap, t.elements.end = len(kids), len(kids)
	case Object:
		t.doc = nil
		t.places = make(map[string]int)
		for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
			t.put(string(d.name(k)), d.bytes(k), &tree{doc: d, node: k + 1})
		}
	}
}

// child returns a child of an open value, or nil.
func (t *tree) child(token string) *tree {
	switch t.kind {
	case Array:
		if i := index(token); i >= 0 && i < t.elements.len() {
			return t.elements.at(i)
		}
	case Object:
		if i, ok := t.places[token]; ok {
			return t.members[i].value
		}
	}
	return nil
}

func (t *tree) set(name string, value *tree) {
	t.put(name, appendQuoted(nil, name), value)
}

func (t *tree) put(name string, written []byte, value *tree) {
	if i, ok := t.places[name]; ok {
		t.members[i].value = value
		return
	}
	t.places[name] = len(t.members)
	t.members = append(t.members, member{name, written, value})
}

func (t *tree) unset(name string) {
	t.members[t.places[name]].value = nil
	delete(t.places, name)
}

// append appends the value, which lies at that depth, to b, of at most room bytes.
func (t *tree) append(b []byte, depth, room int) ([]byte, error) {
	if t.doc != nil {
		if depth+t.doc.depth > MaxDepth && depth+t.doc.depthOf(t.node) > MaxDepth {
			return nil, errDepth
		}
		b = append(b, t.doc.bytes(t.node)...)
		if len(b) > room {
			return nil, fmt.Errorf("the patch makes more than %d bytes: %w", room, ErrTooLarge)
		}
		return b, nil
	}
	if depth++; depth > MaxDepth {
		return nil, errDepth
	}
	var err error
	if t.kind == Array {
		b = append(b, '[')
		for i := range t.elements.len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = t.elements.at(i).append(b, depth, room); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	b = append(b, '{')
	first := true
	for _, m := range t.members {
		if m.value == nil {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, m.name...)
		b = append(b, ':')
		if b, err = m.value.append(b, depth, room); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

var errDepth = fmt.Errorf("the patch nests values deeper than %d: %w", MaxDepth, ErrTooLarge)

// depthOf returns how deep a value is nested in itself.
func (d *Document) depthOf(n uint32) int {
	deepest := 0
	var open []uint32 // where the containers end
	for k := n; k < d.nodes[n].next; k++ {
		for len(open) > 0 && open[len(open)-1] == k {
			open = open[:len(open)-1]
		}
		if d.nodes[k].kind >= Array {
			open = append(open, d.nodes[k].next)
			deepest = max(deepest, len(open))
		}
	}
	return deepest
}

// treeSize is about what a tree takes.
const treeSize = 128

// copy returns a copy, of which parts of documents are shared. What it allocates is taken from room.
func (t *tree) copy(depth int, room *int) (*tree, error) {
	if *room -= treeSize; *room < 0 {
		return nil, fmt.Errorf("the patch copies too much: %w", ErrTooLarge)
	}
	if depth > MaxDepth {
		return nil, errDepth
	}
	c := &tree{doc: t.doc, node: t.node, kind: t.kind}
	if t.doc != nil {
		return c, nil
	}
	for i := range t.elements.len() {
		kid, err := t.elements.at(i).copy(depth+1, room)
		if err != nil {
			return nil, err
		}
		c.elements.insert(i, kid)
	}
	if t.kind == Object {
		c.places = make(map[string]int, len(t.places))
	}
	for _, m := range t.members {
		if m.value == nil {
			continue
		}
		kid, err := m.value.copy(depth+1, room)
		if err != nil {
			return nil, err
		}
		c.put(m.key, m.name, kid)
	}
	return c, nil
}

// list is an array with a gap at the place of the last change, so that a change near it moves little.
type list struct {
	items    []*tree
	gap, end int
}

func (l *list) len() int { return len(l.items) - (l.end - l.gap) }

func (l *list) at(i int) *tree {
	if i >= l.gap {
		i += l.end - l.gap
	}
	return l.items[i]
}

// seek moves the gap to i.
func (l *list) seek(i int) {
	if i < l.gap {
		n := copy(l.items[i+l.end-l.gap:l.end], l.items[i:l.gap])
		l.gap, l.end = l.gap-n, l.end-n
	} else if i > l.gap {
		n := copy(l.items[l.gap:], l.items[l.end:l.end+i-l.gap])
		l.gap, l.end = l.gap+n, l.end+n
	}
}

func (l *list) insert(i int, t *tree) {
	l.seek(i)
	if l.gap == l.end {
		more := 16 + len(l.items)
		grown := make([]*tree, len(l.items)+more)
		copy(grown, l.items[:l.gap])
		copy(grown[l.end+more:], l.items[l.end:])
		l.items, l.end = grown, l.end+more
	}
	l.items[l.gap] = t
	l.gap++
}

func (l *list) remove(i int) {
	l.seek(i)
	l.items[l.end] = nil
	l.end++
}
