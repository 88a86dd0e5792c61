package checkpoint

import "github.com/flowlog/checkpoint/log"

// What callers branch on, with [errors.Is]: the values of package log.
var (
	// ErrNotFound: no such run, event or visit.
	ErrNotFound = log.ErrNotFound
	// ErrDropped: the event was there, and was dropped with its header and all
	// before it by TruncateFront. It is an ErrNotFound.
	ErrDropped = log.ErrDropped
	// ErrConflict: the run is not where After or BeginRun expected it to be, or a
	// checkpoint is of another life of it.
	ErrConflict = log.ErrConflict
	// ErrClosed: the store was closed.
	ErrClosed = log.ErrClosed
	// ErrPruned: the event is there, its state was dropped; see [PrunedError].
	ErrPruned = log.ErrPruned
	// ErrCorrupt: what is stored is damaged. Nothing of it is returned.
	ErrCorrupt = log.ErrCorrupt
	// ErrUnknownOutcome: a sync failed, and nobody can tell whether the event
	// is there. Writes fail from then on; open the store again and look.
	ErrUnknownOutcome = log.ErrUnknownOutcome
	// ErrUnsupportedVersion: written in a format that this flowlog does not read: of a
	// newer one, or of one before format 2.
	ErrUnsupportedVersion = log.ErrUnsupportedVersion
	// ErrTooLarge: larger than a stated limit.
	ErrTooLarge = log.ErrTooLarge
	// ErrInvalid: an argument, a state or a file that can never be right.
	ErrInvalid = log.ErrInvalid
	// ErrLocked: another process held the store for longer than this one was to
	// wait. Nothing was written.
	ErrLocked = log.ErrLocked
	// ErrFull: there is no room on the store's disk, or in its quota. The transaction that
	// met it wrote nothing; of a call that makes several, those before it stay.
	ErrFull = log.ErrFull
	// ErrNotErased: states are redacted, and copies of some may still be in the
	// store's files. Redact again with the same events finishes the work.
	ErrNotErased = log.ErrNotErased
	// ErrReadOnly: nothing can be written through this store.
	ErrReadOnly = log.ErrReadOnly
)

// The errors with a place, for [errors.As].
type (
	// Error says which event of which run, and what was wanted and found.
	Error = log.Error
	// PrunedError says when and why a state was dropped, and what it was.
	PrunedError = log.PrunedError
)
