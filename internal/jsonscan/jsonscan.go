// Package jsonscan goes through the tokens of JSON text, and checks it. It is for
// texts of which most is long strings, as states are.
//
// The functions take the text and the index where to begin.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Space returns the index of the first byte from i on that is no white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// String returns the index after the string whose text begins at i, or -1, and
// whether there are escapes in it. It looks at eight bytes at a time.
func String(b []byte, i int) (end int, escaped bool) {
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
			return -1, escaped
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = escape(b, i+1); i < 0 {
				return -1, escaped
			}
		case c < 0x20:
			return -1, escaped
		default: // one of the last bytes
			i++
		}
	}
}

// escape returns the index after the escape whose backslash is before i, or -1.
func escape(b []byte, i int) int {
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

// Word returns the index after the word that must be at i, or -1.
func Word(b []byte, i int, word string) int {
	if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
		return end
	}
	return -1
}

// Number returns the index after the number at i, or -1.
func Number(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i == len(b):
		return -1
	case b[i] == '0':
		i++
	default:
		if i = digits(b, i); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits returns the index after at least one digit, or -1.
func digits(b []byte, i int) int {
	start := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
