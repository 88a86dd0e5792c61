package segment_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/segment"
)

// requireBounded takes an index of any origin and requires of it what holds
// without its being right.
func requireBounded(t testing.TB, c *segment.Codec, index []byte) *segment.Index {
	t.Helper()
	x, err := c.ParseIndex(index)
	if err != nil {
		requireTyped(t, err)
		return nil
	}
	in, es := x.Info(), x.Entries()
	require.NotZero(t, in.First)
	require.NotEmpty(t, in.Run)
	require.LessOrEqual(t, len(es), min(len(index)*1024+4<<20, segment.MaxEntries))
	require.Equal(t, in.Last-in.First, uint64(len(es)-1))
	headers := 0
	stored := int64(0)
	for k, e := range es {
		require.Equal(t, in.First+uint64(k), e.Seq)
		if e.Base != 0 {
			require.GreaterOrEqual(t, e.Base, in.First)
			require.LessOrEqual(t, e.Base, in.Last)
			require.Equal(t, x.Depth(e.Seq), x.Depth(e.Base)+1)
		}
		headers += len(e.Header)
		stored += e.Stored
	}
	require.LessOrEqual(t, headers, min(len(index)*1024+4<<20, segment.MaxTable))
	require.Equal(t, int64(len(index))+x.DataLen(), stored)
	return x
}

func requireTyped(t testing.TB, err error) {
	t.Helper()
	var e *segment.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.What)
	require.Contains(t, []error{segment.ErrCorrupt, segment.ErrUnsupportedVersion, segment.ErrTooLarge}, e.Err)
	if e.Cause == nil {
		require.NotEqual(t, e.Have, e.Want, err)
	}
}

// FuzzIndex takes bytes as they come; once more with a checksum that fits, since
// no fuzzer finds one; and once as a table, since none finds zstd frames.
func FuzzIndex(f *testing.F) {
	c := newCodec(f, segment.Options{MaxPayload: 1 << 20})
	for _, r := range damageRuns() {
		index, _ := mustWrite(f, c, r)
		o := open(f, index)
		f.Add(index, o.tail)
		f.Add(o.table, o.tail)
	}
	f.Fuzz(func(t *testing.T, b, tail []byte) {
		requireBounded(t, c, b)
		requireBounded(t, c, reseal(bytes.Clone(b)))
		requireBounded(t, c, made{b, tail}.seal())
	})
}

// FuzzReader takes an index as FuzzIndex does, and data that is made to look as if
// it belonged to it.
func FuzzReader(f *testing.F) {
	c := newCodec(f, segment.Options{MaxPayload: 1 << 20})
	for _, r := range damageRuns() {
		index, data := mustWrite(f, c, r)
		o := open(f, index)
		f.Add(o.table, o.tail, data[sumEnd:])
	}
	f.Fuzz(func(t *testing.T, table, tail, blocks []byte) {
		index := made{table, tail}.seal()
		x := requireBounded(t, c, index)
		if x == nil {
			return
		}
		data := append([]byte("FLSD"), segment.Version)
		data = append(append(data, index[5:sumEnd]...), blocks...)
		r, err := c.NewReader(x, data)
		if err != nil {
			requireTyped(t, err)
			return
		}
		bad := false
		for _, e := range x.Entries() {
			p, err := r.Payload(e.Seq)
			if err != nil {
				requireTyped(t, err)
				bad = true
				continue
			}
			require.Len(t, p, int(e.Len))
		}
		if err := r.Check(); bad {
			requireTyped(t, err)
		} else {
			require.NoError(t, err)
		}
	})
}

// FuzzRoundTrip writes segments of the fuzzer's choice.
func FuzzRoundTrip(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 8))
	for _, h := range headers(rng, "run", "life", 3) {
		f.Add(uint64(1), h, h[:len(h)/2], []byte("a payload"))
	}
	f.Add(uint64(2), []byte(`{"a":"1","b":2,"t":"2026-01-02T03:04:05.6Z"}`), []byte(`{"a":"2","b":12,"t":"2026-01-02T03:04:05Z"}`), []byte{})
	c := newCodec(f, segment.Options{BlockSize: 256})
	f.Fuzz(func(t *testing.T, seed uint64, h, other, payload []byte) {
		rng := rand.New(rand.NewPCG(seed, 9))
		r := randomRun(rng, 12)
		for k := range r.items {
			it := &r.items[k]
			switch rng.IntN(4) {
			case 0:
				it.Header = h
			case 1:
				it.Header = other
			case 2:
				// The other's bytes where h has some, so that forms meet.
				it.Header = append(bytes.Clone(h[:rng.IntN(len(h)+1)]), other[rng.IntN(len(other)+1):]...)
			}
			if rng.IntN(2) == 0 {
				it.payload = payload[:rng.IntN(len(payload)+1)]
			}
		}
		index, data := mustWrite(t, c, r)
		requireIs(t, c, r, index, data)
	})
}
