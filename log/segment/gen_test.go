package segment_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bench/workload"
	"github.com/flowlog/checkpoint/log/delta"
	"github.com/flowlog/checkpoint/log/segment"
)

// item is what is given to a Writer.
type item struct {
	segment.Entry
	payload []byte
}

// inIndex reports whether the payload lies in the index.
func (it *item) inIndex() bool {
	return len(it.payload) > 0 && len(it.payload) <= segment.MaxSmall && sha256.Sum256(it.payload) == it.Digest
}

// run is a segment to be written.
type run struct {
	info  segment.Info
	items []item // in the order in which they are added
}

func digest(rng *rand.Rand) (d [32]byte) {
	for k := range d {
		d[k] = byte(rng.Uint32())
	}
	return d
}

// header is what package log stores of an event.
type header struct {
	RunID    string        `json:"run_id,omitempty"`
	Life     string        `json:"life,omitempty"`
	Node     string        `json:"node"`
	Prev     string        `json:"prev,omitempty"`
	Next     string        `json:"next,omitempty"`
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took,omitempty"` // in nanoseconds
	Graph    string        `json:"graph"`
	Version  int           `json:"version"`
	Envelope *envelope     `json:"envelope,omitempty"`
	Size     int64         `json:"size"`
	Visit    int           `json:"visit"`
	Writer   string        `json:"writer"`
}

type envelope struct {
	Prefix string `json:"prefix"`
	Suffix string `json:"suffix"`
}

// headers returns n headers as package log makes them, of a run that goes round a
// graph of four nodes.
func headers(rng *rand.Rand, runID, life string, n int) [][]byte {
	return headersOf(rng, runID, life, n, false)
}

// headersOf returns headers, with flowgraph's envelopes or without.
func headersOf(rng *rand.Rand, runID, life string, n int, enveloped bool) [][]byte {
	nodes := []string{"plan", "call_model", "run_tool", "review"}
	at := time.Date(2026, 1, 15, 10, 30, 0, rng.IntN(1e9), time.UTC)
	writer := fmt.Sprintf("%08x", rng.Uint32())
	hs := make([][]byte, n)
	for k := range hs {
		took := tookAny(rng)
		at = at.Add(between(rng) + took)
		h := header{
			Node: nodes[k%4], Next: nodes[(k+1)%4], At: at, Took: took, Graph: "research-agent", Version: 3,
			Size: int64(30_000 + 2800*k + rng.IntN(500)), Visit: k/4 + 1, Writer: writer,
		}
		if k == 0 {
			h.RunID, h.Life = runID, life
		} else {
			h.Prev = nodes[(k+3)%4]
		}
		if enveloped {
			h.Took = 0
			h.Envelope = &envelope{
				fmt.Sprintf(`{"version":1,"run_id":%q,"node_id":%q,"sequence":%d,"timestamp":%q,"state":`, runID, h.Node, k+1, at.Format(time.RFC3339Nano)),
				fmt.Sprintf(`,"next_node":%q,"attempt":1,"prev_node_id":%q}`, h.Next, h.Prev),
			}
		}
		b, err := json.Marshal(h)
		if err != nil {
			panic(err)
		}
		hs[k] = b
	}
	return hs
}

// tookAny returns how long a node took, 1 ms to 100 s.
func tookAny(rng *rand.Rand) time.Duration { return time.Duration(1e6 * math.Pow(1e5, rng.Float64())) }

// between returns how long a save took, after which the next node begins.
func between(rng *rand.Rand) time.Duration { return time.Duration(50e3 + rng.Int64N(5e6)) }

func infoOf(rng *rand.Rand, runID string, first uint64, n int) segment.Info {
	info := segment.Info{Run: runID, Life: fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()), First: first, Last: first + uint64(n) - 1,
		Suite: 1, Hash: digest(rng), Recency: rng.Uint64() >> 40}
	if first > 1 {
		info.Prev, info.Bytes, info.Stored = digest(rng), rng.Int64N(1e9), rng.Int64N(1e6)
	}
	return info
}

// line is the meta of an event of a run without branches: five numbers, one of which
// grows by 1.
func line(k int) []byte {
	m := []byte{0, 0}
	m = binary.AppendUvarint(m, uint64(k))
	return append(m, 0, 0)
}

// transcript is an agent's run, sealed as the engine does: the newest state whole,
// the others as deltas from newer to older.
func transcript(n int, seed uint64) run {
	rng := rand.New(rand.NewPCG(seed, 1))
	var states [][]byte
	for _, s := range workload.Transcript(n, seed) {
		states = append(states, bytes.Clone(s))
	}
	runID := fmt.Sprintf("run-%06d", seed)
	r := run{info: infoOf(rng, runID, 1, n)}
	hs := headers(rng, runID, r.info.Life, n)
	for k := n - 1; k >= 0; k-- {
		it := item{Entry: segment.Entry{Seq: uint64(k + 1), Kind: 1, Header: hs[k], Digest: digest(rng), Meta: line(k)}, payload: states[k]}
		if k < n-1 {
			it.Kind, it.Base, it.payload = 3, it.Seq+1, delta.Encode(nil, states[k+1], states[k])
		}
		r.items = append(r.items, it)
	}
	return r
}

func (r run) write(c *segment.Codec) (index, data []byte, err error) {
	w := c.NewWriter()
	for _, it := range r.items {
		if err := w.Add(it.Entry, it.payload); err != nil {
			return nil, nil, err
		}
	}
	return w.Finish(r.info)
}

func mustWrite(t testing.TB, c *segment.Codec, r run) (index, data []byte) {
	t.Helper()
	index, data, err := r.write(c)
	require.NoError(t, err)
	return index, data
}

// requireIs requires that index and data hold exactly r.
func requireIs(t testing.TB, c *segment.Codec, r run, index, data []byte) {
	t.Helper()
	x, err := c.ParseIndex(index)
	require.NoError(t, err)
	require.Equal(t, r.info, x.Info())
	require.Len(t, x.Entries(), len(r.items))
	require.Equal(t, int64(len(data)), x.DataLen())
	rd, err := c.NewReader(x, data)
	require.NoError(t, err)
	require.NoError(t, rd.Check())
	total, payloads := int64(0), int64(0)
	depth := func(seq uint64) (n int) {
		for base := x.Entries()[seq-r.info.First].Base; base != 0; base = x.Entries()[base-r.info.First].Base {
			n++
		}
		return n
	}
	for _, it := range r.items {
		e := x.Entries()[it.Seq-r.info.First]
		total += e.Stored
		require.False(t, e.Shared && rd.Alone(it.Seq))
		if !it.inIndex() {
			payloads += e.StoredPayload
			require.Equal(t, it.Digest, e.Digest)
		}
		have, err := x.Digest(it.Seq)
		require.NoError(t, err)
		require.Equal(t, it.Digest, have)
		want := it.Entry
		if place := it.Seq - r.info.First + 1; it.Seq == r.info.Last {
			want.Hash = r.info.Hash
		} else if place%segment.GroupEntries != 0 {
			want.Hash = [32]byte{}
		}
		want.Digest, e.Digest = [32]byte{}, [32]byte{}
		want.Len, want.Stored, want.StoredPayload, want.Shared = int64(len(it.payload)), e.Stored, e.StoredPayload, e.Shared
		require.True(t, bytes.Equal(want.Header, e.Header), "want %s, have %s", want.Header, e.Header)
		require.True(t, bytes.Equal(want.Meta, e.Meta), "want %x, have %x", want.Meta, e.Meta)
		want.Header, e.Header, want.Meta, e.Meta = nil, nil, nil, nil
		require.Equal(t, want, e)
		require.Equal(t, depth(it.Seq), x.Depth(it.Seq))
		p, err := rd.Payload(it.Seq)
		require.NoError(t, err)
		require.True(t, bytes.Equal(it.payload, p), "payload of %d", it.Seq)
	}
	require.Equal(t, int64(len(index)+len(data)), total)
	require.Equal(t, int64(len(data)-len("FLSD")-1-4), payloads)
}
