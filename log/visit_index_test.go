package log

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSortedNumbers holds the order of numbers in keys, and that there is one way to
// write each.
func TestSortedNumbers(t *testing.T) {
	t.Parallel()
	var last []byte
	for _, n := range []uint64{0, 1, 239, 240, 255, 256, 257, 65535, 65536, 1<<24 - 1, 1 << 24, MaxSeq, 1 << 56, 1<<64 - 1} {
		b := appendSorted(nil, n)
		require.Positive(t, slices.Compare(b, last), n)
		have, ok := parseSorted(b)
		require.True(t, ok)
		require.Equal(t, n, have)
		last = b
	}
	for _, b := range []string{"", "\x01\x00", "\xf0", "\xf0\xef", "\xf1\x00\xff", "\xf1\xff", "\xf8", "\xf7\x00\x00\x00\x00\x00\x00\x00\x01\x00"} {
		_, ok := parseSorted([]byte(b))
		require.False(t, ok, "%x", b)
	}
}
