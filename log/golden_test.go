package log

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixedLife is the incarnation of runs in golden files.
const fixedLife = "000102030405060708090a0b0c0d0e0f"

// goldens are what the engine stores, by the names of the files.
var goldens = map[string]func(*testing.T) string{
	"header": goldenHeaders,
	"head":   goldenHeads,
	"record": goldenRecords,
	"note":   goldenNotes,
	"mark":   goldenMarks,
	"visits": goldenVisits,
	"meta":   goldenMetas,
}

// TestGolden holds what is stored today against the files. A difference is a change
// of format: runs that were stored before must still be read and still verify.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, make := range goldens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			have := make(t)
			path := filepath.Join("testdata", name+".golden")
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(have), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), have)
		})
	}
}

// TestGoldenFilesAreUsed finds files that no test holds anything against.
func TestGoldenFilesAreUsed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.Len(t, files, len(goldens))
}

// TestConstants: these numbers and names are stored, or decide what can be read.
func TestConstants(t *testing.T) {
	t.Parallel()
	require.Equal(t, []Encoding{1, 2, 3, 4, 5}, []Encoding{driver.Plain, driver.Zstd, driver.Delta, driver.DeltaZstd, driver.Pruned})
	require.Equal(t, []driver.Flags{1, 2}, []driver.Flags{driver.Passed, driver.Opaque})
	require.Equal(t, []int{2, 1, 64}, []int{formatVersion, suiteSHA256, visitBlock})
	require.Equal(t, "nmvda", string([]byte{spaceNote, spaceMark, spaceTaken, spaceDropped, spaceAnchor}))
	require.Equal(t, []Kind{"json", "bytes", "none"}, []Kind{JSON, Bytes, None})
	require.Equal(t, []Role{"", "begin", "end", "failure", "fork", "branch"}, []Role{Recoverable, Begin, End, Failure, Fork, Branch})
	require.Equal(t, []Class{0, 1, 2, 255}, []Class{ClassOpen, ClassFinished, ClassFailed, classStaged})
	require.Equal(t, "prune redact anchor label unlabel pin unpin", strings.Join([]string{
		noteKindPrune, noteKindRedact, noteKindAnchor, noteKindLabel, noteKindUnlabel, noteKindPin, noteKindUnpin,
	}, " "))
}

// goldenHeaders writes a header with all fields, the first of a run, and one of those
// that most are.
func goldenHeaders(t *testing.T) string {
	full, small, next := fullHeader(), smallHeader(), nextHeader()
	flowgraph := next
	envelope, err := flowgraphEnvelope(&flowgraph, 2)
	require.NoError(t, err)
	flowgraph.Envelope = &envelope
	shared, err := flowgraph.marshal(flowgraph.common())
	require.NoError(t, err)
	odd := fullHeader()
	odd.RunID = oddText
	around, err := flowgraphEnvelope(&odd, 7)
	require.NoError(t, err)
	return fmt.Sprintf("full\n%s\nof event 1\n%s\nof an event that shares nothing with event 1\n%s\nof most events, by flowgraph\n%s\nwhat a number for an envelope means\n%s\n%s\n%s\n%s\n",
		marshalled(t, full), marshalled(t, small), marshalled(t, next), shared, envelope.Prefix, envelope.Suffix, around.Prefix, around.Suffix)
}

// goldenHeads writes heads' data and checksums, without and with all of their fields.
func goldenHeads(t *testing.T) string {
	var out strings.Builder
	sealed := sealedLast{
		Seq: 9, Hash: Digest{9, 255}, Tip: 8, Line: line{Recoverable: 8, Since: 3}, GraphID: "graph", NodeID: "node", NextNode: "next",
		Size: 1234, CreatedAt: fullHeader().CreatedAt, Bytes: 5000, Stored: 400,
	}
	for _, c := range []struct {
		name string
		row  row
	}{
		{"of a new run", row{CreatedAt: smallHeader().CreatedAt}},
		{"full", row{
			CreatedAt: fullHeader().CreatedAt, Common: Common{"graph", 1, 2, "abcdefgh"}, Pruned: 3, PrunedBytes: 4567, Freed: 890, Rewrites: 2, LikeVisits: true, Staged: fullHeader().CreatedAt,
			Notes: noted{Count: 5, Hash: Digest{5, 255}}, Marked: 4,
			Anchor: &anchored{Seq: 2, Hash: Digest{2, 255}, Bytes: 100, Stored: 50, Note: 3},
			Sealed: &sealed, Claim: &claim{Epoch: 7, Word: "word"},
		}},
	} {
		c.row.Version = formatVersion
		run := Run{ID: "run", Life: fixedLife, row: c.row, tail: 10, recency: 17}
		h, err := run.head()
		require.NoError(t, err)
		fmt.Fprintf(&out, "%s\n%s\nsuite %d tail %d recency %d sum %08x\n", c.name, h.Data, h.Suite, h.Tail, h.Recency, h.Sum)

		// What a head that holds no record says is read as it was written.
		if c.row.Sealed != nil {
			h.Data = []byte(strings.Replace(string(h.Data), `"staged":"2026-01-02T03:04:05.6789Z",`, "", 1))
			h.Sum = headSum(h)
			read, err := parseHead(h)
			require.NoError(t, err)
			require.Equal(t, []any{uint64(9), uint64(8), line{8, 3}, uint64(2), uint64(3), uint64(5), int64(5000 - 4567), int64(400 - 890)},
				[]any{read.Last, read.Tip, read.line, read.Anchor, read.Pruned, read.Notes, read.Bytes, read.Stored})
		}
	}
	return out.String()
}

// goldenRecords writes events as they are stored, one of them as a delta, one that
// recovery passes over, and one that goes back.
func goldenRecords(t *testing.T) string {
	var out strings.Builder
	run := newRun("run")
	run.Life = fixedLife
	lines := []line{{}}
	for i, e := range []struct {
		state  string
		role   Role
		parent uint64
	}{{`{"n":1}`, "", 0}, {``, "", 1}, {`{"n":3,"odd":"` + "\\u2028" + `"}`, Failure, 2}, {`{"n":4}`, "", 1}, {`{"n":5}`, "", 4}} {
		p := &pending{Append: Append{Header: smallHeader(), State: []byte(e.state)}}
		p.Header.Role, p.Header.Visit = e.role, uint64(i+1)
		p.Header.CreatedAt = p.Header.CreatedAt.Add(time.Duration(i) * time.Millisecond)
		p.Header.Size, p.Header.SHA256 = int64(len(e.state)), sha256.Sum256([]byte(e.state))
		p.encoded = encoded{encoding: driver.Plain, bytes: p.State}
		rec := &driver.Record{}
		require.NoError(t, p.record(rec, &run, parent{e.parent, lines[e.parent]}, nil, time.Unix(0, 0)))
		if i == 1 {
			rec.Encoding, rec.Base, rec.Links = driver.Delta, 1, 1
		}
		rec.Recency = uint64(100 + i) // it is the time otherwise
		rec.Sum = recordSum(run.Life, rec)
		run.setLast(&p.Header, rec)
		lines = append(lines, lineOf(rec))
		fmt.Fprintf(&out, "%s\nhash %s\nflags %d recoverable %d since %d tip %d bytes %d stored %d sum %08x\n",
			rec.Header, rec.Hash, rec.Flags, rec.Recoverable, rec.Since, rec.Tip, rec.Bytes, rec.Stored, rec.Sum)
	}
	return out.String()
}

// goldenNotes writes notes of each kind with their keys and the hash chain.
func goldenNotes(t *testing.T) string {
	var out strings.Builder
	run := Run{ID: "run", Life: fixedLife}
	prune, err := dropNote(noteKindPrune, []uint64{1, 2, 3, 5}, "keep last 2")
	require.NoError(t, err)
	redact, err := dropNote(noteKindRedact, []uint64{2}, "a key")
	require.NoError(t, err)
	label, err := json.Marshal(labelData{"color", "red"})
	require.NoError(t, err)
	unlabel, err := json.Marshal(labelData{Key: "color"})
	require.NoError(t, err)
	anchor, err := json.Marshal(Anchor{Seq: 4, Hash: Digest{4, 255}, Bytes: 99, Began: smallHeader().CreatedAt, Common: Common{"graph", 1, 2, "abcdefgh"}, Visits: map[string]int{"node": 3}, Others: map[string]int{"failure node": 1}, Reason: "old"})
	require.NoError(t, err)
	for _, n := range []Note{
		*prune, *redact,
		{Kind: noteKindLabel, Data: label}, {Kind: noteKindUnlabel, Data: unlabel, Events: []Range{{7, 7}}},
		{Kind: noteKindPin, Events: []Range{{7, 7}}}, {Kind: noteKindUnpin},
		{Kind: noteKindAnchor, Events: []Range{{1, 4}}, Data: anchor},
		{Kind: "somebody's own"},
	} {
		n.At = smallHeader().CreatedAt
		e, err := run.note(&Log{word: "abcdefgh"}, &n)
		require.NoError(t, err)
		fmt.Fprintf(&out, "%c %x\n%s\nhash %s\n", e.Key[0], e.Key[1:], e.Value, run.row.Notes.Hash)
		read := readNote("run", n.Number, e.Value)
		require.NoError(t, read.err)
		require.Equal(t, n, read.Note)
	}
	return out.String()
}

// goldenMarks writes marks with their keys.
func goldenMarks(t *testing.T) string {
	var out strings.Builder
	for _, c := range []struct {
		seq  uint64
		mark Mark
	}{
		{0, Mark{Pinned: true}},
		{7, Mark{Labels: map[string]string{"b": "2", "a": ""}, Unlabelled: map[string]bool{"c": true}}},
		{MaxSeq, Mark{Pinned: true, Labels: map[string]string{"a": "1"}}},
	} {
		e, err := c.mark.entry(c.seq, nil)
		require.NoError(t, err)
		fmt.Fprintf(&out, "%c %x %s\n", e.Key[0], e.Key[1:], e.Value)
	}
	return out.String()
}

// goldenVisits writes what the index has of a block, and of dropped events.
func goldenVisits(t *testing.T) string {
	var out strings.Builder
	a, b, c := keyOf(Recoverable, "a"), keyOf(Failure, "a"), keyOf(Recoverable, "b")
	for _, e := range indexVisits([]visit{
		{key: a, seq: 65, n: 9, taken: true}, {key: b, seq: 66, n: 1}, {key: a, seq: 67, n: 10, taken: true},
		{key: c, seq: 68, n: 300}, {key: a, seq: 127, n: 11, taken: true}, {key: a, seq: 128, n: 12},
	}) {
		stored := e.entry()
		fmt.Fprintf(&out, "%c %x %x\n", stored.Key[0], stored.Key[1:], stored.Value)
		read, err := parseVisitEntry("run", stored)
		require.NoError(t, err)
		require.Equal(t, e, read)
	}
	return out.String()
}

// goldenMetas writes what a segment has of an event beside its header.
func goldenMetas(t *testing.T) string {
	var out strings.Builder
	for _, r := range []record{
		{Record: driver.Record{Seq: 300, Recoverable: 300, Tip: 300, Since: 1}},
		{Record: driver.Record{Seq: 300, Recoverable: 100, Tip: 299, Since: 7, Flags: driver.Passed}},
		{Record: driver.Record{Seq: 300, Flags: driver.Passed}},
		{Record: driver.Record{Seq: 300, Recoverable: 300, Tip: 300, Since: 300}, note: 1000},
	} {
		meta := r.meta()
		fmt.Fprintf(&out, "%x\n", meta)
		read := record{Record: driver.Record{Seq: 300}}
		require.NoError(t, read.setMeta(meta))
		require.Equal(t, r, read)
		for n := range meta {
			require.ErrorIs(t, new(record).setMeta(meta[:n]), ErrCorrupt)
		}
		require.ErrorIs(t, new(record).setMeta(append(meta, 0)), ErrCorrupt)
	}
	return out.String()
}
