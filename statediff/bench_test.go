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

type pair struct {
	name     string
	old, new []byte
}

func pairs() []pair {
	few, many := records(4000, 3), records(100_000, 4)
	turned := slices.Clone(many)
	slices.Reverse(turned)
	shuffled := slices.Clone(many)
	rng := rand.New(rand.NewPCG(9, 9))
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	symbols := func(n, kinds int) []byte {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint(rng.IntN(kinds))
		}
		return array(all)
	}
	ids := func(all []string, seed uint64) []byte {
		named := slices.Clone(all)
		for i := range named {
			named[i] = strings.Replace(named[i], `{`, fmt.Sprintf(`{"id":"%d","x":%d,`, (uint64(i)*7919+seed*31)%100_003, seed), 1)
		}
		return array(named)
	}
	var runs, edited []string // many small gaps
	for i, r := range many {
		runs = append(runs, r)
		if i%20 == 0 {
			edited = append(edited, r)
		} else {
			edited = append(edited, strings.Replace(r, "user", "tool", 1))
		}
	}
	return []pair{
		{"neighbours", state(199), state(200)},
		{"front", array(few), array(append([]string{`{"role":"system"}`}, few...))},
		{"reversed", array(many), array(turned)},
		{"shuffled", array(many), array(shuffled)},
		{"different", array(many), array(records(100_000, 5))},
		{"ids", ids(many, 1), ids(many, 2)},
		{"gaps", array(runs), array(edited)},
		{"binary", symbols(100_000, 2), symbols(100_000, 2)},
		{"letters", symbols(100_000, 50), symbols(100_000, 50)},
		{"thousands", symbols(100_000, 30_000), symbols(100_000, 30_000)},
		{"millions", symbols(5_000_000, 2), symbols(5_000_000, 2)},
		{"bytes", []byte(`[` + strings.Repeat(`[],`, 3<<20) + `0]`), []byte(`[1,` + strings.Repeat(`[],`, 3<<20) + `0]`)},
		{"nested", nested(9000, "1"), nested(9000, "2")},
	}
}

// nested is an object in an object, with 50 changing members at each level.
func nested(depth int, v string) []byte {
	level := strings.Repeat(v, 1)
	for i := range 50 {
		level += fmt.Sprintf(`,"m%d":%s`, i, v)
	}
	return []byte(strings.Repeat(`{"first":`+level+`,"in":`, depth) + "0" + strings.Repeat("}", depth))
}

func BenchmarkCompare(b *testing.B) {
	for _, p := range pairs() {
		b.Run("pair="+p.name, func(b *testing.B) {
			b.SetBytes(int64(len(p.old) + len(p.new)))
			b.ReportAllocs()
			var d *statediff.Diff
			for b.Loop() {
				var err error
				d, err = statediff.Compare(p.old, p.new, statediff.Options{})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(len(d.Changes)), "changes")
			b.ReportMetric(float64(len(d.Coarse)), "coarse")
		})
	}
}

func BenchmarkApply(b *testing.B) {
	for _, p := range pairs()[:8] {
		d, err := statediff.Compare(p.old, p.new, statediff.Options{})
		require.NoError(b, err)
		patch := d.Patch()
		b.Run("pair="+p.name, func(b *testing.B) {
			b.SetBytes(int64(len(p.old)))
			b.ReportAllocs()
			var got []byte
			for b.Loop() {
				got, err = statediff.Apply(p.old, patch)
				require.NoError(b, err)
			}
			equal, err := statediff.Equal(p.new, got)
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
