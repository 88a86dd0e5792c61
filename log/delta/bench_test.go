package delta_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/delta"
)

// workload is a chain of states: each is the base of the next.
type workload struct {
	name   string
	states func() [][]byte
}

func pair(base, target []byte) func() [][]byte {
	return func() [][]byte { return [][]byte{base, target} }
}

func workloads() []workload {
	return []workload{
		{"transcript", transcriptStates},
		{"document", func() [][]byte { s, _ := documentStates(); return s }},
		{"unrelated", pair(randomBytes(1, 1<<20), randomBytes(2, 1<<20))},
		{"unrelatedtext", func() [][]byte { return pair([]byte(newWriter(3).text(1<<20)), []byte(newWriter(4).text(1<<20)))() }},
		{"periodic", pair(bytes.Repeat([]byte("abcdefg"), 1<<20/7), bytes.Repeat([]byte("efgabcd-"), 1<<20/8))},
		{"zeros", pair(make([]byte, 1<<20), make([]byte, 1<<20+1))},
	}
}

func encodeChain(states [][]byte) (deltas [][]byte) {
	for k := 1; k < len(states); k++ {
		deltas = append(deltas, delta.Encode(nil, states[k-1], states[k]))
	}
	return deltas
}

func BenchmarkEncode(b *testing.B) {
	for _, w := range workloads() {
		b.Run("state="+w.name, func(b *testing.B) {
			states := w.states()
			size, deltas := 0, 0
			for _, s := range states[1:] {
				size += len(s)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				deltas = 0
				for k := 1; k < len(states); k++ {
					buf = delta.Encode(buf[:0], states[k-1], states[k])
					deltas += len(buf)
				}
			}
			b.ReportMetric(float64(deltas)/float64(len(states)-1), "B/delta")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, w := range workloads() {
		b.Run("state="+w.name, func(b *testing.B) {
			states := w.states()
			deltas := encodeChain(states)
			size := 0
			for _, d := range deltas {
				size += len(d)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, d := range deltas {
					if _, err := delta.Parse(d, 1<<30); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	for _, w := range workloads() {
		b.Run("state="+w.name, func(b *testing.B) {
			states := w.states()
			deltas := parseAll(b, encodeChain(states))
			size := 0
			for _, s := range states[1:] {
				size += len(s)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				for k, d := range deltas {
					var err error
					if buf, err = d.Apply(buf[:0], states[k]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkCompose(b *testing.B) {
	for _, w := range workloads()[:2] {
		states := w.states()
		deltas := parseAll(b, encodeChain(states))
		b.Run(fmt.Sprintf("state=%s/links=%d", w.name, len(deltas)), func(b *testing.B) {
			b.ReportAllocs()
			ops := 0
			for b.Loop() {
				d := deltas[0]
				for _, newer := range deltas[1:] {
					var err error
					if d, err = delta.Compose(d, newer); err != nil {
						b.Fatal(err)
					}
				}
				ops = d.Ops()
			}
			b.ReportMetric(float64(ops), "ops")
		})
	}
}

func parseAll(t testing.TB, bs [][]byte) (deltas []*delta.Delta) {
	t.Helper()
	for _, b := range bs {
		d, err := delta.Parse(b, 1<<30)
		require.NoError(t, err)
		deltas = append(deltas, d)
	}
	return deltas
}
