// Package log is the engine of flowlog: append-only logs of checkpoint events, one log for
// each run, over a storage that a driver provides.
//
// Programs use a [Log]. It validates events, assigns each its seq under one lock, links
// the events of a run by a hash chain, stores a state as its difference from the state
// before, and lets concurrent appends to any runs share one durable commit. A driver
// implements [driver.Backend]: it stores opaque headers, states, segments, heads and
// entries, and decides nothing.
//
//	program ─▶ Log ─▶ driver.Backend ─▶ SQLite, bbolt, memory, …
//
// The words used here:
//
//   - An [Event] is one immutable entry of a run: a [Header] and a state.
//   - A record is an event as stored: the header's JSON, and the state in one of the ways
//     that [Encoding] names.
//   - A head is the run's row and its newest record. An append does not change the row,
//     unless it is the first of a node whose id could also name a visit. Appends are
//     compared with the record, all other changes with the row.
//   - A segment is a sealed block of consecutive events. A run's tail is the events that are
//     not sealed: a record each.
//   - A [Note] is a later statement about a run or its events. Events never change. Notes
//     are part of the run: a note is written in the same change as the thing it
//     describes.
//   - A line is an event and its ancestors, through parents. A run's current line is that
//     of its newest recoverable event, which is an event without a [Role].
//   - A [Position] is a seq and the event's hash, which covers the life of the run.
//
// # Where to look
//
//   - Appending: append.go takes an event, commit.go commits those that are queued,
//     place.go gives each its seq, parent and hash, cache.go remembers live runs.
//   - Reading: load.go one event, load_node.go that of a node, history.go many, reader.go
//     makes a state of a record, deltachain.go of a chain of deltas, sealed.go of a
//     segment, segmentcache.go keeps segments open.
//   - Finding: line.go what is on a line, visits.go the nth visit of a node,
//     visit_index.go is what finds it, runs.go lists runs, watch.go follows them.
//   - Saying more: notes.go, marks.go labels and pins.
//   - Smaller: seal.go and seal_block.go make segments, prune.go, redact.go, truncate.go and
//     delete.go drop what is named, prune_guard.go what was chosen earlier.
//   - Moving: export.go, import.go. Checking: verify.go. Damage: salvage.go.
//
// # Nothing grows with what it does not return
//
// The newest record names the newest recoverable event, even after any number of
// failures. A sparse index, written with every 64th append, finds the visits of a node. A
// segment is found by a seq that it holds. A page of runs is read in the order of an
// index. So each costs the same in a run of a thousand and of a million events.
//
// # Sealing
//
// [Log.Seal] moves events from a run's tail to segments, which [Log.Purge] and [Log.Reclaim]
// turn into disk space: the mechanism is here, and package compaction chooses when. A
// segment holds up to 256 events in the format of package log/segment. The Log reads it
// back and checks each of its states against its hash before one transaction puts it in
// force. The replaced records are dead from then on and erased later. A reader that meets
// the change looks again. No state in a segment depends on one outside it, and the newest
// state of a completely sealed run depends on no other.
//
// # Export and import
//
// [Log.Export] streams a run as segments, the stored ones and others made from its tail,
// then its notes, and writes nothing. [Log.Import] stores them in another log under a
// head that marks the run as staged. A staged run is invisible. When all of it was read
// back and verified, one change of the head makes it a run.
//
// # Dropping
//
// [Log.Prune] drops states and keeps their headers, so that the hash chain still leads through
// them. [Log.Redact] does the same, and the driver, a [driver.Eraser], leaves no copy in
// its files. [Log.TruncateFront] drops a run's oldest events with their headers and
// leaves an [Anchor], from which the rest verifies. Each writes a note in the same change
// that says what is dropped and why. [Log.Verify] checks dropped events against their
// note.
//
// # Guarantees
//
// Durability: a nil error from [Log.Append] means that the backend made the event durable and
// that every later read sees it.
//
// Atomicity: an event is there whole or not at all. Events of different runs that share a
// commit are independent of each other.
//
// Integrity: every state read is checked against the SHA-256 in its record, and every
// record against a checksum, or in a segment against the hash chain at both ends of its 128
// events. So damage is reported and never returned as data. [Log.Verify] also checks the hash
// chains of events and notes, which can't be rewritten without changing the head's hashes. It
// also recomputes all derived data: lines, visits, marks.
//
// Concurrency: a Log is safe for concurrent use. Several Logs, in several processes, may share
// a storage if its driver allows that; the driver refuses a change that was made on an
// outdated head, and the engine makes it anew.
//
// A failed sync is an unknown outcome: see [ErrUnknownOutcome].
package log
