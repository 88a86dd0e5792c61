package delta_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/delta"
)

// DELTA_PAIRS is how many random pairs TestRandomPairs tries.
func pairCount(t *testing.T) int {
	n := 5000
	if s := os.Getenv("DELTA_PAIRS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		require.NoError(t, err, "DELTA_PAIRS")
	}
	return n
}

func TestRandomPairs(t *testing.T) {
	t.Parallel()
	n := pairCount(t)
	var mismatches, refused, targetBytes, deltaBytes atomic.Int64
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for g := range workers {
		wg.Go(func() {
			var buf, got []byte
			for k := g; k < n; k += workers {
				rng := rand.New(rand.NewPCG(uint64(k), 3))
				base := randomState(rng)
				target := change(rng, base)
				buf = delta.Encode(buf[:0], base, target)
				d, err := delta.Parse(buf, len(target))
				if err != nil {
					refused.Add(1)
					continue
				}
				got, err = d.Apply(got[:0], base)
				if err != nil || !bytes.Equal(got, target) || len(buf) > len(target)+delta.MaxOverhead {
					mismatches.Add(1)
				}
				targetBytes.Add(int64(len(target)))
				deltaBytes.Add(int64(len(buf)))
			}
		})
	}
	wg.Wait()
	t.Logf("%d random pairs: %d mismatches, %d refused; targets %d bytes, deltas %d bytes",
		n, mismatches.Load(), refused.Load(), targetBytes.Load(), deltaBytes.Load())
	require.Zero(t, mismatches.Load()+refused.Load())
}

// randomState is 0 to a few KB: noise, few letters, words, a repeated piece, or nothing.
func randomState(rng *rand.Rand) []byte {
	n := rng.IntN(1 << (1 + rng.IntN(12)))
	b := make([]byte, n)
	switch rng.IntN(5) {
	case 0:
		fill(rng, b, 256)
	case 1:
		fill(rng, b, 2)
	case 2:
		piece := make([]byte, 1+rng.IntN(60))
		fill(rng, piece, 1+rng.IntN(256))
		for at := 0; at < n; at += len(piece) {
			copy(b[at:], piece)
		}
	case 3:
		words := []string{`{"role":"user","content":"`, "the ", "state ", `"},`, "of ", "a ", "workflow ", "\x00"}
		for at := 0; at < n; {
			at += copy(b[at:], words[rng.IntN(len(words))])
		}
	}
	return b
}

func fill(rng *rand.Rand, b []byte, letters int) {
	for k := range b {
		b[k] = byte(rng.IntN(letters))
	}
}

// change makes of a state one that may follow it, or another one altogether.
func change(rng *rand.Rand, b []byte) []byte {
	if rng.IntN(8) == 0 {
		return randomState(rng)
	}
	b = bytes.Clone(b)
	for range rng.IntN(8) {
		from := rng.IntN(len(b) + 1)
		to := min(len(b), from+rng.IntN(1<<rng.IntN(10)))
		piece := bytes.Clone(b[from:to])
		rest := append(bytes.Clone(b[:from]), b[to:]...)
		at := rng.IntN(len(rest) + 1)
		switch rng.IntN(5) {
		case 0: // edit in place
			fill(rng, b[from:to], 1+rng.IntN(256))
		case 1: // insert
			fill(rng, piece, 256)
			b = append(append(bytes.Clone(b[:from]), piece...), b[from:]...)
		case 2: // delete
			b = rest
		case 3: // move
			b = append(append(bytes.Clone(rest[:at]), piece...), rest[at:]...)
		case 4: // repeat
			b = append(append(bytes.Clone(b[:to]), piece...), b[to:]...)
		}
	}
	return b
}
