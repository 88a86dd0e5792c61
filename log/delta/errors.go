package delta

import (
	"errors"
	"fmt"
)

// What a caller branches on. Parse, Apply and Compose return them wrapped in an [*Error] that says where and with which values.
var (
	// ErrCorrupt means that the bytes are not a delta that this package wrote: cut, altered, or made up.
	ErrCorrupt = errors.New("corrupt delta")
	// ErrUnsupportedVersion means that the version byte names a format that this package doesn't read. Nothing is said
	// about the rest, which a newer release may well read.
	ErrUnsupportedVersion = errors.New("unsupported delta version")
	// ErrTooLarge means that the target is longer than the caller allows.
	ErrTooLarge = errors.New("delta's target too large")
	// ErrTooComplex means that a composed delta would have more than MaxComposedOps operations. Apply the two one after
	// the other instead.
	ErrTooComplex = errors.New("composed delta too complex")
	// ErrBase means that a delta was given a base of another length than the one it was made from.
	ErrBase = errors.New("wrong base for delta")
)

// Error says what was wrong with which value. It unwraps to one of the sentinels above, for errors.Is.
type Error struct {
	Err    error  // the sentinel
	What   string // the field or rule, such as "target length"
	Offset int    // where in the delta, in bytes; -1 where the error isn't about a place in it
	Have   uint64 // the value found
	Want   uint64 // the value, or the bound, that it was held against
}

// Error names the sentinel, the field, the place and both values.
func (e *Error) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at offset %d", e.Offset)
	}
	return fmt.Sprintf("%v: %s%s: have %d, want %d", e.Err, e.What, at, e.Have, e.Want)
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Err }
