package log

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What callers branch on, with [errors.Is].
var (
	// ErrNotFound: no such run, event or visit.
	ErrNotFound = errors.New("not found")
	// ErrDropped: the event was there, and was dropped with its header and all
	// before it by TruncateFront. It is an ErrNotFound.
	ErrDropped = fmt.Errorf("%w: dropped", ErrNotFound)
	// ErrConflict: the run is not where the caller expected it to be.
	ErrConflict = errors.New("conflict")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrPruned: the event is there, its state was dropped. The error is a
	// [PrunedError].
	ErrPruned = errors.New("state was pruned")
	// ErrCorrupt: what is stored is damaged. Nothing of it is returned.
	ErrCorrupt = errors.New("corrupt")
	// ErrUnknownOutcome: a sync failed, and nobody can tell whether the event
	// is or will be there. Open the storage again and look. Until then this
	// store accepts no writes (ErrReadOnly); reads continue.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrUnsupportedVersion: written by a newer version of flowlog.
	ErrUnsupportedVersion = errors.New("unsupported version")
	// ErrTooLarge: larger than a stated limit.
	ErrTooLarge = errors.New("too large")
	// ErrInvalid: an argument that can never be right.
	ErrInvalid = errors.New("invalid")
	// ErrLocked: another process held the storage for longer than this one was
	// to wait. Nothing was written.
	ErrLocked = errors.New("locked")
	// ErrFull: there is no room on the storage's disk, or in its quota. The transaction that
	// met it wrote nothing; of a call that makes several, those before it stay.
	ErrFull = errors.New("the disk is full")
	// ErrNotErased: states are redacted, and copies of some may still be in the
	// storage's files. Redact again with the same events finishes the work.
	ErrNotErased = errors.New("not all is erased")
	// ErrReadOnly: the store was opened for reading only, its file can't be
	// written, or an earlier sync failed.
	ErrReadOnly = errors.New("store is read-only")
)

// Error is a failure with its place. It wraps one of the sentinels above.
type Error struct {
	// Run and Seq say which event it is about; Seq 0 means the run as a whole.
	Run string
	Seq uint64
	// Offset is the place in the stored bytes, in bytes; 0 when there is none.
	Offset int64
	// Want and Have are what was expected and what was found, where the
	// failure is a comparison.
	Want, Have string
	// Reason says what happened and, where there is something, what to do.
	Reason string
	// Err is the sentinel or the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(place(e.Run, e.Seq))
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

func place(run string, seq uint64) string {
	switch {
	case run == "":
		return ""
	case seq == 0:
		return fmt.Sprintf("run %q: ", displayID(run))
	}
	return fmt.Sprintf("run %q seq %d: ", displayID(run), seq)
}

// PrunedError says when and why a state was dropped, and what it was.
type PrunedError struct {
	Run      string
	Seq      uint64
	Policy   string    // what dropped it, or the reason; empty when no note says so
	At       time.Time // when; zero when no note says so
	Redacted bool      // by Redact: no copy of it is to be left anywhere
	Size     int64     // the state's size in bytes
	SHA256   Digest    // the state's hash
}

// Error implements error.
func (e *PrunedError) Error() string {
	if e.Redacted {
		return fmt.Sprintf("%sstate of %d bytes was redacted at %s: %s (sha256 %s)", place(e.Run, e.Seq), e.Size, e.At.UTC().Format(time.RFC3339), e.Policy, e.SHA256)
	}
	by := ""
	if e.Policy != "" {
		by = fmt.Sprintf(" by %q at %s", e.Policy, e.At.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%sstate of %d bytes was pruned%s (sha256 %s)", place(e.Run, e.Seq), e.Size, by, e.SHA256)
}

// Is reports whether target is ErrPruned.
func (e *PrunedError) Is(target error) bool { return target == ErrPruned }

// NotAppliedError wraps the error of an [Backend.Apply] after which it is
// certain that none of the changes happened: the transaction was rolled back,
// and the rollback was confirmed. A backend must return it only then.
type NotAppliedError struct{ Err error }

// Error implements error.
func (e *NotAppliedError) Error() string { return fmt.Sprintf("nothing was written: %v", e.Err) }

// Unwrap returns the cause.
func (e *NotAppliedError) Unwrap() error { return e.Err }

func corrupt(run string, seq uint64, reason string) error {
	return &Error{Run: run, Seq: seq, Reason: reason, Err: ErrCorrupt}
}

func notFound(run string, seq uint64, reason string) error {
	return &Error{Run: run, Seq: seq, Reason: reason, Err: ErrNotFound}
}
