package checkpoint_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/internal/archive"
	"github.com/flowlog/checkpoint/log"
)

// unpacked returns what a sealed file holds.
func unpacked(t tester, file []byte) (log.Manifest, []log.Part) {
	t.Helper()
	m, seq, err := archive.Read(bytes.NewReader(file))
	require.NoError(t, err)
	var parts []log.Part
	for p, err := range seq {
		require.NoError(t, err)
		parts = append(parts, p)
	}
	return m, parts
}

// packedFile returns a sealed file.
func packedFile(t tester, m log.Manifest, parts []log.Part) io.Reader {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, archive.Write(&b, m, func(yield func(log.Part, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
	}))
	return &b
}

// laxly reads the frames of a sealed file without looking at its checksums, as far as
// there are any.
func laxly(b []byte) (m log.Manifest, parts []log.Part, err error) {
	const header, sum = 13, 4
	if len(b) < 9 {
		return m, nil, io.ErrUnexpectedEOF
	}
	for b = bytes.Clone(b[9:]); len(b) >= header; { // a fuzzer's bytes are its own
		kind, x, y := b[0], int(binary.LittleEndian.Uint32(b[1:])), int(binary.LittleEndian.Uint32(b[5:]))
		if b = b[header:]; x+y+sum > len(b) {
			return m, parts, io.ErrUnexpectedEOF
		}
		switch kind {
		case 'R':
			if err := json.Unmarshal(b[:x], &m); err != nil {
				return m, parts, err
			}
		case 'S':
			parts = append(parts, log.Part{Index: b[:x], Data: b[x : x+y]})
			restamp(parts[len(parts)-1])
		case 'N':
			parts = append(parts, log.Part{Notes: notesIn(b[:x])})
		}
		b = b[x+y+sum:]
	}
	return m, parts, nil
}

// notesIn returns the notes in the first part of a frame, as far as there are any.
func notesIn(b []byte) (notes [][]byte) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			break
		}
		notes, b = append(notes, b[size:size+int(n)]), b[size+int(n):]
	}
	return notes
}

// restamp makes the checksum of a segment's index anew, which its data repeats.
func restamp(p log.Part) {
	const at, end = 5, 9
	if len(p.Index) < end || len(p.Data) < end {
		return
	}
	binary.LittleEndian.PutUint32(p.Index[at:], crc32.Checksum(p.Index[end:], crc32.MakeTable(crc32.Castagnoli)))
	copy(p.Data[at:end], p.Index[at:end])
}

// killAtLine starts a process and kills it when it has said so many lines. It reports
// whether it came to its end before.
func killAtLine(t *testing.T, n int, cmd *exec.Cmd) (ended bool) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said++; said == n {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); said < n {
		require.NoError(t, err)
	}
	return said < n // else it was killed, or has just ended
}
