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
		`{"node":",\"size\":7,\"sha256\":\"00\"","labels":{"size":"1","sha256":"0000000000000000000000000000000000000000000000000000000000000000"}}`,
		"", "null", "{}", "{", `{"size":1}`, `{"size":1e0}`, `{"size":1,"size":1}`, `{"SIZE":1}`, `{"size":1,"run_id":"\ud800"}`,
		`{"at":"0000-01-01T00:00:00+23:59","took":9223372036854775807}`, `{"at":"9999-12-31T23:59:59.999999999-23:59","took":-9223372036854775808}`,
		`{"labels":{"":""},"origin":{},"envelope":{},"error":{}}`, `{"origin":null,"labels":null,"took":null,"parent":null}`,
		`{"input":"ABCDEF0000000000000000000000000000000000000000000000000000000000"}`, `{"parent":0}`, `{"role":"later","later":[{}]}`,
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
		if !h.StartedAt.IsZero() && !h.StartedAt.Add(h.CreatedAt.Sub(h.StartedAt)).Equal(h.CreatedAt) {
			return // further apart than a writer allows
		}
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
