package driver

import "time"

// Slot is a small value beside the log, such as a lease or how far some work has come.
// It is outside of a run's revision and hash chain, and gone with the run.
type Slot struct {
	Value []byte
	// Version is assigned by the backend with each change, and never comes back for the
	// same key, also after the slot expired or was removed.
	Version uint64
	// TTL is what is left of the time to live; 0 for a slot that does not expire.
	TTL time.Duration
}

// SlotRequest asks for a slot.
type SlotRequest struct {
	// Run is the run that the slot belongs to; empty for the storage itself.
	Run string
	Key string
}

// SlotChange sets or removes a slot.
//
// Whether a slot has expired is told by the storage's clock, or where it has none by a
// clock of the process that does not jump: a caller gives a duration and never a time.
// If the clock was set back since the slot was set, so that it might live for longer than
// its time to live, it has expired.
type SlotChange struct {
	Run string
	Key string
	// Version is the version that the slot must have; 0 for a slot that must not be
	// there, or have expired.
	Version uint64
	// Value is what it gets; nil removes it.
	Value []byte
	// TTL is for how long it is there; 0 for good.
	TTL time.Duration
}
