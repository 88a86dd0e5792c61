package checkpoint_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// item is a value that knows which event set it: an object with an id, fields and
// items in an array.
type item struct {
	id     int
	set    uint64 // when it came to be
	fields map[string]field
	items  []*item
}

type field struct {
	value int // another one each time that it is set
	set   uint64
}

// TestBlameKnowsWhatWasEdited holds Blame to histories of which it is known which event
// set each value, because every edit says so: elements come and go anywhere, so that
// those which stay are elsewhere in the end.
func TestBlameKnowsWhatWasEdited(t *testing.T) {
	t.Parallel()
	s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(100))
	t.Cleanup(func() { s.Close() })
	for seed := range histories() {
		w := &editor{r: rand.New(rand.NewPCG(uint64(seed), 2)), run: fmt.Sprint("run-", seed)}
		versions := []*item{nil}
		for w.seq = 1; w.seq <= 12; w.seq++ {
			parent, doc := uint64(0), w.item(2)
			if w.seq > 1 {
				parent = max(1+w.r.Uint64N(w.seq-1), 1+w.r.Uint64N(w.seq-1))
				doc = versions[parent].clone()
				for range w.r.IntN(4) {
					w.edit(doc)
				}
			}
			versions = append(versions, doc)
			savedAfter(t, s.EventStore, w.run, "node", doc.String(), parent)
			doc.each("", func(path string, set uint64) {
				p, err := s.Blame(t.Context(), w.run, w.seq, path)
				require.NoError(t, err)
				require.Equal(t, set, p.Event.Seq, "%s seq %d: %s in %s", w.run, w.seq, path, doc)
			})
		}
	}
}

// editor edits the state of a run.
type editor struct {
	r   *rand.Rand
	run string
	seq uint64
	n   int // numbers given
}

func (w *editor) number() int {
	w.n++
	return w.n
}

func (w *editor) item(depth int) *item {
	it := &item{id: w.number(), set: w.seq, fields: map[string]field{}}
	for range w.r.IntN(3) {
		w.field(it)
	}
	for range w.r.IntN(5) {
		if depth > 0 {
			it.items = append(it.items, w.item(depth-1))
		}
	}
	return it
}

func (w *editor) field(it *item) {
	it.fields[string("abc"[w.r.IntN(3)])] = field{w.number(), w.seq}
}

// edit changes something in an item.
func (w *editor) edit(it *item) {
	i := w.r.IntN(len(it.items) + 1)
	switch n := w.r.IntN(10); {
	case n < 5 && i < len(it.items):
		w.edit(it.items[i])
	case n < 6 && i < len(it.items):
		it.items = slices.Delete(it.items, i, i+1)
	case n < 8:
		it.items = slices.Insert(it.items, i, w.item(1))
	case n < 9:
		delete(it.fields, string("abc"[w.r.IntN(3)]))
	default:
		w.field(it)
	}
}

func (it *item) clone() *item {
	c := &item{id: it.id, set: it.set, fields: map[string]field{}}
	for name, f := range it.fields {
		c.fields[name] = f
	}
	for _, child := range it.items {
		c.items = append(c.items, child.clone())
	}
	return c
}

func (it *item) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":%d`, it.id)
	for _, name := range []string{"c", "a", "b"} {
		if f, ok := it.fields[name]; ok {
			fmt.Fprintf(&b, `,%q:%d`, name, f.value)
		}
	}
	b.WriteString(`,"items":[`)
	for i, child := range it.items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(child.String())
	}
	b.WriteString("]}")
	return b.String()
}

// each calls f with every value that is no object and no array, and when it was set.
func (it *item) each(path string, f func(path string, set uint64)) {
	f(path+"/id", it.set)
	for name, field := range it.fields {
		f(path+"/"+name, field.set)
	}
	for i, child := range it.items {
		child.each(fmt.Sprint(path, "/items/", i), f)
	}
}
