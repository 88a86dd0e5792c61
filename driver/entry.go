package driver

// Entry is a small value that belongs to a run, by a key of the engine's. It changes in
// the same change as what it speaks of, and is gone with the run.
type Entry struct {
	// Key is 1 to MaxKey bytes. Keys are in order as bytes.
	Key []byte
	// Value is at most MaxEntry bytes, and may be empty.
	Value []byte
}

// EntryRange is the entries of a run whose keys are from From up to, but without, To. A
// nil To has no bound; where From is not below To there are none.
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
