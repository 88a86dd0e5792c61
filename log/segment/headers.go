package segment

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
)

// What happens to a value, compared with the same value of the header before of
// the same form.
const (
	opSame   = 0
	opText   = 1   // other text: its length and itself
	opNumber = 2   // a number that differs by a zigzag varint
	opTime   = 3   // a time that differs by nanoseconds, zigzag: a varint of the bits above the low 16, and those in the tail
	opDigest = 4   // a digest: 32 bytes in the tail
	opTook   = 5   // a number of nanoseconds, from the time of the header before to that of this one, less 24 bits: the low 16 of them in the tail
	opAgain  = 6   // the time that an operation made first in this header
	opAdd    = 6   // up to 126: a number that is larger by the operation minus opAdd
	opLength = 127 // the length of the entry's payload
	opKnown  = 128 // up to 255: a known text, by its number from 0
)

// A text is known, up to maxKnown of them, once it has been in an opText or, if
// it isn't a number or a time, in the first header of one of the first seeding
// forms.
const (
	maxKnown = 256 - opKnown
	seeding  = 4
)

// seeds says whether a value of a form's first header becomes a known text.
func seeds(form int, value []byte) bool {
	if form >= seeding || len(value) == 0 {
		return false
	}
	_, number := parseDigits(value)
	_, time := parseTime(value)
	return !number && !time
}

// form is what headers have in common that differ in values only.
type form struct {
	last   []byte  // the header of this form that was written last
	places []place // its values
	rows   int     // headers behind the first
	ops    []byte  // by row
}

// times are what opTook refers to, in nanoseconds since 1970: the first time that an
// opTime made in the header at hand, if one did, and in the last header before in which
// one did.
type times struct {
	first, before int64
	has           bool // first
}

// begin says that a header begins.
func (t *times) begin() {
	if t.has {
		t.before, t.has = t.first, false
	}
}

func (t *times) made(nanos int64) {
	if !t.has {
		t.first, t.has = nanos, true
	}
}

// since returns the time from the header before to the header at hand.
func (t *times) since() int64 { return t.first - t.before }

// headerWriter writes headers as forms and what their values are.
type headerWriter struct {
	forms  []*form
	byKey  map[string]int
	texts  map[string]int // known ones
	spans  []place        // of the header at hand
	key    []byte
	firsts []byte // the first header of each form
	rest   []byte // what the operations need
	tail   []byte
	times  times
	first  []byte // the text of times.first
	length []byte // the digits of the length of the payload at hand
}

// appendHeaders writes the headers of all entries: those behind the first of a form
// as operations, or every header in full. All first headers come before all
// operations, as in the table so in the tail.
func appendHeaders(t, tail []byte, entries []Entry, full bool) (table, rest []byte) {
	w := headerWriter{byKey: map[string]int{}, texts: map[string]int{}, tail: tail}
	which := make([]int, len(entries))
	for i := range entries {
		which[i] = w.form(entries[i].Header, full)
		t = binary.AppendUvarint(t, uint64(which[i]))
	}
	for i, k := range which {
		if k > 0 {
			w.next(w.forms[k-1], &entries[i])
		}
	}
	t = append(t, w.firsts...)
	for _, f := range w.forms {
		for v := range f.places {
			for row := range f.rows {
				t = append(t, f.ops[row*len(f.places)+v])
			}
		}
	}
	return append(t, w.rest...), w.tail
}

// form returns the number of a header's form, counted from 1, or 0 if it is the
// first of its form and has been written.
func (w *headerWriter) form(h []byte, full bool) int {
	w.spans = values(h, w.spans[:0])
	w.key = binary.AppendUvarint(w.key[:0], uint64(len(w.spans)))
	end := 0
	for _, p := range w.spans {
		w.key = binary.AppendUvarint(w.key, uint64(int(p.off)-end))
		w.key = append(w.key, h[end:p.off]...)
		end = int(p.end)
	}
	w.key = append(w.key, h[end:]...)
	if k, ok := w.byKey[string(w.key)]; ok && !full {
		return k
	}
	w.whole(h)
	w.forms = append(w.forms, &form{last: h, places: slices.Clone(w.spans)})
	w.byKey[string(w.key)] = len(w.forms)
	return 0
}

// next writes a header as what differs from the one before of its form.
func (w *headerWriter) next(f *form, e *Entry) {
	h := e.Header
	w.length = strconv.AppendInt(w.length[:0], e.Len, 10)
	w.spans = values(h, w.spans[:0])
	w.times.begin()
	for v, p := range w.spans {
		was := f.places[v]
		f.ops = append(f.ops, w.op(f.last[was.off:was.end], h[p.off:p.end]))
	}
	f.rows++
	f.last = h
	copy(f.places, w.spans)
}

// whole writes a header in full but for its digests, which go to the tail.
func (w *headerWriter) whole(h []byte) {
	var marks, text []byte
	digests, from, v := 0, 0, 0
	for k, p := range w.spans {
		d, ok := parseDigest(h[p.off:p.end])
		// A number that looks like one stays: without it, it would be no value.
		if !ok || h[p.off-1] != '"' {
			if seeds(len(w.forms), h[p.off:p.end]) {
				w.known(h[p.off:p.end])
			}
			continue
		}
		marks = binary.AppendUvarint(marks, uint64(k-v))
		v = k + 1
		digests++
		w.tail = append(w.tail, d[:]...)
		text = append(text, h[from:p.off]...)
		from = int(p.end)
	}
	text = append(text, h[from:]...)
	w.firsts = binary.AppendUvarint(w.firsts, uint64(len(text)))
	w.firsts = binary.AppendUvarint(w.firsts, uint64(digests))
	w.firsts = append(append(w.firsts, marks...), text...)
}

// op chooses an operation that makes is of was, and writes what it needs.
func (w *headerWriter) op(was, is []byte) byte {
	if bytes.Equal(was, is) {
		return opSame
	}
	if bytes.Equal(w.length, is) {
		return opLength
	}
	if d, ok := parseDigest(is); ok {
		w.tail = append(w.tail, d[:]...)
		return opDigest
	}
	var b [64]byte
	if a, ok := parseDigits(was); ok {
		if n, ok := parseDigits(is); ok && bytes.Equal(appendDigits(b[:0], n, width(was)), is) {
			return w.number(a, n)
		}
	}
	if a, ok := parseTime(was); ok {
		if n, ok := parseTime(is); ok && bytes.Equal(appendTime(b[:0], n), is) {
			return w.time(a, n, is)
		}
	}
	if k, ok := w.texts[string(is)]; ok {
		return byte(opKnown + k)
	}
	w.known(is)
	w.rest = binary.AppendUvarint(w.rest, uint64(len(is)))
	w.rest = append(w.rest, is...)
	return opText
}

// number chooses an operation that makes the number n of a.
func (w *headerWriter) number(a, n int64) byte {
	const short = 1 << 21 // what a varint of 3 bytes is below
	u, less := zigzag(n-a), uint64(w.times.since()-n)
	switch {
	case n > a && n-a < opLength-opAdd:
		return byte(opAdd + n - a)
	case u >= short && w.times.has && less < 1<<24:
		w.low(less)
		w.rest = append(w.rest, byte(less>>16))
		return opTook
	}
	w.rest = binary.AppendUvarint(w.rest, u)
	return opNumber
}

// time chooses an operation that makes the time n, whose text is given, of a.
func (w *headerWriter) time(a, n int64, text []byte) byte {
	if !w.times.has {
		w.first = text
	} else if bytes.Equal(w.first, text) {
		return opAgain
	}
	u := zigzag(n - a)
	w.rest = binary.AppendUvarint(w.rest, u>>16)
	w.low(u)
	w.times.made(n)
	return opTime
}

// low writes the low 16 bits of u to the tail.
func (w *headerWriter) low(u uint64) { w.tail = append(w.tail, byte(u), byte(u>>8)) }

func (w *headerWriter) known(text []byte) {
	k := len(w.texts)
	if _, ok := w.texts[string(text)]; !ok && k < maxKnown {
		w.texts[string(text)] = k
	}
}
