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

	// Seq is the event's place in its run: 1, 2, 3 …. Hash is its place in the run's
	// hash chain. Together they are its position. Passed to Save, they name the event
	// that this one continues from. With a Hash, only that very event matches, and not
	// one with the same seq in a later life of the run. Seq 0 means the run's newest
	// recoverable event. Save sets both to the new event's. So if you load a
	// checkpoint, change it and save it, the new event continues from the loaded one.
	Seq  uint64
	Hash Digest
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

	// Role is empty for a checkpoint, which recovery can take. Otherwise it says what
	// the event is in the run, such as RoleFailure, and recovery skips the event.
	Role Role
	// StartedAt is when the work of the node began; zero if unknown.
	StartedAt time.Time
	// Failure says what went wrong. Only an event of RoleFailure has it.
	Failure *Failure
	// Merges lists the last seq of each branch that this event joined. Input is the
	// SHA-256 of the node's input. Reused is the seq of an earlier event whose result
	// this one reuses.
	Merges []uint64
	Input  Digest
	Reused uint64

	// Kind is KindJSON, or KindBytes for a State that is not JSON: its JSON is
	// then base64, with "encoding":"base64". KindNone is for an event with a role and
	// without a state. Empty means KindJSON.
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
	// Position identifies an event of a run by its seq and its place in the hash chain.
	Position = log.Position
	// Role says what an event is in its run.
	Role = log.Role
	// Failure is the error that an event of RoleFailure records.
	Failure = log.FailureInfo
)

// The kinds of states.
const (
	KindJSON  = log.JSON
	KindBytes = log.Bytes
	KindNone  = log.None
)

// The roles of events. A checkpoint has none.
const (
	RoleBegin   = log.Begin
	RoleEnd     = log.End
	RoleFailure = log.Failure
	RoleFork    = log.Fork
	RoleBranch  = log.Branch
)

// Position returns the checkpoint's position.
func (c *Checkpoint) Position() Position { return Position{Seq: c.Seq, Hash: c.Hash} }

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
	Hash       Digest          `json:"hash,omitzero"`
	Parent     *uint64         `json:"parent,omitempty"`
	PrevNodeID string          `json:"prev_node_id,omitempty"`
	NextNode   string          `json:"next_node,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	BranchID   string          `json:"branch_id,omitempty"`
	ForkNodeID string          `json:"fork_node_id,omitempty"`
	Origin     *Origin         `json:"origin,omitempty"`
	Envelope   *Envelope       `json:"envelope,omitempty"`
	Role       Role            `json:"role,omitempty"`
	StartedAt  time.Time       `json:"started_at,omitzero"`
	Failure    *Failure        `json:"error,omitempty"`
	Merges     []uint64        `json:"merges,omitempty"`
	Input      Digest          `json:"input,omitzero"`
	Reused     uint64          `json:"reused,omitempty"`
}

// The encodings in the JSON of a state that is not JSON, and of an event that has none.
const (
	encodingBase64 = "base64"
	encodingNone   = "none"
)

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
		Seq: c.Seq, Hash: c.Hash, PrevNodeID: c.PrevNodeID, NextNode: c.NextNode, Attempt: c.Attempt,
		BranchID: c.BranchID, ForkNodeID: c.ForkNodeID, Origin: c.Origin, Envelope: c.Envelope,
		Role: c.Role, StartedAt: c.StartedAt.UTC(), Merges: c.Merges, Input: c.Input, Reused: c.Reused,
	}
	if c.Parent != 0 {
		w.Parent = &c.Parent
	}
	if c.Failure != nil {
		utc := *c.Failure
		utc.NotBefore = utc.NotBefore.UTC()
		w.Failure = &utc
	}
	switch c.Kind {
	case KindNone:
		w.State, w.Encoding = json.RawMessage("null"), encodingNone
	case KindBytes:
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
	case encodingNone:
		kind, state = KindNone, nil
	default:
		return fmt.Errorf("checkpoint: %w encoding %q of the state: it is %q, %q or absent", ErrInvalid, w.Encoding, encodingBase64, encodingNone)
	}
	if err := w.timesInUTC(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	*c = Checkpoint{
		RunID: w.RunID, NodeID: w.NodeID, State: state, CreatedAt: w.CreatedAt, Metadata: w.Metadata,
		Seq: w.Seq, Hash: w.Hash, PrevNodeID: w.PrevNodeID, NextNode: w.NextNode, Attempt: w.Attempt,
		BranchID: w.BranchID, ForkNodeID: w.ForkNodeID, Origin: w.Origin, Kind: kind, Envelope: w.Envelope,
		Role: w.Role, StartedAt: w.StartedAt, Failure: w.Failure, Merges: w.Merges, Input: w.Input, Reused: w.Reused,
	}
	if w.Parent != nil {
		c.Parent = *w.Parent
	}
	return nil
}

// timesInUTC makes all times UTC, in which each must have a year that RFC 3339 can write.
func (w *wire) timesInUTC() error {
	type named struct {
		name string
		at   *time.Time
	}
	times := []named{{"created_at", &w.CreatedAt}, {"started_at", &w.StartedAt}}
	if w.Failure != nil {
		times = append(times, named{"not_before", &w.Failure.NotBefore})
	}
	for _, t := range times {
		*t.at = t.at.UTC()
		if y := t.at.Year(); y < 0 || y > 9999 {
			return fmt.Errorf("%w %s: year %d can't be written as RFC 3339", ErrInvalid, t.name, y)
		}
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
		Role: c.Role, StartedAt: c.StartedAt, Failure: c.Failure, Merges: c.Merges, Input: c.Input, Reused: c.Reused,
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
	c := Checkpoint{
		RunID: ev.RunID, NodeID: ev.NodeID, State: ev.State, CreatedAt: ev.CreatedAt, Metadata: ev.Metadata,
		Seq: ev.Seq, Hash: ev.Hash, Parent: ev.Parent, PrevNodeID: ev.PrevNodeID, NextNode: ev.NextNode, Attempt: ev.Attempt,
		BranchID: ev.BranchID, ForkNodeID: ev.ForkNodeID, Origin: ev.Origin, Kind: ev.Kind, Envelope: ev.Envelope,
		Role: ev.Role, StartedAt: ev.StartedAt, Failure: ev.Failure, Merges: ev.Merges, Input: ev.Input, Reused: ev.Reused,
		loaded: ev.CreatedAt,
	}
	if c.Kind == KindNone {
		c.State = nil
	}
	return c
}

// checkState returns what is wrong with a state that must be JSON.
func (c *Checkpoint) checkState() error {
	if c.Kind == KindBytes || c.Kind == KindNone {
		return nil
	}
	if len(c.State) == 0 {
		return fmt.Errorf("%w state of run %q node %q: it is empty; the smallest state is a JSON value such as {} or null", ErrInvalid, c.RunID, c.NodeID)
	}
	// As with encoding/json, names may stand twice and strings hold any bytes: the
	// state is kept as it is, whatever its reader makes of it.
	if jsonscan.ValidState(c.State) {
		return nil
	}
	if jsonscan.Valid(c.State) {
		return fmt.Errorf("%w state of run %q node %q: it is nested deeper than %d; save it with KindBytes", ErrInvalid, c.RunID, c.NodeID, jsonscan.MaxStateDepth)
	}
	opts := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	dec := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(c.State)), opts...)
	_, err := dec.ReadValue()
	if err == nil {
		err = errors.New("there is more after the JSON value")
	}
	return fmt.Errorf("%w state of run %q node %q: it is not JSON: %w; it begins with %.40q", ErrInvalid, c.RunID, c.NodeID, err, c.State)
}
