package statediff

import "strconv"

// comparer compares two documents.
type comparer struct {
	a, b    *Document
	options Options
	matcher matcher

	changes []Change
	coarse  []Coarse
	room    int // for paths
	total   int // for changes and paths, also for those that were given up again
}

// pathShare is how many bytes of paths there is room for with each change that may be told.
const pathShare = 64

func newComparer(a, b *Document, options Options) *comparer {
	a.hash()
	b.hash()
	options = options.withDefaults()
	room := options.MaxChanges * pathShare
	c := &comparer{a: a, b: b, options: options, room: room, total: 8 * room}
	c.matcher = newMatcher(a, b, options)
	return c
}

// paths are where a value is in the old document and the new one.
type paths struct {
	old, new []byte
}

// pointers returns pointers that share their bytes if they are the same.
func (p paths) pointers() (old, new Pointer) {
	new = Pointer(p.new)
	if string(p.old) == string(new) {
		return new, new
	}
	return Pointer(p.old), new
}

func (p paths) name(name []byte) paths {
	return paths{appendToken(p.old, name), appendToken(p.new, name)}
}

func (p paths) index(old, new int) paths {
	return paths{appendIndex(p.old, old), appendIndex(p.new, new)}
}

func appendIndex(b []byte, i int) []byte {
	return strconv.AppendInt(append(b, '/'), int64(i), 10)
}

// value compares two values of the same place. It reports false if there is no room for more changes, so
// that what they lie in must be told as one.
func (c *comparer) value(a, b uint32, p paths) bool {
	x, y := &c.a.nodes[a], &c.b.nodes[b]
	if x.hash == y.hash {
		return true
	}
	if x.kind != y.kind || x.kind < Array {
		return c.emitChanged(a, b, p)
	}
	if (x.flags|y.flags)&duplicate != 0 {
		c.sayCoarse(p, DuplicateNames)
		return c.emitChanged(a, b, p)
	}
	changes, coarse, room := len(c.changes), len(c.coarse), c.room
	var ok bool
	if x.kind == Object {
		ok = c.object(a, b, p)
	} else {
		ok = c.array(a, b, p)
	}
	if !ok {
		clear(c.changes[changes:])
		c.changes, c.coarse, c.room = c.changes[:changes], c.coarse[:coarse], room
		c.sayCoarse(p, TooMany)
		return c.emitChanged(a, b, p)
	}
	return true
}

func (c *comparer) object(a, b uint32, p paths) bool {
	from, gone := c.members(a, b)
	for _, k := range gone {
		if !c.emitRemoved(k+1, p.name(c.a.name(k))) {
			return false
		}
	}
	k := b + 1
	for _, old := range from {
		switch {
		case old == 0:
			if !c.emitAdded(k+1, p.name(c.b.name(k))) {
				return false
			}
		case c.a.nodes[old+1].hash != c.b.nodes[k+1].hash:
			if !c.value(old+1, k+1, p.name(c.b.name(k))) {
				return false
			}
		}
		k = c.b.nodes[k+1].next
	}
	return true
}

func (c *comparer) array(a, b uint32, p paths) bool {
	old, new := c.a.children(a), c.b.children(b)
	from, exact := c.matcher.match(old, new)
	if !exact {
		c.sayCoarse(p, Effort)
	}
	i := 0
	for j := 0; j <= len(new); j++ {
		if j == 0 || from[j-1] >= 0 { // what was removed comes before what was added in its place
			for until := nextOld(from[j:], len(old)); i < until; i++ {
				if !c.emitRemoved(old[i], p.index(i, j)) {
					return false
				}
			}
		}
		if j == len(new) {
			break
		}
		if from[j] < 0 {
			if !c.emitAdded(new[j], p.index(i, j)) {
				return false
			}
			continue
		}
		if !c.element(old[i], new[j], p, i, j) {
			return false
		}
		i++
	}
	return true
}

// nextOld returns the first old index in from, or n.
func nextOld(from []int32, n int) int {
	for _, i := range from {
		if i >= 0 {
			return int(i)
		}
	}
	return n
}

// element compares an element with the one that was matched with it.
func (c *comparer) element(a, b uint32, p paths, i, j int) bool {
	switch {
	case c.a.nodes[a].hash == c.b.nodes[b].hash:
		return true
	case c.matcher.kin(a, b):
		return c.value(a, b, p.index(i, j))
	}
	return c.emitChanged(a, b, p.index(i, j))
}

func (c *comparer) emitRemoved(a uint32, p paths) bool {
	was, at := p.pointers()
	return c.emit(Change{Kind: Removed, Path: was, OldPath: was, Old: c.a.bytes(a), at: at})
}

func (c *comparer) emitAdded(b uint32, p paths) bool {
	at := Pointer(p.new)
	return c.emit(Change{Kind: Added, Path: at, New: c.b.bytes(b), at: at})
}

func (c *comparer) emitChanged(a, b uint32, p paths) bool {
	was, is := p.pointers()
	return c.emit(Change{Kind: Changed, Path: is, OldPath: was, Old: c.a.bytes(a), New: c.b.bytes(b), at: is})
}

// emit tells a change, and reports whether there is room for another.
func (c *comparer) emit(change Change) bool {
	c.changes = append(c.changes, change)
	c.spend(len(change.Path) + len(change.OldPath))
	return len(c.changes) <= c.options.MaxChanges && c.room > 0 && c.total > 0
}

func (c *comparer) spend(paths int) {
	c.room -= paths
	c.total -= paths + pathShare
}

func (c *comparer) sayCoarse(p paths, reason Reason) {
	c.coarse = append(c.coarse, Coarse{Pointer(p.new), reason})
	c.spend(len(p.new))
}

// members returns for each member of the new object the one of the old that has its name, or 0, and which
// of the old object's have no such partner.
func (c *comparer) members(a, b uint32) (from, gone []uint32) {
	k, l := a+1, b+1
	endA, endB := c.a.nodes[a].next, c.b.nodes[b].next
	for k < endA && l < endB && c.a.nodes[k].hash == c.b.nodes[l].hash {
		from = append(from, k)
		k, l = c.a.nodes[k+1].next, c.b.nodes[l+1].next
	}
	names := map[uint64]uint32{}
	for o := k; o < endA; o = c.a.nodes[o+1].next {
		names[c.a.nodes[o].hash] = o
	}
	for ; l < endB; l = c.b.nodes[l+1].next {
		o := names[c.b.nodes[l].hash]
		from = append(from, o)
		delete(names, c.b.nodes[l].hash)
	}
	for ; k < endA; k = c.a.nodes[k+1].next {
		if names[c.a.nodes[k].hash] != 0 {
			gone = append(gone, k)
		}
	}
	return from, gone
}
