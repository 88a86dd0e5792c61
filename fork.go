package checkpoint

import (
	"context"
	"fmt"
)

// ForkOption says more about a Fork.
type ForkOption func(*forkConfig)

type forkConfig struct {
	edit func(state []byte) ([]byte, error)
}

// EditState changes the state that the new run begins with. What edit returns must
// be JSON if what it is given is; statediff.Apply, with a patch, is such a function.
// An error of edit ends Fork, which then writes nothing.
func EditState(edit func(state []byte) ([]byte, error)) ForkOption {
	return func(c *forkConfig) { c.edit = edit }
}

// Fork begins the run newRunID with the state of an event of another run, and
// returns its first event. Its Origin names the event that it came from, with its
// hash: it is part of the new run's own hash chain. All else is copied, an engine's
// envelope as it is, but for the time, which is that of the fork.
//
// The new run stands on its own: it has the whole state, and the other one may go on,
// be pruned or be deleted. [EventStore.FindOrigin] and [EventStore.Lineage] lead back
// to it.
//
// Durability: as Save.
//
// Errors: ErrConflict if there is a run newRunID already; ErrNotFound if there is no
// such event, and ErrPruned, as a [PrunedError], if its state was dropped;
// ErrCorrupt; else those of Save.
func (s *EventStore) Fork(ctx context.Context, runID string, seq uint64, newRunID string, opts ...ForkOption) (*Checkpoint, error) {
	var c forkConfig
	for _, o := range opts {
		o(&c)
	}
	ev, err := s.log.At(ctx, runID, seq)
	if err != nil {
		return nil, err
	}
	fork := fromEvent(ev)
	fork.RunID, fork.Seq, fork.Hash, fork.Origin = newRunID, 0, Digest{}, &Origin{RunID: ev.RunID, Seq: ev.Seq, Hash: ev.Hash}
	fork.CreatedAt = s.log.Now().UTC()
	how := []AppendOption{BeginRun(), TrustState()}
	if c.edit != nil {
		if fork.State, err = c.edit(fork.State); err != nil {
			return nil, fmt.Errorf("edit the state of run %q seq %d: %w", runID, seq, err)
		}
		how = how[:1]
	}
	if _, err := s.Append(ctx, &fork, how...); err != nil {
		return nil, err
	}
	fork.loaded = fork.CreatedAt
	return &fork, nil
}

// ForkedFrom returns the event of another run that a run begins with, if the checkpoint is
// the first of one that was forked; nil of any other.
func (c *Checkpoint) ForkedFrom() *Origin {
	if c.Parent != 0 {
		return nil
	}
	return c.Origin
}
