package statediff

import (
	"slices"

	"github.com/flowlog/checkpoint/internal/jsonscan"
)

// MaxDepth is how deep documents may be nested, as in encoding/json.
const MaxDepth = jsonscan.MaxDepth

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
	i := s.value(jsonscan.Space(s.raw, 0), 0)
	if i >= 0 {
		if i = jsonscan.Space(s.raw, i); i < len(s.raw) {
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
		kind, end = Bool, jsonscan.Word(s.raw, i, "true")
	case 'f':
		kind, end = Bool, jsonscan.Word(s.raw, i, "false")
	case 'n':
		kind, end = Null, jsonscan.Word(s.raw, i, "null")
	default:
		kind, end = Number, jsonscan.Number(s.raw, i)
	}
	if end < 0 {
		return s.fail(i, "want a value")
	}
	n := &s.nodes[at]
	n.kind, n.end, n.next = kind, uint32(end), uint32(len(s.nodes))
	return end
}

func (s *scanner) text(at, i int) int {
	end, slash := jsonscan.String(s.raw, i+1)
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
	if i = jsonscan.Space(s.raw, i); i < len(s.raw) && s.raw[i] == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth); i < 0 {
			return -1
		}
		i = jsonscan.Space(s.raw, i)
		switch {
		case i < len(s.raw) && s.raw[i] == ',':
			i = jsonscan.Space(s.raw, i+1)
		case i < len(s.raw) && s.raw[i] == ']':
			return i + 1
		default:
			return s.fail(i, `want "," or "]"`)
		}
	}
}

func (s *scanner) members(i, depth int) int {
	if i = jsonscan.Space(s.raw, i); i < len(s.raw) && s.raw[i] == '}' {
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
		if i = jsonscan.Space(s.raw, i); i >= len(s.raw) || s.raw[i] != ':' {
			return s.fail(i, `want ":"`)
		}
		if i = s.value(jsonscan.Space(s.raw, i+1), depth); i < 0 {
			return -1
		}
		i = jsonscan.Space(s.raw, i)
		switch {
		case i < len(s.raw) && s.raw[i] == ',':
			i = jsonscan.Space(s.raw, i+1)
		case i < len(s.raw) && s.raw[i] == '}':
			return i + 1
		default:
			return s.fail(i, `want "," or "}"`)
		}
	}
}
