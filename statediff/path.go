package statediff

import (
	"strconv"
	"strings"

	"github.com/flowlog/checkpoint/internal/jsonscan"
)

// Path is a place in some document: a [Pointer], in which elements may also be counted from the end of
// their array. The zero Path is the document.
type Path struct {
	steps []step
}

type step struct {
	token string
	back  int // from the end, 1 for the last element; 0: go by the token
}

// ParsePath reads a place as a JSON Pointer, if s is empty or begins with "/", and else as people write it:
//
//	messages[-1].content    the member "content" of the last element of "messages"
//	["odd.name"][0]         names that contain . [ ] or " are quoted, like a string of JSON
//	.messages, $.messages   a dot or, as in JSONPath, "$" may stand in front; alone they are the document
//
// The error is a [*PathError].
func ParsePath(s string) (Path, error) {
	if s == "" || s[0] == '/' {
		p, err := ParsePointer(s)
		if err != nil {
			return Path{}, err
		}
		var path Path
		for token := range p.Tokens() {
			path.steps = append(path.steps, step{token: token})
		}
		return path, nil
	}
	r := pathReader{text: s}
	return r.read()
}

type pathReader struct {
	text string
	at   int
	path Path
}

func (r *pathReader) read() (Path, error) {
	s := r.text
	if s[0] == '$' && (len(s) == 1 || s[1] == '.' || s[1] == '[') {
		r.at = 1
	}
	if s[r.at:] == "." {
		r.at++
	}
	for first := r.at == 0; r.at < len(s); first = false {
		var err error
		switch {
		case s[r.at] == '[':
			err = r.bracket()
		case s[r.at] == '.':
			r.at++
			if first && s[r.at] == '[' {
				continue // .[0], as in jq
			}
			err = r.name()
		case first:
			err = r.name()
		default:
			err = r.wrong(`want "." or "[" behind "]"`)
		}
		if err != nil {
			return Path{}, err
		}
	}
	return r.path, nil
}

func (r *pathReader) wrong(problem string) error {
	return &PathError{r.text, r.at, problem}
}

func (r *pathReader) name() error {
	rest := r.text[r.at:]
	n := strings.IndexAny(rest, `.[]"`)
	if n < 0 {
		n = len(rest)
	}
	switch {
	case n == 0:
		return r.wrong(`want a name here; an empty one is written [""]`)
	case n < len(rest) && (rest[n] == ']' || rest[n] == '"'):
		r.at += n
		return r.wrong(`a name with . [ ] or " in it is written ["like this"]`)
	}
	r.path.steps = append(r.path.steps, step{token: rest[:n]})
	r.at += n
	return nil
}

func (r *pathReader) bracket() error {
	r.at++
	rest := r.text[r.at:]
	if strings.HasPrefix(rest, `"`) {
		return r.quoted(rest)
	}
	n := strings.IndexByte(rest, ']')
	if n < 0 {
		r.at = len(r.text)
		return r.wrong(`want "]"`)
	}
	digits, negative := strings.CutPrefix(rest[:n], "-")
	if !isIndex(digits) || negative && digits == "0" {
		return r.wrong(`want an index such as 0 or -1, or a name in double quotes`)
	}
	s := step{token: digits}
	if negative {
		back, err := strconv.Atoi(digits)
		if err != nil {
			return r.wrong("an index beyond any array")
		}
		s = step{back: back}
	}
	r.path.steps = append(r.path.steps, s)
	r.at += n + 1
	return nil
}

func (r *pathReader) quoted(rest string) error {
	end, _ := jsonscan.String([]byte(rest), 1)
	if end < 0 {
		return r.wrong("not a string of JSON")
	}
	name := unescape(nil, []byte(rest[1:end-1]))
	r.path.steps = append(r.path.steps, step{token: string(name)})
	if r.at += end; !strings.HasPrefix(rest[end:], "]") {
		return r.wrong(`want "]"`)
	}
	r.at++
	return nil
}

// Parent returns the path of the array or object that the place is in, and its name there: a member's, or an
// index. It has none, and ok is false, if it is the document or counts from the end of an array.
func (p Path) Parent() (parent Path, name string, ok bool) {
	last := len(p.steps) - 1
	if last < 0 || p.steps[last].back > 0 {
		return Path{}, "", false
	}
	return Path{p.steps[:last:last]}, p.steps[last].token, true
}

// String returns the path as people write it; see [Pointer.Dotted].
func (p Path) String() string {
	var b []byte
	for _, s := range p.steps {
		if s.back > 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, -int64(s.back), 10)
			b = append(b, ']')
			continue
		}
		b = appendDotted(b, s.token)
	}
	if len(b) == 0 {
		return "."
	}
	return string(b)
}

// Pointer returns the path as a JSON Pointer. It has none, and ok is false, if it counts from the end of an
// array; [Path.In] finds the one that it has in a document.
func (p Path) Pointer() (pointer Pointer, ok bool) {
	var b []byte
	for _, s := range p.steps {
		if s.back > 0 {
			return "", false
		}
		b = appendToken(b, []byte(s.token))
	}
	return Pointer(b), true
}
