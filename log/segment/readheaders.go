package segment

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// headerReader reads what a headerWriter wrote.
type headerReader struct {
	t, tail *reader
	out     []byte // all headers
	most    int    // bytes of it
	forms   []readForm
	texts   [][]byte
	times   times
	length  int64 // of the payload at hand
	made    place // in out, of times.first
}

// readForm is a form as far as it has been read. Its last header and the places of
// the values are in out.
type readForm struct {
	off, end int32
	places   []place
	rows     int
	row      int
	ops      []byte // by value, then by row
	nanos    int64  // the time that stands at stamp
	stamp    place  // in out; empty for none
}

// readHeaders gives the entries their headers, of at most most bytes together.
func readHeaders(t, tail *reader, entries []Entry, most int64) error {
	r := headerReader{t: t, tail: tail, most: int(most)}
	which, err := r.readForms(len(entries))
	if err != nil {
		return err
	}
	at := make([]place, len(entries))
	first := 0
	for i, k := range which {
		if k == 0 {
			at[i] = place{r.forms[first].off, r.forms[first].end}
			first++
			continue
		}
		r.length = entries[i].Len
		if at[i], err = r.next(&r.forms[k-1]); err != nil {
			return err
		}
	}
	for i, p := range at {
		entries[i].Header = r.out[p.off:p.end:p.end]
	}
	return nil
}

// readForms reads which form each header has, 0 for the first of a new one, and
// those headers. They lie in out before all others.
func (r *headerReader) readForms(n int) (which []int32, err error) {
	which = make([]int32, n)
	var rows []int
	for i := range which {
		at := r.t.pos
		k, err := r.t.number("header's form", uint64(n))
		if err != nil {
			return nil, err
		}
		if k == 0 {
			rows = append(rows, 0)
		} else if k > uint64(len(rows)) {
			return nil, corrupt("table: header's form", at, k, len(rows))
		} else {
			rows[k-1]++
		}
		which[i] = int32(k)
	}
	r.forms = make([]readForm, len(rows))
	r.out = make([]byte, 0, min(r.most, 4*len(r.t.b)))
	for k := range r.forms {
		if err := r.first(k); err != nil {
			return nil, err
		}
		r.forms[k].rows = rows[k]
	}
	for k := range r.forms {
		f := &r.forms[k]
		if int64(f.rows)*int64(len(f.places)) > int64(r.t.left()) {
			return nil, corrupt("table: number of values", r.t.pos, int64(f.rows)*int64(len(f.places)), r.t.left())
		}
		if f.ops, err = r.t.bytes("operations", f.rows*len(f.places)); err != nil {
			return nil, err
		}
	}
	return which, nil
}

// first reads the first header of a form.
func (r *headerReader) first(k int) error {
	f := &r.forms[k]
	n, err := r.t.number("header's length", uint64(r.t.left()))
	if err != nil {
		return err
	}
	digests, err := r.t.number("number of digests", n/2)
	if err != nil {
		return err
	}
	marks := make([]int, digests)
	v := 0
	for k := range marks {
		gap, err := r.t.number("digest's place", n)
		if err != nil {
			return err
		}
		v += int(gap)
		marks[k] = v
		v++
	}
	at := r.t.pos
	text, err := r.t.bytes("header", int(n))
	if err != nil {
		return err
	}
	f.off = int32(len(r.out))
	places := values(text, nil)
	from := 0
	for _, v := range marks {
		if v >= len(places) {
			return corrupt("table: number of a header's values", at, len(places), v+1)
		}
		if n := places[v].end - places[v].off; n > 0 {
			return corrupt("table: bytes in a digest's place", at, int(n), 0)
		}
		if err := r.put(text[from:places[v].off]); err != nil {
			return err
		}
		if err := r.digest(); err != nil {
			return err
		}
		from = int(places[v].off)
	}
	if err := r.put(text[from:]); err != nil {
		return err
	}
	f.end = int32(len(r.out))
	shift := f.off
	for v := range places {
		p := &places[v]
		if value := text[p.off:p.end]; seeds(k, value) {
			r.known(value)
		}
		p.off += shift
		if len(marks) > 0 && marks[0] == v {
			marks = marks[1:]
			shift += hexLen
		}
		p.end += shift
	}
	f.places = places
	return nil
}

// put appends to out.
func (r *headerReader) put(b []byte) error {
	if len(r.out)+len(b) > r.most {
		return tooLarge("table: headers' length", r.t.pos, len(r.out)+len(b), r.most)
	}
	r.out = append(r.out, b...)
	return nil
}

func (r *headerReader) digest() error {
	b, err := r.tail.bytes("digest", digestLen)
	if err != nil {
		return err
	}
	var d [hexLen]byte
	hex.Encode(d[:], b)
	return r.put(d[:])
}

// next makes a form's next header of the one before.
func (r *headerReader) next(f *readForm) (place, error) {
	off := int32(len(r.out))
	from := f.off        // of what is still to be copied
	shift := off - f.off // from there to here
	r.times.begin()
	for v := range f.places {
		p := &f.places[v]
		op := f.ops[v*f.rows+f.row]
		if op == opSame {
			p.off, p.end = p.off+shift, p.end+shift
			continue
		}
		was := *p
		err := r.put(r.out[from:was.off])
		if err != nil {
			return place{}, err
		}
		p.off = int32(len(r.out))
		if op == opTime {
			err = r.time(f, was)
		} else {
			err = r.value(op, r.out[was.off:was.end:was.end])
		}
		if err != nil {
			return place{}, err
		}
		p.end = int32(len(r.out))
		from, shift = was.end, p.end-was.end
	}
	if err := r.put(r.out[from:f.end]); err != nil {
		return place{}, err
	}
	f.row++
	f.off, f.end = off, int32(len(r.out))
	return place{f.off, f.end}, nil
}

// value appends the value that an operation makes of the one before.
func (r *headerReader) value(op byte, was []byte) error {
	switch {
	case op >= opKnown:
		k := int(op) - opKnown
		if k >= len(r.texts) {
			return corrupt("table: number of known texts", r.t.pos, len(r.texts), k+1)
		}
		return r.put(r.texts[k])
	case op == opText:
		n, err := r.t.number("value's length", uint64(r.t.left()))
		if err != nil {
			return err
		}
		b, err := r.t.bytes("value", int(n))
		if err != nil {
			return err
		}
		r.known(b)
		return r.put(b)
	case op == opLength:
		return r.put(strconv.AppendInt(nil, r.length, 10))
	case op == opDigest:
		return r.digest()
	case op == opTook, op == opAgain:
		if !r.times.has {
			return corrupt("table: times before it in the header", r.t.pos, 0, 1)
		}
		if op == opTook {
			return r.took(was)
		}
		return r.put(r.out[r.made.off:r.made.end])
	}
	return r.digits(op, was)
}

// unfit says that an operation can't be done with the value before.
func unfit(what string, at int, was []byte) error {
	return &Error{Err: ErrCorrupt, What: what, Offset: int64(at), Cause: fmt.Errorf("none before it, but %q", was[:min(len(was), 40)])}
}

func (r *headerReader) digits(op byte, was []byte) error {
	at := r.t.pos
	n, ok := parseDigits(was)
	if !ok {
		return unfit("table: number", at, was)
	}
	if op > opAdd {
		n += int64(op) - opAdd
	} else {
		u, err := r.t.number("number", math.MaxUint64)
		if err != nil {
			return err
		}
		diff := unzigzag(u)
		if diff < -n || diff > 1e18 {
			return corrupt("table: number", at, diff, -n)
		}
		n += diff
	}
	var b [2 * maxDigits]byte
	return r.put(appendDigits(b[:0], n, width(was)))
}

// took appends a number of nanoseconds that is nearly the time from the header before to
// this one.
func (r *headerReader) took(was []byte) error {
	at := r.t.pos
	if _, ok := parseDigits(was); !ok {
		return unfit("table: number", at, was)
	}
	low, err := r.low()
	if err != nil {
		return err
	}
	high, err := r.t.bytes("number of nanoseconds", 1)
	if err != nil {
		return err
	}
	n := r.times.since() - (int64(high[0])<<16 | low)
	if n < 0 || n > 1e18 {
		return corrupt("table: number of nanoseconds", at, n, 0)
	}
	var b [2 * maxDigits]byte
	return r.put(appendDigits(b[:0], n, width(was)))
}

// time appends a time. Most often the one before is known as a number from then.
func (r *headerReader) time(f *readForm, was place) error {
	at := r.t.pos
	n := f.nanos
	if was != f.stamp || was.off == was.end {
		text, ok := r.out[was.off:was.end], false
		if n, ok = parseTime(text); !ok {
			return unfit("table: time", at, text)
		}
	}
	high, err := r.t.number("time", math.MaxUint64>>16)
	if err != nil {
		return err
	}
	low, err := r.low()
	if err != nil {
		return err
	}
	n += unzigzag(high<<16 | uint64(low))
	var b [64]byte
	off := len(r.out)
	if err := r.put(appendTime(b[:0], n)); err != nil {
		return err
	}
	made := place{int32(off), int32(len(r.out))}
	if f.nanos, f.stamp = n, made; n < leastTime || n > mostTime {
		f.stamp = place{} // the next is refused, as parseTime does
	}
	if !r.times.has {
		r.made = made
	}
	r.times.made(n)
	return nil
}

// low reads 16 bits of the tail.
func (r *headerReader) low() (int64, error) {
	b, err := r.tail.bytes("time", 2)
	if err != nil {
		return 0, err
	}
	return int64(b[1])<<8 | int64(b[0]), nil
}

func (r *headerReader) known(text []byte) {
	same := func(b []byte) bool { return bytes.Equal(b, text) }
	if len(r.texts) < maxKnown && !slices.ContainsFunc(r.texts, same) {
		r.texts = append(r.texts, text)
	}
}
