package log

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Digest is a SHA-256. Its text form is 64 hexadecimal digits.
type Digest [32]byte

// String returns the digest as 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("digest of %d characters: want %d hexadecimal digits", len(text), hex.EncodedLen(len(d)))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// Kind says what a state is.
type Kind string

// The kinds of states.
const (
	// JSON is one JSON value, kept byte for byte.
	JSON Kind = "json"
	// Bytes is anything else.
	Bytes Kind = "bytes"
)

// Metadata is what an event says of itself to people and policies.
type Metadata struct {
	// GraphID names the workflow that the run executes.
	GraphID string `json:"graph_id"`
	// Version is the caller's version of the state's schema.
	Version int `json:"version"`
	// Labels are free. They are part of the event; those that [Log.Label] gives later
	// are not, and go before them.
	Labels map[string]string `json:"labels,omitempty"`
}

// Origin names the event of another run that a run was forked from.
type Origin struct {
	RunID string `json:"run_id"`
	Seq   uint64 `json:"seq"`
	Hash  Digest `json:"hash"`
}

// Envelope is what an engine wraps around a state: prefix, state and suffix are
// together the bytes that it saved. flowlog keeps it beside the state so that the
// engine gets back what it gave and people see the state alone.
type Envelope struct {
	Prefix string `json:"prefix"`
	Suffix string `json:"suffix"`
}

// Header is an event but for its state: small, cheap to list, immutable. Its
// JSON is stored and hashed as it was written.
type Header struct {
	RunID string `json:"run_id"`
	// Seq is the event's position in its run: 1, 2, 3 …
	Seq uint64 `json:"seq"`
	// Parent is the seq of the event that this one continues from, 0 for none.
	Parent     uint64 `json:"parent,omitempty"`
	NodeID     string `json:"node_id"`
	PrevNodeID string `json:"prev_node_id,omitempty"`
	NextNode   string `json:"next_node,omitempty"`
	Attempt    int    `json:"attempt,omitempty"`
	BranchID   string `json:"branch_id,omitempty"`
	ForkNodeID string `json:"fork_node_id,omitempty"`
	// CreatedAt is UTC, with nanoseconds. It says when, and orders nothing.
	CreatedAt time.Time `json:"created_at"`
	Metadata  Metadata  `json:"metadata,omitzero"`
	Origin    *Origin   `json:"origin,omitempty"`
	Envelope  *Envelope `json:"envelope,omitempty"`
	// Kind, Size (in bytes) and SHA256 describe the state.
	Kind   Kind   `json:"kind"`
	Size   int64  `json:"size"`
	SHA256 Digest `json:"sha256"`
	// Life is the run's incarnation id, in event 1 only.
	Life string `json:"life,omitempty"`
}

// clone returns a header that shares no memory with h.
func (h Header) clone() Header {
	h.Metadata.Labels = maps.Clone(h.Metadata.Labels)
	if h.Origin != nil {
		o := *h.Origin
		h.Origin = &o
	}
	if h.Envelope != nil {
		e := *h.Envelope
		h.Envelope = &e
	}
	return h
}

// Event is an entry of a run as it is read.
type Event struct {
	Header
	// Hash is the event's place in the run's hash chain.
	Hash Digest
	// Pruned says that the state was dropped.
	Pruned bool
	// PrunedBy says by what, when and why, and whether it was redacted: the error that
	// asking for the state gives. It is nil if the state is there. What a damaged note
	// says of it is left out.
	PrunedBy *PrunedError
	// Encoding says how the state is stored, Stored how many bytes the header
	// and the stored state take.
	Encoding Encoding
	Stored   int64
	// StateStored is the state's part of Stored: of a sealed event about so, if it
	// is Shared, which says that states of its segment are compressed together.
	StateStored int64
	Shared      bool
	// Base is the seq of the event whose state this one's is stored as a difference
	// from: an earlier one, or of a sealed event mostly a later one. 0 if it is
	// stored whole.
	Base uint64
	// State is nil when only headers were asked for, or the state was pruned.
	// It belongs to the caller.
	State []byte
}

// marshal returns the header's JSON, the bytes that are stored and hashed: what
// encoding/json makes of it, in a fifth of the time, which an event of a few
// hundred bytes feels.
func (h *Header) marshal() ([]byte, error) { return h.append(make([]byte, 0, 384)) }

// append is marshal into b, if it has room, which must be empty.
func (h *Header) append(b []byte) ([]byte, error) {
	w := jsonWriter{b: b}
	w.str("run_id", h.RunID)
	w.num("seq", int64(h.Seq))
	w.numIf("parent", int64(h.Parent))
	w.str("node_id", h.NodeID)
	w.strIf("prev_node_id", h.PrevNodeID)
	w.strIf("next_node", h.NextNode)
	w.numIf("attempt", int64(h.Attempt))
	w.strIf("branch_id", h.BranchID)
	w.strIf("fork_node_id", h.ForkNodeID)
	w.key("created_at")
	w.b = append(h.CreatedAt.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
	if m := h.Metadata; m.GraphID != "" || m.Version != 0 || len(m.Labels) > 0 {
		w.any("metadata", m)
	}
	if h.Origin != nil {
		w.any("origin", h.Origin)
	}
	if e := h.Envelope; e != nil {
		w.key("envelope")
		w.b = append(w.b, '{')
		w.str("prefix", e.Prefix)
		w.str("suffix", e.Suffix)
		w.b = append(w.b, '}')
	}
	w.str("kind", string(h.Kind))
	w.num("size", h.Size)
	w.key("sha256")
	w.b = append(hex.AppendEncode(append(w.b, '"'), h.SHA256[:]), '"')
	w.strIf("life", h.Life)
	if w.err != nil {
		return nil, &Error{Run: h.RunID, Reason: fmt.Sprintf("header can't be written as JSON: %v", w.err), Err: ErrInvalid}
	}
	return append(w.b, '}'), nil
}

// jsonWriter writes the members of a JSON object.
type jsonWriter struct {
	b   []byte
	err error
}

func (w *jsonWriter) key(name string) {
	sep := byte(',')
	if n := len(w.b); n == 0 || w.b[n-1] == '{' {
		sep = '{'
	}
	if sep == ',' || len(w.b) == 0 {
		w.b = append(w.b, sep)
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *jsonWriter) str(name, value string) {
	w.key(name)
	w.quote(value)
}

func (w *jsonWriter) quote(value string) {
	b, err := jsontext.AppendQuote(w.b, value)
	if err != nil { // not valid UTF-8
		w.err = err
		return
	}
	w.b = b
}

func (w *jsonWriter) strIf(name, value string) {
	if value != "" {
		w.str(name, value)
	}
}

func (w *jsonWriter) num(name string, n int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *jsonWriter) numIf(name string, n int64) {
	if n != 0 {
		w.num(name, n)
	}
}

// any writes what is rarely there.
func (w *jsonWriter) any(name string, v any) {
	w.key(name)
	b, err := json.Marshal(v)
	if err != nil {
		w.err = err
		return
	}
	w.b = append(w.b, b...)
}

// parseHeader reads a stored header and checks what readers rely on.
func parseHeader(run string, seq uint64, b []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(b, &h); err != nil {
		return Header{}, corrupt(run, seq, fmt.Sprintf("header: %v", err))
	}
	switch {
	case h.RunID != run:
		return Header{}, &Error{Run: run, Seq: seq, Reason: "header of another run", Want: run, Have: h.RunID, Err: ErrCorrupt}
	case h.Seq != seq:
		return Header{}, &Error{Run: run, Seq: seq, Reason: "header of another event", Want: fmt.Sprint(seq), Have: fmt.Sprint(h.Seq), Err: ErrCorrupt}
	case h.Parent >= h.Seq:
		return Header{}, corrupt(run, seq, fmt.Sprintf("parent %d does not come before it", h.Parent))
	case h.Size < 0:
		return Header{}, corrupt(run, seq, fmt.Sprintf("size %d", h.Size))
	}
	return h, nil
}

// stateOf returns the size and hash of the state that a stored header speaks of,
// without reading the rest of it if it is written as marshal does. A string in it
// can't hold the quotes that the search is for.
func stateOf(run string, seq uint64, header []byte) (size int64, sum Digest, err error) {
	const key = `,"sha256":"`
	if i := bytes.LastIndex(header, []byte(key)); i >= 0 && len(header) > i+len(key)+2*len(sum) && header[i+len(key)+2*len(sum)] == '"' {
		_, hexErr := hex.Decode(sum[:], header[i+len(key):i+len(key)+2*len(sum)])
		const key = `,"size":`
		j := bytes.LastIndex(header[:i], []byte(key))
		size, sizeErr := strconv.ParseInt(string(header[max(0, j+len(key)):i]), 10, 64)
		if j >= 0 && hexErr == nil && sizeErr == nil && size >= 0 {
			return size, sum, nil
		}
	}
	h, err := parseHeader(run, seq, header)
	return h.Size, h.SHA256, err
}
