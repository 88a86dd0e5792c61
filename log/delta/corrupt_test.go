package delta_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/delta"
)

// made is a delta written by hand, without the version and the checksum that seal puts in front.
type made struct {
	b      []byte
	cursor int // in the base
}

func body(baseLen, targetLen, ops int) made {
	b := binary.AppendUvarint(nil, uint64(baseLen))
	b = binary.AppendUvarint(b, uint64(targetLen))
	return made{b: binary.AppendUvarint(b, uint64(ops))}
}

func (m made) copy(n, off int) made {
	m.b = binary.AppendUvarint(m.b, uint64(n)<<1)
	m.b = binary.AppendVarint(m.b, int64(off-m.cursor))
	m.cursor = off + n
	return m
}

func (m made) literal(n int) made {
	m.b = binary.AppendUvarint(m.b, uint64(n)<<1|1)
	m.cursor += n
	return m
}

func (m made) bytes(s string) made {
	m.b = append(m.b, s...)
	return m
}

func (m made) seal() []byte {
	b := append([]byte{delta.Version}, 0, 0, 0, 0)
	b = append(b, m.b...)
	binary.LittleEndian.PutUint32(b[1:], crc32.Checksum(m.b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := body(10, 8, 2).copy(5, 5).literal(3).bytes("abc")
	_, err := delta.Parse(good.seal(), 8)
	require.NoError(t, err)
	huge := uint64(math.MaxUint64)
	cases := []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, delta.ErrCorrupt},
		{"a version and no more", []byte{delta.Version}, delta.ErrCorrupt},
		{"version 0", append([]byte{0}, good.seal()[1:]...), delta.ErrUnsupportedVersion},
		{"a later version", append([]byte{delta.Version + 1}, good.seal()[1:]...), delta.ErrUnsupportedVersion},
		{"a later version and no more", []byte{delta.Version + 1}, delta.ErrUnsupportedVersion},
		{"no header", made{}.seal(), delta.ErrCorrupt},
		{"half a header", made{b: []byte{10, 8}}.seal(), delta.ErrCorrupt},
		{"target over the bound", body(10, 9, 2).copy(5, 5).literal(4).bytes("abcd").seal(), delta.ErrTooLarge},
		{"base length over an int", made{b: append(binary.AppendUvarint(nil, huge), 0, 0)}.seal(), delta.ErrCorrupt},
		{"target length over an int", made{b: append(binary.AppendUvarint([]byte{1}, huge), 0)}.seal(), delta.ErrCorrupt},
		{"number over 64 bits", made{b: append(bytes.Repeat([]byte{0xff}, 11), 0, 0)}.seal(), delta.ErrCorrupt},
		{"number not in its shortest form", made{b: []byte{0x8a, 0x00, 0, 0}}.seal(), delta.ErrCorrupt},
		{"more operations than bytes", body(10, 8, 1<<30).copy(5, 5).literal(3).bytes("abc").seal(), delta.ErrCorrupt},
		{"fewer operations than stated", body(10, 5, 2).copy(5, 5).seal(), delta.ErrCorrupt},
		{"more operations than stated", body(10, 5, 1).copy(5, 5).literal(3).bytes("abc").seal(), delta.ErrCorrupt},
		{"empty copy", body(10, 5, 2).copy(0, 3).copy(5, 5).seal(), delta.ErrCorrupt},
		{"empty literal", body(10, 5, 2).literal(0).copy(5, 5).seal(), delta.ErrCorrupt},
		{"copy after the base", body(10, 5, 1).copy(5, 6).seal(), delta.ErrCorrupt},
		{"copy before the base", body(10, 5, 1).copy(5, -1).seal(), delta.ErrCorrupt},
		{"copy longer than the base", body(4, 5, 1).copy(5, 0).seal(), delta.ErrCorrupt},
		{"copy from an empty base", body(0, 1, 1).copy(1, 0).seal(), delta.ErrCorrupt},
		{"copy from the far end of the numbers", body(10, 5, 1).copy(5, math.MaxInt).seal(), delta.ErrCorrupt},
		{"copy from the other end of the numbers", body(10, 5, 1).copy(5, math.MinInt).seal(), delta.ErrCorrupt},
		{"copy over the target's end", body(10, 4, 1).copy(5, 5).seal(), delta.ErrCorrupt},
		{"literal over the target's end", body(10, 2, 1).literal(3).bytes("abc").seal(), delta.ErrCorrupt},
		{"target not filled", body(10, 8, 1).copy(5, 5).seal(), delta.ErrCorrupt},
		{"target without operations", body(10, 8, 0).seal(), delta.ErrCorrupt},
		{"two literals in a row", body(10, 3, 2).literal(1).literal(2).bytes("abc").seal(), delta.ErrCorrupt},
		{"two copies that are one", body(10, 5, 2).copy(2, 5).copy(3, 7).seal(), delta.ErrCorrupt},
		{"literals cut", body(10, 8, 2).copy(5, 5).literal(3).bytes("ab").seal(), delta.ErrCorrupt},
		{"a byte too many", body(10, 8, 2).copy(5, 5).literal(3).bytes("abcd").seal(), delta.ErrCorrupt},
		{"operation cut", made{b: append(body(10, 5, 1).b, 10, 0x80)}.seal(), delta.ErrCorrupt},
	}
	for _, c := range cases {
		d, err := delta.Parse(c.b, 8)
		require.Nil(t, d, c.name)
		require.ErrorIs(t, err, c.want, c.name)
		var e *delta.Error
		require.ErrorAs(t, err, &e, c.name)
		require.NotEqual(t, e.Have, e.Want, c.name)
		require.LessOrEqual(t, e.Offset, len(c.b), c.name)
	}
}

func TestParseBoundsTarget(t *testing.T) {
	t.Parallel()
	b := delta.Encode(nil, nil, []byte("twelve bytes"))
	for _, bound := range []int{-1, 0, 11} {
		_, err := delta.Parse(b, bound)
		require.ErrorIs(t, err, delta.ErrTooLarge)
	}
	_, err := delta.Parse(b, 11)
	require.EqualError(t, err, "delta's target too large: target length at offset 6: have 12, want 11")
	_, err = delta.Parse(b, 12)
	require.NoError(t, err)
	_, err = delta.Parse(b, math.MaxInt)
	require.NoError(t, err)
}

// damageCases are deltas small enough to be damaged in every way.
func damageCases() []pairCase {
	text := newWriter(9).text(2000)
	return []pairCase{
		{"edits", []byte(text), []byte(text[:50] + "1" + text[52:900] + text[1200:] + "an end"), 0},
		{"moves", []byte(text), []byte(text[1500:] + text[:700] + "between" + text[700:1500]), 0},
		{"literal", nil, []byte(text[:100]), 0},
		{"empty", []byte(text), nil, 0},
		{"nothing", nil, nil, 0},
	}
}

func TestEveryFlippedBit(t *testing.T) {
	t.Parallel()
	for _, c := range damageCases() {
		good := delta.Encode(nil, c.base, c.target)
		for bit := range 8 * len(good) {
			b := bytes.Clone(good)
			b[bit/8] ^= 1 << (bit % 8)
			requireRefusedOrSame(t, c, b, fmt.Sprintf("%s, bit %d", c.name, bit))

			// With a checksum that fits, every rule behind it has to hold by itself.
			binary.LittleEndian.PutUint32(b[1:], crc32.Checksum(b[5:], crc32.MakeTable(crc32.Castagnoli)))
			requireBounded(t, c.base, b)
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	t.Parallel()
	for _, c := range damageCases() {
		good := delta.Encode(nil, c.base, c.target)
		for n := range good {
			requireRefusedOrSame(t, c, good[:n], fmt.Sprintf("%s, first %d bytes", c.name, n))
			requireRefusedOrSame(t, c, good[n+1:], fmt.Sprintf("%s, without the first %d bytes", c.name, n+1))
			if n >= 5 {
				_, err := delta.Parse(made{b: good[5:n]}.seal(), 1<<20)
				require.ErrorIs(t, err, delta.ErrCorrupt, "%s, first %d bytes with their checksum", c.name, n)
			}
		}
		requireRefusedOrSame(t, c, append(bytes.Clone(good), 0), c.name+", a byte more")
	}
}

func requireRefusedOrSame(t *testing.T, c pairCase, b []byte, what string) {
	t.Helper()
	d, err := delta.Parse(b, len(c.target))
	if err != nil {
		return
	}
	if got, err := d.Apply(nil, c.base); err == nil {
		require.Equal(t, string(c.target), string(got), what)
	}
}

// requireBounded takes a delta of any origin and requires of it what holds without its being right.
func requireBounded(t testing.TB, base, b []byte) *delta.Delta {
	t.Helper()
	const most = 1 << 20
	d, err := delta.Parse(b, most)
	if err != nil {
		return nil
	}
	require.LessOrEqual(t, d.TargetLen(), most)
	require.LessOrEqual(t, d.Ops(), len(b)/2)
	require.Equal(t, b, d.Append(nil), "what parses is what Append writes")
	if d.BaseLen() > most {
		return d
	}
	got, err := d.Apply(nil, base)
	if len(base) != d.BaseLen() {
		require.ErrorIs(t, err, delta.ErrBase)
		got, err = d.Apply(nil, make([]byte, d.BaseLen()))
	}
	require.NoError(t, err)
	require.Len(t, got, d.TargetLen())
	return d
}
