package driver

import "context"

// Reclaimer is a Backend that can give disk space back while it is in use.
type Reclaimer interface {
	// Reclaim gives the space of what was erased back to the file system, and returns
	// by how many bytes the files became smaller. It works in steps short enough for
	// writers not to wait long, or says in its documentation how long they wait, and
	// calls progress, if not nil, after each, which must not use the Reclaimer: its locks
	// may be held. A done ctx ends it after the step at hand, with what was reached kept.
	Reclaim(ctx context.Context, progress func(Reclaimed)) (int64, error)
}

// Reclaimed is how far a Reclaimer has come, in bytes of its file.
type Reclaimed struct {
	Done, Total int64
}

// Eraser is a Backend that can leave no copy of what is dead.
type Eraser interface {
	// Erase does all that is left for Purge to do, and then sees to it that nothing of
	// what was erased, replaced or moved, now or at any time before, is left in the
	// storage's files: neither in their free pages and the unused parts of others, nor
	// in a log or any other file beside them. What is there stays as it is, and readable
	// meanwhile.
	//
	// The documentation says how long writers wait, and how long Erase waits for others
	// who still read what was there before: after that the error satisfies [ErrLocked].
	// After an error, or a crash, calling it again finishes. A done ctx ends it.
	Erase(ctx context.Context) error
}

// Checker is a Backend that can tell whether what it keeps its data in is whole: pages
// and keys, not what is in them, which the engine checks itself. To erase from a tree
// that is damaged may take what can still be read.
type Checker interface {
	// Check returns an error that satisfies [ErrCorrupt] if something is damaged.
	// Reading and writing go on meanwhile.
	Check(ctx context.Context) error
}

// Sizer is a Backend that knows what it takes on disk.
type Sizer interface {
	// Space returns what the storage's files take, and how much of it is free for use
	// again, in bytes.
	Space(ctx context.Context) (size, free int64, err error)
}

// Versioner is a Backend that can tell at little cost whether anything was written.
type Versioner interface {
	// Version returns a number that is another than before once a change was made, by
	// any process that shares the storage. The numbers of two handles can't be compared,
	// and equal ones mean nothing unless one followed the other.
	Version(ctx context.Context) (int64, error)
}

// Limiter is a Backend that can't take changes of any size.
type Limiter interface {
	// Limits returns what one Apply may hold. It never changes.
	Limits() Limits
}

// Limits bound what is given to Apply; 0 is no bound.
type Limits struct {
	// State is the largest state of a record as it is stored, in bytes.
	State int64
	// Apply is how many bytes of headers, states, segments and entries all changes of
	// one call may have together. One record is never split: it may have more alone.
	Apply int64
}

// Concurrent is a Backend to which an engine may make several calls of Apply at once, of
// disjoint runs, because that is faster than one after the other.
type Concurrent interface {
	// Concurrency returns how many calls, at least 1. It never changes.
	Concurrency() int
}

// Durability is what an acknowledged write to a file survives.
type Durability string

// The durabilities. A driver says which it knows.
const (
	// Full survives the loss of power. It is the default.
	Full Durability = "FULL"
	// Normal survives the end of the process; the loss of power may take the newest
	// events, and nothing else.
	Normal Durability = "NORMAL"
	// Off survives the end of the process; the loss of power may damage the file.
	Off Durability = "OFF"
)
