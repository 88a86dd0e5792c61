package checkpoint

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/flowlog/checkpoint/internal/jsonscan"
	"github.com/flowlog/checkpoint/log"
)

// Checkpoint is one event of a run: what a workflow engine saves after a node.
//
// Its JSON holds run_id, node_id, state, created_at and metadata, and of the
// others those that are not empty.
type Checkpoint struct {
	// RunID and NodeID are needed: valid UTF-8 without NUL, at most 1 KiB each.
	RunID  string
	NodeID string
	// State is one JSON value, kept byte for byte.
	State json.RawMessage
	// CreatedAt is when the checkpoint was made, in UTC. If it is zero, or still
	// that of the event that was loaded, the stored event gets the time of Save;
	// the struct does not.
	CreatedAt time.Time
	Metadata  Metadata

	// Seq is the event's position in its run: 1, 2, 3 … On the way into Save
	// it names the event that this one continues from, 0 for the newest that
	// was seen through the store; Save sets it to the new event's. So to load,
	// change and save goes on from what was loaded.
	Seq uint64
	// Parent is the seq of the event that this one continues from, 0 for none.
	// Save sets it.
	Parent uint64

	PrevNodeID string // the node that ran before
	NextNode   string // the node to go on with
	Attempt    int    // 1 for the first try of the node
	BranchID   string // of a fork, with ForkNodeID
	ForkNodeID string
	// Origin is the event of another run that this run was forked from.
	Origin *Origin

	// Kind is KindJSON, or KindBytes for a State that is not JSON: its JSON is
	// then base64, with "encoding":"base64". Empty means KindJSON.
	Kind Kind
	// Envelope is what an engine wrapped around State, kept for it byte for
	// byte.
	Envelope *Envelope

	// loaded is the CreatedAt of the event that this was loaded from: one that
	// is saved on from there is a new event, with a time of its own.
	loaded time.Time
}

// What checkpoints are made of, as package log defines it.
type (
	// Metadata is what a checkpoint says of itself to people and policies.
	Metadata = log.Metadata
	// Origin names the event that a run was forked from.
	Origin = log.Origin
	// Envelope is what an engine wraps around a state.
	Envelope = log.Envelope
	// Kind says what a state is.
	Kind = log.Kind
	// Digest is a SHA-256.
	Digest = log.Digest
)

// The kinds of states.
const (
	KindJSON  = log.JSON
	KindBytes = log.Bytes
)

// New returns a checkpoint whose State is the JSON of state.
//
// It fails when state can't be marshalled, and names its type.
func New(runID, nodeID string, state any) (*Checkpoint, error) {
	b, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("%w state of type %T: it can't be written as JSON: %w", ErrInvalid, state, err)
	}
	return &Checkpoint{RunID: runID, NodeID: nodeID, State: b}, nil
}

// Decode stores the state in the value that v points to, by encoding/json.
func (c *Checkpoint) Decode(v any) error {
	if err := json.Unmarshal(c.State, v); err != nil {
		return fmt.Errorf("state of run %q seq %d (node %q) does not fit %T: %w", c.RunID, c.Seq, c.NodeID, v, err)
	}
	return nil
}

// wire is the JSON of a Checkpoint.
type wire struct {
	RunID      string          `json:"run_id"`
	NodeID     string          `json:"node_id"`
	State      json.RawMessage `json:"state"`
	Encoding   string          `json:"encoding,omitempty"`
	CreatedAt  time.Time       `json:"created_at"`
	Metadata   Metadata        `json:"metadata"`
	Seq        uint64          `json:"seq,omitempty"`
	Parent     *uint64         `json:"parent,omitempty"`
	PrevNodeID string          `json:"prev_node_id,omitempty"`
	NextNode   string          `json:"next_node,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	BranchID   string          `json:"branch_id,omitempty"`
	ForkNodeID string          `json:"fork_node_id,omitempty"`
	Origin     *Origin         `json:"origin,omitempty"`
	Envelope   *Envelope       `json:"envelope,omitempty"`
}

// encodingBase64 is the encoding in the JSON of a state that is not JSON.
const encodingBase64 = "base64"

// MarshalJSON implements [json.Marshaler]. Note that json.Marshal compacts the
// state; what a store keeps is not compacted.
func (c Checkpoint) MarshalJSON() ([]byte, error) {
	w, err := c.wire()
	if err != nil {
		return nil, err
	}
	return json.Marshal(w)
}

func (c *Checkpoint) wire() (wire, error) {
	w := wire{
		RunID: c.RunID, NodeID: c.NodeID, State: c.State, CreatedAt: c.CreatedAt.UTC(), Metadata: c.Metadata,
		Seq: c.Seq, PrevNodeID: c.PrevNodeID, NextNode: c.NextNode, Attempt: c.Attempt,
		BranchID: c.BranchID, ForkNodeID: c.ForkNodeID, Origin: c.Origin, Envelope: c.Envelope,
	}
	if c.Parent != 0 {
		w.Parent = &c.Parent
	}
	if c.Kind == KindBytes {
		w.Encoding = encodingBase64
		text, err := json.Marshal(base64.StdEncoding.EncodeToString(c.State))
		if err != nil {
			return wire{}, err
		}
		w.State = text
	}
	return w, nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *Checkpoint) UnmarshalJSON(data []byte) error {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return c.fill(&w)
}

// fill makes the checkpoint what its JSON says.
func (c *Checkpoint) fill(w *wire) error {
	kind, state := Kind(""), w.State
	switch w.Encoding {
	case "":
	case encodingBase64:
		var text string
		if err := json.Unmarshal(w.State, &text); err != nil {
			return fmt.Errorf("checkpoint: state with encoding %q: %w", w.Encoding, err)
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("checkpoint: state with encoding %q: %w", w.Encoding, err)
		}
		kind, state = KindBytes, b
	default:
		return fmt.Errorf("checkpoint: %w encoding %q of the state: it is %q or absent", ErrInvalid, w.Encoding, encodingBase64)
	}
	at := w.CreatedAt.UTC()
	if y := at.Year(); y < 0 || y > 9999 { // only in UTC
		return fmt.Errorf("checkpoint: %w created_at: year %d can't be written as RFC 3339", ErrInvalid, y)
	}
	*c = Checkpoint{
		RunID: w.RunID, NodeID: w.NodeID, State: state, CreatedAt: at, Metadata: w.Metadata,
		Seq: w.Seq, PrevNodeID: w.PrevNodeID, NextNode: w.NextNode, Attempt: w.Attempt,
		BranchID: w.BranchID, ForkNodeID: w.ForkNodeID, Origin: w.Origin, Kind: kind, Envelope: w.Envelope,
	}
	if w.Parent != nil {
		c.Parent = *w.Parent
	}
	return nil
}

// header returns what the log is to store beside the state.
func (c *Checkpoint) header() log.Header {
	kind := c.Kind
	if kind == "" {
		kind = KindJSON
	}
	return log.Header{
		RunID: c.RunID, NodeID: c.NodeID, PrevNodeID: c.PrevNodeID, NextNode: c.NextNode, Attempt: c.Attempt,
		BranchID: c.BranchID, ForkNodeID: c.ForkNodeID, CreatedAt: c.newTime(), Metadata: c.Metadata,
		Origin: c.Origin, Envelope: c.Envelope, Kind: kind,
	}
}

// newTime returns the time that the caller gave the event, zero if it gave none.
func (c *Checkpoint) newTime() time.Time {
	if c.CreatedAt.Equal(c.loaded) {
		return time.Time{}
	}
	return c.CreatedAt
}

// fromEvent returns an event as the user knows it.
func fromEvent(ev *log.Event) Checkpoint {
	return Checkpoint{
		RunID: ev.RunID, NodeID: ev.NodeID, State: ev.State, CreatedAt: ev.CreatedAt, Metadata: ev.Metadata,
		Seq: ev.Seq, Parent: ev.Parent, PrevNodeID: ev.PrevNodeID, NextNode: ev.NextNode, Attempt: ev.Attempt,
		BranchID: ev.BranchID, ForkNodeID: ev.ForkNodeID, Origin: ev.Origin, Kind: ev.Kind, Envelope: ev.Envelope,
		loaded: ev.CreatedAt,
	}
}

// checkState returns what is wrong with a state that must be JSON.
func (c *Checkpoint) checkState() error {
	if c.Kind == KindBytes {
		return nil
	}
	if len(c.State) == 0 {
		return fmt.Errorf("%w state of run %q node %q: it is empty; the smallest state is a JSON value such as {} or null", ErrInvalid, c.RunID, c.NodeID)
	}
	// As with encoding/json, names may stand twice and strings hold any bytes: the
	// state is kept as it is, whatever its reader makes of it.
	if jsonscan.Valid(c.State) {
		return nil
	}
	opts := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	dec := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(c.State)), opts...)
	_, err := dec.ReadValue()
	if err == nil {
		err = errors.New("there is more after the JSON value")
	}
	return fmt.Errorf("%w state of run %q node %q: it is not JSON: %w; it begins with %.40q", ErrInvalid, c.RunID, c.NodeID, err, c.State)
}
