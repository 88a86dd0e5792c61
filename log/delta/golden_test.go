package delta_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/delta"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type goldenCase struct {
	file, note string
	base       string
	target     string
	b          []byte
}

func goldenCases(t *testing.T) []goldenCase {
	const (
		first  = `{"step":1,"cost":0.25,"system":"Be brief, be exact.","messages":["What is a delta?"]}`
		second = `{"step":2,"cost":0.50,"system":"Be brief, be exact.","messages":["What is a delta?","Copies and literals."]}`
		third  = `{"step":3,"cost":0.75,"system":"Be brief, be exact.","messages":["What is a delta?","Copies and literals.","Of what?"]}`
		left   = `"left":["one fish","two fish","red fish","this one has a star, and that one a car"],`
		right  = `"right":["blue fish","black fish","old fish","new fish","some are sad, some are glad"],`
	)
	encoded := func(base, target string) []byte { return delta.Encode(nil, []byte(base), []byte(target)) }
	ds := parseAll(t, [][]byte{encoded(first, second), encoded(second, third)})
	both, err := delta.Compose(ds[0], ds[1])
	require.NoError(t, err)
	return []goldenCase{
		{"nothing", "Nothing made of nothing: the header alone.", "", "", encoded("", "")},
		{"literal", "Nothing in common: one literal.", "abc", "0123456789", encoded("abc", "0123456789")},
		{"equal", "No change: one copy of all.", first, first, encoded(first, first)},
		{"edit", "Two numbers edited in place. Offsets are 0: a literal is taken to replace as many bytes.",
			first, strings.Replace(strings.Replace(first, "1", "2", 1), "delta", "DELTA", 1),
			encoded(first, strings.Replace(strings.Replace(first, "1", "2", 1), "delta", "DELTA", 1))},
		{"append", "A step of an agent: numbers near the start, a message near the end.", first, second, encoded(first, second)},
		{"move", "Two fields change places: one offset leads forwards and one back.",
			"{" + left + right + "}", "{" + right + left + "}", encoded("{"+left+right+"}", "{"+right+left+"}")},
		{"composed", "Two steps composed into one delta. Literals of both that meet are written as one.", first, third, both.Append(nil)},
	}
}

// TestGolden holds what is written today against the files. A difference is a change of format, and needs a new version,
// unless only the choice of copies changed: then -update.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range goldenCases(t) {
		path := filepath.Join("testdata", c.file+".golden")
		have := annotate(t, c)
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, []byte(have), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), have, c.file)
	}
}

// TestGoldenStillReads reads the files as they are: what a release wrote, every later one reads.
func TestGoldenStillReads(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		c := readGolden(t, path)
		d, err := delta.Parse(c.b, len(c.target))
		require.NoError(t, err, path)
		requireMakes(t, d, []byte(c.base), []byte(c.target))
	}
}

func readGolden(t *testing.T, path string) (c goldenCase) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#":
		case "base":
			c.base, err = strconv.Unquote(rest)
		case "target":
			c.target, err = strconv.Unquote(rest)
		default:
			var b []byte
			digits, _, _ := strings.Cut(strings.TrimSpace(line), "|")
			b, err = hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			c.b = append(c.b, b...)
		}
		require.NoError(t, err, "%s: %s", path, line)
	}
	return c
}

// notes is a second reading of the format, by other code than Parse's, that says what each byte is for.
type notes struct {
	t    *testing.T
	text strings.Builder
	b    []byte
}

func (n *notes) line(count int, format string, args ...any) {
	fmt.Fprintf(&n.text, "%-24s| %s\n", fmt.Sprintf("% x", n.b[:count]), fmt.Sprintf(format, args...))
	n.b = n.b[count:]
}

func (n *notes) number() (v uint64, size int) {
	v, size = binary.Uvarint(n.b)
	require.Positive(n.t, size)
	return v, size
}

func annotate(t *testing.T, c goldenCase) string {
	n := &notes{t: t, b: c.b}
	fmt.Fprintf(&n.text, "# %s\nbase %q\ntarget %q\n\n", c.note, c.base, c.target)
	n.line(1, "version %d", n.b[0])
	require.Equal(t, crc32.Checksum(n.b[4:], crc32.MakeTable(crc32.Castagnoli)), binary.LittleEndian.Uint32(n.b))
	n.line(4, "CRC-32C of all that follows")
	v, size := n.number()
	n.line(size, "base of %d bytes", v)
	v, size = n.number()
	n.line(size, "target of %d bytes", v)
	ops, size := n.number()
	n.line(size, "%d operations", ops)
	pieces := n.operations(c.base, int(ops))
	for k, p := range pieces {
		if p.literal {
			pieces[k].text = string(n.b[:p.size])
			for at := 0; at < p.size; at += 8 {
				part := n.b[:min(8, p.size-at)]
				n.line(len(part), "  %q", part)
			}
		}
	}
	require.Empty(t, n.b)
	var made bytes.Buffer
	for _, p := range pieces {
		made.WriteString(p.text)
	}
	require.Equal(t, c.target, made.String())
	return n.text.String()
}

type piece struct {
	literal bool
	size    int
	text    string
}

func (n *notes) operations(base string, ops int) (pieces []piece) {
	cursor := 0
	for range ops {
		tag, size := n.number()
		length := int(tag / 2)
		if tag%2 == 1 {
			n.line(size, "literal of %d", length)
			pieces = append(pieces, piece{literal: true, size: length})
			cursor += length
			continue
		}
		n.line(size, "copy of %d", length)
		move, size := binary.Varint(n.b)
		require.Positive(n.t, size)
		from := cursor + int(move)
		cursor = from + length
		pieces = append(pieces, piece{size: length, text: base[from:cursor]})
		n.line(size, "  from %d (%+d): %q", from, move, base[from:cursor])
	}
	return pieces
}
