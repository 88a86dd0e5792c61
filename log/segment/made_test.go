package segment_test

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/segment"
)

const sumEnd = 9 // of the prologue of both strings

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// made is an index written by hand: a table, not compressed, and a tail.
type made struct{ table, tail []byte }

func (m made) number(vs ...uint64) made {
	for _, v := range vs {
		m.table = binary.AppendUvarint(m.table, v)
	}
	return m
}

func (m made) text(s string) made {
	m = m.number(uint64(len(s)))
	m.table = append(m.table, s...)
	return m
}

func (m made) rest(n int) made {
	m.tail = append(m.tail, make([]byte, n)...)
	return m
}

// cut takes the last n bytes off the tail.
func (m made) cut(n int) made {
	m.tail = m.tail[:len(m.tail)-n]
	return m
}

// info begins a table with n entries from first, and has their digests.
func info(first, n uint64) made {
	m := made{}.number(0).text("run").text("").number(first, n-1, 0, 0, 0)
	if first > 1 {
		m = m.rest(32)
	}
	return m.rest(32 + 32*int(n))
}

func (m made) seal() []byte { return sealTable(m.table, len(m.table), 0, m.tail) }

// sealTable makes an index of a table that is stored by the method given.
func sealTable(stored []byte, raw, method int, tail []byte) []byte {
	b := append([]byte("FLSI"), segment.Version, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, uint64(raw))
	b = binary.AppendUvarint(b, uint64(len(stored)<<1|method))
	return reseal(append(append(b, stored...), tail...))
}

// reseal makes an index's checksum fit, if there is one.
func reseal(b []byte) []byte {
	if len(b) >= sumEnd {
		binary.LittleEndian.PutUint32(b[5:], crc32.Checksum(b[sumEnd:], castagnoli))
	}
	return b
}

// zstdOf compresses as tables are, or blocks.
func zstdOf(t testing.TB, b []byte, table bool, opts ...zstd.EOption) []byte {
	t.Helper()
	opts = append([]zstd.EOption{zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithEncoderConcurrency(1)}, opts...)
	if table {
		opts = append(opts, zstd.WithEncoderDictRaw(1, []byte(segment.Dictionary)))
	}
	e, err := zstd.NewWriter(nil, opts...)
	require.NoError(t, err)
	return e.EncodeAll(b, nil)
}

// opened is an index taken apart.
type opened struct {
	table, stored, tail []byte
	method              int
}

// open takes an index apart by other code than ParseIndex's.
func open(t testing.TB, index []byte) (o opened) {
	t.Helper()
	b := index[sumEnd:]
	raw, n := binary.Uvarint(b)
	require.Positive(t, n)
	b = b[n:]
	stored, n := binary.Uvarint(b)
	require.Positive(t, n)
	b = b[n:]
	o.method = int(stored & 1)
	o.stored, o.tail = b[:stored>>1], b[stored>>1:]
	o.table = o.stored
	if o.method == 1 {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderDictRaw(1, []byte(segment.Dictionary)))
		require.NoError(t, err)
		defer d.Close()
		o.table, err = d.DecodeAll(o.stored, nil)
		require.NoError(t, err)
	}
	require.Len(t, o.table, int(raw))
	return o
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
