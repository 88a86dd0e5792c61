package segment_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/segment"
)

// plain ends a table of two entries without payloads whose headers are the same.
func (m made) plain() made { return m.number(0, 0).number(0, 1).text2("header") }

// text2 writes the first header of a form, without digests.
func (m made) text2(s string) made {
	m = m.number(uint64(len(s)), 0)
	m.table = append(m.table, s...)
	return m
}

func TestParseIndexRefuses(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{MaxPayload: 1 << 20})
	const huge = math.MaxUint64
	two := func() made { return info(5, 2).number(0, 0) }                              // with kinds
	kinds := func(bases ...uint64) made { return two().number(bases...).number(0, 0) } // without metas
	metas := func(ns ...uint64) made { return two().number(0, 0).number(ns...) }
	good := kinds(0, 0).number(0, 0).plain()
	block := func(lens ...uint64) made { return kinds(0, 0).number(lens...).number(0) }
	small := func(lens ...uint64) made { return kinds(0, 0).number(lens...).cut(64) }
	values := func(first string) made { return block(0, 0).number(0).number(0, 1).text2(first) }
	table := good.table
	padded := append(bytes.Clone(zstdOf(t, table, true)), zstdOf(t, nil, true, zstd.WithZeroFrames(true))...)
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, zstdOf(t, table, true)...)
	bomb := zstdOf(t, make([]byte, 5<<20), true)
	half := zstdOf(t, table[:len(table)/2], true)
	cases := []struct {
		name string
		b    []byte
		want error
	}{
		{"good", good.seal(), nil},
		{"good and compressed", sealTable(zstdOf(t, table, true), len(table), 1, good.tail), nil},
		{"good with a block", block(3, 2).number(0, 2).number(1, 2, 5<<1).number(0, 1).text2("h").rest(4).seal(), nil},
		{"good with small payloads", small(3, 2).number(5<<1, 1, 1).number(0, 0, 1).text2("h").rest(5).seal(), nil},
		{"good with a small payload", small(3, 2).number(3<<1, 1, 0).number(1<<1, 1, 1, 2<<1, 0, 1).text2("h").rest(32 + 4 + 3).seal(), nil},
		{"good with metas", metas(0, 3).bytes("abc").number(0, 0).plain().seal(), nil},
		{"good with values", values(`{"a":"1"}`).number(7).seal(), nil},
		{"good with times", values(`{"a":"2026-01-02T03:04:05Z","b":""}`).number(3, 6, 0).rest(2).seal(), nil},
		{"good with a payload's length", values(`{"a":7}`).number(127).seal(), nil},
		{"good with the time since", values(`{"a":"1970-01-01T00:00:05Z","b":1}`).number(3, 5, 0, 0).rest(4).seal(), nil},

		{"nothing", nil, segment.ErrCorrupt},
		{"other magic bytes", append([]byte("FLSX"), good.seal()[4:]...), segment.ErrCorrupt},
		{"magic bytes and no more", []byte("FLSI"), segment.ErrCorrupt},
		{"version 1", append([]byte("FLSI\x01"), good.seal()[5:]...), segment.ErrUnsupportedVersion},
		{"a later version and no more", []byte("FLSI\x03"), segment.ErrUnsupportedVersion},
		{"version 0", append([]byte("FLSI\x00"), good.seal()[5:]...), segment.ErrUnsupportedVersion},
		{"half a checksum", []byte("FLSI\x02\x00\x00"), segment.ErrCorrupt},
		{"no lengths", reseal([]byte("FLSI\x02\x00\x00\x00\x00")), segment.ErrCorrupt},
		{"table longer than stated", sealTable(table, len(table)-1, 0, good.tail), segment.ErrCorrupt},
		{"table shorter than stated", sealTable(table, len(table)+1, 0, good.tail), segment.ErrCorrupt},
		{"table over the limit", sealTable(table, segment.MaxTable+1, 0, good.tail), segment.ErrTooLarge},
		{"table that grows too much", sealTable(bomb, 5<<20, 1, good.tail), segment.ErrTooLarge},
		{"no zstd frame", sealTable(nil, 0, 1, good.tail), segment.ErrCorrupt},
		{"two zstd frames", sealTable(append(half, half...), len(table)/2*2, 1, good.tail), segment.ErrCorrupt},
		{"an empty zstd frame behind", sealTable(padded, len(table), 1, good.tail), segment.ErrCorrupt},
		{"a skippable zstd frame before", sealTable(skippable, len(table), 1, good.tail), segment.ErrCorrupt},
		{"a frame without dictionary", sealTable(zstdOf(t, table, false), len(table), 1, good.tail), segment.ErrCorrupt},
		{"a frame with a checksum", sealTable(zstdOf(t, table, true, zstd.WithEncoderCRC(true)), len(table), 1, good.tail), segment.ErrCorrupt},
		{"a frame with a window", sealTable(zstdOf(t, table, true, zstd.WithSingleSegment(false)), len(table), 1, good.tail), segment.ErrCorrupt},
		{"a frame of another length", sealTable(half, len(table), 1, good.tail), segment.ErrCorrupt},

		{"no run", made{}.number(0).text("").text("").number(5, 0, 0, 0, 0).rest(64).seal(), segment.ErrCorrupt},
		{"run longer than the table", made{}.number(0, 100).rest(64).seal(), segment.ErrCorrupt},
		{"seq 0", made{}.number(0).text("run").text("").number(0, 1, 0, 0, 0).rest(64).seal(), segment.ErrCorrupt},
		{"last seq over 64 bits", made{}.number(0).text("run").text("").number(huge, 1, 0, 0, 0).rest(64).seal(), segment.ErrCorrupt},
		{"more entries than there can be", info(5, segment.MaxEntries+1).plain().seal(), segment.ErrCorrupt},
		{"more entries than bytes", info(5, 1000).plain().seal(), segment.ErrCorrupt},
		{"more entries than digests", info(5, 2).number(0, 0, 0, 0, 0, 0, 0, 0).plain().cut(33).seal(), segment.ErrCorrupt},
		{"metas longer than the table", metas(255, 255).number(0, 0).plain().seal(), segment.ErrCorrupt},
		{"lengths of metas cut", two().number(0, 0, 0).seal(), segment.ErrCorrupt},
		{"bytes over 63 bits", made{}.number(0).text("run").text("").number(5, 0, 0, huge, 0).rest(64).seal(), segment.ErrCorrupt},
		{"number over 64 bits", made{table: bytes.Repeat([]byte{0xff}, 12)}.seal(), segment.ErrCorrupt},
		{"number not in its shortest form", made{table: []byte{0, 0x83, 0x00}}.seal(), segment.ErrCorrupt},
		{"base before the first", kinds(3, 0).number(0, 0).plain().seal(), segment.ErrCorrupt},
		{"base behind the last", kinds(0, 2).number(0, 0).plain().seal(), segment.ErrCorrupt},
		{"bases in a circle", kinds(2, 1).number(0, 0).plain().seal(), segment.ErrCorrupt},
		{"payload over the limit", block(1<<20+1, 0).number(0).number(1, 1, 2).number(0, 1).text2("h").seal(), segment.ErrTooLarge},
		{"payload over 63 bits", block(huge, 0).seal(), segment.ErrCorrupt},
		{"block over the limit", block(1<<19, 1<<19+1).number(0, 2).number(1, 2, 2).number(0, 1).text2("h").seal(), segment.ErrTooLarge},
		{"place of an empty payload", block(3, 0).number(2).number(1, 1, 3<<1).number(0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"a place twice", block(3, 2).number(0, 0).number(1, 2, 5<<1).number(0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"a place outside", block(3, 2).number(0, 4).number(1, 2, 5<<1).number(0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"payloads without a block", block(3, 2).number(0, 2).number(0).number(0, 1).text2("h").seal(), segment.ErrCorrupt},
		{"more blocks than payloads", block(3, 0).number(0).number(2, 1, 0, 0, 0).number(0, 1).text2("h").rest(8).seal(), segment.ErrCorrupt},
		{"a block with none", block(3, 2).number(0, 2).number(2, 2, 0, 10, 0).number(0, 1).text2("h").rest(8).seal(), segment.ErrCorrupt},
		{"a block with too many", block(3, 2).number(0, 2).number(1, 3, 10).number(0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"a stored block of another length", block(3, 2).number(0, 2).number(1, 2, 4<<1).number(0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"a compressed block that is no shorter", block(3, 2).number(0, 2).number(1, 2, 5<<1|1).number(0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"a small payload that is empty", small(3, 0).number(3<<1, 1, 1).number(0, 0, 1).text2("h").rest(3).seal(), segment.ErrCorrupt},
		{"a small payload that is large", small(3, segment.MaxSmall+1).number(5<<1|1, 1, 1).number(0, 0, 1).text2("h").rest(5).seal(), segment.ErrCorrupt},
		{"a small payload in two places", small(3, 2).number(5<<1, 1, 1).number(0).number(1, 1, 3<<1, 0, 1).text2("h").rest(4 + 5).seal(), segment.ErrCorrupt},
		{"neither here nor there", small(3, 2).number(5<<1, 1, 2).number(0, 0, 1).text2("h").rest(5).seal(), segment.ErrCorrupt},
		{"small payloads of another length", small(3, 2).number(4<<1, 1, 1).number(0, 0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"compressed small payloads that are no shorter", small(3, 2).number(5<<1|1, 1, 1).number(0, 0, 1).text2("h").rest(5).seal(), segment.ErrCorrupt},
		{"small payloads that are missing", small(3, 2).number(5<<1, 1, 1).number(0, 0, 1).text2("h").rest(4).seal(), segment.ErrCorrupt},
		{"small payloads over 63 bits", small(3, 2).number(huge).seal(), segment.ErrCorrupt},
		{"small payloads that nobody has", small(3, 2).number(1<<1, 0, 0).number(0, 2, 1, 2, 5<<1, 0, 1).text2("h").rest(64 + 4 + 1).seal(), segment.ErrCorrupt},
		{"no checksum", block(3, 2).number(0, 2).number(1, 2, 5<<1).number(0, 1).text2("h").rest(3).seal(), segment.ErrCorrupt},
		{"a form that is not there", block(0, 0).number(0).number(1, 0).text2("h").seal(), segment.ErrCorrupt},
		{"header longer than the table", block(0, 0).number(0).number(0, 1).number(100, 0).seal(), segment.ErrCorrupt},
		{"digest without a place", block(0, 0).number(0).number(0, 1).number(4, 1, 0).bytes("head").rest(32).seal(), segment.ErrCorrupt},
		{"digest where something is", block(0, 0).number(0).number(0, 1).number(6, 1, 0).bytes(`"":"x"`).rest(32).number(0).seal(), segment.ErrCorrupt},
		{"digest missing", block(0, 0).number(0).number(0, 1).number(5, 1, 0).bytes(`"":""`).rest(31).number(0).seal(), segment.ErrCorrupt},
		{"no operations", values(`{"a":"1"}`).seal(), segment.ErrCorrupt},
		{"a text that isn't known", values(`{"a":"x"}`).bytes("\x81").seal(), segment.ErrCorrupt},
		{"an addition to a text", values(`{"a":"x"}`).number(7).seal(), segment.ErrCorrupt},
		{"a number below 0", values(`{"a":"1"}`).number(2, 3).seal(), segment.ErrCorrupt},
		{"a time after a text", values(`{"a":"x"}`).number(3, 0).rest(2).seal(), segment.ErrCorrupt},
		{"a time without low bits", values(`{"a":"2026-01-02T03:04:05Z"}`).number(3, 0).rest(1).seal(), segment.ErrCorrupt},
		{"the time since without low bits", values(`{"a":"1970-01-01T00:00:05Z","b":1}`).number(3, 5, 0, 0).rest(3).seal(), segment.ErrCorrupt},
		{"the time since without a time", values(`{"a":"1970-01-01T00:00:05Z","b":1}`).number(0, 5, 0).rest(2).seal(), segment.ErrCorrupt},
		{"the time since before its time", values(`{"a":1,"b":"1970-01-01T00:00:05Z"}`).number(5, 3, 0, 0).rest(4).seal(), segment.ErrCorrupt},
		{"the time since after a text", values(`{"a":"1970-01-01T00:00:05Z","b":"x"}`).number(3, 5, 0, 0).rest(4).seal(), segment.ErrCorrupt},
		{"the time since below 0", values(`{"a":"1969-12-31T23:59:59Z","b":1}`).number(3, 5, 0, 0).rest(4).seal(), segment.ErrCorrupt},
		{"the time since over 18 digits", values(`{"a":"2026-01-02T03:04:05Z","b":1}`).number(3, 5, 0, 0).rest(4).seal(), segment.ErrCorrupt},
		{"a time again that isn't there", values(`{"a":"2026-01-02T03:04:05Z","b":""}`).number(6, 3, 0).rest(2).seal(), segment.ErrCorrupt},
		{"value longer than the table", values(`{"a":"x"}`).number(1, 9).seal(), segment.ErrCorrupt},
		{"a byte too many", good.number(0).seal(), segment.ErrCorrupt},
		{"a byte too many in the tail", good.rest(1).seal(), segment.ErrCorrupt},
		{"a byte missing in the tail", made{table, good.tail[1:]}.seal(), segment.ErrCorrupt},
	}
	for _, tc := range cases {
		x, err := c.ParseIndex(tc.b)
		if tc.want == nil {
			require.NoError(t, err, tc.name)
			continue
		}
		require.Nil(t, x, tc.name)
		require.ErrorIs(t, err, tc.want, tc.name)
		requireTyped(t, err)
	}
}

func (m made) bytes(s string) made {
	m.table = append(bytes.Clone(m.table), s...)
	return m
}

// TestHeadersAreBounded is of an index of less than 5 KB whose headers would
// take 10 MB.
func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	const n = 100
	m := info(5, n)
	m.table = append(m.table, make([]byte, 4*n+1)...) // kinds, bases, lengths of metas and payloads; groups
	m = m.number(0, 0)
	for range n - 1 {
		m = m.number(1)
	}
	m = m.text2(string(make([]byte, 100_000)))
	b := sealTable(zstdOf(t, m.table, true), len(m.table), 1, m.tail)
	require.Less(t, len(b), 5000)
	_, err := c.ParseIndex(b)
	require.ErrorIs(t, err, segment.ErrTooLarge)
}

func TestBlocksAndGroupsAreOneFrame(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	payload := bytes.Repeat([]byte("payload "), 100)
	frame := zstdOf(t, payload, false)
	cases := map[string][]byte{
		"":                        frame,
		"two frames":              append(zstdOf(t, payload[:400], false), zstdOf(t, payload[400:], false)...),
		"an empty frame behind":   append(bytes.Clone(frame), zstdOf(t, nil, false, zstd.WithZeroFrames(true))...),
		"a skippable one before":  append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, frame...),
		"a skippable one behind":  append(bytes.Clone(frame), 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0),
		"with a dictionary":       zstdOf(t, payload, true),
		"with a window":           zstdOf(t, payload, false, zstd.WithSingleSegment(false)),
		"with a checksum":         zstdOf(t, payload, false, zstd.WithEncoderCRC(true)),
		"of another length":       zstdOf(t, payload[1:], false),
		"cut":                     frame[:len(frame)-1],
		"cut to its header":       frame[:7],
		"no frame":                []byte("anything"),
		"a frame of noise inside": append(bytes.Clone(frame[:9]), bytes.Repeat([]byte{0xff}, 20)...),
	}
	for name, block := range cases {
		m := info(5, 1).number(0, 0, 0, uint64(len(payload)), 0, 0).number(1, 1, uint64(len(block))<<1|1).number(0).text2("h")
		m.tail = binary.LittleEndian.AppendUint32(m.tail, crc32.Checksum(block, castagnoli))
		index := m.seal()
		x, err := c.ParseIndex(index)
		require.NoError(t, err, name)
		data := append(append([]byte("FLSD\x02"), index[5:sumEnd]...), block...)
		r, err := c.NewReader(x, data)
		require.NoError(t, err, name)
		p, err := r.Payload(5)
		if name == "" {
			require.NoError(t, err)
			require.Equal(t, payload, p)
			require.NoError(t, r.Check())
			continue
		}
		require.ErrorIs(t, err, segment.ErrCorrupt, name)
		requireTyped(t, err)
		require.ErrorIs(t, r.Check(), segment.ErrCorrupt, name)
	}
	for name, group := range cases {
		m := info(5, 2).cut(64).number(0, 0, 0, 0, 0, 0, 400, 400, uint64(len(group))<<1|1, 1, 1).number(0, 0, 1).text2("h")
		m.tail = append(m.tail, group...)
		x, err := c.ParseIndex(m.seal())
		require.NoError(t, err, name)
		digest, err := x.Digest(5)
		if name == "" {
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(payload[:400]), digest)
			continue
		}
		require.ErrorIs(t, err, segment.ErrCorrupt, name)
		requireTyped(t, err)
		_, err = x.Digest(7)
		require.ErrorIs(t, err, segment.ErrInvalid)
	}
}

func TestDataPrologue(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{})
	index, data := mustWrite(t, c, damageRuns()[1])
	x, err := c.ParseIndex(index)
	require.NoError(t, err)
	for name, want := range map[string]error{
		"":              segment.ErrCorrupt,
		"FLSD":          segment.ErrCorrupt,
		"FLSD\x02":      segment.ErrCorrupt,
		"FLSD\x01":      segment.ErrUnsupportedVersion,
		"FLSD\x03":      segment.ErrUnsupportedVersion,
		"FLSI\x03":      segment.ErrCorrupt,
		"FLSD\x03 more": segment.ErrUnsupportedVersion,
	} {
		_, err := c.NewReader(x, []byte(name))
		require.ErrorIs(t, err, want, "%q", name)
		requireTyped(t, err)
	}
	_, err = c.NewReader(x, data)
	require.NoError(t, err)
}
