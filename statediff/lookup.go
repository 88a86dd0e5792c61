package statediff

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowlog/checkpoint/internal/jsonscan"
)

// Lookup returns the value of a document at p as written, a part of doc. It reads doc as far as it must
// and takes it to be JSON: of one that is not, the answer is some part of it or an error, not a panic. Of
// members of the same name it takes the last, as encoding/json does. The error is a [*LookupError], or
// [Parse]'s when the pointer has over 100 tokens.
func Lookup(doc []byte, p Pointer) ([]byte, error) {
	if strings.Count(string(p), "/") > maxLevels {
		d, err := Parse(doc)
		if err != nil {
			return nil, err
		}
		return d.Lookup(p)
	}
	v, at := trim(doc), 0
	for end, token := range p.tokens() {
		kid, _ := childOf(v, token)
		if kid == nil {
			return nil, missing(p[:at], token, typeOf(v))
		}
		v, at = kid, end
	}
	return v, nil
}

// maxLevels is how deep a value may be looked for by going over what it lies in once for each level.
const maxLevels = 100

// In returns the pointer to what is at the path in doc: elements that are counted from the end of their
// array get their index. The error is a [*LookupError].
func (p Path) In(doc []byte) (Pointer, error) {
	v, at := trim(doc), []byte(nil)
	if len(p.steps) > maxLevels {
		return "", &PathError{p.String(), 0, "more than 100 levels, which only a JSON Pointer may have"}
	}
	for _, s := range p.steps {
		if s.back > 0 {
			n := 0
			if typeOf(v) != Array {
				return "", missing(Pointer(at), "-"+strconv.Itoa(s.back), typeOf(v))
			}
			eachElement(v, func([]byte) bool { n++; return true })
			if s.token = strconv.Itoa(n - s.back); n < s.back {
				return "", &LookupError{Pointer(at), s.token, fmt.Sprintf("the array has %d elements, none at -%d", n, s.back)}
			}
		}
		kid, _ := childOf(v, s.token)
		if kid == nil {
			return "", missing(Pointer(at), s.token, typeOf(v))
		}
		v, at = kid, appendToken(at, []byte(s.token))
	}
	return Pointer(at), nil
}

// missing says why a value has no child.
func missing(at Pointer, token string, kind Type) error {
	e := &LookupError{At: at, Token: token}
	switch kind {
	case Object:
		e.Problem = fmt.Sprintf("no member %q", token)
	case Array:
		if e.Problem = fmt.Sprintf("no element %s", token); index(strings.TrimPrefix(token, "-")) < 0 {
			e.Problem = fmt.Sprintf("it is an array, and %q no index", token)
		}
	default:
		e.Problem = fmt.Sprintf("it is a %s and has no %q", kind, token)
	}
	return e
}

// typeOf tells a value's type by its first byte.
func typeOf(v []byte) Type {
	if len(v) == 0 {
		return Null
	}
	switch v[0] {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	}
	return Number
}

func trim(doc []byte) []byte {
	return bytes.Trim(doc, " \t\r\n")
}

// childOf returns the child of a container as written, and its name as written if it is a member; nil if
// there is none.
func childOf(v []byte, token string) (kid, name []byte) {
	switch typeOf(v) {
	case Array:
		i := index(token)
		if i < 0 {
			return nil, nil
		}
		eachElement(v, func(e []byte) bool {
			if i == 0 {
				kid = e
			}
			i--
			return i >= 0
		})
	case Object:
		eachMember(v, func(key, value []byte) bool {
			if nameIs(key, token) {
				kid, name = value, key
			}
			return true
		})
	}
	return kid, name
}

// nameIs reports whether a name, as written, says token.
func nameIs(key []byte, token string) bool {
	key = key[1 : len(key)-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		key = unescape(nil, key)
	}
	return string(key) == token
}

func eachElement(v []byte, yield func([]byte) bool) {
	for i := jsonscan.Space(v, 1); i < len(v) && v[i] != ']'; {
		end := skipValue(v, i)
		if end <= i || !yield(v[i:end:end]) {
			return
		}
		if i = jsonscan.Space(v, end); i < len(v) && v[i] == ',' {
			i = jsonscan.Space(v, i+1)
		}
	}
}

func eachMember(v []byte, yield func(name, value []byte) bool) {
	for i := jsonscan.Space(v, 1); i < len(v) && v[i] == '"'; {
		name, _ := jsonscan.String(v, i+1)
		if name < 0 {
			return
		}
		at := jsonscan.Space(v, name)
		if at == len(v) || v[at] != ':' {
			return
		}
		at = jsonscan.Space(v, at+1)
		end := skipValue(v, at)
		if end <= at || !yield(v[i:name:name], v[at:end:end]) {
			return
		}
		if i = jsonscan.Space(v, end); i < len(v) && v[i] == ',' {
			i = jsonscan.Space(v, i+1)
		}
	}
}

// skipValue returns where the value at i ends, or -1, without checking what is in it.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			if i, _ = jsonscan.String(b, i+1); i < 0 {
				return -1
			}
		case '[', '{':
			depth++
			i++
			continue
		case ']', '}':
			depth--
			i++
		case ',', ':', ' ', '\t', '\r', '\n':
			i++
			continue
		default:
			for i < len(b) && !ends[b[i]] {
				i++
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return -1
}

// ends says which bytes end a number or a word.
var ends = [256]bool{',': true, ':': true, ']': true, '}': true, '[': true, '{': true, '"': true, ' ': true, '\t': true, '\r': true, '\n': true}
