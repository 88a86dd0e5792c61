package statediff_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

func FuzzCompare(f *testing.F) {
	for _, c := range diffCases() {
		f.Add([]byte(c.old), []byte(c.new), 0)
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 5))
		v := random(rng, 3)
		old := written(v)
		f.Add(old, written(edit(rng, v)), 3)
	}
	twice := []byte(`{"n":{"a":1},"n":2}`) // "/n/a" is there, and a lookup goes to the second "n"
	f.Add(twice, twice, 0)
	f.Fuzz(func(t *testing.T, old, new []byte, bound int) {
		_, err := statediff.Parse(old)
		require.Equal(t, json.Valid(old), err == nil, "%q: %v", old, err)
		if err != nil || !json.Valid(new) {
			_, err := statediff.Compare(old, new, statediff.Options{})
			var syntax *statediff.SyntaxError
			require.ErrorAs(t, err, &syntax)
			return
		}
		requireDiff(t, old, new, statediff.Options{})
		requireDiff(t, old, new, statediff.Options{Effort: bound, MaxChanges: bound})
		same := requireDiff(t, old, old, statediff.Options{})
		require.Empty(t, same.Changes)
		a, err := statediff.Parse(old)
		require.NoError(t, err)
		b, err := statediff.Parse(new)
		require.NoError(t, err)
		twiceOld, twiceNew := repeated(a), repeated(b)
		for v, origin := range statediff.Trace(a, b, statediff.Options{}).All() {
			if origin.Kind == statediff.Added || ambiguous(twiceOld, origin.Old) {
				continue
			}
			was, err := a.Lookup(origin.Old)
			require.NoError(t, err)
			equal, err := statediff.Equal(was, v.Raw())
			require.NoError(t, err)
			require.True(t, equal == (origin.Kind == statediff.Same) || origin.Coarse || ambiguous(twiceNew, v.Pointer()))
		}
	})
}

// repeated are the pointers that come twice in a document, since an object has a name twice.
func repeated(d *statediff.Document) []statediff.Pointer {
	var twice []statediff.Pointer
	seen := map[statediff.Pointer]bool{}
	for v := range d.All() {
		at := v.Pointer()
		if seen[at] {
			twice = append(twice, at)
		}
		seen[at] = true
	}
	return twice
}

// ambiguous reports whether a pointer leads past one of twice, so that it isn't the value's own.
func ambiguous(twice []statediff.Pointer, p statediff.Pointer) bool {
	return slices.ContainsFunc(twice, func(at statediff.Pointer) bool { return at.Contains(p) })
}

func FuzzPointer(f *testing.F) {
	for _, c := range pathCases() {
		f.Add(c.pointer)
	}
	f.Add("/~")
	f.Add("a")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := statediff.ParsePointer(s)
		if err != nil {
			var wrong *statediff.PathError
			require.ErrorAs(t, err, &wrong)
			require.LessOrEqual(t, wrong.Offset, len(s))
			_, err := statediff.Lookup([]byte(`{"a":[{"":1}]}`), statediff.Pointer(s)) // unchecked
			require.True(t, err == nil || errors.Is(err, statediff.ErrNotFound))
			return
		}
		var again statediff.Pointer
		for token := range p.Tokens() {
			again = again.Name(token)
		}
		require.Equal(t, p, again)
		path, err := statediff.ParsePath(p.Dotted())
		require.NoError(t, err, p.Dotted())
		back, ok := path.Pointer()
		require.True(t, ok)
		require.Equal(t, p, back, p.Dotted())
	})
}

func FuzzParsePath(f *testing.F) {
	for _, c := range pathCases() {
		f.Add(c.path)
	}
	f.Add("a[-1].b")
	f.Add(`a["\ud800\udc00"]`)
	f.Fuzz(func(t *testing.T, s string) {
		path, err := statediff.ParsePath(s)
		if err != nil {
			var wrong *statediff.PathError
			require.ErrorAs(t, err, &wrong)
			require.LessOrEqual(t, wrong.Offset, len(s))
			return
		}
		again, err := statediff.ParsePath(path.String())
		require.NoError(t, err, path.String())
		require.Equal(t, path, again)
		_, err = path.In([]byte(`{"a":[1,{"b":[]}]}`))
		var wrong *statediff.PathError
		require.True(t, err == nil || errors.Is(err, statediff.ErrNotFound) || errors.As(err, &wrong))
	})
}

func FuzzApply(f *testing.F) {
	for _, c := range applyCases() {
		f.Add([]byte(c.doc), []byte(c.patch))
	}
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		got, err := statediff.Apply(doc, patch)
		if err != nil {
			var wrong *statediff.PatchError
			var syntax *statediff.SyntaxError
			require.True(t, errors.As(err, &wrong) || errors.As(err, &syntax))
			require.NotEmpty(t, err.Error())
			return
		}
		_, err = statediff.Parse(got)
		require.NoError(t, err)
	})
}

// FuzzLookup looks into documents that needn't be JSON.
func FuzzLookup(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":2}]}`), "/a/1/b")
	f.Add([]byte(`{"a`), "/a")
	f.Add([]byte(`[1,`), "/1")
	f.Fuzz(func(t *testing.T, doc []byte, p string) {
		got, err := statediff.Lookup(doc, statediff.Pointer(p))
		d, invalid := statediff.Parse(doc)
		if invalid != nil {
			return
		}
		want, wantErr := d.Lookup(statediff.Pointer(p))
		require.Equal(t, string(want), string(got))
		require.Equal(t, wantErr, err)
	})
}
