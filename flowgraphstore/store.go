package flowgraphstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"

	"github.com/flowlog/checkpoint"
)

// Events is what a Store needs of a store: every store of package checkpoint has
// it.
type Events interface {
	Append(ctx context.Context, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) error
	LoadSeq(ctx context.Context, runID string, seq uint64) (*checkpoint.Checkpoint, error)
	LoadNode(ctx context.Context, runID, node string) (*checkpoint.Checkpoint, error)
	History(ctx context.Context, runID string, opts checkpoint.HistoryOptions) iter.Seq2[*checkpoint.Event, error]
	Prune(ctx context.Context, runID string, seqs []uint64, reason string) (int, error)
	Delete(ctx context.Context, runID string) error
	Close() error
}

// Store implements flowgraph's checkpoint.Store. It is safe for concurrent use.
//
// Its errors satisfy flowgraph's sentinels (ErrNotFound, ErrStoreClosed) as well
// as those of package checkpoint. Durability is that of the store below: when
// Save returns nil, the event is durable.
type Store struct {
	events  Events
	graphID string
	view    bool
	at      uint64 // the event that a view was made for

	mu   sync.Mutex
	runs map[string]*position // by run id; the positions are under mu as well
}

var _ fgcheckpoint.Store = (*Store)(nil)

// Option tunes a Store.
type Option func(*Store)

// WithGraphID records a name of the graph with every event.
func WithGraphID(id string) Option { return func(s *Store) { s.graphID = id } }

// New returns a Store on a store of package checkpoint. Closing it closes that.
func New(events Events, opts ...Option) *Store {
	s := &Store{events: events, runs: map[string]*position{}}
	for _, o := range opts {
		o(s)
	}
	return s
}

// At returns a view in which the event seq is the newest of its run, and the line
// of events that leads to it all there is. What is saved through the view
// continues from that event and moves the view along; the events after it stay
// where they are, on a branch of their own. The view is for one run. Closing it
// closes the store.
//
// A seq that the run doesn't have, or whose state was pruned, is not found. A run
// that is started from its first node, rather than resumed, makes a new beginning
// also in a view.
func (s *Store) At(seq uint64) *Store {
	v := New(s.events, WithGraphID(s.graphID))
	v.view, v.at = true, seq
	return v
}

// Save implements flowgraph's Store: it appends an event.
func (s *Store) Save(runID, nodeID string, data []byte) error {
	return translate(s.save(runID, nodeID, data, time.Time{}))
}

// save is Save; when is the time of data that doesn't say it, zero for now.
func (s *Store) save(runID, nodeID string, data []byte, when time.Time) error {
	var at uint64
	var placed bool
	err := checkpoint.ErrInvalid
	c, sequence := s.guess(runID, nodeID, data)
	if c != nil {
		at, placed, err = s.append(c, sequence)
	}
	if errors.Is(err, checkpoint.ErrInvalid) { // no guess, or a wrong one
		c, sequence = s.split(runID, nodeID, data)
		if c.CreatedAt.IsZero() {
			c.CreatedAt = when
		}
		at, placed, err = s.append(c, sequence, checkpoint.TrustState())
	}
	s.moved(runID, func(p *position) {
		if err == nil {
			p.saved = at
		}
		if sequence != 0 && placed { // the engine's own
			p.at, p.loads = place{at, sequence, nodeID}, nil
		}
	})
	return err
}

// append appends an event and returns its seq, or if that fails the one that it
// would have continued from; placed is false if that could not be found out.
func (s *Store) append(c *checkpoint.Checkpoint, sequence int, opts ...checkpoint.AppendOption) (at uint64, placed bool, err error) {
	ctx := context.Background()
	parent, root, err := s.parent(ctx, c, sequence)
	if err != nil {
		return 0, false, err
	}
	try := func() error {
		c.Seq = parent
		if root {
			return s.events.Append(ctx, c, append(opts, checkpoint.AsRoot())...)
		}
		return s.events.Append(ctx, c, opts...)
	}
	err = try()
	if errors.Is(err, checkpoint.ErrNotFound) && !s.view {
		// What it continues from was deleted by others with the whole run.
		parent, root = 0, true
		err = try()
	}
	if err != nil {
		return parent, true, err
	}
	return c.Seq, true, nil
}

// Load implements flowgraph's Store: the node's newest event, or of "review#2" the
// second of node review.
func (s *Store) Load(runID, nodeID string) ([]byte, error) {
	c, err := s.load(context.Background(), runID, nodeID)
	if err != nil {
		return nil, translate(err)
	}
	s.moved(runID, func(p *position) { p.load(place{c.Seq, sequenceOf(c), c.NodeID}) })
	return join(c), nil
}

func (s *Store) load(ctx context.Context, runID, nodeID string) (*checkpoint.Checkpoint, error) {
	if !s.view {
		return s.events.LoadNode(ctx, runID, nodeID)
	}
	line, err := s.line(ctx, runID)
	if err != nil {
		return nil, err
	}
	for _, ev := range slices.Backward(line) {
		if ev.NodeID == nodeID {
			return s.events.LoadSeq(ctx, runID, ev.Seq)
		}
	}
	// "review#2" may be an event of the line under another name.
	c, err := s.events.LoadNode(ctx, runID, nodeID)
	if err != nil || slices.ContainsFunc(line, func(ev *checkpoint.Event) bool { return ev.Seq == c.Seq }) {
		return c, err
	}
	return nil, fmt.Errorf("run %q: %w: node %q has no event on the line to seq %d", runID, checkpoint.ErrNotFound, nodeID, s.end(runID))
}

// List implements flowgraph's Store: all events of a run whose states are there,
// every pass of a loop included, oldest first. Sequence is flowlog's seq.
func (s *Store) List(runID string) ([]fgcheckpoint.Info, error) {
	events, err := s.line(context.Background(), runID)
	if err != nil {
		return nil, translate(err)
	}
	infos := make([]fgcheckpoint.Info, len(events))
	for i, ev := range events {
		infos[i] = fgcheckpoint.Info{RunID: runID, NodeID: ev.NodeID, Sequence: int(ev.Seq), Timestamp: ev.CreatedAt, Size: ev.Size}
		if e := ev.Envelope; e != nil {
			infos[i].Size += int64(len(e.Prefix) + len(e.Suffix))
		}
	}
	return infos, nil
}

// line returns the headers of a run's events whose states are there, oldest
// first: on a plain Store all of them, in a view those that lead to its end.
func (s *Store) line(ctx context.Context, runID string) ([]*checkpoint.Event, error) {
	var events []*checkpoint.Event
	end, found := s.end(runID), !s.view
	for ev, err := range s.events.History(ctx, runID, checkpoint.HistoryOptions{To: end, Backward: true, HeadersOnly: true, Lineage: s.view}) {
		switch {
		case !s.view && errors.Is(err, checkpoint.ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		case !found && ev.Seq != end:
			return nil, noEvent(runID, end)
		case !found && ev.Pruned && ev.Seq == s.at:
			_, err := s.events.LoadSeq(ctx, runID, ev.Seq) // says when and why
			return nil, err
		}
		if found = true; !ev.Pruned {
			events = append(events, ev)
		}
	}
	slices.Reverse(events)
	return events, nil
}

func noEvent(runID string, seq uint64) error {
	return fmt.Errorf("run %q: %w: there is no event %d", runID, checkpoint.ErrNotFound, seq)
}

// Delete implements flowgraph's Store: the states of all visits of the node are
// dropped, and Load and List pass over them; their headers remain in the history,
// as pruned.
func (s *Store) Delete(runID, nodeID string) error {
	ctx := context.Background()
	var seqs []uint64
	for ev, err := range s.events.History(ctx, runID, checkpoint.HistoryOptions{Node: nodeID, HeadersOnly: true}) {
		if errors.Is(err, checkpoint.ErrNotFound) {
			return nil
		}
		if err != nil {
			return translate(err)
		}
		// An empty name selects all events in History, and must not here.
		if ev.NodeID == nodeID && !ev.Pruned {
			seqs = append(seqs, ev.Seq)
		}
	}
	_, err := s.events.Prune(ctx, runID, seqs, "flowgraph: delete node "+nodeID)
	if errors.Is(err, checkpoint.ErrNotFound) {
		return nil // the run was deleted meanwhile
	}
	return translate(err)
}

// DeleteRun implements flowgraph's Store: the run is erased.
func (s *Store) DeleteRun(runID string) error {
	s.mu.Lock()
	delete(s.runs, runID)
	s.mu.Unlock()
	return translate(s.events.Delete(context.Background(), runID))
}

// Close implements flowgraph's Store: it closes the store below.
func (s *Store) Close() error { return s.events.Close() }

// translate makes an error satisfy flowgraph's sentinels too.
func translate(err error) error {
	switch {
	case errors.Is(err, checkpoint.ErrPruned):
		return fmt.Errorf("%w: %w: %w", fgcheckpoint.ErrNotFound, checkpoint.ErrNotFound, err)
	case errors.Is(err, checkpoint.ErrNotFound):
		return fmt.Errorf("%w: %w", fgcheckpoint.ErrNotFound, err)
	case errors.Is(err, checkpoint.ErrClosed):
		return fmt.Errorf("%w: %w", fgcheckpoint.ErrStoreClosed, err)
	}
	return err
}
