package segment

import (
	"errors"
	"fmt"
)

// What a caller branches on. All errors of this package are one of them, wrapped
// in an [*Error] that says where and with which values.
var (
	// ErrCorrupt means that the bytes are not a segment that this package wrote,
	// or not the index and the data of the same one: cut, altered, or made up.
	ErrCorrupt = errors.New("corrupt segment")
	// ErrUnsupportedVersion means that the version byte names a format that this
	// package doesn't read. Nothing is said about the rest, which a newer release
	// may well read.
	ErrUnsupportedVersion = errors.New("unsupported segment version")
	// ErrTooLarge means that something is longer than the format or the codec's
	// options allow.
	ErrTooLarge = errors.New("segment too large")
	// ErrInvalid means that a caller asked for what can't be: entries that make
	// no segment, or an entry that is not in one.
	ErrInvalid = errors.New("invalid use of a segment")
)

// Error says what was wrong with which value. It unwraps to one of the sentinels
// above, for errors.Is.
type Error struct {
	Err  error  // the sentinel
	What string // the field or rule, such as "index: length"
	// Offset is where, in bytes, in the part that What begins with: the index,
	// the table in it once decompressed, or the data; -1 where the error isn't
	// about a place.
	Offset int64
	Have   uint64 // the value found
	Want   uint64 // the value, or the bound, that it was held against
	Cause  error  // instead of Have and Want, what zstd said or what can't be said in numbers
}

// Error names the sentinel, the field, the place and both values.
func (e *Error) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at offset %d", e.Offset)
	}
	if e.Cause != nil {
		return fmt.Sprintf("%v: %s%s: %v", e.Err, e.What, at, e.Cause)
	}
	return fmt.Sprintf("%v: %s%s: have %d, want %d", e.Err, e.What, at, e.Have, e.Want)
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Err }

func corrupt[A, B int | int64 | uint32 | uint64](what string, at int, have A, want B) error {
	return &Error{Err: ErrCorrupt, What: what, Offset: int64(at), Have: uint64(have), Want: uint64(want)}
}

func tooLarge[A, B int | int64 | uint64](what string, at int, have A, want B) error {
	return &Error{Err: ErrTooLarge, What: what, Offset: int64(at), Have: uint64(have), Want: uint64(want)}
}

func invalid[A, B int | int64 | uint64](what string, have A, want B) error {
	return &Error{Err: ErrInvalid, What: what, Offset: -1, Have: uint64(have), Want: uint64(want)}
}
