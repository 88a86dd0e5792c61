package segment

import "encoding/binary"

// reader reads a part of the index piece by piece and holds each against its
// bounds.
type reader struct {
	part string // for errors
	b    []byte
	pos  int
}

func (r *reader) left() int { return len(r.b) - r.pos }

// number reads a varint in its shortest form that is at most most.
func (r *reader) number(what string, most uint64) (uint64, error) {
	// Most numbers take one byte.
	if r.pos < len(r.b) {
		if c := r.b[r.pos]; c < 0x80 && uint64(c) <= most {
			r.pos++
			return uint64(c), nil
		}
	}
	v, n := binary.Uvarint(r.b[r.pos:])
	switch {
	case n == 0:
		return 0, corrupt(r.part+what+": bytes of a number", r.pos, r.left(), r.left()+1)
	case n < 0:
		return 0, corrupt(r.part+what+": bits of a number", r.pos, 65, 64)
	case n > 1 && r.b[r.pos+n-1] == 0:
		return 0, corrupt(r.part+what+": bytes of a number", r.pos, n, n-1)
	case v > most:
		return 0, corrupt(r.part+what, r.pos, v, most)
	}
	r.pos += n
	return v, nil
}

// bytes returns the next n bytes, which alias the part.
func (r *reader) bytes(what string, n int) ([]byte, error) {
	if n > r.left() {
		return nil, corrupt(r.part+what+": bytes", r.pos, r.left(), n)
	}
	b := r.b[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b, nil
}

// text reads a length and that many bytes.
func (r *reader) text(what string) (string, error) {
	n, err := r.number(what+"'s length", uint64(r.left()))
	if err != nil {
		return "", err
	}
	b, err := r.bytes(what, int(n))
	return string(b), err
}

// end says that nothing is left.
func (r *reader) end() error {
	if r.left() > 0 {
		return corrupt(r.part+"bytes too many", r.pos, r.left(), 0)
	}
	return nil
}
