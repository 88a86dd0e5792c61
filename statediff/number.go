package statediff

import (
	"bytes"
	"strconv"
)

// appendNumber appends the one form that all numbers of JSON have that are equal by exact decimal value: a
// sign, the digits without zeros at either end, "e" and an exponent; "0" for all zeros. Numbers of any
// length, and exponents of any length, take time in proportion to how they are written.
func appendNumber(b, text []byte) []byte {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	var exponent []byte
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		text, exponent = text[:i], text[i+1:]
	}
	whole, fraction := text, []byte(nil)
	if i := bytes.IndexByte(text, '.'); i >= 0 {
		whole, fraction = text[:i], text[i+1:]
	}
	start := len(b)
	b = append(b, '-')
	b = append(b, bytes.TrimLeft(whole, "0")...)
	if len(b) == start+1 {
		b = append(b, bytes.TrimLeft(fraction, "0")...)
	} else {
		b = append(b, fraction...)
	}
	digits := bytes.TrimRight(b[start+1:], "0")
	if len(digits) == 0 {
		return append(b[:start], '0')
	}
	shift := len(b[start+1:]) - len(digits) - len(fraction)
	b = b[:start+1+len(digits)]
	b = append(b, 'e')
	b = appendExponent(b, exponent, shift)
	if !negative {
		copy(b[start:], b[start+1:])
		b = b[:len(b)-1]
	}
	return b
}

// appendExponent appends the exponent, "" for 0, plus shift. It is a decimal of any length, and calculated
// with as such where it isn't an int64 for sure.
func appendExponent(b, text []byte, shift int) []byte {
	negative := bytes.HasPrefix(text, []byte("-"))
	text = bytes.TrimLeft(text, "+-0")
	if len(text) < 18 {
		n := int64(0)
		for _, c := range text {
			n = n*10 + int64(c-'0')
		}
		if negative {
			n = -n
		}
		return strconv.AppendInt(b, n+int64(shift), 10)
	}
	if negative {
		b = append(b, '-')
		shift = -shift
	}
	// The exponent is over 10^17 and the shift within a document's length, so the sign stays.
	start := len(b)
	b = append(b, '0')
	b = append(b, text...)
	carry := shift
	for i := len(b) - 1; carry != 0; i-- {
		v := int(b[i]-'0') + carry
		carry = v / 10
		if v %= 10; v < 0 {
			v += 10
			carry--
		}
		b[i] = byte(v) + '0'
	}
	trimmed := bytes.TrimLeft(b[start:], "0")
	return b[:start+copy(b[start:], trimmed)]
}
