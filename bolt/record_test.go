package bolt_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// TestRecordFields stores records with the largest and the oddest numbers.
func TestRecordFields(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{0, 1, 127, 128, math.MaxUint32, math.MaxInt64, math.MaxUint64} {
		r := driver.Record{
			Seq: driver.MaxSeq, Recency: n, Flags: driver.Flags(n), Encoding: driver.Encoding(n), Base: n, Links: uint32(n),
			Recoverable: n, Tip: n, Since: n, Bytes: int64(n), Stored: int64(n), Sum: uint32(n),
			Hash: driver.Digest(state("hash", n, 32)), StateHash: driver.Digest(state("state", n, 32)),
			Header: state("header", n, int(n%300)), StateLen: 5,
		}
		given := r
		given.State = []byte("state")
		v := bolt.EncodeRecord(3, given)
		got, err := bolt.DecodeRecord(3, r.Seq, v)
		require.NoError(t, err)
		require.Equal(t, r, got)
		for _, place := range [][2]uint64{{4, r.Seq}, {3, r.Seq - 1}} {
			_, err := bolt.DecodeRecord(place[0], place[1], v)
			require.ErrorIs(t, err, driver.ErrCorrupt, "in another place")
		}
	}
}

// FuzzRecord has what any bytes parse as encode to bytes that parse as the same.
func FuzzRecord(f *testing.F) {
	for _, r := range []driver.Record{records("run", 1, 1, 10)[0], records("run", 7, 7, 3000)[0], {Seq: 9, Base: 10, Links: 1}} {
		f.Add(r.Seq, bolt.EncodeRecord(1, r))
	}
	f.Add(uint64(1), bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, seq uint64, v []byte) {
		r, inline, ok := bolt.ParseRecord(seq, v)
		if !ok {
			return
		}
		require.LessOrEqual(t, len(r.Header)+len(inline), len(v))
		if int64(len(inline)) != r.StateLen {
			return // the state is in a bucket of its own
		}
		r.State = inline
		got, err := bolt.DecodeRecord(1, seq, bolt.EncodeRecord(1, r))
		require.NoError(t, err)
		r.State = nil
		require.Equal(t, r, got)
	})
}
