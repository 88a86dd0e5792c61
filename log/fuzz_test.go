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
		b, err := h.marshal(Common{})
		require.NoError(f, err)
		f.Add(h.RunID, uint32(h.Seq), b)
	}
	for _, text := range []string{
		`{"node":",\"size\":7,\"sha256\":\"00\"","labels":{"size":"1","sha256":"0000000000000000000000000000000000000000000000000000000000000000"}}`,
		"", "null", "{}", "{", `{"envelope":0}`, `{"envelope":9223372036854775807}`, `{"size":1}`, `{"size":1e0}`, `{"size":1,"size":1}`, `{"SIZE":1}`, `{"size":1,"run_id":"\ud800"}`,
		`{"at":"0000-01-01T00:00:00+23:59","took":9223372036854775807}`, `{"at":"9999-12-31T23:59:59.999999999-23:59","took":-9223372036854775808}`,
		`{"labels":{"":""},"origin":{},"envelope":{},"error":{}}`, `{"origin":null,"labels":null,"took":null,"parent":null}`,
		`{"input":"ABCDEF0000000000000000000000000000000000000000000000000000000000"}`, `{"parent":0}`, `{"role":"later","later":[{}]}`,
	} {
		f.Add("", uint32(1), []byte(text))
	}
	f.Fuzz(func(t *testing.T, run string, seq uint32, b []byte) {
		rec := &driver.Record{Seq: uint64(seq), Header: b}
		h, err := parseHeader(run, Common{}, rec)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			rec.Flags = driver.Passed // perhaps it has a role
			if h, err = parseHeader(run, Common{}, rec); err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				return
			}
		}
		h.Life = lifeOf(h)
		if !h.StartedAt.IsZero() && !h.StartedAt.Add(h.CreatedAt.Sub(h.StartedAt)).Equal(h.CreatedAt) {
			return // further apart than a writer allows
		}
		once, err := h.marshal(Common{})
		if err != nil { // what a writer refuses
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		again, err := parseHeader(h.RunID, Common{}, &driver.Record{Seq: h.Seq, Header: once, Flags: rec.Flags})
		require.NoError(t, err)
		size, err := sizeOf(h.RunID, h.Seq, once)
		require.NoError(t, err)
		require.Equal(t, h.Size, size)
		require.True(t, h.CreatedAt.Equal(again.CreatedAt))
		require.True(t, h.StartedAt.Equal(again.StartedAt))
		twice, err := again.marshal(Common{})
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

// FuzzVisitEntry reads an entry of the index of visits from any bytes. What is accepted is
// written the same again, but for varints that are longer than they need be.
func FuzzVisitEntry(f *testing.F) {
	e := visitEntry{key: keyOf(Recoverable, "a"), first: 9, seqFirst: 65, last: 12, newest: 127}
	for _, newest := range []uint64{127, 0} {
		e.newest = newest
		stored := e.entry()
		f.Add(stored.Key, stored.Value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		e, err := parseVisitEntry("run", driver.Entry{Key: key, Value: value})
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := parseVisitEntry("run", e.entry())
		require.NoError(t, err)
		require.Equal(t, e, again)
		require.Less(t, e.last-e.first, uint64(visitBlock))
	})
}

// FuzzMeta reads a sealed event's meta from any bytes.
func FuzzMeta(f *testing.F) {
	r := record{Record: driver.Record{Seq: 300, Recoverable: 100, Tip: 299, Since: 7, Flags: driver.Passed}, note: 3}
	f.Add(uint32(300), r.meta())
	f.Add(uint32(1), []byte{0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, seq uint32, meta []byte) {
		r := record{Record: driver.Record{Seq: uint64(seq)}}
		if err := r.setMeta(meta); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again := record{Record: driver.Record{Seq: uint64(seq)}}
		require.NoError(t, again.setMeta(r.meta()))
		require.Equal(t, r, again)
		require.LessOrEqual(t, max(r.Recoverable, r.Tip, r.Since), r.Seq)
	})
}

// FuzzCursor reads where a listing goes on from any text.
func FuzzCursor(f *testing.F) {
	run := Run{ID: "run", listed: listed{place: 7, recency: 9, from: placed{5, "a"}, to: placed{3, "b"}}}
	f.Add(run.Cursor())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		if text == "" {
			require.Zero(t, c)
			return
		}
		run := Run{ID: c.run, listed: listed{recency: c.recency, from: c.from, to: c.to}}
		again, err := parseCursor(run.Cursor())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
