package checkpoint

import "context"

// Resumed is where a run can go on.
type Resumed[S any] struct {
	// State is the decoded state.
	State S
	// NextNode is the node to go on with: the one after the checkpointed node,
	// which has done its work.
	NextNode string
	// Checkpoint is the event that the state came from. Set the next checkpoint's Seq
	// and Hash to this one's: it then continues from this event, and Save refuses it if
	// the run was deleted meanwhile.
	Checkpoint *Checkpoint
}

// Resume returns where a run can go on: the state of its newest checkpoint and
// the node after it. Any [Store] will do.
//
// The state is decoded by encoding/json. Within a map[string]any or an any it makes each
// number a float64, which changes integers beyond 2^53: if S has such a place, and what was
// loaded is saved again, use a struct, or json.Number there.
//
// Errors: as Load; an error that names the type when the state does not fit S.
func Resume[S any](ctx context.Context, store interface {
	Load(ctx context.Context, runID string) (*Checkpoint, error)
}, runID string) (*Resumed[S], error) {
	return resumed[S](store.Load(ctx, runID))
}

// ResumeFrom is Resume from a node's checkpoint: the newest of "review", or of
// "review#2" the second.
//
// Errors: as LoadNode; an error that names the type when the state does not fit S.
func ResumeFrom[S any](ctx context.Context, store interface {
	LoadNode(ctx context.Context, runID, node string) (*Checkpoint, error)
}, runID, node string) (*Resumed[S], error) {
	return resumed[S](store.LoadNode(ctx, runID, node))
}

func resumed[S any](c *Checkpoint, err error) (*Resumed[S], error) {
	if err != nil {
		return nil, err
	}
	r := &Resumed[S]{NextNode: c.NextNode, Checkpoint: c}
	if err := c.Decode(&r.State); err != nil {
		return nil, err
	}
	return r, nil
}

// LoadNode returns a node's newest checkpoint on the run's current line that still has
// its state. "review#2" means the second checkpoint of node "review" on any line,
// unless the run has a node of exactly that name.
//
// Errors: ErrNotFound, ErrPruned, ErrCorrupt.
func (s *EventStore) LoadNode(ctx context.Context, runID, node string) (*Checkpoint, error) {
	return s.LoadNodeAt(ctx, runID, node, Position{})
}

// LoadNodeAt is LoadNode in the past: it returns the node's newest checkpoint, or for
// "review#2" the second, on the line that leads to the event at.
//
// Errors: ErrNotFound, ErrPruned, ErrCorrupt; ErrConflict if at belongs to another life
// of the run.
func (s *EventStore) LoadNodeAt(ctx context.Context, runID, node string, at Position) (*Checkpoint, error) {
	return given(s.log.ByName(ctx, runID, node, at))
}
