package archive_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
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
	return log.Manifest{Version: 1, RunID: "run <1>", Life: "0123456789abcdef0123456789abcdef", Events: 300, Head: log.Digest{1, 2, 255}}
}

func parts() []log.Part {
	return []log.Part{
		{Index: []byte("index of events"), Data: []byte("data of events")},
		{Index: []byte{0}, Data: bytes.Repeat([]byte{255, 0}, 50)},
		{Notes: true, Index: []byte("index of notes"), Data: []byte("n")},
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
	for name, want := range map[string][]log.Part{"all": parts(), "no notes": parts()[:2], "nothing": nil, "large": {{Index: bytes.Repeat([]byte("i"), 3<<20), Data: bytes.Repeat([]byte("d"), 5<<20+1)}}} {
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
	path := filepath.Join("testdata", "v1.flowlog")
	b := file(t, manifest(), parts())
	if *update {
		require.NoError(t, os.WriteFile(path, b, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, b, "the format changed: it needs another version")
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
	all := parts()
	b := file(t, manifest(), all)
	start := make([]int, 0, 5) // of the frames behind the run's
	at := len(file(t, manifest(), nil)) - endLen()
	for _, p := range all {
		start = append(start, at)
		at += 17 + len(p.Index) + len(p.Data)
	}
	start = append(start, at, len(b))
	frame := func(i int) []byte { return b[start[i]:start[i+1]] }
	other := manifest()
	other.Head[7]++
	foreign := file(t, other, all)
	for name, frames := range map[string][][]byte{
		"left out":   {frame(0), frame(2), frame(3)},
		"first out":  {frame(1), frame(2), frame(3)},
		"twice":      {frame(0), frame(0), frame(1), frame(2), frame(3)},
		"swapped":    {frame(1), frame(0), frame(2), frame(3)},
		"foreign":    {frame(0), foreign[start[1]:start[2]], frame(2), frame(3)},
		"the end":    {frame(0), frame(1), frame(2), foreign[start[3]:]},
		"a tail":     {frame(0), frame(1), frame(2), frame(3), {0}},
		"second end": {frame(0), frame(1), frame(2), frame(3), frame(3)},
	} {
		_, _, err := read(bytes.NewReader(append(bytes.Clone(b[:start[0]]), bytes.Join(frames, nil)...)))
		require.ErrorIs(t, err, log.ErrCorrupt, name)
	}
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
	f.Add(append([]byte(archive.Magic), 2))
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
			require.Equal(t, parts[i].Notes, parts2[i].Notes)
			require.True(t, bytes.Equal(parts[i].Index, parts2[i].Index) && bytes.Equal(parts[i].Data, parts2[i].Data))
		}
	})
}
