package segment_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/segment"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type goldenCase struct {
	file, note  string
	run         run
	index, data []byte
}

func goldenCases(t *testing.T) []goldenCase {
	c := newCodec(t, segment.Options{BlockSize: 256})
	rng := rand.New(rand.NewPCG(1, 10))
	one := run{info: infoOf(rng, "run-1", 1, 1), items: []item{{segment.Entry{Seq: 1, Kind: 1, Header: []byte(`{"seq":1}`), Digest: digest(rng), Meta: []byte{1, 0, 200}}, []byte(`{"step":1}`)}}}

	all := run{info: infoOf(rng, "run-2", 17, 8)}
	for k, h := range headers(rng, "run-2", "life", 24)[16:] {
		all.items = append([]item{{segment.Entry{Seq: uint64(17 + k), Kind: uint8(k), Header: h, Digest: digest(rng), Meta: line(k)}, nil}}, all.items...)
	}
	payloads := []string{
		`{"messages":["` + strings.Repeat("a state stored whole, ", 20) + `"]}`, "delta of 23", "delta of 22", "",
		noise(rng, 256), "delta of 19, from an older one", string(make([]byte, 300)), "delta of 17",
	}
	bases := []uint64{0, 24, 23, 0, 0, 17, 0, 18}
	for k := range all.items {
		all.items[k].payload, all.items[k].Base = []byte(payloads[k]), bases[k]
	}
	all.items[0].Header = headersOf(rng, "run-2", "life", 3, true)[1]
	all.items[6].Header = headersOf(rng, "run-2", "life", 3, true)[2]
	all.items[2].Header = []byte("not JSON")
	all.items[1].Header = nil
	all.items[3].Meta, all.items[4].Meta = nil, []byte("a longer one")

	for _, k := range []int{1, 5} { // small, and in the index
		all.items[k].Digest = sha256.Sum256(all.items[k].payload)
	}

	groups := run{info: infoOf(rng, "run-3", 1, segment.GroupEntries+2)}
	for k := range segment.GroupEntries + 2 {
		payload := fmt.Appendf(nil, `{"n":%d}`, k)
		e := segment.Entry{Seq: uint64(k + 1), Kind: 1, Header: fmt.Appendf(nil, `{"visit":%d}`, k), Digest: sha256.Sum256(payload), Hash: digest(rng)}
		groups.items = append(groups.items, item{e, payload})
	}

	cs := []goldenCase{
		{file: "one", note: "One entry: the least there is.", run: one},
		{file: "groups", note: "Two groups of entries, with all payloads in the index.", run: groups},
		{file: "all", note: "All that there is: bases of either direction, blocks compressed and not, no payload, forms of headers.", run: all},
	}
	for k := range cs {
		cs[k].index, cs[k].data = mustWrite(t, c, cs[k].run)
	}
	return cs
}

func noise(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(rng.Uint32())
	}
	return string(b)
}

// TestGolden holds what is written today against the files. A difference is a change
// of format, and needs a new version, unless only the compressor's choices changed:
// then -update, once TestGoldenStillReads has passed.
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

// TestGoldenStillReads reads the files as they are: what a release wrote, every
// later one reads.
func TestGoldenStillReads(t *testing.T) {
	t.Parallel()
	codec := newCodec(t, segment.Options{})
	paths, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.Len(t, paths, 3)
	for _, path := range paths {
		c := readGolden(t, path)
		requireIs(t, codec, c.run, c.index, c.data)
	}
}

const (
	infoLine  = "info first %d last %d recency %d bytes %d stored %d suite %d run %q life %q prev %s hash %s\n"
	entryLine = "entry %d kind %d base %d digest %x hash %x meta %q header %q payload %q\n"
)

func readGolden(t *testing.T, path string) (c goldenCase) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	into := &c.index
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#":
		case "info":
			in := &c.run.info
			var prev, hash string
			_, err = fmt.Sscanf(line, infoLine, &in.First, &in.Last, &in.Recency, &in.Bytes, &in.Stored, &in.Suite, &in.Run, &in.Life, &prev, &hash)
			copy(in.Prev[:], unhex(prev))
			copy(in.Hash[:], unhex(hash))
		case "entry":
			var it item
			var digest, hash []byte
			_, err = fmt.Sscanf(line, entryLine, &it.Seq, &it.Kind, &it.Base, &digest, &hash, &it.Meta, &it.Header, &it.payload)
			copy(it.Digest[:], digest)
			copy(it.Hash[:], hash)
			c.run.items = append(c.run.items, it)
		case "data":
			into = &c.data
		case "index":
		default:
			digits, _, _ := strings.Cut(strings.TrimSpace(line), "|")
			*into = append(*into, unhex(strings.ReplaceAll(digits, " ", ""))...)
		}
		require.NoError(t, err, "%s: %s", path, line)
	}
	return c
}

// notes is a second reading of the format, by other code than ParseIndex's, that
// says what each byte is for.
type notes struct {
	t    *testing.T
	text strings.Builder
	b    []byte
}

func (n *notes) line(count int, format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	for first := true; first || count > 0; first = false {
		k := min(count, 16)
		fmt.Fprintf(&n.text, "%-48s| %s\n", fmt.Sprintf("% x", n.b[:k]), note)
		n.b, count, note = n.b[k:], count-k, "  more of it"
	}
}

func (n *notes) number() (v uint64, size int) {
	v, size = binary.Uvarint(n.b)
	require.Positive(n.t, size)
	return v, size
}

func annotate(t *testing.T, c goldenCase) string {
	n := &notes{t: t}
	in := c.run.info
	fmt.Fprintf(&n.text, "# %s\n\n", c.note)
	fmt.Fprintf(&n.text, infoLine, in.First, in.Last, in.Recency, in.Bytes, in.Stored, in.Suite, in.Run, in.Life, hex.EncodeToString(in.Prev[:]), hex.EncodeToString(in.Hash[:]))
	for _, it := range c.run.items {
		fmt.Fprintf(&n.text, entryLine, it.Seq, it.Kind, it.Base, it.Digest, it.Hash, it.Meta, it.Header, it.payload)
	}
	fmt.Fprintf(&n.text, "\nindex\n")
	o := open(t, c.index)
	n.b = c.index
	n.line(4, "magic %q", n.b[:4])
	n.line(1, "version %d", n.b[0])
	sum := binary.LittleEndian.Uint32(n.b)
	require.Equal(t, crc32.Checksum(n.b[4:], castagnoli), sum)
	n.line(4, "CRC-32C of all that follows")
	v, size := n.number()
	n.line(size, "table of %d bytes", v)
	v, size = n.number()
	n.line(size, "stored in %d by method %d", v>>1, v&1)
	n.line(len(o.stored), "table")
	if c.run.info.First > 1 {
		n.line(32, "hash before")
	}
	n.line(32, "hash at the end")
	digests := (len(c.run.items) - 1) / segment.GroupEntries * 32
	for k := range c.run.items {
		if !c.run.items[k].inIndex() {
			digests += 32
		}
	}
	n.line(digests, "digests of the payloads that are not in the index, hashes between groups")
	n.line(len(o.tail)-tailHashes(c.run.info)-digests, "checksums of the blocks, digests in headers, low bits of times, small payloads")
	require.Empty(t, n.b)
	fmt.Fprintf(&n.text, "\n# the table, decompressed\n")
	for at := 0; at < len(o.table); at += 32 {
		fmt.Fprintf(&n.text, "# %q\n", o.table[at:min(at+32, len(o.table))])
	}
	fmt.Fprintf(&n.text, "\ndata\n")
	n.b = c.data
	n.line(4, "magic %q", n.b[:4])
	n.line(1, "version %d", n.b[0])
	require.Equal(t, sum, binary.LittleEndian.Uint32(n.b))
	n.line(4, "the index's CRC-32C")
	n.line(len(n.b), "blocks")
	return n.text.String()
}

func tailHashes(in segment.Info) int {
	if in.First > 1 {
		return 64
	}
	return 32
}
