package statediff

import (
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pointer is a JSON Pointer (RFC 6901) to a value in a document: "" is the document, "/messages/0" the
// first element, or the member "0", of its member "messages". In a name "~" is written "~0" and "/" "~1".
type Pointer string

// ParsePointer checks that s is a JSON Pointer. The error is a [*PathError].
func ParsePointer(s string) (Pointer, error) {
	if s != "" && s[0] != '/' {
		return "", &PathError{s, 0, `a JSON Pointer is empty or begins with "/"`}
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return "", &PathError{s, i, `"~" must be followed by "0" (for "~") or "1" (for "/")`}
		}
	}
	return Pointer(s), nil
}

// Tokens yields the names and indexes that lead to the value, unescaped.
func (p Pointer) Tokens() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, token := range p.tokens() {
			if !yield(token) {
				return
			}
		}
	}
}

// tokens yields the tokens, each with where it ends.
func (p Pointer) tokens() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for at := 0; at < len(p); {
			token := string(p[at+1:])
			if i := strings.IndexByte(token, '/'); i >= 0 {
				token = token[:i]
			}
			at += 1 + len(token)
			if !yield(at, unescapeToken(token)) {
				return
			}
		}
	}
}

// Parent returns the pointer to the value in which this one lies, and the last token: "" and "" for the
// document.
func (p Pointer) Parent() (Pointer, string) {
	i := strings.LastIndexByte(string(p), '/')
	if i < 0 {
		return "", ""
	}
	return p[:i], unescapeToken(string(p[i+1:]))
}

// Name returns the pointer to the member of that name.
func (p Pointer) Name(name string) Pointer {
	return Pointer(appendToken([]byte(p), []byte(name)))
}

// Index returns the pointer to the element at i.
func (p Pointer) Index(i int) Pointer {
	return p + "/" + Pointer(strconv.Itoa(i))
}

// Contains reports whether q is p or leads into what p is the pointer to.
func (p Pointer) Contains(q Pointer) bool {
	return strings.HasPrefix(string(q), string(p)) && (len(q) == len(p) || q[len(p)] == '/')
}

// Dotted returns the pointer as people write it: messages[0].content, "." for the document. Names that
// aren't words are quoted: a["b.c"]. [ParsePath] reads it back.
func (p Pointer) Dotted() string {
	if p == "" {
		return "."
	}
	var b []byte
	for token := range p.Tokens() {
		b = appendDotted(b, token)
	}
	return string(b)
}

func appendDotted(b []byte, token string) []byte {
	switch {
	case isIndex(token):
		b = append(b, '[')
		b = append(b, token...)
		return append(b, ']')
	case isWord(token):
		if len(b) > 0 {
			b = append(b, '.')
		}
		return append(b, token...)
	}
	b = append(b, '[')
	b = appendQuoted(b, token)
	return append(b, ']')
}

// isIndex reports whether an element of an array can have this token: digits without zeros in front.
func isIndex(token string) bool {
	if token == "" || token[0] == '0' && len(token) > 1 {
		return false
	}
	return strings.IndexFunc(token, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func isWord(token string) bool {
	if token == "" || !utf8.ValidString(token) {
		return false
	}
	return strings.IndexFunc(token, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0
}

// index returns the index that a token is, or -1 if it is none or beyond any array.
func index(token string) int {
	if !isIndex(token) || len(token) > 10 {
		return -1
	}
	i, err := strconv.Atoi(token)
	if err != nil {
		return -1
	}
	return i
}

func appendToken(b, name []byte) []byte {
	b = append(b, '/')
	for _, c := range name {
		switch c {
		case '~':
			b = append(b, '~', '0')
		case '/':
			b = append(b, '~', '1')
		default:
			b = append(b, c)
		}
	}
	return b
}

func unescapeToken(token string) string {
	if strings.IndexByte(token, '~') < 0 {
		return token
	}
	return unescapes.Replace(token)
}

// A Replacer goes from left to right, so "~01" is "~1", as the RFC wants.
var unescapes = strings.NewReplacer("~1", "/", "~0", "~")
