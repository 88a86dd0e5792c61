package statediff

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// MaxDepth is how deep documents may be nested, as in encoding/json.
const MaxDepth = 10_000

// node is a value of a document, or a member's name. They lie as they stand in the document: behind a
// container all that is in it, behind a name its value.
type node struct {
	hash       uint64 // of its content, once the document is hashed
	start, end uint32 // of its bytes
	next       uint32 // the node behind it and all that is in it
	kind       Type
	flags      uint8
}

const (
	escaped   = 1 << iota // a string with escapes
	duplicate             // an object that has a name twice; known once it is hashed
)

type scanner struct {
	raw   []byte
	nodes []node
	depth int // the deepest nesting
	err   *SyntaxError
}

func (s *scanner) fail(at int, problem string) int {
	if s.err == nil {
		if at >= len(s.raw) {
			at, problem = len(s.raw), "unexpected end"
		}
		s.err = &SyntaxError{at, problem}
	}
	return -1
}

func (s *scanner) document() error {
	i := s.value(skipSpace(s.raw, 0), 0)
	if i >= 0 {
		if i = skipSpace(s.raw, i); i < len(s.raw) {
			s.fail(i, "more behind the value")
		}
	}
	if s.err != nil {
		return s.err
	}
	return nil
}

// add makes a node of what begins at i. Room is made for as many as the document will have if the rest of it
// is like what has been read.
func (s *scanner) add(i int) {
	if len(s.nodes) == cap(s.nodes) {
		likely := float64(len(s.nodes)) * float64(len(s.raw)-i) / float64(i+1) * 1.05
		more := min(int(likely), len(s.raw)-i, 4*len(s.nodes))
		s.nodes = slices.Grow(s.nodes, max(16, len(s.nodes)/4, more))
	}
	s.nodes = append(s.nodes, node{start: uint32(i)})
}

// value reads the value at i and returns where it ends, or -1.
func (s *scanner) value(i, depth int) int {
	if i >= len(s.raw) {
		return s.fail(i, "")
	}
	at := len(s.nodes)
	s.add(i)
	kind, end := Null, -1
	switch c := s.raw[i]; c {
	case '{', '[':
		if depth++; depth > MaxDepth {
			return s.fail(i, "nested deeper than 10000")
		}
		s.depth = max(s.depth, depth)
		if kind, end = Array, i; c == '{' {
			kind, end = Object, s.members(i+1, depth)
		} else {
			end = s.elements(i+1, depth)
		}
	case '"':
		return s.text(at, i)
	case 't':
		kind, end = Bool, skipWord(s.raw, i, "true")
	case 'f':
		kind, end = Bool, skipWord(s.raw, i, "false")
	case 'n':
		kind, end = Null, skipWord(s.raw, i, "null")
	default:
		kind, end = Number, skipNumber(s.raw, i)
	}
	if end < 0 {
		return s.fail(i, "want a value")
	}
	n := &s.nodes[at]
	n.kind, n.end, n.next = kind, uint32(end), uint32(len(s.nodes))
	return end
}

func (s *scanner) text(at, i int) int {
	end, slash := scanString(s.raw, i+1)
	if end < 0 {
		return s.fail(i, "not a string: it has a control character, a bad escape or no end")
	}
	n := &s.nodes[at]
	n.kind, n.end, n.next = String, uint32(end), uint32(at+1)
	if slash {
		n.flags = escaped
	}
	return end
}

func (s *scanner) elements(i, depth int) int {
	if i = skipSpace(s.raw, i); i < len(s.raw) && s.raw[i] == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth); i < 0 {
			return -1
		}
		i = skipSpace(s.raw, i)
		switch {
		case i < len(s.raw) && s.raw[i] == ',':
			i = skipSpace(s.raw, i+1)
		case i < len(s.raw) && s.raw[i] == ']':
			return i + 1
		default:
			return s.fail(i, `want "," or "]"`)
		}
	}
}

func (s *scanner) members(i, depth int) int {
	if i = skipSpace(s.raw, i); i < len(s.raw) && s.raw[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(s.raw) || s.raw[i] != '"' {
			return s.fail(i, "want a name in double quotes")
		}
		at := len(s.nodes)
		s.add(i)
		if i = s.text(at, i); i < 0 {
			return -1
		}
		if i = skipSpace(s.raw, i); i >= len(s.raw) || s.raw[i] != ':' {
			return s.fail(i, `want ":"`)
		}
		if i = s.value(skipSpace(s.raw, i+1), depth); i < 0 {
			return -1
		}
		i = skipSpace(s.raw, i)
		switch {
		case i < len(s.raw) && s.raw[i] == ',':
			i = skipSpace(s.raw, i+1)
		case i < len(s.raw) && s.raw[i] == '}':
			return i + 1
		default:
			return s.fail(i, `want "," or "}"`)
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns where the string ends whose text begins at i, or -1.
func skipString(b []byte, i int) int {
	end, _ := scanString(b, i)
	return end
}

// scanString does that and reports whether there are escapes. It looks at eight bytes at a time.
func scanString(b []byte, i int) (end int, slash bool) {
	// A byte of x is below n if subtracting n borrows from its top bit and that bit was not set; one equals
	// c if the exclusive or with c is below 1. The lowest byte found so is right, those above may not be.
	const each, top = 0x0101010101010101, 0x8080808080808080
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			q, s := x^each*'"', x^each*'\\'
			found := ((x-each*0x20)&^x | (q-each)&^q | (s-each)&^s) & top
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1, slash
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, slash
		case c == '\\':
			slash = true
			if i = skipEscape(b, i+1); i < 0 {
				return -1, slash
			}
		case c < 0x20:
			return -1, slash
		default:
			i++
		}
	}
}

func skipEscape(b []byte, i int) int {
	if i >= len(b) {
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
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits skips at least one.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
