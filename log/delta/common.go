package delta

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const chunk = 1024 // bytes that are compared at once while all is equal

// commonPrefix returns how many bytes a and b have in common at their beginning.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	if n >= 8 {
		if x := load64(a, 0) ^ load64(b, 0); x != 0 {
			return bits.TrailingZeros64(x) / 8
		}
	}
	for n-i >= chunk && bytes.Equal(a[i:i+chunk], b[i:i+chunk]) {
		i += chunk
	}
	for ; n-i >= 8; i += 8 {
		if x := load64(a, i) ^ load64(b, i); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// commonSuffix returns how many bytes a and b have in common at their end.
func commonSuffix(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[len(a)-n:], b[len(b)-n:]
	i := n
	if n >= 8 {
		if x := load64(a, n-8) ^ load64(b, n-8); x != 0 {
			return bits.LeadingZeros64(x) / 8
		}
	}
	for i >= chunk && bytes.Equal(a[i-chunk:i], b[i-chunk:i]) {
		i -= chunk
	}
	for ; i >= 8; i -= 8 {
		if x := load64(a, i-8) ^ load64(b, i-8); x != 0 {
			return n - i + bits.LeadingZeros64(x)/8
		}
	}
	for i > 0 && a[i-1] == b[i-1] {
		i--
	}
	return n - i
}

func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
