package checkpoint

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep JSON may be nested, as in encoding/json.
const maxDepth = 10_000

// validJSON reports what json.Valid does. Checking a state is the largest part of
// what saving it costs beside the disk, and most of a state is long strings: going
// through them eight bytes at a time takes half of jsontext's time, the fastest
// library measured, and a tenth of json.Valid's: see BenchmarkValid.
func validJSON(b []byte) bool {
	var room [64]byte
	open := room[:0] // the brackets that are open
	i := 0
value:
	if i = skipSpace(b, i); i == len(b) {
		return false
	}
	switch c := b[i]; c {
	case '{', '[':
		if open = append(open, c); len(open) > maxDepth {
			return false
		}
		i = skipSpace(b, i+1)
		switch {
		case i == len(b):
			return false
		case b[i] == c+2: // the closing bracket, in ASCII
			goto closing
		case c == '{':
			goto key
		}
		goto value
	case '"':
		i = skipString(b, i+1)
	case 't':
		i = skipWord(b, i, "true")
	case 'f':
		i = skipWord(b, i, "false")
	case 'n':
		i = skipWord(b, i, "null")
	default:
		i = skipNumber(b, i)
	}
	if i < 0 {
		return false
	}
after:
	i = skipSpace(b, i)
	if len(open) == 0 || i == len(b) {
		return len(open) == 0 && i == len(b)
	}
	switch c := open[len(open)-1]; {
	case b[i] == c+2:
		goto closing
	case b[i] != ',':
		return false
	case c == '[':
		i++
		goto value
	}
	i = skipSpace(b, i+1)
key:
	if i == len(b) || b[i] != '"' {
		return false
	}
	if i = skipString(b, i+1); i < 0 {
		return false
	}
	if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
		return false
	}
	i++
	goto value
closing:
	open = open[:len(open)-1]
	i++
	goto after
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string whose text begins at i, or -1.
func skipString(b []byte, i int) int {
	// A byte of x is below n if subtracting n borrows from its top bit and that
	// bit was not set; one equals c if the exclusive or with c is below 1. The
	// lowest byte that is found so is right, those above it may not be.
	const each, top = 0x0101010101010101, 0x8080808080808080
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^each*'"', x^each*'\\'
			found := ((x-each*0x20)&^x | (quote-each)&^quote | (slash-each)&^slash) & top
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = skipEscape(b, i+1); i < 0 {
				return -1
			}
		case c < 0x20:
			return -1
		default: // one of the last bytes
			i++
		}
	}
}

func skipEscape(b []byte, i int) int {
	if i == len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(b) {
			return -1
		}
		for _, c := range b[i+1 : i+5] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func skipWord(b []byte, i int, word string) int {
	if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
		return end
	}
	return -1
}

func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	switch {
	case i == len(b):
		return -1
	case b[i] == '0':
		i++
	default:
		if i = skipDigits(b, i); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits returns the index after at least one digit, or -1.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
