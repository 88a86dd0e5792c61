package log

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
)

// FuzzHeader reads a header from any bytes. What is accepted is written and read
// back as the same.
func FuzzHeader(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, h := range []Header{fullHeader(), smallHeader(), nextHeader(), randomHeader(r), randomHeader(r), randomHeader(r)} {
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
		rec := &driver.Record{Seq: uint64(seq), Header: b}
		h, err := parseHeader(run, rec)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			rec.Flags = driver.Passed // perhaps it has a role
			if h, err = parseHeader(run, rec); err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				return
			}
		}
		h.Life = lifeOf(h)
		once, err := h.marshal()
		if err != nil { // what a writer refuses
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		again, err := parseHeader(h.RunID, &driver.Record{Seq: h.Seq, Header: once, Flags: rec.Flags})
		require.NoError(t, err)
		size, err := sizeOf(h.RunID, h.Seq, once)
		require.NoError(t, err)
		require.Equal(t, h.Size, size)
		require.True(t, h.CreatedAt.Equal(again.CreatedAt))
		require.True(t, h.StartedAt.Equal(again.StartedAt))
		twice, err := again.marshal()
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}

// lifeOf returns a header's incarnation if it is stored: in event 1 only.
func lifeOf(h Header) string {
	if h.Seq == 1 {
		return h.Life
	}
	return ""
}
