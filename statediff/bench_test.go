package statediff_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

// text is n bytes of words and lines.
func text(rng *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		for range 1 + rng.IntN(9) {
			b.WriteByte(byte('a' + rng.IntN(26)))
		}
		b.WriteByte(" \n    "[rng.IntN(6)])
	}
	return b.String()[:n]
}

// state is an agent's state after a number of steps: 0.7 MB at 200.
func state(steps int) []byte {
	rng := rand.New(rand.NewPCG(1, 1))
	files := &object{}
	for i := range 6 {
		files.set(fmt.Sprintf("src/file%d.go", i), text(rng, 4096))
	}
	var messages []value
	for i := range steps {
		messages = append(messages, &object{
			[]string{"role", "content", "tokens"},
			[]value{[]string{"user", "assistant", "tool"}[i%3], text(rng, 3300), i * 7},
		})
	}
	at := time.Date(2025, 1, 15, 10, 30, steps%60, 0, time.UTC)
	return written(&object{
		[]string{"step", "updated_at", "system", "files", "messages"},
		[]value{steps, at.Format(time.RFC3339Nano), text(rng, 12<<10), files, messages},
	})
}

// records are n objects without an id, about 100 bytes each.
func records(n int, seed uint64) []string {
	rng := rand.New(rand.NewPCG(seed, 2))
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"role":"user","n":%d,"content":%q}`, rng.Int(), text(rng, 60))
	}
	return all
}

func array(elements []string) []byte {
	return []byte("[" + strings.Join(elements, ",") + "]")
}

// pairs are made when they are asked for: some are large.
var pairs = []struct {
	name string
	make func() (old, new []byte)
}{
	{"neighbours", func() ([]byte, []byte) { return state(199), state(200) }},
	{"front", func() ([]byte, []byte) {
		few := records(4000, 3)
		return array(few), array(append([]string{`{"role":"system"}`}, few...))
	}},
	{"different", func() ([]byte, []byte) { return array(records(100_000, 4)), array(records(100_000, 5)) }},
	{"reversed", func() ([]byte, []byte) {
		turned := records(100_000, 4)
		slices.Reverse(turned)
		return array(records(100_000, 4)), array(turned)
	}},
	{"shuffled", func() ([]byte, []byte) {
		shuffled, rng := records(100_000, 4), rand.New(rand.NewPCG(9, 9))
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		return array(records(100_000, 4)), array(shuffled)
	}},
	{"ids", func() ([]byte, []byte) { // each has changed, and one came in front
		old := records(100_000, 4)
		new := []string{`{"id":-1}`}
		for i := range old {
			old[i] = fmt.Sprintf(`{"id":%d,"seen":1,%s`, i, old[i][1:])
			new = append(new, strings.Replace(old[i], `"seen":1`, `"seen":2`, 1))
		}
		return array(old), array(new)
	}},
	{"gaps", func() ([]byte, []byte) { // many small ones
		old, new := records(100_000, 4), records(100_000, 4)
		for i := range new {
			if i%20 > 0 {
				new[i] = strings.Replace(new[i], "user", "tool", 1)
			}
		}
		return array(old), array(new)
	}},
	{"binary", func() ([]byte, []byte) { return symbols(100_000, 2, 1), symbols(100_000, 2, 2) }},
	{"letters", func() ([]byte, []byte) { return symbols(100_000, 50, 1), symbols(100_000, 50, 2) }},
	{"thousands", func() ([]byte, []byte) { return symbols(100_000, 30_000, 1), symbols(100_000, 30_000, 2) }},
	{"millions", func() ([]byte, []byte) { return symbols(5_000_000, 2, 1), symbols(5_000_000, 2, 2) }},
	{"empties", func() ([]byte, []byte) {
		middle := strings.Repeat(`[],`, 3<<20)
		return []byte(`[` + middle + `0]`), []byte(`[1,` + middle + `0]`)
	}},
	{"nested", func() ([]byte, []byte) { return nested(9000, "1"), nested(9000, "2") }},
}

// symbols are n numbers of that many kinds.
func symbols(n, kinds int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 6))
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(rng.IntN(kinds))
	}
	return array(all)
}

// nested is an object in an object, with 50 changing members at each level.
func nested(depth int, v string) []byte {
	level := v
	for i := range 50 {
		level += fmt.Sprintf(`,"m%d":%s`, i, v)
	}
	return []byte(strings.Repeat(`{"first":`+level+`,"in":`, depth) + "0" + strings.Repeat("}", depth))
}

func BenchmarkCompare(b *testing.B) {
	for _, p := range pairs {
		b.Run("pair="+p.name, func(b *testing.B) {
			old, new := p.make()
			b.SetBytes(int64(len(old) + len(new)))
			b.ReportAllocs()
			var d *statediff.Diff
			for b.Loop() {
				var err error
				d, err = statediff.Compare(old, new, statediff.Options{})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(len(d.Changes)), "changes")
			b.ReportMetric(float64(len(d.Coarse)), "coarse")
		})
	}
}

func BenchmarkApply(b *testing.B) {
	for _, p := range pairs[:5] {
		b.Run("pair="+p.name, func(b *testing.B) {
			old, new := p.make()
			d, err := statediff.Compare(old, new, statediff.Options{})
			require.NoError(b, err)
			patch := d.Patch()
			b.SetBytes(int64(len(old)))
			b.ReportAllocs()
			var got []byte
			for b.Loop() {
				got, err = statediff.Apply(old, patch)
				require.NoError(b, err)
			}
			equal, err := statediff.Equal(new, got)
			require.NoError(b, err)
			require.True(b, equal)
		})
	}
}

func BenchmarkParse(b *testing.B) {
	doc := state(200)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := statediff.Parse(doc)
		require.NoError(b, err)
	}
}

func BenchmarkLookup(b *testing.B) {
	doc := state(200)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		v, err := statediff.Lookup(doc, "/messages/199/role")
		require.NoError(b, err)
		require.True(b, bytes.HasPrefix(v, []byte(`"`)))
	}
}

func BenchmarkOrigin(b *testing.B) {
	old, err := statediff.Parse(state(199))
	require.NoError(b, err)
	new, err := statediff.Parse(state(200))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := statediff.Trace(old, new, statediff.Options{}).Origin("/messages/150/content")
		require.NoError(b, err)
	}
}

func BenchmarkAll(b *testing.B) {
	doc, err := statediff.Parse(state(200))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for v := range doc.All() {
			n += len(v.Raw())
		}
	}
}
