package flowgraphstore

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/internal/jsonscan"
)

// guess makes a checkpoint of an envelope that looks as flowgraph writes it, and
// returns nil for anything else. Where the state ends is a guess: it is right if
// what lies there is JSON, which the store checks at the same time as it hashes
// it. That takes half the time of going through the envelope first.
func (s *Store) guess(runID, nodeID string, data []byte) (*checkpoint.Checkpoint, int) {
	const before, after = `"state":`, `,"next_node":`
	start := bytes.Index(data[:min(len(data), maxEnvelope)], []byte(before)) + len(before)
	end := bytes.LastIndex(data, []byte(after))
	if start < len(before) || end <= start {
		return nil, 0
	}
	prefix, suffix := data[:start], data[end:]
	// Nothing around it is nested or escaped, so that is the envelope's own
	// state, and its only one.
	if bytes.Count(prefix, []byte("{")) != 1 || bytes.ContainsAny(prefix, `[\`) || bytes.ContainsAny(suffix, `{[\`) || bytes.Contains(suffix, []byte(before)) {
		return nil, 0
	}
	if strings.ContainsRune(" \t\r\n", rune(data[start])) || strings.ContainsRune(" \t\r\n", rune(data[end-1])) {
		return nil, 0
	}
	c, sequence := s.fill(runID, nodeID, data, span{start, end})
	if c.Envelope == nil {
		return nil, 0
	}
	return c, sequence
}

// split makes a checkpoint of what flowgraph saves, and returns the envelope's
// sequence, 0 if there is no envelope. What is no envelope, or one that an event
// can't hold, is a state as it is.
func (s *Store) split(runID, nodeID string, data []byte) (*checkpoint.Checkpoint, int) {
	span, ok := findState(data)
	if ok && span.start < span.end && jsonscan.ValidState(data[span.start:span.end]) {
		return s.fill(runID, nodeID, data, span)
	}
	c := s.whole(runID, nodeID, data)
	if !ok || !jsonscan.ValidState(data) {
		c.Kind = checkpoint.KindBytes
	}
	return c, 0
}

// whole makes a checkpoint of data as it is.
func (s *Store) whole(runID, nodeID string, data []byte) *checkpoint.Checkpoint {
	return &checkpoint.Checkpoint{RunID: runID, NodeID: nodeID, State: data, Metadata: checkpoint.Metadata{GraphID: s.graphID}}
}

// fill makes a checkpoint of an envelope whose state lies at span.
func (s *Store) fill(runID, nodeID string, data []byte, at span) (*checkpoint.Checkpoint, int) {
	c := s.whole(runID, nodeID, data)
	prefix, suffix := data[:at.start], data[at.end:]
	env, ok := parseEnvelope(prefix, suffix)
	around := &checkpoint.Envelope{Prefix: string(prefix), Suffix: string(suffix)}
	if !ok || !fits(env, around) {
		return c, 0
	}
	c.State, c.Envelope = data[at.start:at.end], around
	c.Metadata.Version = env.Version
	c.CreatedAt, c.Attempt = env.Timestamp.UTC(), env.Attempt
	c.NextNode, c.PrevNodeID = env.NextNode, env.PrevNodeID
	c.BranchID, c.ForkNodeID = env.BranchID, env.ForkNodeID
	return c, env.Sequence
}

// parseEnvelope reads what stands around a state, if it is flowgraph's.
func parseEnvelope(prefix, suffix []byte) (*fgcheckpoint.Checkpoint, bool) {
	if len(prefix)+len(suffix) > maxEnvelope || !utf8.Valid(prefix) || !utf8.Valid(suffix) {
		return nil, false
	}
	var env fgcheckpoint.Checkpoint
	err := json.Unmarshal(slices.Concat(prefix, []byte("null"), suffix), &env)
	// The ids may be others than those of the event: a checkpoint can be copied.
	return &env, err == nil && env.RunID != "" && env.NodeID != "" && env.Sequence >= 1
}

// fits reports whether an event's header can hold an envelope.
func fits(env *fgcheckpoint.Checkpoint, around *checkpoint.Envelope) bool {
	for _, name := range []string{env.NextNode, env.PrevNodeID, env.BranchID, env.ForkNodeID} {
		if len(name) > maxName || strings.ContainsRune(name, 0) {
			return false
		}
	}
	if year := env.Timestamp.UTC().Year(); year < 0 || year > 9999 {
		return false
	}
	text, err := json.Marshal(around) // as a header has it, escaped
	return err == nil && len(text) <= maxEnvelope
}

// What fits a header of 64 KiB, in bytes: names, of which a byte takes up to six
// there, and the text around a state.
const (
	maxName     = 1 << 10
	maxEnvelope = 16 << 10
)

// span is where the state is in an envelope; empty if data is no JSON object with
// one state.
type span struct{ start, end int }

// findState goes through data once. It reports whether data is one JSON value.
func findState(data []byte) (span, bool) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if dec.PeekKind() != '{' {
		err := dec.SkipValue()
		return span{}, err == nil && ended(data, dec)
	}
	dec.ReadToken()
	var at span
	states := 0
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return span{}, false
		}
		isState := name.String() == "state"
		dec.PeekKind() // go past the colon and white space
		value, err := dec.ReadValue()
		if err != nil {
			return span{}, false
		}
		if isState {
			end := int(dec.InputOffset())
			at, states = span{end - len(value), end}, states+1
		}
	}
	if _, err := dec.ReadToken(); err != nil || !ended(data, dec) {
		return span{}, false
	}
	if states != 1 {
		at = span{}
	}
	return at, true
}

// ended reports whether nothing but white space is left.
func ended(data []byte, dec *jsontext.Decoder) bool {
	return len(bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n")) == 0
}

// join returns what flowgraph saved, byte for byte.
func join(c *checkpoint.Checkpoint) []byte {
	if c.Envelope == nil {
		return c.State
	}
	return slices.Concat([]byte(c.Envelope.Prefix), c.State, []byte(c.Envelope.Suffix))
}

// sequenceOf returns the sequence of the envelope that a checkpoint came in, 0 if
// it came in none.
func sequenceOf(c *checkpoint.Checkpoint) int {
	if c.Envelope == nil {
		return 0
	}
	env, ok := parseEnvelope([]byte(c.Envelope.Prefix), []byte(c.Envelope.Suffix))
	if !ok {
		return 0
	}
	return env.Sequence
}
