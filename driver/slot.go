package driver

import "time"

// Slot is a small value beside the log, such as a lease or the progress of some work.
// It is not part of a run's revision or hash chain. Dropping the run removes it.
type Slot struct {
	Value []byte
	// The backend assigns a new Version with each change, and never reuses it for the
	// same key, even after the slot expired or was removed.
	Version uint64
	// TTL is the remaining time to live; 0 for a slot that does not expire.
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
// The storage's clock decides whether a slot has expired. If it has no clock, a clock of
// the process decides that does not jump. So a caller passes a duration and never a time.
// If the clock was set back since the slot was set, so that the slot might outlive its
// time to live, it has expired.
type SlotChange struct {
	Run string
	Key string
	// Version is the version that the slot must have; 0 for a slot that must be missing
	// or expired.
	Version uint64
	// Value is the new value; nil removes the slot.
	Value []byte
	// TTL is the new time to live; 0 means that the slot never expires. A negative one is
	// refused with ErrInvalid.
	TTL time.Duration
}
