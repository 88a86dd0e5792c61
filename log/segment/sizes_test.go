package segment_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/segment"
)

// TestSizes logs what events cost, for doc.go and for whoever changes the format.
func TestSizes(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	for _, enveloped := range []bool{false, true} {
		for _, n := range []int{1, 2, 5, 20, 256} {
			const runs = 10
			index, plain := 0, 0
			for k := range runs {
				rng := rand.New(rand.NewPCG(uint64(k), 4))
				id := fmt.Sprintf("run-%06d", k)
				r := run{info: infoOf(rng, id, 1, n)}
				for i, h := range headersOf(rng, id, r.info.Life, n, enveloped) {
					r.items = append(r.items, item{Entry: segment.Entry{Seq: uint64(i + 1), Header: h, Digest: digest(rng), Meta: line(i)}})
					plain += len(h)
				}
				x, _ := mustWrite(t, c, r)
				index += len(x)
			}
			t.Logf("%3d events, envelopes %-5v: %.1f bytes an event in the index, of headers of %d", n, enveloped, float64(index)/float64(n*runs), plain/(n*runs))
		}
	}
	r := transcript(200, 1)
	index, data := mustWrite(t, c, r)
	logical, deltas := 0, 0
	for _, it := range r.items {
		logical += len(it.payload)
		if it.Base != 0 {
			deltas += len(it.payload)
		}
	}
	t.Logf("200 states of a transcript: payloads of %d bytes, %d of it deltas; index %d, data %d", logical, deltas, len(index), len(data))
}

// TestNextToNothing holds what an entry's meta, a time again and the time since
// the header before cost.
func TestNextToNothing(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	const n = 256
	length := func(meta func(int) []byte, header string) int {
		rng := rand.New(rand.NewPCG(6, 4))
		r := run{info: infoOf(rng, "run", 1, n)}
		at := time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)
		for k := range n {
			took := tookAny(rng)
			at = at.Add(between(rng) + took)
			h := strings.NewReplacer("AT", at.Format(time.RFC3339Nano), "TOOK", strconv.FormatInt(int64(took), 10)).Replace(header)
			r.items = append(r.items, item{Entry: segment.Entry{Seq: uint64(k + 1), Header: []byte(h), Digest: digest(rng), Meta: meta(k)}})
		}
		index, data := mustWrite(t, c, r)
		requireIs(t, c, r, index, data)
		return len(index)
	}
	none := func(int) []byte { return nil }
	same := func(int) []byte { return line(1 << 20) }
	rare := func(k int) []byte { return line(k / 50 * 1000) }
	bare := length(none, `{"a":"AT"}`)
	require.Less(t, length(same, `{"a":"AT"}`), bare+32, "metas that are the same")
	require.Less(t, length(line, `{"a":"AT"}`), bare+40, "metas of which a number grows by 1")
	require.Less(t, length(rare, `{"a":"AT"}`), bare+70, "metas of which a number changes five times")
	require.Less(t, length(none, `{"a":"AT","b":"AT"}`), bare+20, "a time again")
	require.Less(t, length(none, `{"a":"AT","t":TOOK}`), bare+3*n+40, "nearly the time since the header before")
}
