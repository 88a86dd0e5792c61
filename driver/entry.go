package driver

// Entry is a small value that belongs to a run, under a key that the engine chooses.
// The engine changes it in the same change as the thing it describes. Dropping the run
// removes it.
type Entry struct {
	// Key is 1 to MaxKey bytes. Keys are ordered as bytes.
	Key []byte
	// Value is at most MaxEntry bytes, and may be empty.
	Value []byte
}

// EntryRange selects the entries of a run whose keys are at least From and below To. A
// nil To sets no upper bound. If From is not below To, the range is empty.
type EntryRange struct{ From, To []byte }

// EntriesRequest asks for a page of a run's entries.
type EntriesRequest struct {
	Run string
	EntryRange
	// Reverse asks for descending order of keys.
	Reverse bool
	// Limit is the largest number of entries to return; at least 1.
	Limit int
	// MaxBytes ends the page before it would hold more than this many bytes of keys and
	// values; the first entry is returned whatever its size. 0 means no bound.
	MaxBytes int64
}
