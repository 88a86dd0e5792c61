package log

import (
	"errors"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// The errors that callers branch on, with [errors.Is]. Errors that drivers also return
// are the values of package driver.
var (
	// ErrNotFound: no such run, event or visit.
	ErrNotFound = driver.ErrNotFound
	// ErrDropped: TruncateFront dropped the event with its header and all events before
	// it. It is an ErrNotFound.
	ErrDropped = fmt.Errorf("%w: dropped", ErrNotFound)
	// ErrOtherLine: the node has events, all of them on other lines of the run. It is an
	// ErrNotFound.
	ErrOtherLine = fmt.Errorf("%w on the line", ErrNotFound)
	// ErrConflict: the run is not where the caller expected it to be.
	ErrConflict = driver.ErrConflict
	// ErrClosed: the store was closed.
	ErrClosed = driver.ErrClosed
	// ErrPruned: the event is there, its state was dropped. The error is a
	// [PrunedError].
	ErrPruned = errors.New("state was pruned")
	// ErrCorrupt: what is stored is damaged. Nothing of it is returned.
	ErrCorrupt = driver.ErrCorrupt
	// ErrUnknownOutcome: a sync failed or an answer was lost, so the event may or may
	// not be stored, now or later. After a failed sync this store accepts no writes
	// (ErrReadOnly) until it is opened again; reads continue.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrUnsupportedVersion: written in a format that this flowlog does not read.
	ErrUnsupportedVersion = driver.ErrUnsupportedVersion
	// ErrTooLarge: larger than a stated limit.
	ErrTooLarge = driver.ErrTooLarge
	// ErrInvalid: an argument that can never be right.
	ErrInvalid = driver.ErrInvalid
	// ErrLocked: another process held the storage for longer than the time limit.
	// Nothing was written.
	ErrLocked = driver.ErrLocked
	// ErrFull: there is no room on the storage's disk, or in its quota. The failed
	// transaction wrote nothing. If one call makes several transactions, the earlier
	// ones remain.
	ErrFull = driver.ErrFull
	// ErrNotErased: states are redacted, and copies of some may still be in the
	// storage's files. Redact again with the same events finishes the work.
	ErrNotErased = errors.New("erase incomplete")
	// ErrReadOnly: the store was opened read-only, its file can't be written, or an
	// earlier sync failed.
	ErrReadOnly = driver.ErrReadOnly
)

// Error is a failure with its place. It wraps one of the sentinels above.
type Error = driver.Error

// PrunedError says when and why a state was dropped, and what it was.
type PrunedError struct {
	Run      string
	Seq      uint64
	Policy   string    // what dropped it, or the reason; empty if its note can't be read
	At       time.Time // when; zero if its note can't be read
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

func place(run string, seq uint64) string { return driver.Where(run, seq) }

func corrupt(run string, seq uint64, reason string) error { return driver.Corrupt(run, seq, reason) }

func notFound(run string, seq uint64, reason string) error {
	return &Error{Run: run, Seq: seq, Reason: reason, Err: ErrNotFound}
}

// unreadable reports whether something is damaged, or of another version.
func unreadable(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsupportedVersion)
}
