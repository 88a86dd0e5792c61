package segment

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"time"
)

// place is where a value is in a header.
type place struct{ off, end int32 }

// values returns the values of a header: what stands between a colon, perhaps with
// a quote, and the next quote; and numbers behind a colon. That is right for JSON
// as it is usually written, also for JSON that is quoted inside JSON; and wrong at
// no cost but space elsewhere, since the rest is kept byte for byte. What is found
// here is a part of the format: readers look for values in whole headers as well.
func values(h []byte, dst []place) []place {
	for i := 0; ; {
		colon := bytes.IndexByte(h[i:], ':')
		if colon < 0 {
			return dst
		}
		i += colon + 1
		k := i
		for k < len(h) && h[k]-'0' <= 9 {
			k++
		}
		if k > i {
			if k == len(h) || h[k] == ',' || h[k] == '}' {
				dst = append(dst, place{int32(i), int32(k)})
			}
			i = k
			continue
		}
		if k < len(h) && h[k] == '\\' {
			k++
		}
		if k == len(h) || h[k] != '"' {
			continue
		}
		k++
		for i = k; i < len(h) && h[i] != '"' && h[i] != '\\'; {
			i++
		}
		if i < len(h) {
			dst = append(dst, place{int32(k), int32(i)})
		}
	}
}

// digestLen is how long a digest is, hexLen its hexadecimal digits.
const (
	digestLen = 32
	hexLen    = 2 * digestLen
)

// parseDigest reads 64 lower-case hexadecimal digits.
func parseDigest(b []byte) (d [digestLen]byte, ok bool) {
	if len(b) != hexLen {
		return d, false
	}
	for _, c := range b {
		if c >= 'A' && c <= 'F' {
			return d, false
		}
	}
	_, err := hex.Decode(d[:], b)
	return d, err == nil
}

// maxDigits is how long a number can be that is calculated with.
const maxDigits = 18

// parseDigits reads a number that may begin with zeros.
func parseDigits(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > maxDigits {
		return 0, false
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = 10*n + int64(c)
	}
	return n, true
}

// width is how wide a number is made of was: as wide as that if it has zeros in front,
// and else as wide as it is.
func width(was []byte) int {
	if was[0] == '0' {
		return len(was)
	}
	return 0
}

// appendDigits writes a number with zeros in front, up to width.
func appendDigits(dst []byte, n int64, width int) []byte {
	var b [20]byte
	digits := strconv.AppendInt(b[:0], n, 10)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// Times within the years that parseTime takes, in nanoseconds.
var (
	leastTime = time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	mostTime  = time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano() - 1
)

// parseTime reads a UTC time as RFC 3339 with nanoseconds has it.
func parseTime(b []byte) (nanos int64, ok bool) {
	const shortest, longest = len("2006-01-02T15:04:05Z"), len("2006-01-02T15:04:05.999999999Z")
	if len(b) < shortest || len(b) > longest || b[len(b)-1] != 'Z' {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil || t.Year() < 1700 || t.Year() > 2200 {
		return 0, false
	}
	return t.UnixNano(), true
}

func appendTime(dst []byte, nanos int64) []byte {
	return time.Unix(0, nanos).UTC().AppendFormat(dst, time.RFC3339Nano)
}
