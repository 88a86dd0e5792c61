package driver

import "context"

// Reclaimer is a Backend that can return disk space to the file system while in use.
type Reclaimer interface {
	// Reclaim returns the space of erased data to the file system, and returns by how
	// many bytes the files shrank. Its steps are so short that writers don't wait long,
	// or its documentation says how long they wait. It calls progress, if not nil, after
	// each step; progress must not use the Reclaimer, whose locks may be held. A done ctx
	// ends it after the current step and keeps the result so far.
	Reclaim(ctx context.Context, progress func(Reclaimed)) (int64, error)
}

// Reclaimed is how far a Reclaimer has come, in bytes of its file.
type Reclaimed struct {
	Done, Total int64
}

// Eraser is a Backend that can erase dead data without leaving a copy.
type Eraser interface {
	// Erase does all the remaining work of Purge. It then makes sure that the storage's
	// files hold no data that was erased, replaced or moved, now or at any time before:
	// not in their free pages, not in the unused parts of other pages, and not in a log
	// or any other file beside them. Live data stays unchanged and readable meanwhile.
	//
	// The implementation documents how long writers wait, and how long Erase waits for
	// readers of an older snapshot: after that the error satisfies [ErrLocked]. After
	// an error or a crash, call Erase again to finish. A done ctx ends it.
	Erase(ctx context.Context) error
}

// Checker is a Backend that can check its own structure: pages and keys, but not the
// values, which the engine checks itself. Erasing from a damaged tree may destroy data
// that is still readable.
type Checker interface {
	// Check returns an error that satisfies [ErrCorrupt] if something is damaged. Reading
	// and writing continue meanwhile.
	Check(ctx context.Context) error
}

// Warner is a Backend that opens a damaged storage and reports the damage.
type Warner interface {
	// Warning returns what was found when the storage was opened, nil for nothing. The
	// error satisfies [ErrCorrupt], names the storage, and says what may be missing. It
	// never changes.
	Warning() error
}

// Sizer is a Backend that knows its size on disk.
type Sizer interface {
	// Space returns the size of the storage's files, and how much of it is free for
	// reuse, in bytes.
	Space(ctx context.Context) (size, free int64, err error)
}

// Versioner is a Backend that can report cheaply whether anything was written.
type Versioner interface {
	// Version returns a number that differs from the previous one if any process that
	// shares the storage made a change in between. Numbers from two handles can't be
	// compared. Compare only the numbers of two consecutive calls.
	Version(ctx context.Context) (int64, error)
}

// Limiter is a Backend that limits the size of changes.
type Limiter interface {
	// Limits returns what one Apply may hold. It never changes.
	Limits() Limits
}

// Limits bound the arguments of Apply; 0 means no bound.
type Limits struct {
	// State is the largest state of a record as it is stored, in bytes.
	State int64
	// Apply is the largest number of bytes of headers, states and entries that one call
	// appends. A record is never split: a single one may exceed it. It does not bound a
	// change that seals, prunes or imports, which has a segment of some 8 MiB, or of one
	// state if that alone has more.
	Apply int64
}

// Concurrent is a Backend that allows several calls of Apply at once, for disjoint runs,
// because that is faster than one after the other.
type Concurrent interface {
	// Concurrency returns the number of calls, at least 1. It never changes.
	Concurrency() int
}

// Durability is what an acknowledged write to a file survives.
type Durability string

// The durabilities. A driver documents which it supports.
const (
	// Full survives a power loss. It is the default.
	Full Durability = "FULL"
	// Normal survives the end of the process; a power loss may lose the newest events,
	// and nothing else.
	Normal Durability = "NORMAL"
	// Off survives the end of the process; a power loss may damage the file.
	Off Durability = "OFF"
)
