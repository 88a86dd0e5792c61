package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"go.etcd.io/bbolt"
)

// bbolt follows the numbers in its branch pages wherever they lead. If damage makes one lead
// back to a page above it, bbolt never returns, and takes memory until the process is killed
// (go.etcd.io/bbolt issues 701, 877 and 1257). So before bbolt goes down to a key, the types
// here go the same way, and give up where it is too long. They also look at the leaf beside
// it, since a cursor may step over to that. A page is looked at as it was when the transaction
// began: what bbolt itself has changed since then is in memory, and sound.

// transaction is a bbolt transaction that is safe to use on a damaged file.
type transaction struct{ *bbolt.Tx }

// Bucket returns a bucket of the file, nil if there is none.
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

// nested is a bucket in t. One page can make it one that t is in.
func (t *tree) nested(b *bbolt.Bucket) *tree {
	if b == nil {
		return nil
	}
	if t.depth == mostDepth {
		panic("no end of buckets in buckets")
	}
	return &tree{b, t.depth + 1}
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
	t.descend(name)
	return t.nested(t.in.Bucket(name))
}

func (t *tree) CreateBucket(name []byte) (*tree, error) {
	t.descend(name)
	b, err := t.in.CreateBucket(name)
	return t.nested(b), err
}

// DeleteBucket deletes a bucket and those in it, none of which bbolt may free without end.
func (t *tree) DeleteBucket(name []byte) error {
	if b := t.Bucket(name); b != nil {
		b.walk()
	}
	return t.in.DeleteBucket(name)
}

// ForEachBucket calls f with the name of each bucket in it.
func (t *tree) ForEachBucket(f func(name []byte) error) error {
	c := t.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v != nil {
			continue
		}
		if err := f(k); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) Stats() bbolt.BucketStats {
	t.walk()
	return t.in.Stats()
}

// fill sets how full its pages are made, from 0 to 1.
func (t *tree) fill(percent float64) { t.in.FillPercent = percent }

func (t *tree) Cursor() *cursor { return &cursor{t: t, c: t.in.Cursor()} }

// walk visits all branch pages of a bucket and of those in it, and panics if one is there
// twice.
func (t *tree) walk() {
	seen := map[uint64]bool{}
	var visit func(id uint64)
	visit = func(id uint64) {
		p := t.page(id)
		if p == nil {
			return
		}
		if seen[id] {
			panic(fmt.Sprintf("page %d is in a tree twice", id))
		}
		seen[id] = true
		for i := range p.count {
			visit(p.child(i))
		}
	}
	visit(uint64(t.in.Root()))
	_ = t.ForEachBucket(func(name []byte) error { t.Bucket(name).walk(); return nil })
}

// leaf is a leaf page as the branch pages above it describe it: the first keys that it and
// the next leaf may have. They are nil for the first and the last leaf of a tree.
type leaf struct{ from, next []byte }

// mostLevels is more than a tree of bbolt can have: each branch page has two children or
// more.
const mostLevels = 64

// descend goes down to the leaf that has a key, if it is there.
func (t *tree) descend(key []byte) leaf {
	return t.down(func(p *branch) int {
		return p.search(func(first []byte) bool { return bytes.Compare(first, key) <= 0 })
	})
}

// descendBefore goes down to the leaf before the one whose first key is given.
func (t *tree) descendBefore(key []byte) leaf {
	return t.down(func(p *branch) int { return p.search(func(first []byte) bool { return bytes.Compare(first, key) < 0 }) })
}

// down goes down where choose says, and panics if there is no end to it.
func (t *tree) down(choose func(p *branch) int) leaf {
	var l leaf
	for id, level := uint64(t.in.Root()), 0; ; level++ {
		p := t.page(id)
		if p == nil {
			return l
		}
		if level == mostLevels {
			panic(fmt.Sprintf("no end of branch pages under page %d", t.in.Root()))
		}
		i := choose(p)
		if i > 0 {
			l.from = p.first(i)
		}
		if i+1 < p.count {
			l.next = p.first(i + 1)
		}
		id = p.child(i)
	}
}

// branch is a branch page in the file's mapping.
//
//	 0            8       10      12         16
//	+------------+-------+-------+----------+------------------------------------------+
//	| its number | flags | count | overflow | for each child: where its first key is,  |
//	| 8 bytes    | 2     | 2     | 4        | from here, 4; its length, 4; its page, 8 |
//	+------------+-------+-------+----------+------------------------------------------+
type branch struct {
	bytes []byte
	count int
}

const branchFlag = 0x01

// page returns a page of the tree if it is a branch page, else nil. It panics for a page that
// is no part of the file.
func (t *tree) page(id uint64) *branch {
	if id == 0 {
		return nil // the bucket is within its parent's page
	}
	db := t.in.Tx().DB()
	info := db.Info()
	size := uint64(info.PageSize)
	pages := uint64(t.in.Tx().Size()) / size
	if id >= pages {
		panic(fmt.Sprintf("page %d of %d", id, pages))
	}
	order := binary.NativeEndian
	head := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), info.Data+uintptr(id*size))), size)
	if order.Uint64(head) != id {
		panic(fmt.Sprintf("page %d says that it is page %d", id, order.Uint64(head)))
	}
	if order.Uint16(head[8:])&branchFlag == 0 {
		return nil
	}
	p := &branch{count: int(order.Uint16(head[10:]))}
	more := uint64(order.Uint32(head[12:]))
	if id+more >= pages || p.count == 0 || pageHeader+uint64(p.count)*perKey > (more+1)*size {
		panic(fmt.Sprintf("branch page %d with %d children", id, p.count))
	}
	p.bytes = unsafe.Slice(&head[0], (more+1)*size)
	return p
}

// first returns the first key of the ith child.
func (p *branch) first(i int) []byte {
	at := pageHeader + i*perKey
	order := binary.NativeEndian
	from := uint64(at) + uint64(order.Uint32(p.bytes[at:]))
	to := from + uint64(order.Uint32(p.bytes[at+4:]))
	return p.bytes[from:to:to] // out of bounds is a panic
}

// child returns the page of the ith child.
func (p *branch) child(i int) uint64 {
	return binary.NativeEndian.Uint64(p.bytes[pageHeader+i*perKey+8:])
}

// search returns the last child whose first key satisfies fits, 0 if none does. Of two
// neighbours, the first satisfies it if the second does.
func (p *branch) search(fits func(first []byte) bool) int {
	low, high := 0, p.count
	for low < high {
		if mid := int(uint(low+high) >> 1); fits(p.first(mid)) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return max(low-1, 0)
}

// cursor is a cursor of a tree. Its methods are those of bbolt's.
type cursor struct {
	t *tree
	c *bbolt.Cursor
	leaf
	ahead, behind bool // the leaf after this one was gone down to, and the one before it
}

func (c *cursor) First() (key, value []byte) {
	c.leaf = c.t.down(func(*branch) int { return 0 })
	c.ahead, c.behind = false, true
	c.look()
	return c.at(c.c.First())
}

func (c *cursor) Last() (key, value []byte) {
	c.leaf = c.t.down(func(p *branch) int { return p.count - 1 })
	c.ahead, c.behind = true, false
	c.lookBack() // bbolt steps back from a leaf without keys
	return c.at(c.c.Last())
}

func (c *cursor) Seek(key []byte) (k, v []byte) {
	c.leaf = c.t.descend(key)
	c.ahead, c.behind = false, false
	c.look() // bbolt steps over to it if all keys of the leaf are smaller
	return c.at(c.c.Seek(key))
}

func (c *cursor) Next() (key, value []byte) {
	c.look()
	return c.at(c.c.Next())
}

func (c *cursor) Prev() (key, value []byte) {
	c.lookBack()
	return c.at(c.c.Prev())
}

func (c *cursor) Delete() error { return c.c.Delete() }

// look goes down to the next leaf once.
func (c *cursor) look() {
	if !c.ahead && c.next != nil {
		c.t.descend(c.next)
	}
	c.ahead = true
}

// lookBack goes down to the leaf before once.
func (c *cursor) lookBack() {
	if !c.behind && c.from != nil {
		c.t.descendBefore(c.from)
	}
	c.behind = true
}

// at notes in which leaf a key is.
func (c *cursor) at(key, value []byte) (k, v []byte) {
	if key != nil && (c.next != nil && bytes.Compare(key, c.next) >= 0 || c.from != nil && bytes.Compare(key, c.from) < 0) {
		c.leaf = c.t.descend(key)
		c.ahead, c.behind = false, false
	}
	return key, value
}
