package checkpoint

import (
	"context"

	"github.com/flowlog/checkpoint/log"
)

// Anchor is what is left of a run's oldest events once TruncateFront dropped them.
type Anchor = log.Anchor

// TruncateFront drops a run's oldest events with their headers, for good: those before
// the seq first, which then is the oldest. Prune keeps the trail, this shortens it:
// what is left of it is the [Anchor], with the hash that the rest follows on, and
// Verify answers "intact from anchor N".
//
// The rest stays as it was: states, headers, hashes, seqs and visits, which go on
// counting what was dropped. An event that continued from a dropped one still says so
// in Parent. What was dropped is ErrDropped, which is an ErrNotFound, where it is asked
// for by seq or visit; histories and lists begin after it; a lineage ends there, and
// Blame says of a value that was there by then that it can't be told.
//
// It is done in one transaction, and after a crash it was done or not. What was dropped
// is erased as far as Prune erases. The events from first on are sealed for it, up to
// 256, also with WithPlainStates.
//
// Errors: ErrNotFound if there is no event first; ErrInvalid without a reason.
func (s *EventStore) TruncateFront(ctx context.Context, runID string, first uint64, reason string) (Anchor, error) {
	return s.log.TruncateFront(ctx, runID, first, reason)
}

// Anchor returns what is left of a run's oldest events; the zero Anchor if they are
// all there.
func (s *EventStore) Anchor(ctx context.Context, runID string) (Anchor, error) {
	return s.log.Anchor(ctx, runID)
}
