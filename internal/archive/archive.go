package archive

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"

	"github.com/flowlog/checkpoint/log"
)

// Version is the format that this package writes, and the only one it reads.
const Version = 2

// Magic is how a sealed file begins.
const Magic = "flowlog\n"

// The kinds of frames.
const (
	kindRun     = 'R'
	kindSegment = 'S'
	kindNotes   = 'N'
	kindEnd     = 'E'
)

// The bounds of a frame's parts, in bytes.
const (
	maxText = 64 << 10
	maxPart = 1_000_000_000
)

const (
	frameHeader = 13 // kind, two lengths and a checksum
	sumLen      = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// end is what an E frame says.
type end struct {
	Segments uint64     `json:"segments"`
	Notes    uint64     `json:"notes"`
	Head     log.Digest `json:"head"`
}

// count counts a part.
func (e *end) count(part log.Part) {
	if len(part.Notes) > 0 {
		e.Notes += uint64(len(part.Notes))
	} else {
		e.Segments++
	}
}

// Write writes a sealed file of what log.Log.Export returned. It makes a few large
// writes. The error is that of parts or of w; what was written then is no sealed file.
func Write(w io.Writer, m log.Manifest, parts iter.Seq2[log.Part, error]) error {
	f := &writer{w: w}
	f.write(append([]byte(Magic), Version))
	f.text(kindRun, m)
	last := end{Head: m.Head}
	for part, err := range parts {
		if err != nil {
			return err
		}
		last.count(part)
		if len(part.Notes) > 0 {
			f.frame(kindNotes, packNotes(part.Notes), nil)
		} else {
			f.frame(kindSegment, part.Index, part.Data)
		}
		if f.err != nil {
			break
		}
	}
	f.text(kindEnd, last)
	if f.err != nil {
		return fmt.Errorf("write the sealed file: %w", f.err)
	}
	return nil
}

// writer remembers the first failure.
type writer struct {
	w   io.Writer
	sum uint32
	err error
}

func (f *writer) write(b []byte) {
	f.sum = crc32.Update(f.sum, castagnoli, b)
	f.put(b)
}

// check writes a checksum, which no checksum is of: one that is of itself, too, is
// always the same.
func (f *writer) check() { f.put(order.AppendUint32(nil, f.sum)) }

func (f *writer) put(b []byte) {
	if f.err == nil {
		_, f.err = f.w.Write(b)
	}
}

func (f *writer) text(kind byte, v any) {
	b, err := json.Marshal(v)
	if err != nil && f.err == nil {
		f.err = err
	}
	f.frame(kind, b, nil)
}

func (f *writer) frame(kind byte, first, second []byte) {
	if len(first) > maxPart || len(second) > maxPart {
		f.err = errors.Join(f.err, fmt.Errorf("%w: a segment of %d and %d bytes; each part can have %d", log.ErrTooLarge, len(first), len(second), maxPart))
		return
	}
	h := make([]byte, 0, frameHeader)
	h = order.AppendUint32(append(h, kind), uint32(len(first)))
	f.write(order.AppendUint32(h, uint32(len(second))))
	f.check()
	f.write(first)
	f.write(second)
	f.check()
}

// packNotes joins notes: the length of each as a varint, and the note.
func packNotes(notes [][]byte) []byte {
	var b []byte
	for _, n := range notes {
		b = append(binary.AppendUvarint(b, uint64(len(n))), n...)
	}
	return b
}

// unpackNotes is the reverse of packNotes; ok is false for anything else.
func unpackNotes(b []byte) (notes [][]byte, ok bool) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, false
		}
		b = b[size:]
		notes, b = append(notes, b[:n:n]), b[n:]
	}
	return notes, len(notes) > 0
}
