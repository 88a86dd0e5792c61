package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
	"unsafe"

	"go.etcd.io/bbolt"
)

// bbolt follows the numbers in its branch pages wherever they lead. If damage makes one lead
// back to a page above it, bbolt never returns, and takes memory until the process is killed
// (go.etcd.io/bbolt issues 701, 877 and 1257). So before bbolt takes a step, the types here
// take the same one, and panic where it leads too deep, or to what is no page of a tree. They
// look at pages as they were when the transaction began: what bbolt itself has changed since
// then is in memory, and sound.

// transaction is a bbolt transaction that is safe to use on a damaged file.
type transaction struct{ *bbolt.Tx }

// Bucket returns a bucket of the file, or nil.
func (tx *transaction) Bucket(name []byte) *tree { return tx.all().Bucket(name) }

// Cursor returns a cursor over the buckets of the file.
func (tx *transaction) Cursor() *cursor { return tx.all().Cursor() }

// CreateBucket makes a bucket of the file.
func (tx *transaction) CreateBucket(name []byte) (*tree, error) { return tx.all().CreateBucket(name) }

// all is the bucket that all others are in.
func (tx *transaction) all() *tree { return &tree{tx.Tx.Cursor().Bucket(), 0} }

// tree is a bucket of such a transaction. Its methods are those of bbolt's.
type tree struct {
	in    *bbolt.Bucket
	depth int // how many buckets it is in
}

// mostDepth is more than layout.go has: a value in a bucket of its own, of a run, in "runs".
const mostDepth = 4

// nested is a bucket in t, whose name is where w leads. A damaged page can make a bucket
// contain itself, and a bucket within the page have children.
func (t *tree) nested(b *bbolt.Bucket, w path, name []byte) *tree {
	if b == nil {
		return nil
	}
	if t.depth == mostDepth {
		panic("no end of buckets in buckets")
	}
	if b.Root() == 0 && len(w) > 0 {
		w.top().checkInline(w.top().at, name)
	}
	return &tree{b, t.depth + 1}
}

// checkInline panics if the bucket of a name, whose page is the value of the ith key of a
// leaf, has a page that is no leaf.
func (p *page) checkInline(i int, name []byte) {
	if i >= p.count || !bytes.Equal(p.key(i), name) {
		return // made in this transaction
	}
	const flags = perBucket + 8 // of the page behind the bucket's header
	at := pageHeader + i*perKey
	order := binary.NativeEndian
	value := uint64(at) + uint64(order.Uint32(p.bytes[at+4:])) + uint64(order.Uint32(p.bytes[at+8:]))
	if root := order.Uint64(p.bytes[value:]); root == 0 && order.Uint16(p.bytes[value+flags:]) != leafFlag {
		panic(fmt.Sprintf("the page of bucket %q has flags %#x", name, order.Uint16(p.bytes[value+flags:])))
	}
}

func (t *tree) Get(key []byte) []byte {
	t.descend(key)
	return t.in.Get(key)
}

func (t *tree) Put(key, value []byte) error {
	t.descend(key)
	return t.in.Put(key, value)
}

func (t *tree) Delete(key []byte) error {
	t.descend(key)
	return t.in.Delete(key)
}

func (t *tree) Bucket(name []byte) *tree {
	w := t.descend(name)
	return t.nested(t.in.Bucket(name), w, name)
}

func (t *tree) CreateBucket(name []byte) (*tree, error) {
	t.descend(name)
	b, err := t.in.CreateBucket(name)
	return t.nested(b, nil, name), err
}

// DeleteBucket deletes a bucket and those in it, none of which bbolt may free without end.
func (t *tree) DeleteBucket(name []byte) error {
	if b := t.Bucket(name); b != nil {
		b.walk()
	}
	return t.in.DeleteBucket(name)
}

// eachBucket calls f with each bucket in it.
func (t *tree) eachBucket(f func(name []byte, b *tree)) {
	c := t.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v != nil {
			continue
		}
		if b := t.Bucket(k); b != nil {
			f(k, b)
		}
	}
}

func (t *tree) Stats() bbolt.BucketStats {
	t.walk()
	return t.in.Stats()
}

// fill sets how full its pages are made, from 0 to 1.
func (t *tree) fill(percent float64) { t.in.FillPercent = percent }

func (t *tree) Cursor() *cursor { return &cursor{t: t, c: t.in.Cursor()} }

// mostLevels is more than a tree of bbolt can have: each branch page has two children or
// more.
const mostLevels = 64

// mostEmpty is more leaves without keys than there can be in a row. bbolt writes none.
const mostEmpty = 1000

// page is a page of a tree in the file's mapping.
//
//	 0            8       10      12         16
//	+------------+-------+-------+----------+-----------------------------------------+
//	| its number | flags | count | overflow | for each child: where its first key is, |
//	| 8 bytes    | 2     | 2     | 4        | from here, 4; its length, 4; its page, 8|
//	|            |       |       |          | for each key of a leaf: flags, 4; where |
//	|            |       |       |          | it is, 4; its length, 4; its value's, 4 |
//	+------------+-------+-------+----------+-----------------------------------------+
type page struct {
	bytes []byte
	count int
	leaf  bool
}

const (
	branchFlag = 1
	leafFlag   = 2
)

// page returns a page of the file, and panics if it can't be one of a tree.
func (t *tree) page(id uint64) page {
	info := t.in.Tx().DB().Info()
	size := uint64(info.PageSize)
	pages := uint64(t.in.Tx().Size()) / size
	if id < 2 || id >= pages {
		panic(fmt.Sprintf("page %d of %d", id, pages))
	}
	order := binary.NativeEndian
	head := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), info.Data+uintptr(id*size))), size)
	p := page{count: int(order.Uint16(head[10:]))}
	flags, more := order.Uint16(head[8:]), uint64(order.Uint32(head[12:]))
	p.leaf = flags == leafFlag
	if order.Uint64(head) != id || flags != branchFlag && flags != leafFlag || id+more >= pages ||
		pageHeader+uint64(p.count)*perKey > (more+1)*size || p.count == 0 && !p.leaf {
		panic(fmt.Sprintf("page %d with number %d, flags %#x, %d keys and %d pages more", id, order.Uint64(head), flags, p.count, more))
	}
	p.bytes = unsafe.Slice(&head[0], (more+1)*size)
	return p
}

// key returns the ith key.
func (p *page) key(i int) []byte {
	at := pageHeader + i*perKey
	place := at
	if p.leaf {
		place += 4
	}
	from := uint64(at) + uint64(binary.NativeEndian.Uint32(p.bytes[place:]))
	to := from + uint64(binary.NativeEndian.Uint32(p.bytes[place+4:]))
	return p.bytes[from:to:to] // out of bounds is a panic
}

// child returns the number of the ith child's page.
func (p *page) child(i int) uint64 {
	return binary.NativeEndian.Uint64(p.bytes[pageHeader+i*perKey+8:])
}

// search looks for a key as bbolt does, also if the keys are not in order.
func (p *page) search(key []byte) int {
	exact := false
	i := sort.Search(p.count, func(i int) bool {
		c := bytes.Compare(p.key(i), key)
		exact = exact || c == 0
		return c >= 0
	})
	if !p.leaf && !exact && i > 0 {
		i--
	}
	return i
}

// path is where a cursor of bbolt is: a page and a place in it on each level.
type path []step

type step struct {
	page
	at int
}

func (w *path) top() *step { return &(*w)[len(*w)-1] }

// push goes down to a page.
func (w *path) push(t *tree, id uint64) {
	if len(*w) == mostLevels {
		panic(fmt.Sprintf("no end of pages below page %d", t.in.Root()))
	}
	*w = append(*w, step{page: t.page(id)})
}

// descend goes down to the leaf that a key belongs to.
func (t *tree) descend(key []byte) path {
	if t.in.Root() == 0 { // the bucket is within its parent's page
		return nil
	}
	w := make(path, 0, 4)
	for w.push(t, uint64(t.in.Root())); ; w.push(t, w.top().child(w.top().at)) {
		top := w.top()
		if top.at = top.search(key); top.leaf {
			return w
		}
	}
}

// first and last go down to the first and the last key below the page at the top.
func (w *path) first(t *tree) {
	for !w.top().leaf {
		w.push(t, w.top().child(w.top().at))
	}
}

func (w *path) last(t *tree) {
	for !w.top().leaf {
		w.push(t, w.top().child(w.top().at))
		w.top().at = w.top().count - 1
	}
}

// next goes to the next key, over leaves without keys. It stays at the last.
func (w *path) next(t *tree) {
	for range mostEmpty {
		i := len(*w) - 1
		for i >= 0 && (*w)[i].at >= (*w)[i].count-1 {
			i--
		}
		if i < 0 {
			return
		}
		(*w)[i].at++
		*w = (*w)[:i+1]
		if w.first(t); w.top().count > 0 {
			return
		}
	}
	panic("no end of pages without keys")
}

// prev goes to the key before, or to the first. It reports whether there was one before.
func (w *path) prev(t *tree) bool {
	for i := len(*w) - 1; i > 0 && (*w)[i].at <= 0; i-- {
		*w = (*w)[:i]
	}
	if w.top().at <= 0 {
		w.begin(t)
		return false
	}
	w.top().at--
	w.last(t)
	return true
}

// begin goes to the first key of all.
func (w *path) begin(t *tree) {
	*w = (*w)[:0]
	w.push(t, uint64(t.in.Root()))
	if w.first(t); w.top().count == 0 {
		w.next(t)
	}
}

// walk visits all pages of a bucket and of those in it, and panics if one is there twice.
func (t *tree) walk() {
	seen := map[uint64]bool{}
	var visit func(id uint64, level int)
	visit = func(id uint64, level int) {
		p := t.page(id)
		if seen[id] || level == mostLevels {
			panic(fmt.Sprintf("page %d is in a tree twice", id))
		}
		seen[id] = true
		for i := 0; i < p.count && !p.leaf; i++ {
			visit(p.child(i), level+1)
		}
	}
	if root := t.in.Root(); root != 0 {
		visit(uint64(root), 0)
	}
	t.eachBucket(func(_ []byte, b *tree) { b.walk() })
}

// cursor is a cursor of a tree. Its methods are those of bbolt's. It panics if keys don't come
// in order, so every loop over them ends.
type cursor struct {
	t    *tree
	c    *bbolt.Cursor
	path path // where c is; nil in a bucket within its parent's page
	key  []byte
}

func (c *cursor) First() (key, value []byte) {
	if c.t.in.Root() != 0 {
		c.path.begin(c.t)
	}
	return c.from(c.c.First())
}

func (c *cursor) Last() (key, value []byte) {
	if root := c.t.in.Root(); root != 0 {
		c.path = c.path[:0]
		c.path.push(c.t, uint64(root))
		c.path.top().at = c.path.top().count - 1
		c.path.last(c.t)
		for n := 0; len(c.path) > 1 && c.path.top().count == 0; n++ {
			if !c.path.prev(c.t) || n == mostEmpty {
				panic("no end of pages without keys")
			}
		}
	}
	return c.from(c.c.Last())
}

func (c *cursor) Seek(key []byte) (k, v []byte) {
	if c.path = c.t.descend(key); len(c.path) > 0 && c.path.top().at >= c.path.top().count {
		c.path.next(c.t)
	}
	return c.from(c.c.Seek(key))
}

func (c *cursor) Next() (key, value []byte) {
	if len(c.path) > 0 {
		c.path.next(c.t)
	}
	before := c.key
	if key, value = c.from(c.c.Next()); key != nil && before != nil && bytes.Compare(before, key) >= 0 {
		panic(outOfOrder)
	}
	return key, value
}

func (c *cursor) Prev() (key, value []byte) {
	if len(c.path) > 0 {
		c.path.prev(c.t)
	}
	before := c.key
	if key, value = c.from(c.c.Prev()); key != nil && before != nil && bytes.Compare(before, key) <= 0 {
		panic(outOfOrder)
	}
	return key, value
}

func (c *cursor) Delete() error { return c.c.Delete() }

// from notes the key from which the cursor goes on.
func (c *cursor) from(key, value []byte) (k, v []byte) {
	c.key = key
	return key, value
}
