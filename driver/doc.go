// Package driver is the contract between flowlog's engine, package log, and the storages
// that it runs on. It says what a driver implements and what it may rely on.
//
// A [Backend] stores data and never looks into it. It keeps, for each run:
//
//   - a [Head]: one row that changes only when something other than an append happens;
//   - a tail of [Record]s, one for each event that is not sealed;
//   - [Segment]s, immutable blocks of consecutive sealed events;
//   - [Entry] values: small values by an opaque key, in key order. The engine keeps its
//     notes, marks and indexes in them;
//   - [Slot] values: small values with a version and a time to live, outside the log.
//
// [Backend.Apply] is the only way to change a run. Each [Change] is a compare-and-set:
// it compares the head by its revision, and the events by the seq of the last one.
//
// # What the engine has checked
//
// Before any method is called, the engine has checked that run ids are not empty, are
// valid UTF-8 and at most 1 KiB long; that seqs start at 1 and are below 2³²; that the
// records of a change ascend without gaps; that keys and values of entries and slots are
// within the limits below. Compare ids and keys as bytes.
//
// # Rules for every method
//
// Concurrency: all methods may be called from several goroutines at once, including
// Close. Each engine has at most one Apply in progress unless the backend is
// [Concurrent]. But several engines, in several processes, may share one storage.
//
// Ownership: after a method returns, the Backend neither keeps nor changes a slice from
// its arguments. The caller owns the results.
//
// Order: each call reads one snapshot. A page is as full as its limits allow, so a
// shorter page is the last one.
//
// Visible means durable: data that a read returns survives everything that the storage
// promises to survive.
//
// Errors: [ErrClosed] after Close; [ErrNotFound] where a method says so; an error that
// satisfies [ErrCorrupt] when the stored bytes can't be the written ones. The engine has
// its own checksums, so a Backend may return damaged bytes as they are. It should do so
// where an error would also hide undamaged items: a head in a list, the newest record of
// a head, a segment in a list. If a page of records meets damage after its first record,
// it ends there. If its context is done before it begins, a method does nothing and
// returns an error that satisfies ctx.Err().
//
// # Encryption later
//
// No method needs to look into a header, a state, a head's data, an entry's value or a
// segment, so an engine may hand over ciphertext. Authenticated encryption binds such
// bytes to fields outside them: [Head.Life], [Record.Seq], [Record.Flags],
// [Record.Encoding] and [Record.Base]. Ciphertext begins with the id of its key. Keys of
// entries can be keyed digests.
//
// Package drivertest checks all of this for any implementation.
package driver

// The limits of what a Backend is given, in bytes.
const (
	// MaxRunID is the longest run id.
	MaxRunID = 1 << 10
	// MaxSeq is the largest seq.
	MaxSeq = 1<<32 - 1
	// MaxKey is the longest key of an entry or a slot. No key is empty.
	MaxKey = 64
	// MaxEntry is the largest value of an entry. Most are below 1 KiB.
	MaxEntry = 64 << 20
	// MaxSlot is the largest value of a slot.
	MaxSlot = 64 << 10
)
