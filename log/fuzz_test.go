package log

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzHeader reads a header from any bytes. What is accepted is written and read
// back as the same.
func FuzzHeader(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, h := range []Header{fullHeader(), smallHeader(), randomHeader(r), randomHeader(r), randomHeader(r)} {
		b, err := h.marshal()
		require.NoError(f, err)
		f.Add(h.RunID, uint32(h.Seq), b)
	}
	for _, text := range []string{
		`{"seq":1,"node_id":",\"size\":7,\"sha256\":\"00\"","metadata":{"labels":{"size":"1","sha256":"0000000000000000000000000000000000000000000000000000000000000000"}}}`,
		"", "null", "{}", "{", `{"seq":1}`, `{"seq":1e0}`, `{"seq":1,"seq":1}`, `{"SEQ":1}`, `{"seq":1,"run_id":"\ud800"}`,
		`{"seq":1,"created_at":"0000-01-01T00:00:00+23:59"}`, `{"seq":1,"created_at":"9999-12-31T23:59:59.999999999-23:59"}`,
		`{"seq":1,"metadata":{"labels":{"":""}},"origin":{},"envelope":{}}`, `{"seq":1,"origin":null,"metadata":null}`,
		`{"seq":1,"sha256":"ABCDEF0000000000000000000000000000000000000000000000000000000000"}`,
	} {
		f.Add("", uint32(1), []byte(text))
	}
	f.Fuzz(func(t *testing.T, run string, seq uint32, b []byte) {
		h, err := parseHeader(run, uint64(seq), b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		once, err := h.marshal()
		require.NoError(t, err)
		again, err := parseHeader(h.RunID, h.Seq, once)
		require.NoError(t, err)
		size, sum, err := stateOf(h.RunID, h.Seq, once)
		require.NoError(t, err)
		require.Equal(t, h.Size, size)
		require.Equal(t, h.SHA256, sum)
		require.True(t, h.CreatedAt.Equal(again.CreatedAt))
		twice, err := again.marshal()
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
		again.CreatedAt = h.CreatedAt
		if len(h.Metadata.Labels) == 0 {
			h.Metadata.Labels = nil // no labels, or none: it is the same
		}
		require.Equal(t, h, again)
	})
}
