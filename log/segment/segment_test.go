package segment_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/segment"
)

func newCodec(t testing.TB, opts segment.Options) *segment.Codec {
	t.Helper()
	c, err := segment.NewCodec(opts)
	require.NoError(t, err)
	return c
}

func TestFinishRefuses(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	good := segment.Info{Run: "run", First: 5, Last: 7}
	change := func(f func(*segment.Info)) segment.Info {
		in := good
		f(&in)
		return in
	}
	entry := func(seq, base uint64) segment.Entry { return segment.Entry{Seq: seq, Base: base} }
	three := []segment.Entry{entry(6, 7), entry(7, 5), entry(5, 0)}
	cases := []struct {
		name    string
		info    segment.Info
		entries []segment.Entry
		want    error
	}{
		{"good", good, three, nil},
		{"no run", change(func(in *segment.Info) { in.Run = "" }), three, segment.ErrInvalid},
		{"seq 0", segment.Info{Run: "run", Last: 2}, []segment.Entry{entry(0, 0), entry(1, 0), entry(2, 0)}, segment.ErrInvalid},
		{"last before first", change(func(in *segment.Info) { in.Last = 4 }), nil, segment.ErrInvalid},
		{"nothing in it", good, nil, segment.ErrInvalid},
		{"too many of them", segment.Info{Run: "run", First: 1, Last: segment.MaxEntries + 1}, three, segment.ErrInvalid},
		{"all there can be", segment.Info{Run: "run", First: 1, Last: math.MaxUint64}, three, segment.ErrInvalid},
		{"one missing", good, three[:2], segment.ErrInvalid},
		{"one twice", good, []segment.Entry{entry(5, 0), entry(6, 0), entry(6, 0)}, segment.ErrInvalid},
		{"one outside", good, []segment.Entry{entry(5, 0), entry(6, 0), entry(8, 0)}, segment.ErrInvalid},
		{"base outside", good, []segment.Entry{entry(5, 4), entry(6, 0), entry(7, 0)}, segment.ErrInvalid},
		{"base of its own", good, []segment.Entry{entry(5, 5), entry(6, 0), entry(7, 0)}, segment.ErrInvalid},
		{"bases in a circle", good, []segment.Entry{entry(5, 6), entry(6, 7), entry(7, 5)}, segment.ErrInvalid},
		{"hash before event 1", segment.Info{Run: "run", First: 1, Last: 1, Prev: [32]byte{1}}, []segment.Entry{entry(1, 0)}, segment.ErrInvalid},
		{"bytes below 0", change(func(in *segment.Info) { in.Bytes = -1 }), three, segment.ErrInvalid},
		{"stored below 0", change(func(in *segment.Info) { in.Stored = -1 }), three, segment.ErrInvalid},
		{"a run's id of the table's length", change(func(in *segment.Info) { in.Run = string(make([]byte, segment.MaxTable)) }), three, segment.ErrTooLarge},
	}
	for _, tc := range cases {
		w := c.NewWriter()
		for _, e := range tc.entries {
			require.NoError(t, w.Add(e, []byte("payload")), tc.name)
		}
		_, _, err := w.Finish(tc.info)
		if tc.want == nil {
			require.NoError(t, err, tc.name)
			continue
		}
		require.ErrorIs(t, err, tc.want, tc.name)
		var e *segment.Error
		require.ErrorAs(t, err, &e, tc.name)
		require.NotEqual(t, e.Have, e.Want, tc.name)
	}
}

func TestWriterAfterAnError(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{BlockSize: 16, MaxPayload: 20})
	w := c.NewWriter()
	require.ErrorIs(t, w.Add(segment.Entry{Seq: 1}, make([]byte, 21)), segment.ErrTooLarge)
	require.ErrorIs(t, w.Add(segment.Entry{Seq: 1, Meta: make([]byte, segment.MaxMeta+1)}, nil), segment.ErrTooLarge)
	header, meta, payload := []byte("header"), []byte("meta"), []byte("payload")
	require.NoError(t, w.Add(segment.Entry{Seq: 1, Header: header, Meta: meta}, payload))
	clear(header)
	clear(meta)
	clear(payload)
	in := segment.Info{Run: "run", First: 1, Last: 1}
	_, _, err := w.Finish(segment.Info{Run: "run", First: 1, Last: 2})
	require.ErrorIs(t, err, segment.ErrInvalid)
	index, data, err := w.Finish(in)
	require.NoError(t, err)
	requireIs(t, c, run{in, []item{{segment.Entry{Seq: 1, Header: []byte("header"), Meta: []byte("meta")}, []byte("payload")}}}, index, data)

	_, _, err = w.Finish(in)
	require.ErrorIs(t, err, segment.ErrInvalid)
	require.ErrorIs(t, w.Add(segment.Entry{Seq: 2}, nil), segment.ErrInvalid)
}

// TestSize holds Size against the data that Finish returns.
func TestSize(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	r := transcript(30, 3)
	w := c.NewWriter()
	before := w.Size()
	for _, it := range r.items {
		require.NoError(t, w.Add(it.Entry, it.payload))
		require.LessOrEqual(t, w.Size(), before+int64(len(it.payload)))
		before = w.Size()
	}
	_, data, err := w.Finish(r.info)
	require.NoError(t, err)
	require.LessOrEqual(t, int64(len(data)), before)
	require.Equal(t, int64(len(data)), w.Size())
}

func TestDepth(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	chain := func(n int) run {
		r := run{info: segment.Info{Run: "run", First: 10, Last: 9 + uint64(n)}}
		for k := range uint64(n) {
			r.items = append(r.items, item{Entry: segment.Entry{Seq: 10 + k, Base: 11 + k}})
		}
		r.items[n-1].Base = 0
		return r
	}
	longest := chain(segment.MaxDepth + 1)
	index, data := mustWrite(t, c, longest)
	requireIs(t, c, longest, index, data)
	x, err := c.ParseIndex(index)
	require.NoError(t, err)
	require.Equal(t, segment.MaxDepth, x.Depth(10))
	require.Zero(t, x.Depth(9))
	require.Zero(t, x.Depth(x.Info().Last+1))

	_, _, err = chain(segment.MaxDepth + 2).write(c)
	require.ErrorIs(t, err, segment.ErrInvalid)
}

// TestMostEntries is of as many entries as the format allows.
func TestMostEntries(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	w := c.NewWriter()
	for k := range uint64(segment.MaxEntries) {
		require.NoError(t, w.Add(segment.Entry{Seq: k + 1, Header: fmt.Appendf(nil, `{"seq":%d}`, k+1)}, []byte{byte(k)}))
	}
	require.ErrorIs(t, w.Add(segment.Entry{Seq: segment.MaxEntries + 1}, nil), segment.ErrTooLarge)
	index, data, err := w.Finish(segment.Info{Run: "run", First: 1, Last: segment.MaxEntries})
	require.NoError(t, err)
	x, err := c.ParseIndex(index)
	require.NoError(t, err)
	require.Equal(t, `{"seq":4096}`, string(x.Entries()[segment.MaxEntries-1].Header))
	r, err := c.NewReader(x, data)
	require.NoError(t, err)
	p, err := r.Payload(257)
	require.NoError(t, err)
	require.Equal(t, []byte{0}, p)
}

// TestHeadersThatCompressTooWell is of an index that would be longer than a reader
// allows for its compressed length: it is stored as it is, and read.
func TestHeadersThatCompressTooWell(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	r := run{info: segment.Info{Run: "run", First: 1, Last: 300}}
	long := bytes.Repeat([]byte(`{"a":"b"}`), 8000)
	for k := range r.info.Last {
		r.items = append(r.items, item{Entry: segment.Entry{Seq: k + 1, Header: long}})
	}
	index, data := mustWrite(t, c, r)
	require.Greater(t, len(index), 20<<20)
	requireIs(t, c, r, index, data)

	w := c.NewWriter()
	require.NoError(t, w.Add(segment.Entry{Seq: 1, Header: make([]byte, segment.MaxTable/2)}, nil))
	require.ErrorIs(t, w.Add(segment.Entry{Seq: 2, Header: make([]byte, segment.MaxTable/2)}, nil), segment.ErrTooLarge)
}

// TestReaderFromManySides reads a segment that is larger than the cache from
// several goroutines, in any order.
func TestReaderFromManySides(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	rng := rand.New(rand.NewPCG(2, 2))
	r := run{info: infoOf(rng, "run", 1, 12)}
	for k := range uint64(12) {
		r.items = append(r.items, item{segment.Entry{Seq: k + 1}, bytes.Repeat([]byte{byte(k)}, 1<<20)})
	}
	index, data := mustWrite(t, c, r)
	require.Less(t, len(data), 32<<10)
	x, err := c.ParseIndex(index)
	require.NoError(t, err)
	rd, err := c.NewReader(x, data)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 3))
			for range 30 {
				it := r.items[rng.IntN(12)]
				p, err := rd.Payload(it.Seq)
				if err != nil || !bytes.Equal(it.payload, p) {
					t.Errorf("payload of %d: %v", it.Seq, err)
				}
			}
		})
	}
	wg.Wait()
	_, err = rd.Payload(0)
	require.ErrorIs(t, err, segment.ErrInvalid)
	_, err = rd.Payload(13)
	require.ErrorIs(t, err, segment.ErrInvalid)

	small := newCodec(t, segment.Options{MaxPayload: 1 << 19})
	_, err = small.ParseIndex(index)
	require.ErrorIs(t, err, segment.ErrTooLarge)
	_, err = small.NewReader(x, data)
	require.ErrorIs(t, err, segment.ErrTooLarge)
}

func TestOldBlocksLeaveTheCache(t *testing.T) {
	c := newCodec(t, segment.Options{})
	w := c.NewWriter()
	const n = 6
	for k := range uint64(n) {
		require.NoError(t, w.Add(segment.Entry{Seq: k + 1}, make([]byte, 4<<20)))
	}
	index, data, err := w.Finish(segment.Info{Run: "run", First: 1, Last: n})
	require.NoError(t, err)
	x, err := c.ParseIndex(index)
	require.NoError(t, err)
	r, err := c.NewReader(x, data)
	require.NoError(t, err)
	per := testing.AllocsPerRun(3, func() {
		for seq := range uint64(3) { // the one in use, and 8 MiB besides
			_, err := r.Payload(seq + 1)
			require.NoError(t, err)
		}
	})
	require.Zero(t, per)
	per = testing.AllocsPerRun(3, func() {
		for seq := range uint64(n) { // more than that
			_, err := r.Payload(seq + 1)
			require.NoError(t, err)
		}
	})
	require.GreaterOrEqual(t, per, float64(n))
}
