package statediff

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends what the text of a string, without its quotes, says: \u0061 is a. The escape of half a
// surrogate pair becomes the three bytes that UTF-8 would have for it if it had one (WTF-8), so that no two
// escapes become the same text; bytes that aren't UTF-8 stay as they are.
func unescape(b, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 || i+1 == len(text) {
			return append(b, text...)
		}
		b = append(b, text[:i]...)
		c := text[i+1]
		text = text[i+2:]
		switch c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, rest := hex4(text)
			text = rest
			if utf16.IsSurrogate(r) {
				if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					low, rest := hex4(text[2:])
					if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
						b, text = utf8.AppendRune(b, pair), rest
						continue
					}
				}
				b = append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
				continue
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
	}
}

// hex4 reads four hexadecimal digits, which a valid string has.
func hex4(text []byte) (rune, []byte) {
	var r rune
	n := min(4, len(text))
	for _, c := range text[:n] {
		switch {
		case c <= '9':
			r = r<<4 | rune(c-'0')&0xF
		default:
			r = r<<4 | rune(c|0x20-'a'+10)&0xF
		}
	}
	return r, text[n:]
}

// appendQuoted appends s as a string of JSON that unescape turns into s again. It is UTF-8 wherever s is,
// or has half a surrogate pair.
func appendQuoted(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xF])
		case isHalf(s[i:]) && !isHalf(s[i+3:]) && !(i >= 3 && isHalf(s[i-3:])):
			// Two halves side by side stay bytes: their escapes would make a whole.
			b = append(b, '\\', 'u', 'd', digits[s[i+1]>>2&0xF], digits[s[i+1]&3<<2|s[i+2]>>4&3], digits[s[i+2]&0xF])
			i += 2
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func isHalf(s string) bool {
	return len(s) >= 3 && s[0] == 0xED && s[1]&0xE0 == 0xA0 && s[2]&0xC0 == 0x80
}
