package segment_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/flowlog/checkpoint/log/segment"
)

// TestSizes logs what events cost, for doc.go and for whoever changes the format.
func TestSizes(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	for _, n := range []int{1, 20, 256} {
		const runs = 10
		index, data, plain := 0, 0, 0
		for k := range runs {
			rng := rand.New(rand.NewPCG(uint64(k), 4))
			id := fmt.Sprintf("run-%06d", k)
			r := run{info: infoOf(rng, id, 1, n)}
			for i, h := range headers(rng, id, r.info.Life, n) {
				r.items = append(r.items, item{Entry: segment.Entry{Seq: uint64(i + 1), Header: h}})
				plain += len(h)
			}
			x, d := mustWrite(t, c, r)
			index, data = index+len(x), data+len(d)
		}
		t.Logf("%3d events without payloads: %.1f bytes an event, of headers of %d", n, float64(index+data)/float64(n*runs), plain/(n*runs))
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
