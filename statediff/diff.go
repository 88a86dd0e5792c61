package statediff

import (
	"fmt"
	"math"
)

// Kind is what became of a value.
type Kind uint8

// The kinds of changes.
const (
	Same    Kind = iota // nothing: no Change is of this kind
	Added               // it is in the new document only
	Removed             // it is in the old document only
	Changed             // there is another in its place, or something else in it
)

// String returns the kind in lower case, such as "added".
func (k Kind) String() string {
	switch k {
	case Same:
		return "same"
	case Added:
		return "added"
	case Removed:
		return "removed"
	case Changed:
		return "changed"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Change is one value that differs.
type Change struct {
	Kind Kind
	// Path is where it is in the new document; of a removed value, where it was in the old one.
	Path Pointer
	// OldPath is where it was in the old document, another place than Path if elements before it came or
	// went; of an added value, "".
	OldPath Pointer
	// Old and New are the values as written, parts of the documents that were compared; nil where there is
	// none. Their lengths are the sizes.
	Old, New []byte

	// at is where a patch finds it that has made all changes before this one. Making them one by one leaves
	// all that lies before the present one new and all behind it old.
	at Pointer
}

// Reason is why a part of a difference is coarser than it could be.
type Reason uint8

// The reasons.
const (
	// DuplicateNames: an object has a name twice, so it is told as one value.
	DuplicateNames Reason = iota + 1
	// Effort: which elements of an array remained was not searched to the end, so more of them may be told
	// as changed than were.
	Effort
	// TooMany: there are more changes than are told one by one, so this value is told as one.
	TooMany
)

// String returns the reason as a phrase.
func (r Reason) String() string {
	switch r {
	case DuplicateNames:
		return "an object with duplicate names is compared as one value"
	case Effort:
		return "an array that differs in too many places is matched in a hurry"
	case TooMany:
		return "too many changes are told as one"
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Coarse is a value of which the difference is right, but coarser than it could be.
type Coarse struct {
	Path   Pointer // in the new document
	Reason Reason
}

// Diff is what differs between two documents.
type Diff struct {
	// Changes are in the order of the new document; removed members of an object come before what else
	// changed in it, removed elements of an array where they were. None lies in another.
	Changes []Change
	// Coarse says where, and why, the difference is coarser than it could be.
	Coarse []Coarse
}

// Options say how to compare. The zero Options are good ones.
type Options struct {
	// Identity are the names of members by which objects in an array are recognized when more of them
	// changed; of several the first one that an object has, with a string or a number. Nil means "id",
	// "key" and "name".
	Identity []string
	// Effort bounds the search for elements that remained, in steps of some nanoseconds, over all arrays.
	// What it takes besides is in proportion to the documents. 0 means 2^25: some 0.2 s.
	Effort int
	// MaxChanges bounds the changes. 0 means 2^18. As much room as 64 bytes for each is given to their paths.
	MaxChanges int
}

func (o Options) withDefaults() Options {
	if o.Identity == nil {
		o.Identity = []string{"id", "key", "name"}
	}
	if o.Effort <= 0 {
		o.Effort = 1 << 25
	}
	if o.MaxChanges <= 0 {
		o.MaxChanges = 1 << 18
	}
	o.MaxChanges = min(o.MaxChanges, math.MaxInt/1024)
	return o
}

// Compare returns what differs between two documents. The error says which one isn't JSON; see [Parse].
func Compare(old, new []byte, options Options) (*Diff, error) {
	a, b, err := parseBoth(old, new)
	if err != nil {
		return nil, err
	}
	return a.Compare(b, options), nil
}

func parseBoth(old, new []byte) (a, b *Document, err error) {
	if a, err = Parse(old); err != nil {
		return nil, nil, fmt.Errorf("the old document: %w", err)
	}
	if b, err = Parse(new); err != nil {
		return nil, nil, fmt.Errorf("the new document: %w", err)
	}
	return a, b, nil
}

// Compare returns what differs between d and a newer document.
func (d *Document) Compare(new *Document, options Options) *Diff {
	c := newComparer(d, new, options)
	c.value(0, 0, paths{})
	return &Diff{c.changes, c.coarse}
}
