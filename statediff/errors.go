package statediff

import (
	"errors"
	"fmt"
)

// ErrNotFound is what errors.Is finds in the error of a lookup that came upon no value.
var ErrNotFound = errors.New("no such value")

// ErrTooLarge is what errors.Is finds in the error of something that is beyond a limit: a document of
// 4 GiB or more, or a patch that would build a document too deep or copy too much.
var ErrTooLarge = errors.New("too large")

// SyntaxError says that a document isn't JSON.
type SyntaxError struct {
	Offset  int // of the byte at which it was noticed
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.Problem)
}

// PathError says that a text is neither a JSON Pointer nor a path as people write them.
type PathError struct {
	Path    string
	Offset  int // of the byte that is wrong
	Problem string
}

func (e *PathError) Error() string {
	return fmt.Sprintf("path %q, at byte %d: %s", e.Path, e.Offset, e.Problem)
}

// LookupError says how far a pointer led. It is [ErrNotFound].
type LookupError struct {
	At      Pointer // the value that exists but hasn't what was asked of it
	Token   string  // what it hasn't
	Problem string
}

func (e *LookupError) Error() string {
	return fmt.Sprintf("%s: %s", place(e.At), e.Problem)
}

// Is reports whether target is [ErrNotFound].
func (e *LookupError) Is(target error) bool { return target == ErrNotFound }

// place names a value for people.
func place(p Pointer) string {
	if p == "" {
		return "the document"
	}
	return fmt.Sprintf("%q", string(p))
}

// PatchError says which operation of a patch is wrong or couldn't be applied.
type PatchError struct {
	Operation int // from 0; -1 when it is the patch as a whole
	Err       error
}

func (e *PatchError) Error() string {
	if e.Operation < 0 {
		return "patch: " + e.Err.Error()
	}
	return fmt.Sprintf("patch, operation %d: %v", e.Operation, e.Err)
}

// Unwrap returns what was wrong with it.
func (e *PatchError) Unwrap() error { return e.Err }

// ErrTestFailed is what errors.Is finds in the error of a patch one of whose tests failed.
var ErrTestFailed = errors.New("the value is another than the patch tests for")
