package log

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
)

// oddText holds what JSON writes in more than one way.
const oddText = "quote \" backslash \\ slash / <&> tab \t newline \n \x01\x7f é \u2028\u2029 \U0001F600 \ufffd"

// fullHeader is one in which no field is empty that an event can have beside the others.
func fullHeader() Header {
	return Header{
		RunID: "run " + oddText, Seq: 7, Parent: 5, Role: Failure, NodeID: "node " + oddText, PrevNodeID: "prev", NextNode: "next",
		Attempt: 3, BranchID: "branch", ForkNodeID: "fork", Merges: []uint64{2, 4},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC),
		StartedAt: time.Date(2026, 1, 2, 3, 4, 4, 1, time.UTC),
		Metadata:  Metadata{GraphID: "graph", Version: 2, Labels: map[string]string{"z": oddText, "a": "", "é": "3"}},
		Origin:    &Origin{RunID: "first run", Seq: 3, Hash: sha256.Sum256([]byte("origin"))},
		Envelope:  &Envelope{Prefix: `{"state":`, Suffix: `,"z":"<` + "\u2028" + `"}`},
		Input:     sha256.Sum256([]byte("input")), Reused: 3,
		Failure: &FailureInfo{Type: "*fs.PathError", Text: oddText, Stack: "main.main()\n\tmain.go:7", Final: true, NotBefore: time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC)},
		Kind:    Bytes, Size: 1234, SHA256: sha256.Sum256([]byte("state")), Visit: 4, Writer: "abcdefgh", Epoch: 9,
	}
}

// smallHeader is that of a first event, one of no bytes.
func smallHeader() Header {
	return Header{
		RunID: "run", Seq: 1, NodeID: "node", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Kind: Bytes, SHA256: sha256.Sum256(nil), Visit: 1, Writer: "abcdefgh", Life: fixedLife,
	}
}

// nextHeader is that of most events: it says nothing that goes without saying.
func nextHeader() Header {
	h := smallHeader()
	h.Seq, h.Parent, h.Kind, h.Life = 2, 1, JSON, ""
	return h
}

func marshalled(t *testing.T, h Header) string {
	t.Helper()
	b, err := h.marshal(Common{})
	require.NoError(t, err)
	return string(b)
}

// storedAs returns the record that holds a header, as far as its reader needs it.
func storedAs(h *Header, header []byte) *driver.Record {
	rec := &driver.Record{Seq: h.Seq, Header: header, StateHash: h.SHA256}
	if h.Role != Recoverable {
		rec.Flags = driver.Passed
	}
	return rec
}

// TestChainIsFramed: what is hashed can't be cut into parts in two ways.
func TestChainIsFramed(t *testing.T) {
	t.Parallel()
	prev, state := Digest(sha256.Sum256([]byte("a"))), Digest(sha256.Sum256([]byte("b")))
	header := []byte("header")
	hashes := map[Digest]bool{}
	c := (&Common{"graph", 1, 2, "writer"}).frames()
	for _, d := range []Digest{
		chainAfter(0, prev, c, header, state), chainAfter(1, prev, c, header, state), chainAfter(1, Digest{}, c, header, state),
		chainAfter(0, prev, c, append(prev[:], header...), state), chainAfter(0, prev, c, nil, state), chainAfter(1, prev, c, header, Digest{}),
		chainAfter(1, prev, c, append(header, state[:]...), Digest{}), chainAfter(1, state, c, header, prev),
		chainAfter(1, prev, (&Common{"graphwriter", 1, 2, ""}).frames(), header, state), chainAfter(1, prev, (&Common{"", 1, 2, "graphwriter"}).frames(), header, state),
		chainAfter(1, prev, (&Common{"graph", 2, 1, "writer"}).frames(), header, state), chainAfter(1, prev, (&Common{"graph", 1, 3, "writer"}).frames(), header, state),
		chainAfter(1, prev, (&Common{}).frames(), header, state),
	} {
		hashes[d] = true
	}
	require.Len(t, hashes, 13)
	require.Equal(t, chainAfter(0, prev, c, header, state), chainAfter(0, Digest{}, (&Common{}).frames(), header, state), "event 1 has all of it in its header")
	require.Equal(t, chainAfter(1, prev, c, header, state), chainAfter(2, prev, c, header, state))
}

// randomText is valid UTF-8 with a liking for what needs an escape.
func randomText(r *rand.Rand) string {
	runes := []rune(oddText + `{},:[]"node":`)
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
	when := func() time.Time { return time.Unix(r.Int64N(1<<36)-1<<34, r.Int64N(4)*r.Int64N(1e9)).UTC() }
	h := Header{
		RunID: randomText(r), Seq: 1 + r.Uint64N(MaxSeq), NodeID: randomText(r), PrevNodeID: maybe(), NextNode: maybe(),
		Attempt: r.IntN(3) - 1, BranchID: maybe(), ForkNodeID: maybe(), Role: Role(maybe()),
		CreatedAt: when(), Kind: JSON, Size: r.Int64(), Visit: r.Uint64N(MaxSeq), Writer: maybe(), Epoch: r.Uint64N(3), Reused: r.Uint64N(3),
	}
	h.Parent = r.Uint64N(h.Seq)
	if r.IntN(4) == 0 {
		h.Seq, h.Parent, h.Life = 1, 0, maybe()
	}
	if r.IntN(2) == 0 {
		h.Parent = h.Seq - 1
	}
	if r.IntN(2) == 0 {
		h.StartedAt, h.Kind = h.CreatedAt.Add(time.Duration(r.Int64()-1<<62)), Bytes
	}
	for range r.IntN(3) {
		h.Merges = append(h.Merges, r.Uint64())
	}
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
	if r.IntN(2) == 0 {
		h.Input = sha256.Sum256([]byte(maybe()))
	}
	if r.IntN(4) == 0 {
		h.Failure = &FailureInfo{Type: maybe(), Text: maybe(), Stack: maybe(), Final: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			h.Failure.NotBefore = when()
		}
	}
	h.SHA256 = sha256.Sum256([]byte(maybe()))
	return h
}

// plainly is a header's stored JSON as encoding/json writes it, without what goes without
// saying.
func plainly(t *testing.T, h Header) string {
	t.Helper()
	all := map[string]any{"node": h.NodeID, "at": h.CreatedAt, "size": h.Size, "visit": h.Visit}
	if h.Seq == 1 {
		all["run_id"], all["life"] = h.RunID, h.Life
	}
	if h.Parent != h.Seq-1 {
		all["parent"] = h.Parent
	}
	if h.Kind != JSON {
		all["kind"] = h.Kind
	}
	if !h.StartedAt.IsZero() {
		all["took"] = h.CreatedAt.Sub(h.StartedAt)
	}
	if !h.Input.IsZero() {
		all["input"] = h.Input
	}
	for name, v := range map[string]any{
		"role": h.Role, "prev": h.PrevNodeID, "next": h.NextNode, "attempt": h.Attempt, "branch": h.BranchID, "fork": h.ForkNodeID,
		"merges": h.Merges, "graph": h.Metadata.GraphID, "version": h.Metadata.Version, "labels": h.Metadata.Labels,
		"origin": h.Origin, "envelope": h.Envelope, "reused": h.Reused, "error": h.Failure, "writer": h.Writer, "epoch": h.Epoch,
	} {
		if r := reflect.ValueOf(v); !r.IsZero() && (r.Kind() != reflect.Map || r.Len() > 0) {
			all[name] = v
		}
	}
	b, err := json.Marshal(all)
	require.NoError(t, err)
	return string(b)
}

// TestHeaderIsJSON: a header is written as encoding/json would, as far as a reader
// can tell, but for what goes without saying.
func TestHeaderIsJSON(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	headers := []Header{fullHeader(), smallHeader(), nextHeader()}
	for range 3000 {
		headers = append(headers, randomHeader(r))
	}
	for _, h := range headers {
		mine, err := h.marshal(Common{})
		require.NoError(t, err)
		require.JSONEq(t, plainly(t, h), string(mine))

		want := h
		if len(want.Metadata.Labels) == 0 {
			want.Metadata.Labels = nil
		}
		parsed, err := parseHeader(h.RunID, Common{}, storedAs(&h, mine))
		require.NoError(t, err, "%s", mine)
		require.Equal(t, want, parsed)
		size, err := sizeOf(h.RunID, h.Seq, mine)
		require.NoError(t, err)
		require.Equal(t, h.Size, size)

		require.True(t, bytes.Contains(mine, nodeFilter(h.NodeID)), "%s", mine)

		// Whatever the run's events inherit, what is read is the same.
		for _, c := range []Common{h.common(), {}, {"graph", 1, 1, "abcdefgh"}, {GraphID: h.Metadata.GraphID, Attempt: h.Attempt}} {
			short, err := h.marshal(c)
			require.NoError(t, err)
			parsed, err := parseHeader(h.RunID, c, storedAs(&h, short))
			require.NoError(t, err, "%s", short)
			require.Equal(t, want, parsed, "%s", short)
		}
	}
}

// TestSharedMembers: a header has what differs from event 1, also where that is nothing, and
// event 1 says all.
func TestSharedMembers(t *testing.T) {
	t.Parallel()
	c := Common{"graph", 1, 2, "abcdefgh"}
	h := nextHeader()
	h.Metadata, h.Attempt, h.Writer = Metadata{GraphID: "graph", Version: 1}, 2, "abcdefgh"
	short, err := h.marshal(c)
	require.NoError(t, err)
	require.Equal(t, `{"node":"node","at":"2026-01-02T03:04:05Z","size":0,"visit":1}`, string(short))

	h.Metadata, h.Attempt, h.Writer = Metadata{}, 0, "hgfedcba"
	other, err := h.marshal(c)
	require.NoError(t, err)
	require.Equal(t, `{"node":"node","attempt":0,"at":"2026-01-02T03:04:05Z","graph":"","version":0,"size":0,"visit":1,"writer":"hgfedcba"}`, string(other))

	first := smallHeader()
	first.Metadata.GraphID = "graph"
	b, err := first.marshal(first.common())
	require.NoError(t, err)
	require.Equal(t, marshalled(t, first), string(b))
}

// TestFlowgraphEnvelope: flowgraph's own envelope is stored as a number, and any other as it
// is. Both are read byte for byte.
func TestFlowgraphEnvelope(t *testing.T) {
	t.Parallel()
	h := nextHeader()
	h.RunID, h.NodeID, h.NextNode, h.PrevNodeID, h.Attempt, h.Metadata.Version = "run", "node", "next", "prev", 1, 1
	const prefix, suffix = `{"version":1,"run_id":"run","node_id":"node","sequence":7,"timestamp":"2026-01-02T03:04:05Z","state":`, `,"next_node":"next","attempt":1,"prev_node_id":"prev"}`
	for _, c := range []struct {
		prefix, suffix, stored string
	}{
		{prefix, suffix, `"envelope":-5`},
		{strings.Replace(prefix, "7", "2", 1), suffix, `"envelope":0`},
		{strings.Replace(prefix, `"node"`, `"other"`, 1), suffix, `"envelope":{`},
		{strings.Replace(prefix, ":7", ":07", 1), suffix, `"envelope":{`},
		{strings.Replace(prefix, ":7", ":7 ", 1), suffix, `"envelope":{`},
		{strings.Replace(prefix, "05Z", "05+00:00", 1), suffix, `"envelope":{`},
		{prefix, strings.Replace(suffix, "1", "2", 1), `"envelope":{`},
		{prefix, suffix + " ", `"envelope":{`},
		{"", "", `"envelope":{`},
	} {
		h.Envelope = &Envelope{c.prefix, c.suffix}
		b := marshalled(t, h)
		require.Contains(t, b, c.stored)
		read, err := parseHeader("run", Common{}, storedAs(&h, []byte(b)))
		require.NoError(t, err)
		require.Equal(t, h, read)
	}
	// A name that flowgraph's encoder writes in another way than this one is no reason to
	// give back other bytes.
	h.NextNode, h.Envelope = "<a&b>", &Envelope{prefix, strings.Replace(suffix, `"next"`, `"\u003ca\u0026b\u003e"`, 1)}
	b := marshalled(t, h)
	require.Contains(t, b, `"envelope":{`)
	read, err := parseHeader("run", Common{}, storedAs(&h, []byte(b)))
	require.NoError(t, err)
	require.Equal(t, h, read)
}

// TestHeaderOverhead: a small event's header says little.
func TestHeaderOverhead(t *testing.T) {
	t.Parallel()
	h := nextHeader()
	h.NextNode, h.CreatedAt = "next", h.CreatedAt.Add(123456789)
	require.LessOrEqual(t, len(marshalled(t, h)), 110)
}

// TestNodeFilter: no other header of the same run looks as if it were of the node,
// unless by the node's own name.
func TestNodeFilter(t *testing.T) {
	t.Parallel()
	h := smallHeader()
	h.PrevNodeID, h.ForkNodeID, h.NextNode = "other", "other", "other"
	h.Metadata.Labels = map[string]string{`"node"`: "other", "node\":\"other": `"node":"other"`}
	h.Envelope = &Envelope{Prefix: `"node":"other"`}
	b := []byte(marshalled(t, h))
	require.False(t, bytes.Contains(b, nodeFilter("other")))
	require.True(t, bytes.Contains(b, nodeFilter("node")))
	require.True(t, bytes.Contains(b, nodeFilter("")))
	require.Nil(t, nodeFilter("\xff"))
}

// TestParseHeaderRefuses what can't have been written.
func TestParseHeaderRefuses(t *testing.T) {
	t.Parallel()
	good := nextHeader()
	good.Seq, good.Parent = 9, 7
	parse := func(rec driver.Record) error {
		_, err := parseHeader("run", Common{}, &rec)
		return err
	}
	rec := *storedAs(&good, []byte(marshalled(t, good)))
	require.NoError(t, parse(rec))
	for name, change := range map[string]func(*Header){
		"its own parent":     func(h *Header) { h.Parent = 9 },
		"a later parent":     func(h *Header) { h.Parent = 12 },
		"less than no bytes": func(h *Header) { h.Size = -1 },
		"a role":             func(h *Header) { h.Role = Failure },
		"an unknown role":    func(h *Header) { h.Role = "role" },
	} {
		h, bad := good, rec
		change(&h)
		bad.Header = []byte(marshalled(t, h))
		require.ErrorIs(t, parse(bad), ErrCorrupt, name)
	}
	passed := rec
	passed.Flags = driver.Passed
	require.ErrorIs(t, parse(passed), ErrCorrupt, "without a role")
	for _, text := range []string{"", "{", "[]", `{"run_id":7}`, `{"input":"00"}`, `{"envelope":"7"}`, `{"envelope":1.5}`, marshalled(t, good) + "x"} {
		bad := rec
		bad.Header = []byte(text)
		require.ErrorIs(t, parse(bad), ErrCorrupt, text)
	}
	// Of which run it is says the first event alone, and the checksums of the others.
	first := smallHeader()
	rec = *storedAs(&first, []byte(marshalled(t, first)))
	require.NoError(t, parse(rec))
	_, err := parseHeader("other", Common{}, &rec)
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestUnknownRole: an event of a role that a later flowlog knows is read, and is not
// recoverable.
func TestUnknownRole(t *testing.T) {
	t.Parallel()
	h := nextHeader()
	h.Role = "signal"
	rec := storedAs(&h, []byte(marshalled(t, h)))
	rec.Sum = recordSum(fixedLife, rec)
	read, err := (&Run{ID: "run", Life: fixedLife}).checked(&record{Record: *rec})
	require.NoError(t, err)
	require.Equal(t, Role("signal"), read.Role)
	require.False(t, (&record{Record: *rec}).taken())
	require.ErrorIs(t, checkHeader(&h), ErrInvalid, "none is written")
}

// TestUnknownFlags: an event that is to be treated in a way that is not known is refused.
func TestUnknownFlags(t *testing.T) {
	t.Parallel()
	h := nextHeader()
	for bit := range 8 {
		rec := storedAs(&h, []byte(marshalled(t, h)))
		rec.Flags |= 1 << bit
		rec.Sum = recordSum(fixedLife, rec)
		_, err := (&Run{ID: "run", Life: fixedLife}).checked(&record{Record: *rec})
		if rec.Flags == driver.Passed { // it has no role
			require.ErrorIs(t, err, ErrCorrupt)
			continue
		}
		require.ErrorIs(t, err, ErrUnsupportedVersion, "bit %d", bit)
	}
}

// TestUnknownMembers of a header are kept: the header is stored and hashed as it was.
func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	h := nextHeader()
	text := marshalled(t, h)
	text = text[:len(text)-1] + `,"later":{"a":[1]},"size_":7}`
	read, err := parseHeader("run", Common{}, storedAs(&h, []byte(text)))
	require.NoError(t, err)
	require.Equal(t, h, read)
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
		"role":           func(h *Header) { h.Role = bad },
		"year":           func(h *Header) { h.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"year of start":  func(h *Header) { h.StartedAt = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no state":       func(h *Header) { h.Kind = None },
		"an error":       func(h *Header) { h.Failure = &FailureInfo{} },
	} {
		h := smallHeader()
		require.NoError(t, checkHeader(&h))
		change(&h)
		require.ErrorIs(t, checkHeader(&h), ErrInvalid, name)
	}
}
