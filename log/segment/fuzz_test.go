package segment_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/segment"
)

// requireBounded takes an index of any origin and requires of it what holds
// without its being right.
func requireBounded(t testing.TB, c *segment.Codec, index []byte) *segment.Index {
	x, err := c.ParseIndex(index)
	if err != nil {
		requireTyped(t, err)
		return nil
	}
	in, es := x.Info(), x.Entries()
	most := min(len(index)*1024+4<<20, segment.MaxTable)
	headers, stored := 0, int64(0)
	sound := in.First > 0 && in.Run != "" && len(es) > 0 && len(es) <= segment.MaxEntries && in.Last-in.First == uint64(len(es)-1)
	for k, e := range es {
		sound = sound && e.Seq == in.First+uint64(k)
		if e.Base != 0 {
			sound = sound && e.Base >= in.First && e.Base <= in.Last && x.Depth(e.Seq) == x.Depth(e.Base)+1
		}
		headers += len(e.Header)
		stored += e.Stored
	}
	if !sound || headers > most || stored != int64(len(index))+x.DataLen() {
		t.Fatalf("an index that should have been refused: %v %v", in, es)
	}
	return x
}

func requireTyped(t testing.TB, err error) {
	var e *segment.Error
	if !errors.As(err, &e) || e.What == "" || !slices.Contains(refusals, e.Err) || e.Cause == nil && e.Have == e.Want {
		t.Fatalf("not an error that tells what is wrong: %v", err)
	}
}

var refusals = []error{segment.ErrCorrupt, segment.ErrUnsupportedVersion, segment.ErrTooLarge}

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
	for _, h := range headersOf(rng, "run", "life", 3, true) {
		f.Add(uint64(3), h, []byte(`{"a":"2026-01-15T10:30:00.5Z","b":"2026-01-15T10:30:00.5Z","c":"2026-01-15T10:30:00.6Z"}`), []byte("a payload"))
	}
	f.Add(uint64(4), []byte(`{"a":"2026-01-15T10:30:00Z","n":90000000,"m":"080000000"}`), []byte(`{"a":"2026-01-15T10:30:00.05Z","n":49000000,"m":"049000000"}`), []byte("a payload"))
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
