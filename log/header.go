package log

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/flowlog/checkpoint/driver"
)

// Role says what an event is in its run. An event without a role is one that recovery can
// take. An event of a role that this flowlog does not know is never taken.
type Role string

// The roles. They are stored.
const (
	// Recoverable is the role of a checkpoint.
	Recoverable Role = ""
	// Begin is the first event of a run, if it states the run's purpose.
	Begin Role = "begin"
	// End says that the run is finished.
	End Role = "end"
	// Failure is a failed try of a node; its parent is the event whose state the node
	// got.
	Failure Role = "failure"
	// Fork is an event where branches begin.
	Fork Role = "fork"
	// Branch is a node's event inside a branch.
	Branch Role = "branch"
)

// Kind says what a state is.
type Kind string

// The kinds of states.
const (
	// JSON is one JSON value, kept byte for byte.
	JSON Kind = "json"
	// Bytes is anything else.
	Bytes Kind = "bytes"
	// None means no state: for an event with a role that has no state of its own.
	None Kind = "none"
)

// Metadata describes an event to people and policies.
type Metadata struct {
	// GraphID names the workflow that the run executes.
	GraphID string `json:"graph_id"`
	// Version is the caller's version of the state's schema.
	Version int `json:"version"`
	// Labels are free. They are part of the event. A label that [Log.Label] adds later
	// overrides one of the same key.
	Labels map[string]string `json:"labels,omitempty"`
}

// Origin names the event of another run that a run was forked from.
type Origin struct {
	RunID string `json:"run_id"`
	Seq   uint64 `json:"seq"`
	Hash  Digest `json:"hash"`
}

// FailureInfo is the error that an event of role Failure records.
type FailureInfo struct {
	// Type is the Go type of the error, Text its text of at most MaxFailureText bytes.
	Type string `json:"type,omitempty"`
	Text string `json:"text,omitempty"`
	// Stack is the stack of a panic, cut to MaxFailureStack bytes.
	Stack string `json:"stack,omitempty"`
	// Final says that the node must not be tried again. NotBefore is the earliest time
	// for another try; zero means at once.
	Final     bool      `json:"final,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
}

// Header is an event without its state: small, cheap to list, immutable. storedHeader is
// its stored form.
type Header struct {
	RunID string `json:"run_id"`
	// Seq is the event's position in its run: 1, 2, 3 …
	Seq uint64 `json:"seq"`
	// Parent is the seq of the event that this one continues from, 0 for none.
	Parent     uint64 `json:"parent,omitempty"`
	Role       Role   `json:"role,omitempty"`
	NodeID     string `json:"node_id"`
	PrevNodeID string `json:"prev_node_id,omitempty"`
	NextNode   string `json:"next_node,omitempty"`
	Attempt    int    `json:"attempt,omitempty"`
	BranchID   string `json:"branch_id,omitempty"`
	ForkNodeID string `json:"fork_node_id,omitempty"`
	// Merges lists the last seq of each branch that this event joined.
	Merges []uint64 `json:"merges,omitempty"`
	// CreatedAt is UTC, with nanoseconds. It does not order events. StartedAt is when
	// the work of the node began; zero if unknown.
	CreatedAt time.Time `json:"created_at"`
	StartedAt time.Time `json:"started_at,omitzero"`
	Metadata  Metadata  `json:"metadata,omitzero"`
	Origin    *Origin   `json:"origin,omitempty"`
	Envelope  *Envelope `json:"envelope,omitempty"`
	// Input is the SHA-256 of the node's input; zero if unknown. Reused is the seq of
	// an earlier event whose result this one reuses; 0 if it reuses no result.
	Input  Digest `json:"input,omitzero"`
	Reused uint64 `json:"reused,omitempty"`
	// Failure says what went wrong. Only an event of that role has it.
	Failure *FailureInfo `json:"error,omitempty"`
	// Kind, Size (in bytes) and SHA256 describe the state.
	Kind   Kind   `json:"kind,omitempty"`
	Size   int64  `json:"size"`
	SHA256 Digest `json:"sha256"`
	// Visit counts the events of this node and role in the run, by seq, over all
	// branches: this is the nth.
	Visit uint64 `json:"visit,omitempty"`
	// Writer is a random word of the open store that wrote the event.
	Writer string `json:"writer,omitempty"`
	// Epoch is the epoch of the claim under which the event was written; 0 without a
	// claim.
	Epoch uint64 `json:"epoch,omitempty"`
	// Life is the run's incarnation id, in event 1 only.
	Life string `json:"life,omitempty"`
}

// clone returns a header that shares no memory with h.
func (h Header) clone() Header {
	h.Metadata.Labels = maps.Clone(h.Metadata.Labels)
	h.Merges = slices.Clone(h.Merges)
	if h.Origin != nil {
		o := *h.Origin
		h.Origin = &o
	}
	if h.Envelope != nil {
		e := *h.Envelope
		h.Envelope = &e
	}
	if h.Failure != nil {
		f := *h.Failure
		h.Failure = &f
	}
	return h
}

// Common is what event 1 of a run said that a later event inherits: its stored header has
// only what differs.
type Common struct {
	GraphID string `json:"graph_id,omitempty"`
	Version int    `json:"version,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Writer  string `json:"writer,omitempty"`
}

func (h *Header) common() Common {
	return Common{h.Metadata.GraphID, h.Metadata.Version, h.Attempt, h.Writer}
}

// marshal returns the stored JSON of a header in a run whose events inherit c.
func (h *Header) marshal(c Common) ([]byte, error) { return h.append(make([]byte, 0, 384), c) }

// append is marshal into b, which must be empty, if it has room. It writes JSON by hand,
// in a fifth of the time that encoding/json takes, which matters for an event of a few
// hundred bytes.
func (h *Header) append(b []byte, c Common) ([]byte, error) {
	w := jsonWriter{b: b}
	if h.Seq == 1 {
		c = Common{}
		w.str("run_id", h.RunID)
		w.str("life", h.Life)
	}
	if h.Parent != h.Seq-1 {
		w.num("parent", int64(h.Parent))
	}
	w.strIf("role", string(h.Role))
	w.str("node", h.NodeID)
	w.strIf("prev", h.PrevNodeID)
	w.strIf("next", h.NextNode)
	if h.Attempt != c.Attempt {
		w.num("attempt", int64(h.Attempt))
	}
	w.strIf("branch", h.BranchID)
	w.strIf("fork", h.ForkNodeID)
	if len(h.Merges) > 0 {
		w.any("merges", h.Merges)
	}
	w.key("at")
	w.b = append(h.CreatedAt.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
	if !h.StartedAt.IsZero() {
		w.num("took", int64(h.CreatedAt.Sub(h.StartedAt)))
	}
	if h.Metadata.GraphID != c.GraphID {
		w.str("graph", h.Metadata.GraphID)
	}
	if h.Metadata.Version != c.Version {
		w.num("version", int64(h.Metadata.Version))
	}
	if len(h.Metadata.Labels) > 0 {
		w.any("labels", h.Metadata.Labels)
	}
	if h.Origin != nil {
		w.any("origin", h.Origin)
	}
	if h.Envelope != nil {
		w.envelope(h)
	}
	if !h.Input.IsZero() {
		w.key("input")
		w.b = append(hex.AppendEncode(append(w.b, '"'), h.Input[:]), '"')
	}
	w.numIf("reused", int64(h.Reused))
	if h.Failure != nil {
		w.any("error", h.Failure)
	}
	if h.Kind != JSON {
		w.strIf("kind", string(h.Kind))
	}
	w.num("size", h.Size)
	w.num("visit", int64(h.Visit))
	if h.Writer != c.Writer {
		w.str("writer", h.Writer)
	}
	w.numIf("epoch", int64(h.Epoch))
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

// any writes rare members.
func (w *jsonWriter) any(name string, v any) {
	w.key(name)
	b, err := json.Marshal(v)
	if err != nil {
		w.err = err
		return
	}
	w.b = append(w.b, b...)
}

// storedHeader is a header's stored JSON, which is hashed as written. It leaves out the
// fields that the record has beside it, the seq and the state's SHA-256, and the
// defaults: the run's id and life except in event 1, what is inherited from event 1
// (see [Common]), a parent that is the event before, the kind json. Unknown members are
// kept.
type storedHeader struct {
	RunID      string            `json:"run_id"`
	Life       string            `json:"life"`
	Parent     *uint64           `json:"parent"`
	Role       Role              `json:"role"`
	NodeID     string            `json:"node"`
	PrevNodeID string            `json:"prev"`
	NextNode   string            `json:"next"`
	Attempt    *int              `json:"attempt"`
	BranchID   string            `json:"branch"`
	ForkNodeID string            `json:"fork"`
	Merges     []uint64          `json:"merges"`
	CreatedAt  time.Time         `json:"at"`
	Took       *time.Duration    `json:"took"` // nanoseconds from StartedAt to CreatedAt
	GraphID    *string           `json:"graph"`
	Version    *int              `json:"version"`
	Labels     map[string]string `json:"labels"`
	Origin     *Origin           `json:"origin"`
	Envelope   *storedEnvelope   `json:"envelope"`
	Input      Digest            `json:"input"`
	Reused     uint64            `json:"reused"`
	Failure    *FailureInfo      `json:"error"`
	Kind       Kind              `json:"kind"`
	Size       int64             `json:"size"`
	Visit      uint64            `json:"visit"`
	Writer     *string           `json:"writer"`
	Epoch      uint64            `json:"epoch"`
}

// common returns what later events inherit from this header.
func (s *storedHeader) common() Common {
	return Common{or(s.GraphID, ""), or(s.Version, 0), or(s.Attempt, 0), or(s.Writer, "")}
}

// or returns what a header says, or else what it inherits.
func or[T any](said *T, inherited T) T {
	if said != nil {
		return *said
	}
	return inherited
}

// parseHeader reads the stored header of a record, in a run whose events inherit c, and
// checks the fields that readers rely on.
func parseHeader(run string, c Common, r *driver.Record) (Header, error) {
	var s storedHeader
	seq := r.Seq
	if seq == 1 {
		c = Common{}
	}
	if err := json.Unmarshal(r.Header, &s); err != nil {
		return Header{}, corrupt(run, seq, fmt.Sprintf("header: %v", err))
	}
	if seq == 1 && s.RunID != run {
		return Header{}, &Error{Run: run, Seq: seq, Reason: "header of another run", Want: run, Have: s.RunID, Err: ErrCorrupt}
	}
	h := Header{
		RunID: run, Seq: seq, Parent: seq - 1, Role: s.Role, NodeID: s.NodeID, PrevNodeID: s.PrevNodeID, NextNode: s.NextNode,
		Attempt: or(s.Attempt, c.Attempt), BranchID: s.BranchID, ForkNodeID: s.ForkNodeID, Merges: s.Merges, CreatedAt: s.CreatedAt,
		Metadata: Metadata{GraphID: or(s.GraphID, c.GraphID), Version: or(s.Version, c.Version), Labels: s.Labels}, Origin: s.Origin,
		Input: s.Input, Reused: s.Reused, Failure: s.Failure, Kind: s.Kind, Size: s.Size, SHA256: r.StateHash,
		Visit: s.Visit, Writer: or(s.Writer, c.Writer), Epoch: s.Epoch, Life: s.Life,
	}
	h.Parent = or(s.Parent, h.Parent)
	if s.Took != nil {
		h.StartedAt = s.CreatedAt.Add(-*s.Took)
	}
	if h.Kind == "" {
		h.Kind = JSON
	}
	if s.Envelope != nil {
		var err error
		if h.Envelope, err = s.Envelope.of(&h); err != nil {
			return Header{}, corrupt(run, seq, fmt.Sprintf("envelope: %v", err))
		}
	}
	switch {
	case h.Parent >= seq:
		return Header{}, corrupt(run, seq, fmt.Sprintf("parent %d does not come before it", h.Parent))
	case h.Size < 0:
		return Header{}, corrupt(run, seq, fmt.Sprintf("size %d", h.Size))
	case (h.Role != Recoverable) != (r.Flags&driver.Passed != 0):
		return Header{}, corrupt(run, seq, fmt.Sprintf("flags %#x of an event of role %q", r.Flags, h.Role))
	}
	return h, nil
}
