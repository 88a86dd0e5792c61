package driver

import (
	"errors"
	"fmt"
	"strings"
)

// The errors that callers branch on, with [errors.Is]. The engine and package checkpoint
// export the same values.
var (
	// ErrNotFound: no such run, event or slot.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the run or slot is not in the state that the caller expected.
	ErrConflict = errors.New("conflict")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrCorrupt: the stored data is damaged. No damaged data is returned.
	ErrCorrupt = errors.New("corrupt")
	// ErrUnsupportedVersion: written in a format that this flowlog does not read.
	ErrUnsupportedVersion = errors.New("unsupported version")
	// ErrTooLarge: something is larger than a stated limit.
	ErrTooLarge = errors.New("too large")
	// ErrInvalid: an argument or a file is wrong and can never be right.
	ErrInvalid = errors.New("invalid")
	// ErrLocked: another process held the storage for longer than the time limit.
	// Nothing was written.
	ErrLocked = errors.New("locked")
	// ErrFull: there is no room on the storage's disk, or in its quota. The failed
	// transaction wrote nothing. If one call makes several transactions, the earlier
	// ones remain.
	ErrFull = errors.New("the disk is full")
	// ErrReadOnly: the store was opened read-only, its file can't be written, or an
	// earlier sync failed.
	ErrReadOnly = errors.New("store is read-only")
)

// NotAppliedError wraps the error of an Apply or SetSlot that certainly made no change
// and will make no change: the transaction was rolled back, and the rollback was
// confirmed, or its commit was never sent. A backend must return it only then. An error
// that is also a [LostError] counts as a NotAppliedError.
type NotAppliedError struct{ Err error }

// Error implements error.
func (e *NotAppliedError) Error() string { return fmt.Sprintf("nothing was written: %v", e.Err) }

// Unwrap returns the cause.
func (e *NotAppliedError) Unwrap() error { return e.Err }

// LostError wraps the error of an Apply or SetSlot whose answer was lost, for example
// when a connection broke. The storage is sound. Each change was made whole or not at
// all, or may still be made until the same changes are applied again with a nil error.
// Applying them again is safe. A read can't show that a change will not be made: it may
// still come. To see whether the first try was made, look for its traces: an event's Hash
// at its seq, an entry's value, a new run's Life. If the storage may not be sound, as
// after a failed sync, a backend must not return a LostError.
//
// Revision 0 of a run and version 0 of a slot are the only expectations that a drop makes
// true again. A backend that may return a LostError must know that such a change can be
// made before it sends the commit, so that no late commit restores dropped data.
type LostError struct{ Err error }

// Error implements error.
func (e *LostError) Error() string { return fmt.Sprintf("the answer was lost: %v", e.Err) }

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// Error is a failure and where it happened. It wraps one of the sentinels above.
type Error struct {
	// Run and Seq name the event concerned; Seq 0 means the run as a whole.
	Run string
	Seq uint64
	// Offset is the position in the stored bytes; 0 if there is none.
	Offset int64
	// Want and Have are the expected and the found value, if a comparison failed.
	Want, Have string
	// Reason says what happened and, if possible, what to do.
	Reason string
	// Err is the sentinel or the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(Where(e.Run, e.Seq))
	if e.Err != nil {
		fmt.Fprintf(&b, "%v: ", e.Err)
	}
	b.WriteString(e.Reason)
	if e.Offset > 0 {
		fmt.Fprintf(&b, " at byte %d", e.Offset)
	}
	if e.Want != "" || e.Have != "" {
		fmt.Fprintf(&b, " (want %s, have %s)", e.Want, e.Have)
	}
	return strings.TrimSuffix(b.String(), ": ")
}

// Unwrap returns the sentinel or the cause.
func (e *Error) Unwrap() error { return e.Err }

// Where begins a message with the run and the event that it is about, such as
// `run "a" seq 3: `; "" without a run. Long ids are shortened.
func Where(run string, seq uint64) string {
	switch {
	case run == "":
		return ""
	case seq == 0:
		return fmt.Sprintf("run %q: ", Shorten(run))
	}
	return fmt.Sprintf("run %q seq %d: ", Shorten(run), seq)
}

// Shorten returns an id as a message shows it: at most 64 bytes.
func Shorten(id string) string {
	if len(id) > 64 {
		return id[:61] + "..."
	}
	return id
}

// Corrupt returns an [Error] that satisfies ErrCorrupt.
func Corrupt(run string, seq uint64, reason string) error {
	return &Error{Run: run, Seq: seq, Reason: reason, Err: ErrCorrupt}
}
