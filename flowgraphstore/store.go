package flowgraphstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"

	"github.com/flowlog/checkpoint"
)

// Events is what a Store needs of a store: every store of package checkpoint has it.
type Events interface {
	Append(ctx context.Context, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) (checkpoint.Saved, error)
	LoadSeq(ctx context.Context, runID string, seq uint64) (*checkpoint.Checkpoint, error)
	LoadNodeAt(ctx context.Context, runID, node string, at checkpoint.Position) (*checkpoint.Checkpoint, error)
	Nodes(ctx context.Context, runID string, at checkpoint.Position) ([]*checkpoint.Event, error)
	History(ctx context.Context, runID string, opts checkpoint.HistoryOptions) iter.Seq2[*checkpoint.Event, error]
	Run(ctx context.Context, runID string) (checkpoint.Run, error)
	PruneOf(ctx context.Context, run checkpoint.Run, seqs []uint64, reason string) (int, error)
	Delete(ctx context.Context, runID string) error
	Close() error
}

// Store implements flowgraph's checkpoint.Store. It is safe for concurrent use.
//
// Its errors satisfy flowgraph's sentinels (ErrNotFound, ErrStoreClosed) as well as those of
// package checkpoint. Durability is that of the underlying store: when Save returns nil,
// the event is durable.
type Store struct {
	events  Events
	graphID string
	view    bool
	at      uint64 // the event that a view was made for

	mu        sync.Mutex // guards all below
	positions positions
}

var _ fgcheckpoint.Store = (*Store)(nil)

// Option tunes a Store.
type Option func(*Store)

// WithGraphID records a name of the graph with every event.
func WithGraphID(id string) Option { return func(s *Store) { s.graphID = id } }

// New returns a Store on a store of package checkpoint. Closing it closes that.
func New(events Events, opts ...Option) *Store {
	s := &Store{events: events, positions: newPositions()}
	for _, o := range opts {
		o(s)
	}
	return s
}

// At returns a view in which the event seq is the newest of its run, and only the line
// that leads to it exists. A save through the view continues from that event and advances
// the view. The events after it remain, on their own branch. The view is for one run.
// Closing it closes the store.
//
// The first use of the view fixes the life of the run. If the run is deleted and begun
// anew later, every call fails with checkpoint.ErrConflict, including saving and
// deleting.
//
// A missing seq, or one whose state was pruned, is not found. An event with a role, such
// as a failure, gives checkpoint.ErrInvalid. Starting a run from its first node, instead
// of resuming it, makes a new beginning, even in a view.
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
	var at checkpoint.Position
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

// append appends an event and returns its position. If that fails, it returns the
// position of the event that it would have continued from; placed is false if that is
// unknown.
func (s *Store) append(c *checkpoint.Checkpoint, sequence int, opts ...checkpoint.AppendOption) (at checkpoint.Position, placed bool, err error) {
	ctx := context.Background()
	from, root, err := s.parent(ctx, c, sequence)
	if err != nil {
		return at, false, err
	}
	if c.Seq, c.Hash = from.Seq, from.Hash; root {
		opts = append(opts, checkpoint.AsRoot())
	}
	saved, err := s.events.Append(ctx, c, opts...)
	if err != nil {
		return from, true, err
	}
	return saved.Position, true, nil
}

// Load implements flowgraph's Store: it returns the node's newest checkpoint on the run's
// current line, or for "review#2" the second of node review.
func (s *Store) Load(runID, nodeID string) ([]byte, error) {
	ctx := context.Background()
	end, err := s.end(ctx, runID)
	if err != nil {
		return nil, translate(err)
	}
	c, err := s.events.LoadNodeAt(ctx, runID, nodeID, end)
	if err != nil {
		return nil, translate(err)
	}
	s.moved(runID, func(p *position) { p.load(place{c.Position(), sequenceOf(c), c.NodeID}) })
	return join(c), nil
}

// List implements flowgraph's Store: a row for each node: its newest checkpoint on the
// run's current line that still has its state, ordered by Sequence, which is flowlog's
// seq. So a resume takes the last row, and [Store.Load] of its node returns the same
// checkpoint. All passes of a loop are in [checkpoint.EventStore.History].
//
// Its cost is the number of nodes, whatever the run's length.
func (s *Store) List(runID string) ([]fgcheckpoint.Info, error) {
	ctx := context.Background()
	end, err := s.end(ctx, runID)
	if err != nil {
		return nil, translate(err)
	}
	events, err := s.events.Nodes(ctx, runID, end)
	if errors.Is(err, checkpoint.ErrNotFound) && !s.view {
		return nil, nil
	}
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

// Delete implements flowgraph's Store: it drops the states of all events of the node on
// all lines, and Load and List skip them; their headers remain in the history, as pruned.
func (s *Store) Delete(runID, nodeID string) error {
	ctx := context.Background()
	if err := s.outlived(ctx, runID); err != nil {
		return translate(err)
	}
	run, err := s.events.Run(ctx, runID)
	if errors.Is(err, checkpoint.ErrNotFound) {
		return nil
	}
	if err != nil {
		return translate(err)
	}
	var seqs []uint64
	for ev, err := range s.events.History(ctx, runID, checkpoint.HistoryOptions{Node: nodeID, HeadersOnly: true}) {
		if errors.Is(err, checkpoint.ErrNotFound) {
			return nil
		}
		if err != nil {
			return translate(err)
		}
		// An empty name selects all events in History, and must not here.
		if ev.NodeID == nodeID && !ev.Pruned && ev.Kind != checkpoint.KindNone {
			seqs = append(seqs, ev.Seq)
		}
	}
	_, err = s.events.PruneOf(ctx, run, seqs, "flowgraph: delete node "+nodeID)
	if errors.Is(err, checkpoint.ErrNotFound) || errors.Is(err, checkpoint.ErrConflict) {
		return nil // the run was deleted meanwhile
	}
	return translate(err)
}

// DeleteRun implements flowgraph's Store: it erases the run. An engine that works on the
// run can't save to it any more, even through this Store.
func (s *Store) DeleteRun(runID string) error {
	ctx := context.Background()
	if err := s.outlived(ctx, runID); err != nil {
		return translate(err)
	}
	return translate(s.events.Delete(ctx, runID))
}

// outlived returns checkpoint.ErrConflict for a view of an earlier life of the run.
func (s *Store) outlived(ctx context.Context, runID string) error {
	if !s.view {
		return nil
	}
	end, err := s.end(ctx, runID)
	if err == nil {
		_, err = s.events.Nodes(ctx, runID, end)
	}
	if errors.Is(err, checkpoint.ErrConflict) {
		return err
	}
	return nil
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
