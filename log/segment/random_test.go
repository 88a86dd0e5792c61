package segment_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bench/workload"
	"github.com/flowlog/checkpoint/log/segment"
)

// randomRun returns a segment of at most most entries with anything in it.
func randomRun(rng *rand.Rand, most int) run {
	n := 1 + rng.IntN(most)
	first := uint64(1)
	if rng.IntN(2) == 0 {
		first = 1 + rng.Uint64()>>(1+rng.IntN(62))
	}
	words := workload.NewWords(rng.Uint64())
	r := run{info: infoOf(rng, words.Text(1+rng.IntN(40)), first, n)}
	hs := headers(rng, r.info.Run, r.info.Life, n)
	order := rng.Perm(n)
	bases := rng.Perm(n) // an entry's base is before it in this order
	at := make([]int, n)
	for k, i := range bases {
		at[i] = k
	}
	depth := make([]int, n)
	items := make([]item, n)
	for _, i := range bases {
		e := segment.Entry{Seq: first + uint64(i), Kind: uint8(rng.UintN(256)), Header: hs[i], Digest: digest(rng), Hash: digest(rng), Meta: randomMeta(rng, i)}
		if at[i] > 0 && rng.IntN(3) > 0 {
			if b := bases[rng.IntN(at[i])]; depth[b] < segment.MaxDepth {
				e.Base, depth[i] = first+uint64(b), depth[b]+1
			}
		}
		if rng.IntN(4) == 0 {
			e.Header = randomHeader(rng, words, hs[i])
		}
		items[i] = item{Entry: e, payload: randomPayload(rng, words)}
		if rng.IntN(2) == 0 {
			items[i].Digest = sha256.Sum256(items[i].payload)
		}
	}
	for _, i := range order {
		r.items = append(r.items, items[i])
	}
	return r
}

func randomHeader(rng *rand.Rand, words *workload.Words, h []byte) []byte {
	switch rng.IntN(7) {
	case 0:
		return nil
	case 1:
		return []byte(words.Text(rng.IntN(300)))
	case 2:
		b := make([]byte, rng.IntN(40))
		for k := range b {
			b[k] = `:"\,}09aZ`[rng.IntN(9)]
		}
		return b
	case 3:
		at := time.Date(2026, 1, 15, 10, 30, 0, rng.IntN(5)*1e7, time.UTC).Format(time.RFC3339Nano)
		return fmt.Appendf(nil, `{"a":%q,"b":%q,"c":"2026-01-15T10:30:00.%02dZ","n":%d,"m":%09d}`, at, at, rng.IntN(100), rng.IntN(4e7), rng.IntN(1e9))
	case 4:
		return fmt.Appendf(nil, `{"t":"20%02d-02-%02dT00:00:%d.%dZ","n":%d,"m":%03d,"d":"%064x","e":%064d,"x":"%s"}`, rng.IntN(100), rng.IntN(40), rng.IntN(100),
			rng.IntN(1000), rng.Int64()>>rng.IntN(63), rng.IntN(2000), rng.Uint64(), rng.Uint64(), strings.Repeat("x", rng.IntN(3)))
	default:
		b := append([]byte(nil), h...)
		for range 1 + rng.IntN(3) {
			b[rng.IntN(len(b))] = byte(rng.UintN(256))
		}
		return b[:len(b)-rng.IntN(len(b))]
	}
}

func randomMeta(rng *rand.Rand, k int) []byte {
	switch rng.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte(noise(rng, 1+rng.IntN(segment.MaxMeta)))
	default:
		return line(k)
	}
}

func randomPayload(rng *rand.Rand, words *workload.Words) []byte {
	switch rng.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte(noise(rng, rng.IntN(2000)))
	case 2:
		return []byte(words.Text(rng.IntN(20_000)))
	default:
		return []byte(words.Text(rng.IntN(200)))
	}
}

func TestRandomSegments(t *testing.T) {
	t.Parallel()
	var codecs []*segment.Codec
	for _, size := range []int{1, 100, 4 << 10, 0, 1 << 20} {
		codecs = append(codecs, newCodec(t, segment.Options{BlockSize: size}))
	}
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 7))
		c := codecs[rng.IntN(len(codecs))]
		r := randomRun(rng, 1+rng.IntN(200))
		index, data, err := r.write(c)
		require.NoError(t, err, "seed %d", seed)
		requireIs(t, c, r, index, data)

		again, same, err := r.write(c)
		require.NoError(t, err)
		require.Equal(t, index, again, "seed %d: what is written depends on what is given alone", seed)
		require.Equal(t, data, same)
	}
}
