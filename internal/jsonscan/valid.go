package jsonscan

// MaxDepth is how deep JSON may be nested, as in encoding/json.
const MaxDepth = 10_000

// MaxStateDepth is how deep a state may be nested: what shows it wraps JSON of its own around
// it, and the whole must not be deeper than MaxDepth.
const MaxStateDepth = MaxDepth - 100

// ValidState reports whether b is JSON that can be a state.
func ValidState(b []byte) bool { return valid(b, MaxStateDepth) }

// Valid reports what json.Valid does. Checking a state is the largest part of
// what saving it costs beside the disk, and most of a state is long strings: going
// through them eight bytes at a time takes half of jsontext's time, the fastest
// library measured, and a tenth of json.Valid's: see BenchmarkValid.
func Valid(b []byte) bool { return valid(b, MaxDepth) }

func valid(b []byte, depth int) bool {
	var room [64]byte
	open := room[:0] // the brackets that are open
	i := 0
value:
	if i = Space(b, i); i == len(b) {
		return false
	}
	switch c := b[i]; c {
	case '{', '[':
		if open = append(open, c); len(open) > depth {
			return false
		}
		i = Space(b, i+1)
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
		i, _ = String(b, i+1)
	case 't':
		i = Word(b, i, "true")
	case 'f':
		i = Word(b, i, "false")
	case 'n':
		i = Word(b, i, "null")
	default:
		i = Number(b, i)
	}
	if i < 0 {
		return false
	}
after:
	i = Space(b, i)
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
	i = Space(b, i+1)
key:
	if i == len(b) || b[i] != '"' {
		return false
	}
	if i, _ = String(b, i+1); i < 0 {
		return false
	}
	if i = Space(b, i); i == len(b) || b[i] != ':' {
		return false
	}
	i++
	goto value
closing:
	open = open[:len(open)-1]
	i++
	goto after
}
