package segment_test

import (
	"fmt"
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

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	w := c.NewWriter()
	const n = 20
	for seq := uint64(n); seq >= 1; seq-- {
		e := segment.Entry{Seq: seq, Kind: 2, Base: (seq + 1) % (n + 1), Header: fmt.Appendf(nil, `{"seq":%d}`, seq)}
		require.NoError(t, w.Add(e, fmt.Appendf(nil, "payload of %d", seq)))
	}
	info := segment.Info{Run: "run-1", Life: "life", First: 1, Last: n, Recency: 7, Hash: [32]byte{1, 2, 3}}
	index, data, err := w.Finish(info)
	require.NoError(t, err)
	x, err := c.ParseIndex(index)
	require.NoError(t, err)
	require.Equal(t, info, x.Info())
	r, err := c.NewReader(x, data)
	require.NoError(t, err)
	require.NoError(t, r.Check())
	total := int64(0)
	for k, e := range x.Entries() {
		seq := uint64(k + 1)
		require.Equal(t, seq, e.Seq)
		require.Equal(t, fmt.Sprintf(`{"seq":%d}`, seq), string(e.Header))
		p, err := r.Payload(seq)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("payload of %d", seq), string(p))
		require.Equal(t, n-k-1, x.Depth(seq))
		total += e.Stored
	}
	require.Equal(t, int64(len(index)+len(data)), total)
}
