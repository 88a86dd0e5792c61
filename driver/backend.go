package driver

import (
	"context"
	"time"
)

// Backend is a storage for runs. See the package documentation for the rules that hold
// for every method.
type Backend interface {
	// Head returns the head of a run; ErrNotFound if there is no such run.
	Head(ctx context.Context, req HeadRequest) (Head, error)

	// Heads lists heads, a page at a time. What a page costs depends on its limit, not
	// on how many runs there are or how many were written in the same second.
	Heads(ctx context.Context, req HeadsRequest) ([]Head, error)

	// Records returns records of a run's tail, a page at a time. Records below
	// Head.Tail are dead and never returned. A run that doesn't exist has none.
	Records(ctx context.Context, req RecordsRequest) ([]Record, error)

	// Segments lists a run's segments by their First, a page at a time, without their
	// contents. A run that doesn't exist has none.
	Segments(ctx context.Context, req SegmentsRequest) ([]Segment, error)

	// Segment returns the segment that holds an event, with its contents; ErrNotFound
	// if none does.
	Segment(ctx context.Context, req SegmentRequest) (Segment, error)

	// Entries returns entries of a run by key, a page at a time. A run that doesn't
	// exist has none.
	Entries(ctx context.Context, req EntriesRequest) ([]Entry, error)

	// Apply makes changes to runs, at most one to each, and returns a result for each,
	// in the same order.
	//
	// Each change is a compare-and-set: unless the run's revision and, if the change
	// says so, its last event are those that the change expects, and the records to
	// append follow directly on the last event, its result is ErrConflict and nothing
	// of it is done. A change is made whole or not at all, as seen by readers and after
	// a crash. There is no atomicity between the changes of one call.
	//
	// Every change is safe to repeat: one that was made conflicts the second time and
	// does nothing.
	//
	// When Apply returns a nil error, every change whose result is nil is durable, by
	// one sync for all, and visible to every read that starts after. When it returns an
	// error, all results are void, and the error has one of three meanings:
	//
	//   - a [NotAppliedError] or ErrClosed: certainly none of the changes was or will be
	//     made by this call. That says nothing of an earlier call whose answer was lost;
	//   - a [LostError]: the answer was lost, and the storage is sound. Each change was
	//     made whole or not at all, or may still be made until an Apply of the same
	//     changes returned a nil error. Applying the same changes again is safe;
	//   - any other error: nobody knows, and the storage must not be written any more
	//     until it is opened again. A failed sync is such an error.
	//
	// Apply obeys ctx until its commit begins, also while it waits for another
	// process: then it returns a NotAppliedError that satisfies ctx.Err(). Once the
	// commit began it returns the outcome, whatever ctx says, or after a bound of the
	// driver's own a LostError.
	Apply(ctx context.Context, req ApplyRequest) ([]Result, error)

	// Slot returns a slot; ErrNotFound if there is no such slot or run, or its time to
	// live is over.
	Slot(ctx context.Context, req SlotRequest) (Slot, error)

	// SetSlot sets or removes a slot if it has the expected version, and returns it as
	// it is then: the zero Slot if it was removed. To remove a slot that is not there, with
	// version 0, does nothing and is no error. See [SlotChange].
	//
	// Atomicity: the comparison and the change are one step. Durability: a slot may be
	// lost with the loss of power, never half of it.
	//
	// Errors: ErrConflict if the slot has another version; ErrNotFound if there is no
	// such run. Any other error has the meaning that it has of Apply. After a LostError the
	// same change may be made again: ErrConflict then says that the first try was made, or
	// that another was faster, and Slot tells which if their values differ.
	SetSlot(ctx context.Context, c SlotChange) (Slot, error)

	// Purge erases a slice of what is dead: records below their head's Tail, all that
	// dropped runs had, retired segments. The slice has a bounded size, so that others
	// don't wait for long. What is dead is invisible with or without it.
	Purge(ctx context.Context, req PurgeRequest) (PurgeResult, error)

	// Close releases the storage. It waits for calls under way. A second Close does
	// nothing and returns nil.
	Close() error
}

// Head is where a run stands: its one mutable row, and its newest record.
//
// Appending does not change the row: the newest record says how far the run has come.
type Head struct {
	Run string
	// Life is a random word of the engine's that names this existence of the run, from
	// its first change to its drop. It never changes.
	Life [16]byte
	// Revision is assigned by the backend each time that the row changes. For one run
	// id it only grows, also when the run was dropped and made anew, so no revision
	// ever comes back. 0 means that the run doesn't exist.
	Revision uint64
	// Recency, of the row or of Last, whichever is larger, says when the run's last
	// event came, larger is later; the engine assigns it, in nanoseconds. It is positive,
	// below 2⁶³, and within a life of a run it only goes forward.
	Recency uint64
	// Place is by which the run is listed newest first: the Recency that the run had
	// when it was last placed. It is at most Recency and less than [Lag] behind it. The
	// backend assigns it.
	Place uint64
	// Class is a number of the engine's by which runs can be listed, such as their
	// status. An append can change it without changing the revision.
	Class uint8
	// Suite names the suite of hash and cipher of all that the run holds. The engine
	// refuses a run of a suite that it doesn't know.
	Suite uint8
	// Tail is the seq of the first event that is a record of its own; events below are
	// in segments, or were dropped: the first segment need not begin with seq 1. It only
	// moves together with Change.Add.
	Tail uint64
	// Sum and Data are the engine's: a checksum, and a summary.
	Sum  uint32
	Data []byte
	// Last is the newest record of the tail without its state, nil if the tail is
	// empty. Backends fill it in; Apply ignores it.
	Last *Record
	// Tip is the record that Last.Tip names, with its state: only if the request asked
	// for it and the record is in the tail, else nil. Apply ignores it.
	Tip *Record
}

// Lag bounds how far Head.Place is behind Head.Recency, in nanoseconds: one second. A
// run that is written often is placed anew once in that time, and not with every event.
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
	// Newest the cost is that of the page; with it, runs without the prefix are passed
	// over one by one.
	Prefix string
	// Class, if not nil, restricts the answer to runs of that class. It goes with Newest
	// only.
	Class *uint8
	// Newest orders by Head.Place, newest first, runs of equal place by descending id;
	// without it the order is by ascending id, as bytes.
	Newest bool
	// After is the last head of the page before, of which only Run and Place are used,
	// whether or not that run is still there; the zero Head asks for the first page.
	After Head
	// Limit is the largest number of heads to return; at least 1.
	Limit int
}

// PurgeRequest asks to erase a slice of what is dead.
type PurgeRequest struct{}

// PurgeResult is what Purge did.
type PurgeResult struct {
	// More says that there is more to erase.
	More bool
}
