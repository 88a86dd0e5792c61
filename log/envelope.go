package log

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Envelope holds the bytes that an engine wraps around a state: prefix, state and suffix
// together are the bytes that it saved. flowlog keeps it beside the state, so that the
// engine gets its own bytes back and people see only the state.
type Envelope struct {
	Prefix string `json:"prefix"`
	Suffix string `json:"suffix"`
}

// flowgraph says in its envelope what the header says as well, but for a number, the
// sequence of its saves. So an envelope that is exactly what flowgraph writes of the
// header's fields is stored as a number: how far the sequence is behind the seq, mostly 0.
// Any other is stored as its text.

// storedEnvelope is a stored envelope: a text, or flowgraph's with a sequence so far behind
// the seq.
type storedEnvelope struct {
	text   *Envelope
	behind int64
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *storedEnvelope) UnmarshalJSON(b []byte) error {
	if b[0] == '{' {
		return json.Unmarshal(b, &e.text)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is neither an object nor a number", b)
	}
	e.behind = n
	return nil
}

// of returns the envelope of an event whose header is complete but for it.
func (e *storedEnvelope) of(h *Header) (*Envelope, error) {
	if e.text != nil {
		return e.text, nil
	}
	f, err := flowgraphEnvelope(h, int64(h.Seq)-e.behind)
	return &f, err
}

// envelope writes the header's envelope.
func (w *jsonWriter) envelope(h *Header) {
	e := h.Envelope
	if n, ok := e.sequence(); ok {
		if f, err := flowgraphEnvelope(h, n); err == nil && f == *e {
			w.num("envelope", int64(h.Seq)-n)
			return
		}
	}
	w.key("envelope")
	w.b = append(w.b, '{')
	w.str("prefix", e.Prefix)
	w.str("suffix", e.Suffix)
	w.b = append(w.b, '}')
}

// sequence returns the number that follows the name "sequence" in the prefix.
func (e *Envelope) sequence() (int64, bool) {
	const name = `,"sequence":`
	i := strings.Index(e.Prefix, name)
	if i < 0 {
		return 0, false
	}
	digits, _, _ := strings.Cut(e.Prefix[i+len(name):], ",")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// flowgraphEnvelope returns what flowgraph 1.1 writes around a state: its members, in its
// order.
func flowgraphEnvelope(h *Header, sequence int64) (Envelope, error) {
	w := jsonWriter{b: make([]byte, 0, 256)}
	w.num("version", int64(h.Metadata.Version))
	w.str("run_id", h.RunID)
	w.str("node_id", h.NodeID)
	w.num("sequence", sequence)
	w.key("timestamp")
	w.b = append(h.CreatedAt.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
	w.key("state")
	n := len(w.b)
	w.str("next_node", h.NextNode)
	w.num("attempt", int64(h.Attempt))
	w.strIf("prev_node_id", h.PrevNodeID)
	w.strIf("branch_id", h.BranchID)
	w.strIf("fork_node_id", h.ForkNodeID)
	text := string(append(w.b, '}'))
	return Envelope{text[:n], text[n:]}, w.err
}
