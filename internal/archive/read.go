package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"

	"github.com/flowlog/checkpoint/log"
)

var order = binary.LittleEndian

// Read reads a sealed file up to where its segments begin, and returns which run it
// holds, and the parts, for log.Log.Import. They can be gone through once, and read r
// as they go; all of r has been read, to its end, when they end without an error. Read
// it through a buffer.
//
// Errors: log.ErrCorrupt, as a [log.Error] with the offset, for a file that is cut off,
// altered, or none of this kind; log.ErrUnsupportedVersion for one of another version;
// and those of r.
func Read(r io.Reader) (log.Manifest, iter.Seq2[log.Part, error], error) {
	f := &reader{r: r}
	m, err := f.begin()
	if err != nil {
		return log.Manifest{}, nil, err
	}
	return m, func(yield func(log.Part, error) bool) {
		found := end{Head: m.Head}
		for {
			kind, first, second, err := f.frame()
			switch {
			case err == nil && kind == kindEnd:
				if err := f.end(first, found); err != nil {
					yield(log.Part{}, err)
				}
				return
			case err == nil && kind == kindRun:
				err = f.corrupt("a second frame of the run")
			}
			if err != nil {
				yield(log.Part{}, err)
				return
			}
			part := log.Part{Index: first, Data: second}
			if kind == kindNotes {
				notes, ok := unpackNotes(first)
				if !ok || len(second) > 0 {
					yield(log.Part{}, f.corrupt("frame of notes: %d and %d bytes, which are none", len(first), len(second)))
					return
				}
				part = log.Part{Notes: notes}
			}
			found.count(part)
			if !yield(part, nil) {
				return
			}
		}
	}, nil
}

// reader reads frames.
type reader struct {
	r     io.Reader
	at    int64 // bytes read
	place int64 // where what is at hand begins
	sum   uint32
}

func (f *reader) corrupt(format string, args ...any) error {
	return &log.Error{Reason: fmt.Sprintf("sealed file: "+format, args...), Offset: f.place, Err: log.ErrCorrupt}
}

// begin reads what comes before the first segment.
func (f *reader) begin() (log.Manifest, error) {
	head, err := f.bytes(len(Magic) + 1)
	if n := min(len(head), len(Magic)); string(head[:n]) != Magic[:n] {
		return log.Manifest{}, f.corrupt("it begins with %q, which no sealed file does", head[:n])
	}
	if err != nil {
		return log.Manifest{}, err
	}
	if v := head[len(Magic)]; v != Version {
		return log.Manifest{}, &log.Error{Reason: "sealed file of another version; update flowlog, or of version 1 export the run as JSON Lines with the flowlog that wrote it (commit 65a31d3)", Offset: int64(len(Magic)),
			Want: fmt.Sprint(Version), Have: fmt.Sprint(v), Err: log.ErrUnsupportedVersion}
	}
	kind, text, _, err := f.frame()
	if err != nil {
		return log.Manifest{}, err
	}
	var m log.Manifest
	if kind != kindRun {
		return m, f.corrupt("its first frame is of kind %q, not of the run", kind)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, f.corrupt("frame of the run: %v", err)
	}
	return m, nil
}

// end checks the last frame, and that nothing comes behind it.
func (f *reader) end(text []byte, found end) error {
	var want end
	if err := json.Unmarshal(text, &want); err != nil {
		return f.corrupt("frame of the end: %v", err)
	}
	if want != found {
		return f.corrupt("frame of the end: it counts %d segments and %d notes up to head %s, and there are %d and %d up to %s",
			want.Segments, want.Notes, want.Head, found.Segments, found.Notes, found.Head)
	}
	f.place = f.at
	var one [1]byte
	switch n, err := io.ReadFull(f.r, one[:]); {
	case n > 0:
		return f.corrupt("there is more behind its end")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read the sealed file: %w", err)
	}
	return nil
}

// frame reads a frame and holds it to its checksums.
func (f *reader) frame() (kind byte, first, second []byte, err error) {
	f.place = f.at
	h, err := f.bytes(frameHeader - sumLen)
	if err != nil {
		return 0, nil, nil, err
	}
	if err := f.check("the beginning of a frame"); err != nil {
		return 0, nil, nil, err
	}
	kind = h[0]
	n, m, most := order.Uint32(h[1:]), order.Uint32(h[5:]), uint32(maxPart)
	switch kind {
	case kindRun, kindEnd:
		most = maxText
	case kindSegment, kindNotes:
	default:
		return 0, nil, nil, f.corrupt("frame of an unknown kind %q", kind)
	}
	if n > most || m > most {
		return 0, nil, nil, f.corrupt("frame %c of %d and %d bytes, where each part can have %d", kind, n, m, most)
	}
	if first, err = f.bytes(int(n)); err != nil {
		return 0, nil, nil, err
	}
	if second, err = f.bytes(int(m)); err != nil {
		return 0, nil, nil, err
	}
	return kind, first, second, f.check(fmt.Sprintf("frame %c of %d bytes", kind, frameHeader+int(n)+int(m)+sumLen))
}

// check reads a checksum.
func (f *reader) check(what string) error {
	have := f.sum
	b, err := f.bytes(sumLen)
	if f.sum = have; err != nil {
		return err
	}
	if want := order.Uint32(b); want != have {
		return f.corrupt("%s does not match its checksum (want %08x, have %08x)", what, want, have)
	}
	return nil
}

// piece is how much memory is taken before the bytes for it are there.
const piece = 1 << 20

// bytes reads n bytes. If there are fewer, it returns them with the error.
func (f *reader) bytes(n int) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(min(n, piece))
	_, err := io.CopyN(&b, f.r, int64(n))
	f.at += int64(b.Len())
	f.sum = crc32.Update(f.sum, castagnoli, b.Bytes())
	switch {
	case errors.Is(err, io.EOF):
		f.place = f.at
		return b.Bytes(), f.corrupt("it is cut off: its end is missing")
	case err != nil:
		return b.Bytes(), fmt.Errorf("read the sealed file: %w", err)
	}
	return b.Bytes(), nil
}
