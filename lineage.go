package checkpoint

import (
	"context"
	"errors"
	"fmt"
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
// itself, its parent, its parent's parent, to the beginning of the run; and if that
// was forked, on from its origin, whose RunID is another. A pruned event comes
// without its state. An error ends the iteration. If the last event that comes has a
// Parent, that one was dropped by TruncateFront, with all before it.
//
// Memory and locks are as with History.
//
// Errors: ErrNotFound if there is no such event, or the run is deleted on the way;
// an [OriginError] where a run was forked from an event that is no longer there;
// ErrCorrupt.
func (s *EventStore) Lineage(ctx context.Context, runID string, seq uint64, opts LineageOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		var of *Origin // that led to from
		from, err := s.header(ctx, runID, seq)
		for err == nil {
			oldest, came := from, false
			for ev, err := range s.History(ctx, from.RunID, HistoryOptions{To: from.Seq, Lineage: true, HeadersOnly: opts.HeadersOnly}) {
				if err == nil && oldest == from && ev.Hash != from.Hash {
					err = &Error{Run: from.RunID, Reason: "the run was deleted while it was being read, and its id used again", Err: ErrNotFound}
				}
				came = true
				if oldest = ev; !yield(ev, err) || err != nil {
					return
				}
			}
			switch {
			case came:
				if of = oldest.ForkedFrom(); opts.WithinRun || of == nil {
					return
				}
				from, err = s.FindOrigin(ctx, *of)
			case of == nil: // it was dropped just now: this says so
				_, err = s.header(ctx, from.RunID, from.Seq)
			default:
				_, err = s.FindOrigin(ctx, *of)
			}
		}
		yield(nil, err)
	}
}

// Prior returns the event that an event continues from, with its state: its parent, or
// the one that its run was forked from. It is nil where there is none. Lineage goes on
// from there.
//
// Errors: an [OriginError] if the run was forked from an event that is no longer there;
// ErrDropped if it went with TruncateFront; ErrNotFound if the run was deleted;
// ErrCorrupt. A pruned event comes without its state.
func (s *EventStore) Prior(ctx context.Context, ev *Event) (*Event, error) {
	runID, seq, of := ev.RunID, ev.Parent, ev.ForkedFrom()
	if of != nil {
		if _, err := s.FindOrigin(ctx, *of); err != nil {
			return nil, err
		}
		runID, seq = of.RunID, of.Seq
	}
	if seq == 0 {
		return nil, nil
	}
	for prior, err := range s.History(ctx, runID, HistoryOptions{From: seq, To: seq}) {
		if err == nil && of != nil && prior.Hash != of.Hash {
			break
		}
		return prior, err
	}
	if _, err := s.header(ctx, runID, seq); errors.Is(err, ErrDropped) {
		return nil, err
	}
	return nil, &Error{Run: runID, Seq: seq, Reason: "the run was deleted while it was being read, and its id used again", Err: ErrNotFound}
}

// header returns an event without its state.
func (s *EventStore) header(ctx context.Context, runID string, seq uint64) (*Event, error) {
	ev, err := s.log.Header(ctx, runID, seq)
	if err != nil {
		return nil, err
	}
	return inHistory(ev), nil
}

// FindOrigin returns the event that a run was forked from, without its state, which
// may be pruned.
//
// Errors: an [OriginError] if the event is no longer there; ErrCorrupt.
func (s *EventStore) FindOrigin(ctx context.Context, origin Origin) (*Event, error) {
	ev, err := s.header(ctx, origin.RunID, origin.Seq)
	switch {
	case errors.Is(err, ErrDropped):
		return nil, &OriginError{origin, "it was dropped from its run"}
	case errors.Is(err, ErrNotFound):
		return nil, &OriginError{origin, "it was deleted"}
	case err != nil:
		return nil, fmt.Errorf("look for the origin: %w", err)
	case ev.Hash != origin.Hash:
		return nil, &OriginError{origin, fmt.Sprintf("what is there now is another event, with the hash %s: the run was deleted and its id used again", ev.Hash)}
	}
	return ev, nil
}

// OriginError says that the event which a run was forked from is no longer there.
// It is ErrNotFound.
type OriginError struct {
	Origin Origin
	Reason string
}

// Error implements error.
func (e *OriginError) Error() string {
	return fmt.Sprintf("origin run %q seq %d (hash %s): %v: %s", e.Origin.RunID, e.Origin.Seq, e.Origin.Hash, ErrNotFound, e.Reason)
}

// Is reports whether target is ErrNotFound.
func (e *OriginError) Is(target error) bool { return target == ErrNotFound }
