package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/flowlog/checkpoint"
)

// entry is an event of a listing.
type entry struct{ *checkpoint.Event }

// name says which event of its node an event is. A fork's first event is of no node: its
// NodeID is a copy.
func (e entry) name() string {
	if of := e.ForkedFrom(); of != nil {
		return printable("fork of " + originName(of))
	}
	return e.visit()
}

// visit names an event by its node: review#2, or what else it is of the node.
func (e entry) visit() string { return visitName(e.NodeID, e.Role, e.Visit) }

func visitName(node string, role checkpoint.Role, visit uint64) string {
	switch {
	case role == "":
		return fmt.Sprintf("%s#%d", printable(node), visit)
	case visit > 1:
		return printable(fmt.Sprintf("%s (%s %d)", node, role, visit))
	}
	return printable(fmt.Sprintf("%s (%s)", node, role))
}

// isAside reports whether an event is beside the line of checkpoints: what comes next
// continues from the checkpoint before it. A run's beginning and its end are on the line.
func isAside(e *checkpoint.Event) bool {
	return e.Role != "" && e.Role != checkpoint.RoleBegin && e.Role != checkpoint.RoleEnd
}

func originName(of *checkpoint.Origin) string { return fmt.Sprintf("%s@%d", of.RunID, of.Seq) }

// listing chooses entries of a run.
type listing struct {
	node     string
	backward bool
	limit    int    // 0 for all
	from     uint64 // the first seq
	line     *line  // only these; nil for all
}

// isWhole reports whether a listing has all events, but for a limit.
func (list listing) isWhole() bool { return list.node == "" && list.line == nil }

// entries streams events without their states.
func (l looker) entries(run checkpoint.Run, list listing) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for ev, err := range l.headers(run, list) {
			if !yield(entry{ev}, err) || err != nil {
				return
			}
		}
	}
}

// headers is entries, as events.
func (l looker) headers(run checkpoint.Run, list listing) iter.Seq2[*checkpoint.Event, error] {
	opts := checkpoint.HistoryOptions{From: list.from, To: run.Last, Node: list.node, Backward: list.backward, Limit: list.limit, HeadersOnly: true}
	if list.line != nil {
		return l.headersOf(run, *list.line, opts)
	}
	return l.store.History(l.ctx, run.ID, opts)
}

// How many events are read and shown at a time. Of a run that has more, the first
// page is shorter, so that it is there at once.
const (
	pageRows  = 1000
	firstRows = 250
)

// pages is entries, a page at a time.
func (l looker) pages(run checkpoint.Run, list listing) iter.Seq2[[]entry, error] {
	return func(yield func([]entry, error) bool) {
		var page []entry
		length := pageRows
		if run.Events() > pageRows {
			length = firstRows
		}
		for e, err := range l.entries(run, list) {
			if err != nil {
				yield(nil, err)
				return
			}
			if page = append(page, e); len(page) == length {
				if !yield(page, nil) {
					return
				}
				page, length = nil, pageRows
			}
		}
		if len(page) > 0 {
			yield(page, nil)
		}
	}
}

// eventJSON is an event as -o json gives it: the names are those of a checkpoint's
// JSON, sizes are in bytes.
type eventJSON struct {
	RunID      string              `json:"run_id"`
	Seq        uint64              `json:"seq"`
	Parent     uint64              `json:"parent"`
	NodeID     string              `json:"node_id"`
	Visit      uint64              `json:"visit"`
	Role       checkpoint.Role     `json:"role,omitempty"`
	PrevNodeID string              `json:"prev_node_id,omitempty"`
	NextNode   string              `json:"next_node,omitempty"`
	Attempt    int                 `json:"attempt,omitempty"`
	BranchID   string              `json:"branch_id,omitempty"`
	ForkNodeID string              `json:"fork_node_id,omitempty"`
	CreatedAt  time.Time           `json:"created_at"`
	Metadata   checkpoint.Metadata `json:"metadata"`
	Failure    *checkpoint.Failure `json:"error,omitempty"`
	Origin     *checkpoint.Origin  `json:"origin,omitempty"`
	Kind       checkpoint.Kind     `json:"kind"`
	Size       int64               `json:"size"`
	Stored     int64               `json:"stored"`
	Encoding   string              `json:"encoding"`
	goneJSON
	Pinned      bool              `json:"pinned,omitempty"`
	Labels      map[string]string `json:"labels,omitzero"` // in effect, with what was said later
	SHA256      checkpoint.Digest `json:"sha256"`
	Hash        checkpoint.Digest `json:"hash"`
	Writer      string            `json:"writer,omitempty"` // names the open store that wrote it
	State       json.RawMessage   `json:"state,omitempty"`
	StateBase64 []byte            `json:"state_base64,omitempty"`
}

func (e entry) json() eventJSON {
	j := eventJSON{
		RunID: e.RunID, Seq: e.Seq, Parent: e.Parent, NodeID: e.NodeID, Visit: e.Visit, Role: e.Role, PrevNodeID: e.PrevNodeID,
		NextNode: e.NextNode, Attempt: e.Attempt, BranchID: e.BranchID, ForkNodeID: e.ForkNodeID,
		CreatedAt: e.CreatedAt.UTC(), Metadata: e.Metadata, Failure: e.Failure, Origin: e.Origin, Kind: e.Kind, Size: e.Size,
		Stored: e.Stored, Encoding: e.Encoding.String(), goneJSON: goneFacts(e.Event), SHA256: e.SHA256, Hash: e.Hash, Writer: e.Writer,
	}
	if e.Kind == checkpoint.KindJSON && json.Valid(e.State) {
		j.State = e.State
	} else {
		j.StateBase64 = e.State
	}
	return j
}

// runJSON is a run as -o json gives it.
type runJSON struct {
	RunID     string            `json:"run_id"`
	GraphID   string            `json:"graph_id,omitempty"`
	Events    uint64            `json:"events"`
	Pruned    uint64            `json:"pruned"` // events without their state, also if it was redacted
	NodeID    string            `json:"node_id"`
	NextNode  string            `json:"next_node,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
	SavedAt   time.Time         `json:"saved_at"` // when its newest event was appended
	Size      int64             `json:"size"`     // of the newest state
	Bytes     int64             `json:"bytes"`
	Stored    int64             `json:"stored"`
	Hash      checkpoint.Digest `json:"hash"`
	*runMarksJSON
}

// runMarksJSON is what was said of a run later, as -o json gives it.
type runMarksJSON struct {
	Pinned         bool              `json:"pinned,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	PinnedEvents   int               `json:"pinned_events,omitempty"`
	LabelledEvents int               `json:"labelled_events,omitempty"`
}

// markedRun is runFacts with what was said of the run later.
func markedRun(r checkpoint.Run, m checkpoint.Marks) runJSON {
	j := runFacts(r)
	j.runMarksJSON = &runMarksJSON{Pinned: m.Run.Pinned, Labels: m.Run.Labels}
	j.PinnedEvents, j.LabelledEvents = markedCounts(m)
	return j
}

func runFacts(r checkpoint.Run) runJSON {
	return runJSON{
		RunID: r.ID, GraphID: r.GraphID, Events: r.Events(), Pruned: r.Pruned, NodeID: r.NodeID, NextNode: r.NextNode,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), SavedAt: r.SavedAt.UTC(), Size: r.Size, Bytes: r.Bytes, Stored: r.Stored, Hash: r.Hash,
	}
}

// writeJSON writes a value as indented JSON, or on one line.
func writeJSON(s *screen, f format, v any) error {
	enc := json.NewEncoder(s)
	enc.SetEscapeHTML(false)
	if f == formatJSON {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}
