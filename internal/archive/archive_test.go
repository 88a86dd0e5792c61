package archive_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/internal/archive"
	"github.com/flowlog/checkpoint/log"
)

var update = flag.Bool("update", false, "write the golden files anew")

// manifest and parts are what the files of these tests hold.
func manifest() log.Manifest {
	return log.Manifest{Version: 2, Suite: 1, RunID: "run <1>", Life: "0123456789abcdef0123456789abcdef", Events: 300, Head: log.Digest{1, 2, 255}}
}

func parts() []log.Part {
	return []log.Part{
		{Index: []byte("index of events"), Data: []byte("data of events")},
		{Index: []byte{0}, Data: bytes.Repeat([]byte{255, 0}, 50)},
		{Notes: [][]byte{[]byte("a note"), bytes.Repeat([]byte("long "), 40), {}}},
		{Notes: [][]byte{{0}}},
	}
}

func stream(parts []log.Part, last error) iter.Seq2[log.Part, error] {
	return func(yield func(log.Part, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
		if last != nil {
			yield(log.Part{}, last)
		}
	}
}

func file(t require.TestingT, m log.Manifest, parts []log.Part) []byte {
	var b bytes.Buffer
	require.NoError(t, archive.Write(&b, m, stream(parts, nil)))
	return b.Bytes()
}

// read reads all of a file.
func read(r io.Reader) (log.Manifest, []log.Part, error) {
	m, seq, err := archive.Read(r)
	if err != nil {
		return m, nil, err
	}
	var parts []log.Part
	for p, err := range seq {
		if err != nil {
			return m, parts, err
		}
		parts = append(parts, p)
	}
	return m, parts, nil
}

func TestReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]log.Part{"all": parts(), "no notes": parts()[:2], "notes only": parts()[2:], "nothing": nil, "large": {{Index: bytes.Repeat([]byte("i"), 3<<20), Data: bytes.Repeat([]byte("d"), 5<<20+1)}}} {
		b := file(t, manifest(), want)
		for _, r := range []io.Reader{bytes.NewReader(b), iotest.HalfReader(bytes.NewReader(b)), iotest.DataErrReader(bytes.NewReader(b))} {
			m, have, err := read(r)
			require.NoError(t, err, name)
			require.Equal(t, manifest(), m)
			require.Equal(t, want, have)
		}
	}
}

// TestGolden holds the format to the files that were written when it was made.
func TestGolden(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "v2.flowlog")
	b := file(t, manifest(), parts())
	if *update {
		require.NoError(t, os.WriteFile(path, b, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, b, "the format changed: it needs another version")
}

// TestVersion1IsRefused holds a file of the format before this one to its error, which
// says what to do.
func TestVersion1IsRefused(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("testdata", "v1.flowlog"))
	require.NoError(t, err)
	_, parts, err := archive.Read(bytes.NewReader(b))
	require.Nil(t, parts)
	require.ErrorIs(t, err, log.ErrUnsupportedVersion)
	require.NotErrorIs(t, err, log.ErrCorrupt)
	require.EqualError(t, err, "unsupported version: sealed file of another version; update flowlog, or of version 1 export the run as JSON Lines with the flowlog that wrote it (commit 65a31d3) at byte 8 (want 2, have 1)")
}

// requirePlace wants an error that says where the file is damaged, in words too.
func requirePlace(t *testing.T, err error, from, to int64) {
	t.Helper()
	var e *log.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, log.ErrCorrupt)
	require.GreaterOrEqual(t, e.Offset, from)
	require.LessOrEqual(t, e.Offset, to)
	if e.Offset > 0 {
		require.Contains(t, err.Error(), fmt.Sprintf("at byte %d", e.Offset))
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	t.Parallel()
	b := file(t, manifest(), parts())
	for i := range b {
		for bit := range 8 {
			damaged := bytes.Clone(b)
			damaged[i] ^= 1 << bit
			_, _, err := read(bytes.NewReader(damaged))
			if i == len(archive.Magic) {
				require.ErrorIs(t, err, log.ErrUnsupportedVersion)
				require.NotErrorIs(t, err, log.ErrCorrupt)
				continue
			}
			requirePlace(t, err, 0, int64(i))
		}
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	t.Parallel()
	b := file(t, manifest(), parts())
	for n := range b {
		_, _, err := read(bytes.NewReader(b[:n]))
		requirePlace(t, err, int64(n), int64(n))
		require.ErrorContains(t, err, "cut off")
	}
}

// TestFramesOfElsewhereAreFound leaves out, repeats, swaps and exchanges frames.
func TestFramesOfElsewhereAreFound(t *testing.T) {
	t.Parallel()
	begin, own := frames(t, manifest(), parts())
	other := manifest()
	other.Head[7]++
	_, foreign := frames(t, other, parts())
	f := func(i int) []byte { return own[i] }
	for name, frames := range map[string][][]byte{
		"left out":   {f(0), f(2), f(3), f(4)},
		"first out":  {f(1), f(2), f(3), f(4)},
		"notes out":  {f(0), f(1), f(2), f(4)},
		"twice":      {f(0), f(0), f(1), f(2), f(3), f(4)},
		"swapped":    {f(1), f(0), f(2), f(3), f(4)},
		"foreign":    {f(0), foreign[1], f(2), f(3), f(4)},
		"the end":    {f(0), f(1), f(2), f(3), foreign[4]},
		"a tail":     {f(0), f(1), f(2), f(3), f(4), {0}},
		"second end": {f(0), f(1), f(2), f(3), f(4), f(4)},
	} {
		_, _, err := read(bytes.NewReader(append(bytes.Clone(begin), bytes.Join(frames, nil)...)))
		require.ErrorIs(t, err, log.ErrCorrupt, name)
	}
}

// frames returns a file up to its first segment, and the frames behind it.
func frames(t *testing.T, m log.Manifest, parts []log.Part) (begin []byte, rest [][]byte) {
	b := file(t, m, parts)
	at := len(file(t, m, nil)) - endLen()
	begin = b[:at]
	for at < len(b) {
		end := at + 17 + int(binary.LittleEndian.Uint32(b[at+1:])) + int(binary.LittleEndian.Uint32(b[at+5:]))
		rest = append(rest, b[at:end])
		at = end
	}
	require.Len(t, rest, len(parts)+1)
	return begin, rest
}

// TestHostileNotes gives frames of notes that have the right checksums and are none.
func TestHostileNotes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, second []byte }{
		"empty":               {nil, nil},
		"a second part":       {[]byte{1, 'n'}, []byte("more")},
		"only a second part":  {nil, []byte{1, 'n'}},
		"cut off":             {[]byte{2, 'n'}, nil},
		"the next cut off":    {[]byte{1, 'n', 5, 'n'}, nil},
		"a length cut off":    {[]byte{1, 'n', 0x80}, nil},
		"an enormous length":  {binary.AppendUvarint(nil, math.MaxUint64), nil},
		"a length of 11":      {append(bytes.Repeat([]byte{0x80}, 10), 1), nil},
		"larger than an int":  {append(binary.AppendUvarint(nil, 1<<63), "note"...), nil},
		"nothing but padding": {[]byte{0x80, 0x80, 0x80}, nil},
	} {
		b := framed(t, 'N', c.first, c.second)
		_, parts, err := read(bytes.NewReader(b))
		require.ErrorIs(t, err, log.ErrCorrupt, name)
		require.ErrorContains(t, err, "frame of notes", name)
		requirePlace(t, err, 1, int64(len(b)))
		require.Empty(t, parts, name)
	}
}

// framed returns a file whose only frame behind the run's, with the right checksums, is
// the one given.
func framed(t *testing.T, kind byte, first, second []byte) []byte {
	begin, _ := frames(t, manifest(), nil)
	table := crc32.MakeTable(crc32.Castagnoli)
	// The checksums are of all but themselves.
	run := begin[len(archive.Magic)+1:]
	sum := crc32.Update(0, table, begin[:len(archive.Magic)+1])
	sum = crc32.Update(sum, table, run[:9])
	sum = crc32.Update(sum, table, run[13:len(run)-4])
	require.Equal(t, sum, binary.LittleEndian.Uint32(run[len(run)-4:]))

	head := binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(first)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(second)))
	b := append(bytes.Clone(begin), head...)
	sum = crc32.Update(sum, table, head)
	b = append(binary.LittleEndian.AppendUint32(b, sum), first...)
	b = append(b, second...)
	sum = crc32.Update(crc32.Update(sum, table, first), table, second)
	return binary.LittleEndian.AppendUint32(b, sum)
}

// endLen is the length of an end frame whose numbers have one digit.
func endLen() int {
	return len(`{"segments":0,"notes":0,"head":""}`) + 64 + 17
}

func TestErrorsPassThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	require.ErrorIs(t, archive.Write(io.Discard, manifest(), stream(parts(), broken)), broken)
	b := file(t, manifest(), parts())
	for n := range len(b) + 1 {
		require.ErrorIs(t, archive.Write(&limited{n: n, err: broken}, manifest(), stream(parts(), nil)), broken, "after %d bytes", n)
		if n == len(b) {
			break
		}
		_, _, err := read(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken, "after %d bytes", n)
	}
}

// limited fails when n bytes have been written, or at the last.
type limited struct {
	n   int
	err error
}

func (w *limited) Write(b []byte) (int, error) {
	if w.n -= len(b); w.n <= 0 {
		return 0, w.err
	}
	return len(b), nil
}

// FuzzRead gives it anything: it must answer with an error, or with what makes the same
// file again.
func FuzzRead(f *testing.F) {
	b := file(f, manifest(), parts())
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add(file(f, manifest(), nil))
	f.Add(append([]byte(archive.Magic), archive.Version))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, parts, err := read(bytes.NewReader(b))
		if err != nil {
			return
		}
		m2, parts2, err := read(bytes.NewReader(file(t, m, parts)))
		require.NoError(t, err)
		require.Equal(t, m, m2)
		require.Equal(t, len(parts), len(parts2))
		for i := range parts {
			require.Len(t, parts2[i].Notes, len(parts[i].Notes))
			for j := range parts[i].Notes {
				require.True(t, bytes.Equal(parts[i].Notes[j], parts2[i].Notes[j]))
			}
			require.True(t, bytes.Equal(parts[i].Index, parts2[i].Index) && bytes.Equal(parts[i].Data, parts2[i].Data))
		}
	})
}
