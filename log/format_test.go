package log

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixedLife is the incarnation of runs in golden files.
const fixedLife = "000102030405060708090a0b0c0d0e0f"

// oddText holds what JSON writes in more than one way.
const oddText = "quote \" backslash \\ slash / <&> tab \t newline \n \x01\x7f é \u2028\u2029 \U0001F600 \ufffd"

// fullHeader is one in which no field is empty.
func fullHeader() Header {
	return Header{
		RunID: "run " + oddText, Seq: 7, Parent: 5, NodeID: "node " + oddText, PrevNodeID: "prev", NextNode: "next",
		Attempt: 3, BranchID: "branch", ForkNodeID: "fork",
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC),
		Metadata:  Metadata{GraphID: "graph", Version: 2, Labels: map[string]string{"z": oddText, "a": "", "é": "3"}},
		Origin:    &Origin{RunID: "first run", Seq: 3, Hash: sha256.Sum256([]byte("origin"))},
		Envelope:  &Envelope{Prefix: `{"state":`, Suffix: `,"z":"<` + "\u2028" + `"}`},
		Kind:      JSON, Size: 1234, SHA256: sha256.Sum256([]byte("state")), Life: fixedLife,
	}
}

func smallHeader() Header {
	return Header{
		RunID: "run", Seq: 1, NodeID: "node", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Kind: Bytes, SHA256: sha256.Sum256(nil), Life: fixedLife,
	}
}

// TestGolden holds what is stored today against the files. A difference is a change
// of format: runs that were stored before must still be read and still verify.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) string{
		"header_full":  func(t *testing.T) string { return marshalled(t, fullHeader()) + "\n" },
		"header_small": func(t *testing.T) string { return marshalled(t, smallHeader()) + "\n" },
		"head":         goldenHead,
		"chain":        goldenChain,
	} {
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

func marshalled(t *testing.T, h Header) string {
	t.Helper()
	b, err := h.marshal()
	require.NoError(t, err)
	return string(b)
}

// goldenHead writes a head's data and checksum, without and with all of its fields.
func goldenHead(t *testing.T) string {
	var out strings.Builder
	for _, r := range []row{
		{Version: formatVersion, Life: fixedLife, CreatedAt: smallHeader().CreatedAt},
		{Version: formatVersion, Life: fixedLife, CreatedAt: fullHeader().CreatedAt, Pruned: 3, PrunedBytes: 4567, Freed: 890, Rewrites: 2},
		{Version: anchoredVersion, Life: fixedLife, CreatedAt: fullHeader().CreatedAt, Anchor: &anchored{Seq: 9, Hash: Digest{1, 2, 255}, Bytes: 4567, Stored: 1234}},
	} {
		run := Run{ID: "run", row: r, tail: 1, recency: 17}
		h, err := run.head()
		require.NoError(t, err)
		fmt.Fprintf(&out, "%s\nsum %08x\n", h.Data, h.Sum)
	}
	return out.String()
}

// goldenChain writes three events as they are stored, one of them as a delta.
func goldenChain(t *testing.T) string {
	var out strings.Builder
	run := newRun("run")
	run.Life, run.row.Life = fixedLife, fixedLife
	for i, state := range []string{`{"n":1}`, ``, `{"n":3,"odd":"` + "\\u2028" + `"}`} {
		p := &pending{Append: Append{Header: smallHeader(), State: []byte(state)}}
		p.Header.CreatedAt = p.Header.CreatedAt.Add(time.Duration(i) * time.Millisecond)
		p.Header.Size, p.Header.SHA256 = int64(len(state)), sha256.Sum256([]byte(state))
		p.encoded = encoded{encoding: Plain, bytes: p.State}
		rec := &Record{}
		require.NoError(t, p.record(rec, &run, uint64(i), nil))
		if i == 1 {
			rec.Encoding, rec.Base, rec.Links = Delta, 1, 1
		}
		rec.Recency = uint64(100 + i) // it is the time otherwise
		rec.Sum = recordSum(run.Life, rec)
		run.setLast(&p.Header, rec)
		fmt.Fprintf(&out, "%s\nhash %s\nsum %08x bytes %d stored %d\n", rec.Header, rec.Hash, rec.Sum, rec.Bytes, rec.Stored)
	}
	return out.String()
}

// TestConstants: these numbers are stored, or decide what can be read.
func TestConstants(t *testing.T) {
	t.Parallel()
	require.Equal(t, []Encoding{1, 2, 3, 4, 5}, []Encoding{Plain, Zstd, Delta, DeltaZstd, Pruned})
	require.Equal(t, []int{1, 2}, []int{formatVersion, anchoredVersion})
	require.Equal(t, "\x00notes", noteSuffix)
	require.Equal(t, []Kind{"json", "bytes"}, []Kind{JSON, Bytes})
}

// TestChainIsFramed: what is hashed can't be cut into parts in two ways.
func TestChainIsFramed(t *testing.T) {
	t.Parallel()
	prev, state := Digest(sha256.Sum256([]byte("a"))), Digest(sha256.Sum256([]byte("b")))
	header := []byte("header")
	hashes := map[Digest]bool{}
	for _, d := range []Digest{
		chainHash(nil, header, state), chainHash(&prev, header, state), chainHash(&Digest{}, header, state),
		chainHash(nil, append(prev[:], header...), state), chainHash(nil, nil, state), chainHash(&prev, header, Digest{}),
		chainHash(&prev, append(header, state[:]...), Digest{}), chainHash(&state, header, prev),
	} {
		hashes[d] = true
	}
	require.Len(t, hashes, 8)
	require.Equal(t, chainHash(nil, header, state), chainAfter(0, prev, header, state))
	require.Equal(t, chainHash(&prev, header, state), chainAfter(1, prev, header, state))
}

// randomText is valid UTF-8 with a liking for what needs an escape.
func randomText(r *rand.Rand) string {
	runes := []rune(oddText + `{},:[]"node_id":`)
	b := make([]rune, r.IntN(12))
	for i := range b {
		b[i] = runes[r.IntN(len(runes))]
	}
	return string(b)
}

func randomHeader(r *rand.Rand) Header {
	maybe := func() string {
		if r.IntN(2) == 0 {
			return ""
		}
		return randomText(r)
	}
	h := Header{
		RunID: randomText(r), Seq: 1 + r.Uint64N(MaxSeq), NodeID: randomText(r), PrevNodeID: maybe(), NextNode: maybe(),
		Attempt: r.IntN(3) - 1, BranchID: maybe(), ForkNodeID: maybe(),
		CreatedAt: time.Unix(r.Int64N(1<<36)-1<<34, r.Int64N(4)*r.Int64N(1e9)).UTC(),
		Kind:      JSON, Size: r.Int64(), Life: maybe(),
	}
	h.Parent = r.Uint64N(h.Seq)
	if r.IntN(2) == 0 {
		h.Metadata = Metadata{GraphID: maybe(), Version: r.IntN(3) - 1}
	}
	if r.IntN(2) == 0 {
		h.Metadata.Labels = map[string]string{}
		for range r.IntN(4) {
			h.Metadata.Labels[randomText(r)] = randomText(r)
		}
	}
	if r.IntN(2) == 0 {
		h.Origin = &Origin{RunID: maybe(), Seq: r.Uint64(), Hash: sha256.Sum256([]byte(maybe()))}
	}
	if r.IntN(2) == 0 {
		h.Envelope = &Envelope{Prefix: maybe(), Suffix: maybe()}
	}
	h.SHA256 = sha256.Sum256([]byte(maybe()))
	return h
}

// TestHeaderIsJSON: a header is written as encoding/json would, as far as a reader
// can tell.
func TestHeaderIsJSON(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	headers := []Header{fullHeader(), smallHeader()}
	for range 3000 {
		headers = append(headers, randomHeader(r))
	}
	for _, h := range headers {
		mine, err := h.marshal()
		require.NoError(t, err)
		theirs, err := json.Marshal(h)
		require.NoError(t, err)
		if len(h.Metadata.Labels) == 0 && h.Metadata.GraphID == "" && h.Metadata.Version == 0 {
			theirs = bytes.Replace(theirs, []byte(`"metadata":{"graph_id":"","version":0},`), nil, 1)
		}
		require.JSONEq(t, string(theirs), string(mine))

		var read Header
		require.NoError(t, json.Unmarshal(mine, &read))
		want := h
		if len(want.Metadata.Labels) == 0 {
			want.Metadata.Labels = nil
		}
		require.Equal(t, want, read)
		parsed, err := parseHeader(h.RunID, h.Seq, mine)
		require.NoError(t, err)
		require.Equal(t, want, parsed)

		require.True(t, bytes.Contains(mine, nodeFilter(h.NodeID)), "%s", mine)
	}
}

// TestNodeFilter: no other header of the same run looks as if it were of the node,
// unless by the node's own name.
func TestNodeFilter(t *testing.T) {
	t.Parallel()
	h := smallHeader()
	h.PrevNodeID, h.ForkNodeID, h.NextNode = "other", "other", "other"
	h.Metadata.Labels = map[string]string{`"node_id"`: "other", "node_id\":\"other": `"node_id":"other"`}
	h.Envelope = &Envelope{Prefix: `"node_id":"other"`}
	b := []byte(marshalled(t, h))
	require.False(t, bytes.Contains(b, nodeFilter("other")))
	require.True(t, bytes.Contains(b, nodeFilter("node")))
	require.True(t, bytes.Contains(b, nodeFilter("")))
	require.Nil(t, nodeFilter("\xff"))
}

// TestParseHeaderRefuses what can't have been written.
func TestParseHeaderRefuses(t *testing.T) {
	t.Parallel()
	good := smallHeader()
	good.Seq, good.Parent = 9, 8
	for name, change := range map[string]func(*Header){
		"another run":        func(h *Header) { h.RunID = "other" },
		"another event":      func(h *Header) { h.Seq = 10 },
		"its own parent":     func(h *Header) { h.Parent = 9 },
		"a later parent":     func(h *Header) { h.Parent = 12 },
		"less than no bytes": func(h *Header) { h.Size = -1 },
	} {
		h := good
		change(&h)
		_, err := parseHeader("run", 9, []byte(marshalled(t, h)))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
	_, err := parseHeader("run", 9, []byte(marshalled(t, good)))
	require.NoError(t, err)
	for _, text := range []string{"", "{", "null", "[]", `{"run_id":7}`, `{"sha256":"00"}`, marshalled(t, good) + "x"} {
		_, err := parseHeader("run", 9, []byte(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
	}
}

// TestHeaderKeepsItsText: what JSON could only write as something else is refused,
// wherever it stands.
func TestHeaderKeepsItsText(t *testing.T) {
	t.Parallel()
	const bad = "\xff"
	for name, change := range map[string]func(*Header){
		"node":           func(h *Header) { h.NodeID = bad },
		"previous node":  func(h *Header) { h.PrevNodeID = bad },
		"next node":      func(h *Header) { h.NextNode = bad },
		"branch":         func(h *Header) { h.BranchID = bad },
		"fork":           func(h *Header) { h.ForkNodeID = bad },
		"graph":          func(h *Header) { h.Metadata.GraphID = bad },
		"name of label":  func(h *Header) { h.Metadata.Labels = map[string]string{bad: ""} },
		"value of label": func(h *Header) { h.Metadata.Labels = map[string]string{"a": bad} },
		"origin":         func(h *Header) { h.Origin = &Origin{RunID: bad} },
		"prefix":         func(h *Header) { h.Envelope = &Envelope{Prefix: bad} },
		"suffix":         func(h *Header) { h.Envelope = &Envelope{Suffix: bad} },
		"kind":           func(h *Header) { h.Kind = bad },
		"year":           func(h *Header) { h.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		h := smallHeader()
		require.NoError(t, checkHeader(&h))
		change(&h)
		require.ErrorIs(t, checkHeader(&h), ErrInvalid, name)
	}
}
