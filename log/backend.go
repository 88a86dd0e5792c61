package log

import "context"

// Backend is a storage for runs: what a driver implements and a [Log] uses.
//
// A Backend stores what it is given and knows nothing of what is in it. Before
// any method is called, the engine has checked that ids are not empty, valid
// UTF-8 and at most 1 KiB plus a short suffix of its own (which holds a NUL
// byte, so ids must be compared as bytes); that seqs start at 1 and are below
// 2³²; that the records of a change are in ascending order without gaps.
//
// Concurrency: all methods may be called from several goroutines at once, Close
// included. The engine has at most one Apply under way per Log, but several
// Logs, possibly of several processes, may share one storage.
//
// Ownership: a Backend neither keeps nor changes a slice that it was given after
// it returned, and what it returns belongs to the caller.
//
// Order: each call reads one snapshot. A page is as full as its limits allow, so
// that a shorter one is the last.
//
// Errors: [ErrClosed] after Close; [ErrNotFound] where a method says so; an
// error that satisfies [ErrCorrupt] when what is stored can't be what was
// written. The engine has checksums of its own, so a Backend may also return what
// is damaged as it is, and should where an error would take others along: a head in
// a list, the newest record of a head, a segment in a list. A page of records that
// meets damage behind its first ends there. A method that was given a cancelled context returns an error that
// satisfies ctx.Err(), and has done nothing.
//
// Package logtest proves all of this for any implementation.
type Backend interface {
	// Head returns the head of a run; ErrNotFound when there is no such run.
	Head(ctx context.Context, run string) (Head, error)

	// Heads lists heads, a page at a time.
	Heads(ctx context.Context, req HeadsRequest) ([]Head, error)

	// Records returns records of a run's tail, a page at a time. Records below
	// Head.Tail are dead and never returned. A run that doesn't exist has none.
	Records(ctx context.Context, req RecordsRequest) ([]Record, error)

	// Segments lists a run's segments in ascending order of First, without
	// their contents.
	Segments(ctx context.Context, run string) ([]Segment, error)

	// Segment returns one segment with its contents; ErrNotFound when the run
	// has none with that id (it may have been replaced by another).
	Segment(ctx context.Context, req SegmentRequest) (Segment, error)

	// Apply makes changes to runs, at most one to each, and returns a result
	// for each, in the same order.
	//
	// Each change is a compare-and-set: unless the run's revision and, if it says
	// so, its last event are those that the change expects, and the records to
	// append follow directly on the last event, its result is ErrConflict and nothing of it is done. A
	// change is done whole or not at all, as seen by readers and after a crash.
	// There is no atomicity between the changes of one call.
	//
	// When Apply returns a nil error, every change whose result is nil is
	// durable, by one sync for all, and visible to every reader that starts
	// after. When it returns an error, all results are void: a [NotAppliedError]
	// or ErrClosed says that certainly none of the changes happened and none
	// ever will; any other error says that nobody knows.
	Apply(ctx context.Context, changes []Change) ([]Result, error)

	// Purge erases what is dead: records below their head's Tail, records and
	// segments of dropped runs, retired segments. It takes a slice of the work
	// of a bounded size, so that others don't wait for long, and reports
	// whether more is left. What is dead is invisible with or without it.
	Purge(ctx context.Context) (more bool, err error)

	// Close releases the storage. It waits for calls under way. A second Close
	// does nothing and returns nil.
	Close() error
}

// A Reclaimer is a Backend that can give disk space back while it is in use.
type Reclaimer interface {
	// Reclaim gives the space of what was erased back to the file system, and
	// returns by how many bytes the files became smaller. It works in steps
	// short enough for writers not to wait long, or says in its documentation
	// how long they wait, and calls progress, if not nil, after each, which must
	// not use the Reclaimer: its locks may be held. A done ctx ends it after the
	// step at hand, with what was reached kept.
	Reclaim(ctx context.Context, progress func(Reclaimed)) (int64, error)
}

// An Eraser is a Backend that can leave no copy of what is dead: [Log.Redact] needs
// one.
type Eraser interface {
	// Erase does all that is left for Purge to do, and then sees to it that nothing
	// of what was erased, replaced or moved, now or at any time before, is left in
	// the storage's files: neither in their free pages and the unused parts of
	// others, nor in a log or any other file beside them. What is there stays as it
	// is, and readable meanwhile.
	//
	// The documentation says how long writers wait, and how long it waits for
	// others who still read what was there before: after that the error satisfies
	// [ErrLocked]. After an error, or a crash, calling it again finishes. A done
	// ctx ends it.
	Erase(ctx context.Context) error
}

// Reclaimed is how far a [Reclaimer] has come, in bytes of its file.
type Reclaimed struct {
	Done, Total int64
}

// A Checker is a Backend that can tell whether what it keeps its data in is whole:
// pages and keys, not what is in them, which the engine checks itself. To erase from
// a tree that is damaged may take what can still be read.
type Checker interface {
	// Check returns an error that is [ErrCorrupt] if something is damaged. Reading
	// and writing go on meanwhile.
	Check(ctx context.Context) error
}

// A Sizer is a Backend that knows what it takes on disk.
type Sizer interface {
	// Space returns what the storage's files take, and how much of it is free
	// for use again, in bytes.
	Space(ctx context.Context) (size, free int64, err error)
}

// A Versioner is a Backend that can tell at little cost whether anything was written.
type Versioner interface {
	// Version returns a number that is another than before once a change was made,
	// by whoever shares the storage. Of two handles the numbers have nothing to do
	// with each other, and equal ones mean nothing unless one followed the other.
	Version(ctx context.Context) (int64, error)
}

// Head is where a run stands: its one mutable row, and its newest record.
//
// Appending does not touch the row: the newest record says how far the run has
// come. So an append writes one row and nothing else.
type Head struct {
	Run string
	// Revision is assigned by the backend each time that the row changes. For
	// one run id it only grows, also when the run was dropped and made anew, so
	// none ever comes back. 0 stands for a run that doesn't exist.
	Revision uint64
	// Recency, of the row or of Last, whichever is larger, orders runs by their
	// last event, newest largest; the engine assigns it. It is positive, below
	// 2⁶³, and within a life of a run it only goes forward.
	Recency uint64
	// Tail is the seq of the first event that is a record of its own; events
	// below are in segments, or were dropped: the first segment need not begin with
	// seq 1. It only moves together with Change.Add.
	Tail uint64
	// Sum and Data are the engine's: a checksum, and a summary as JSON.
	Sum  uint32
	Data []byte
	// Last is the newest record of the tail without its state, nil if the tail
	// is empty. Backends fill it in; Apply ignores it.
	Last *Record
}

// Record is an event as it is stored in a run's tail.
type Record struct {
	Seq uint64
	// Recency is what Head says of it.
	Recency uint64
	// Encoding says what State holds; Base and Links are those of a delta: the
	// seq of the event whose state it is to be applied to, and how many seqs
	// back the state that all rests on is stored whole, which is also an upper
	// bound for the number of deltas in between.
	Encoding Encoding
	Base     uint64
	Links    uint32
	// Bytes and Stored are running totals over the run up to and with this
	// event: of the states as they were given, and of headers and states as
	// they were stored, in bytes.
	Bytes, Stored int64
	// Sum is the engine's CRC-32C over all fields but State.
	Sum uint32
	// Hash is the event's place in the run's hash chain.
	Hash Digest
	// Header is the event's header, as JSON text.
	Header []byte
	// State is the event's state as Encoding says, nil or empty for one of no
	// bytes; nil when the request asked for headers only.
	State []byte
	// StateLen is the length of the stored State in bytes, given also when
	// the state was not asked for. Backends fill it in; Apply ignores it.
	StateLen int64

	// Of an event in a segment: what it takes in it, and its state alone, in bytes;
	// the segment's first seq; and whether the state is compressed together with
	// others. Zero for one of the tail.
	sealed, sealedState int64
	first               uint64
	shared              bool
	alone               bool // no other state is in the same memory as State
}

// Segment is a sealed, immutable block of the consecutive events First to Last.
type Segment struct {
	// ID is assigned by the backend when the segment is added and is never
	// given to another segment of the same storage.
	ID    uint64
	First uint64
	Last  uint64
	// Size is the length of Index and Data together in bytes, given also where
	// they are not.
	Size int64
	// Index and Data are what the segment holds: what is said of its events, and
	// their states. They are stored apart, so that the one can be read without
	// the other. Neither is ever empty.
	Index, Data []byte
}

// SegmentRequest asks for one segment.
type SegmentRequest struct {
	Run string
	ID  uint64
	// IndexOnly leaves out the data, unread.
	IndexOnly bool
}

// Change is what Apply does to one run.
type Change struct {
	Run string
	// Revision is the revision that the run must have, 0 for a run that must
	// not exist.
	Revision uint64
	// Last, if not 0, is the seq that the run's last event must have: for a change
	// that was planned on all that the run holds, since an append leaves the
	// revision as it is.
	Last uint64
	// Head, if not nil, replaces the run's row, which gets a new revision; its
	// Run, Revision and Last are ignored. It may come alone, and is there for a run
	// that is new, and with Rewrite, Add and Retire; a change without a Head has
	// records to append and nothing else, or is a Drop.
	Head *Head
	// Append adds records. The first must have the seq after the run's last
	// event, which is a record or in a segment.
	Append []Record
	// Rewrite replaces records of the tail that have the same seq.
	Rewrite []Record
	// Add puts segments in force; their IDs are assigned by the backend.
	Add []Segment
	// Retire takes segments of the run out of force by ID; other ids are passed
	// over.
	Retire []uint64
	// Drop removes the run with all its records and segments. The other
	// fields, but for Run and Revision, are then ignored.
	Drop bool
}

// Result is what became of a Change.
type Result struct {
	// Err is nil for a change that was made, ErrConflict for one that expected
	// another revision or another last event, or what kept this one change from
	// being made.
	Err error
	// Revision is the run's revision after the change: a new one if the change
	// had a Head.
	Revision uint64
	// Added are the ids of the segments of Change.Add, in order.
	Added []uint64
}

// HeadsRequest asks for a page of heads.
type HeadsRequest struct {
	// Prefix restricts the answer to runs whose id begins with it, as bytes.
	Prefix string
	// Newest orders by Head.Recency, newest first, runs of equal recency by
	// descending id; without it the order is by ascending id, as bytes.
	Newest bool
	// After is the last head of the page before, of which only Run and Recency
	// are used, whether or not that run is still there; the zero Head asks for
	// the first page.
	After Head
	// Limit is the largest number of heads to return; at least 1.
	Limit int
}

// RecordsRequest asks for a page of a run's tail.
type RecordsRequest struct {
	Run string
	// From and To are the first and the last seq wanted, both included. Where
	// From is larger there is nothing to return.
	From, To uint64
	// Reverse asks for descending order, from To down to From.
	Reverse bool
	// HeadersOnly leaves out the states, unread.
	HeadersOnly bool
	// Limit is the largest number of records to return; at least 1.
	Limit int
	// MaxBytes ends the page before it would hold more than this many bytes of
	// headers and states; the first record is returned whatever its size.
	// 0 means no bound.
	MaxBytes int64
}

// Encoding says how a record stores its state.
type Encoding uint8

// The encodings, frozen: they are stored.
const (
	// Plain is the state byte for byte.
	Plain Encoding = 1
	// Zstd is the whole state as one zstd frame.
	Zstd Encoding = 2
	// Delta is a delta of package delta against the state of event Base.
	Delta Encoding = 3
	// DeltaZstd is a Delta as one zstd frame.
	DeltaZstd Encoding = 4
	// Pruned says that the state was dropped; the header remains.
	Pruned Encoding = 5
)

// String returns the encoding's name as `flowlog` and the SQLite view show it.
func (e Encoding) String() string {
	switch e {
	case Plain:
		return "plain"
	case Zstd:
		return "zstd"
	case Delta:
		return "delta"
	case DeltaZstd:
		return "delta+zstd"
	case Pruned:
		return "pruned"
	}
	return "unknown"
}

// whole reports whether the state is stored without need of any other.
func (e Encoding) whole() bool { return e == Plain || e == Zstd }
