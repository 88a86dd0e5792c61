package statediff_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

// requireDiff compares, and holds the answer against what it must be whatever the documents are: its
// patches lead from one to the other and back, its paths to its values, and the tracer says the same.
func requireDiff(t *testing.T, old, new []byte, options statediff.Options) *statediff.Diff {
	t.Helper()
	d, err := statediff.Compare(old, new, options)
	require.NoError(t, err)
	got, err := statediff.Apply(old, d.Patch())
	require.NoError(t, err, "patch %s", d.Patch())
	requireEqual(t, new, got, "%s patched with %s", old, d.Patch())
	got, err = statediff.Apply(new, d.Inverse())
	require.NoError(t, err)
	requireEqual(t, old, got, "%s patched back with %s", new, d.Inverse())
	equal, err := statediff.Equal(old, new)
	require.NoError(t, err)
	require.Equal(t, equal, len(d.Changes) == 0)
	for i, c := range d.Changes {
		if i > 100 && i%1000 > 0 {
			continue // looking up is linear
		}
		if c.Kind != statediff.Removed {
			requireAt(t, new, c.Path, c.New)
		} else {
			require.Equal(t, c.Path, c.OldPath)
			require.Nil(t, c.New)
		}
		if c.Kind != statediff.Added {
			requireAt(t, old, c.OldPath, c.Old)
		} else {
			require.Nil(t, c.Old)
		}
	}
	return d
}

func requireAt(t *testing.T, doc []byte, p statediff.Pointer, want []byte) {
	t.Helper()
	got, err := statediff.Lookup(doc, p)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func requireEqual(t *testing.T, want, got []byte, message string, args ...any) {
	t.Helper()
	equal, err := statediff.Equal(want, got)
	require.NoError(t, err)
	require.True(t, equal, "want %s, got %s: %s", want, got, fmt.Sprintf(message, args...))
	if a, b := canonical(want), canonical(got); a != "" && b != "" {
		require.Equal(t, a, b)
	}
}

func TestRandomDocuments(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		v := random(rng, 4)
		old := written(v)
		w := clone(v)
		for range rng.IntN(4) {
			w = edit(rng, w)
		}
		if seed%5 == 0 {
			w = random(rng, 4)
		}
		new := written(w)
		d := requireDiff(t, old, new, statediff.Options{})
		require.Empty(t, d.Coarse)
		requireTraced(t, old, new, d)
		requireDiff(t, old, new, statediff.Options{Effort: 1, MaxChanges: 1 + rng.IntN(4)})
	}
}

// TestSingleEdit makes one edit to an array of elements that all differ, and wants one change.
func TestSingleEdit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var a []value
		for i := range 1 + rng.IntN(30) {
			switch element := random(rng, 2).(type) {
			case *object:
				element.set("n", fmt.Sprint(i))
				a = append(a, element)
			default:
				a = append(a, element)
			}
		}
		where := []value{a, &object{names: []string{"x", "a"}, values: []value{nil, a}}}[rng.IntN(2)]
		old := written(where)
		i := rng.IntN(len(a))
		b := append([]value{}, a...)
		want := statediff.Changed
		switch rng.IntN(3) {
		case 0:
			b = append(b[:i:i], append([]value{&object{names: []string{"added"}, values: []value{random(rng, 2)}}}, a[i:]...)...)
			want = statediff.Added
		case 1:
			b = append(b[:i:i], a[i+1:]...)
			want = statediff.Removed
		default:
			b[i] = fmt.Sprint("changed", seed)
		}
		var next value = b
		if o, ok := where.(*object); ok {
			next = &object{names: []string{"a", "x"}, values: []value{b, o.values[0]}}
		}
		d := requireDiff(t, old, written(next), statediff.Options{})
		require.Len(t, d.Changes, 1, "%s -> %s", old, written(next))
		require.Equal(t, want, d.Changes[0].Kind)
	}
}

// requireTraced holds the tracer against the changes: what is neither in one nor around one is the same.
func requireTraced(t *testing.T, old, new []byte, d *statediff.Diff) {
	t.Helper()
	a, err := statediff.Parse(old)
	require.NoError(t, err)
	b, err := statediff.Parse(new)
	require.NoError(t, err)
	tracer := statediff.Trace(a, b, statediff.Options{})
	for v, origin := range tracer.All() {
		p := v.Pointer()
		single, err := statediff.Trace(a, b, statediff.Options{}).Origin(p)
		require.NoError(t, err)
		require.Equal(t, single, origin)
		want := statediff.Origin{Old: origin.Old}
		for _, c := range d.Changes {
			if c.Kind == statediff.Removed {
				continue
			}
			switch {
			case c.Path == p:
				want = statediff.Origin{Kind: c.Kind, Old: c.OldPath}
			case c.Path.Contains(p):
				want = statediff.Origin{Kind: statediff.Added}
			case p.Contains(c.Path):
				want = statediff.Origin{Kind: statediff.Changed, Old: origin.Old}
			default:
				continue
			}
			break
		}
		if origin.Kind == statediff.Changed && want.Kind == statediff.Same {
			want = statediff.Origin{Kind: statediff.Changed, Old: origin.Old} // something was removed from it
		}
		require.Equal(t, want, origin, "%s in %s -> %s", p, old, new)
		requireChildren(t, a, b, p)
		if origin.Kind == statediff.Added {
			continue
		}
		was, err := a.Lookup(origin.Old)
		require.NoError(t, err)
		equal, err := statediff.Equal(was, v.Raw())
		require.NoError(t, err)
		require.Equal(t, equal, origin.Kind == statediff.Same)
	}
}

// requireChildren holds what the tracer says of the children of a value together against what it says of each.
func requireChildren(t *testing.T, a, b *statediff.Document, p statediff.Pointer) {
	t.Helper()
	children, err := statediff.Trace(a, b, statediff.Options{}).Children(p)
	require.NoError(t, err)
	var got, want []statediff.Pointer
	for child, origin := range children {
		q := p.Name(child.Token)
		got = append(got, q)
		single, err := statediff.Trace(a, b, statediff.Options{}).Origin(q)
		require.NoError(t, err)
		require.Equal(t, single, origin)
		raw, err := b.Lookup(q)
		require.NoError(t, err)
		require.Equal(t, string(raw), string(child.New))
		if origin.Kind != statediff.Changed {
			require.Nil(t, child.Old)
			continue
		}
		raw, err = a.Lookup(origin.Old)
		require.NoError(t, err)
		require.Equal(t, string(raw), string(child.Old))
	}
	for v := range b.All() {
		if parent, _ := v.Pointer().Parent(); v.Pointer() != "" && parent == p {
			want = append(want, statediff.Pointer(strings.Clone(string(v.Pointer()))))
		}
	}
	require.Equal(t, want, got)
}

func TestChildrenOfTheSameName(t *testing.T) {
	t.Parallel()
	old, err := statediff.Parse([]byte(`{"o":{"a":1,"b":2,"a":3},"n":1}`))
	require.NoError(t, err)
	new, err := statediff.Parse([]byte(`{"n":2,"o":{"a":1,"b":2,"a":3}}`))
	require.NoError(t, err)
	children, err := statediff.Trace(old, new, statediff.Options{}).Children("/o")
	require.NoError(t, err)
	got := ""
	for child, origin := range children {
		got += fmt.Sprintf("%s=%s %s %s;", child.Token, child.New, origin.Kind, origin.Old)
	}
	require.Equal(t, "b=2 same /o/b;a=3 same /o/a;", got)
	_, err = statediff.Trace(old, new, statediff.Options{}).Children("/p")
	require.ErrorIs(t, err, statediff.ErrNotFound)
}
