package driver

import (
	"context"
	"time"
)

// Backend stores runs. The package documentation has the rules that apply to every
// method.
type Backend interface {
	// Head returns the head of a run, or ErrNotFound if there is no such run.
	Head(ctx context.Context, req HeadRequest) (Head, error)

	// Heads lists heads, a page at a time. The cost of a page depends on its limit. It
	// does not depend on the number of runs, or on how many were written in the same
	// second.
	Heads(ctx context.Context, req HeadsRequest) ([]Head, error)

	// Records returns records of a run's tail, a page at a time. Records below Head.Tail
	// are dead and never returned. A run that doesn't exist has no records.
	Records(ctx context.Context, req RecordsRequest) ([]Record, error)

	// Segments lists a run's segments by their First, a page at a time, without their
	// contents. A run that doesn't exist has no segments.
	Segments(ctx context.Context, req SegmentsRequest) ([]Segment, error)

	// Segment returns the segment that holds an event, with its contents, or
	// ErrNotFound if no segment holds it.
	Segment(ctx context.Context, req SegmentRequest) (Segment, error)

	// Entries returns entries of a run by key, a page at a time. A run that doesn't exist
	// has no entries.
	Entries(ctx context.Context, req EntriesRequest) ([]Entry, error)

	// Apply makes changes to runs, at most one to each, and returns a result for each,
	// in the same order.
	//
	// Each change is a compare-and-set. The run must have the revision that the change
	// expects, and its last event if the change names one. The records to append must
	// directly follow the last event. Otherwise the result is ErrConflict and no part
	// of the change is made. A change is made whole or not at all, as seen by readers
	// and after a crash. The changes of one call are not atomic together.
	//
	// Every change is safe to repeat: a change that was made conflicts the second time
	// and does nothing.
	//
	// When Apply returns a nil error, every change whose result is nil is durable and
	// visible to every read that starts later. One sync serves all changes. When it
	// returns an error, all results are void, and the error has one of three meanings:
	//
	//   - a [NotAppliedError] or ErrClosed: this call made no change and will make no
	//     change. An earlier call whose answer was lost may still have made it;
	//   - a [LostError]: the answer was lost, and the storage is sound. Each change was
	//     made whole or not at all, or may still be made until an Apply of the same
	//     changes returns a nil error. Applying the same changes again is safe;
	//   - any other error: the outcome is unknown, and nothing may be written to the
	//     storage until it is opened again. A failed sync is such an error.
	//
	// Apply obeys ctx until its commit begins, even while it waits for another process.
	// If ctx ends before that, Apply returns a NotAppliedError that satisfies
	// ctx.Err(). After the commit has begun, Apply returns the outcome whatever ctx
	// says, or a LostError once a time limit of the driver's own has passed.
	Apply(ctx context.Context, req ApplyRequest) ([]Result, error)

	// Slot returns a slot, or ErrNotFound if there is no such slot or run, or the slot
	// has expired.
	Slot(ctx context.Context, req SlotRequest) (Slot, error)

	// SetSlot sets or removes a slot if it has the expected version, and returns the new
	// slot: the zero Slot if it was removed. Removing a missing slot, with version 0,
	// does nothing and is no error. See [SlotChange].
	//
	// Atomicity: the comparison and the change are one step. Durability: a power loss
	// may lose a slot, but never half of one.
	//
	// Errors: ErrConflict if the slot has another version; ErrNotFound if there is no
	// such run. Any other error means the same as for Apply. After a LostError the caller
	// may make the same change again. ErrConflict then means that the first try succeeded
	// or that another caller was faster; if their values differ, Slot shows which.
	SetSlot(ctx context.Context, c SlotChange) (Slot, error)

	// Purge erases a slice of the dead data: records below their head's Tail,
	// everything that dropped runs had, retired segments. The slice has a bounded
	// size, so that others don't wait for long. Dead data is invisible before Purge,
	// too.
	//
	// After an error the storage is sound, or the backend refuses all further writes with
	// ErrReadOnly, as after a failed sync. The same is true of [Reclaimer] and [Eraser].
	Purge(ctx context.Context, req PurgeRequest) (PurgeResult, error)

	// Close releases the storage. It waits for calls in progress. A second Close does
	// nothing and returns nil.
	Close() error
}

// Head is the current state of a run: its one mutable row, and its newest record.
//
// Appending does not change the row: the newest record shows how far the run has come.
type Head struct {
	Run string
	// Life is a random word that the engine chooses to name this existence of the run,
	// from its first change to its drop. It never changes.
	Life [16]byte
	// The backend assigns a new Revision each time the row changes. For one run id it
	// only grows, even when the run was dropped and made anew, so no revision is ever
	// reused. 0 means that the run doesn't exist.
	Revision uint64
	// Recency says when the run's last event came: the larger one of the row's and Last's
	// counts, and larger is later. The engine assigns it, in nanoseconds. It is positive
	// and below 2⁶³, and only grows within a life of a run.
	Recency uint64
	// Place orders the run in a listing newest first: it is the Recency that the run
	// had when it was last placed. It is at most Recency and less than [Lag] behind it.
	// The backend assigns it.
	Place uint64
	// Class is a number that the engine assigns, such as a status; runs can be listed by
	// it. An append can change it without changing the revision.
	Class uint8
	// Suite names the hash and cipher of everything that the run holds. The engine
	// refuses a run whose suite it doesn't know.
	Suite uint8
	// Tail is the seq of the first event that has a record of its own. Earlier events
	// are in segments, or were dropped: the first segment need not begin with seq 1.
	// Tail moves only together with Change.Add.
	Tail uint64
	// Sum and Data belong to the engine: a checksum, and a summary.
	Sum  uint32
	Data []byte
	// Last is the newest record of the tail, without its state. It is nil if the tail is
	// empty. Backends fill it in; Apply ignores it.
	Last *Record
	// Tip is the record that Last.Tip names, with its state. It is nil unless the
	// request asked for it and the record is in the tail. Apply ignores it.
	Tip *Record
}

// Lag bounds how far Head.Place is behind Head.Recency, in nanoseconds: one second. A
// run that is written often is placed anew once in that time, not with every event.
const Lag = uint64(time.Second)

// HeadRequest asks for one head.
type HeadRequest struct {
	Run string
	// Tip asks for Head.Tip.
	Tip bool
}

// HeadsRequest asks for a page of heads.
type HeadsRequest struct {
	// Prefix restricts the answer to runs whose id begins with it, as bytes. Without
	// Newest only the page costs time; with it, the backend skips runs without the
	// prefix one by one.
	Prefix string
	// Class, if not nil, restricts the answer to runs of that class. It is allowed only
	// with Newest.
	Class *uint8
	// Newest orders by Head.Place, newest first, runs of equal place by descending id;
	// without it the order is by ascending id, as bytes.
	Newest bool
	// After is the last head of the previous page. Only its Run and Place are used,
	// and that run need not exist any more. The zero Head asks for the first page.
	After Head
	// Limit is the largest number of heads to return; at least 1.
	Limit int
}

// PurgeRequest asks to erase a slice of the dead data.
type PurgeRequest struct{}

// PurgeResult is what Purge did.
type PurgeResult struct {
	// More says that there is more to erase.
	More bool
}
