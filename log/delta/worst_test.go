package delta_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flowlog/checkpoint/log/delta"
)

// hardPairs are pairs of n bytes each that make an encoder work: nothing in common, everything alike, something else
// every few bytes, and many places that each look right for a while.
func hardPairs(n int) []pairCase {
	rng := rand.New(rand.NewPCG(uint64(n), 8))
	text := []byte(newWriter(21).text(n))
	zeros := make([]byte, n)
	noise := randomBytes(22, n)
	period := bytes.Repeat([]byte(`{"role":"user","content":"the same"},`), n/37+1)[:n]

	every := func(b []byte, step int) []byte {
		b = bytes.Clone(b)
		for at := step; at < len(b); at += step {
			b[at] ^= byte(1 + rng.IntN(255))
		}
		return b
	}
	inserted := func(b []byte, step int) (out []byte) {
		for len(b) > step {
			out = append(append(out, b[:step]...), noise[len(out)%(n/2):][:1+rng.IntN(9)]...)
			b = b[step:]
		}
		return append(out, b...)[:n]
	}
	return []pairCase{
		{name: "noise", base: noise, target: randomBytes(23, n)},
		{name: "text", base: text, target: []byte(newWriter(24).text(n))},
		{name: "zerosedited", base: zeros, target: every(zeros, 100)},
		{name: "zerosinserted", base: zeros, target: inserted(zeros, 100)},
		{name: "editedevery20", base: text, target: every(text, 20)},
		{name: "editedevery33", base: text, target: every(text, 33)},
		{name: "editedevery100", base: text, target: every(text, 100)},
		{name: "insertedevery30", base: text, target: inserted(text, 30)},
		{name: "insertedevery40", base: noise, target: inserted(noise, 40)},
		{name: "insertedevery100", base: text, target: inserted(text, 100)},
		{name: "period", base: period, target: period[5:]},
		{name: "periodedited", base: every(period, 500), target: every(period, 300)},
		{name: "periodinserted", base: inserted(period, 90), target: inserted(period, 110)},
		{name: "shuffled", base: join(records(n), nil), target: join(records(n), rng)},
		{name: "fewletters", base: letters(rng, n), target: letters(rng, n)},
	}
}

func records(n int) (out []string) {
	for size := 0; size < n; size += len(out[len(out)-1]) {
		out = append(out, fmt.Sprintf(`{"id":%d,"kind":"measurement","unit":"celsius","value":%d,"comment":null},`, len(out), size*7919%10000))
	}
	return out
}

func join(records []string, rng *rand.Rand) []byte {
	if rng != nil {
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	}
	return []byte(strings.Join(records, ""))
}

func letters(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	fill(rng, b, 2)
	return b
}

func TestHardPairs(t *testing.T) {
	t.Parallel()
	for _, c := range hardPairs(100_000) {
		b := roundTrip(t, c.base, c.target)
		t.Logf("%s: %d bytes of %d", c.name, len(b), len(c.target))
	}
}

func BenchmarkEncodeHard(b *testing.B) {
	for _, n := range []int{1 << 20, 10 << 20} {
		for _, c := range hardPairs(n) {
			b.Run(fmt.Sprintf("bytes=%d/pair=%s", n, c.name), func(b *testing.B) {
				b.SetBytes(int64(len(c.target)))
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					buf = delta.Encode(buf[:0], c.base, c.target)
				}
				b.ReportMetric(float64(len(buf)), "B/delta")
			})
		}
	}
}
