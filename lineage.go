package checkpoint

import (
	"context"
	"iter"
)

// LineageOptions say how far to go back, and what to read.
type LineageOptions struct {
	// HeadersOnly leaves the states unread.
	HeadersOnly bool
	// WithinRun ends the lineage at the run's beginning, also if it was forked from
	// another run.
	WithinRun bool
}

// Lineage streams the events that an event grew from, newest first: the event
// itself, its parent, its parent's parent, to the beginning of the run; and, if that
// was forked, on from its origin, whose RunID is another. A pruned event comes
// without its state.
//
// An origin that is no longer there ends the iteration with an [OriginError]. Else
// errors, memory and locks are as with History; there is ErrNotFound if there is no
// such event.
func (s *EventStore) Lineage(ctx context.Context, runID string, seq uint64, opts LineageOptions) iter.Seq2[*Event, error] {
	return nil
}

// FindOrigin returns the event that a run was forked from, without its state; it
// may be pruned. The error is an [OriginError] if the event is no longer there.
func (s *EventStore) FindOrigin(ctx context.Context, origin Origin) (*Event, error) {
	return nil, nil
}

// OriginError says that the event which a run was forked from is no longer there.
// It is ErrNotFound.
type OriginError struct {
	Origin Origin
	Reason string
}

// Error implements error.
func (e *OriginError) Error() string { return e.Reason }

// Is reports whether target is ErrNotFound.
func (e *OriginError) Is(target error) bool { return target == ErrNotFound }
