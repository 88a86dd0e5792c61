// Package log is the engine of flowlog: append-only logs of checkpoint events, one log for
// each run, over a storage that a driver provides.
//
// A [Log] is what programs use. It validates, assigns each event its seq under one lock,
// links the events of a run by a hash chain, stores a state as what differs from the state
// it grew from, and lets concurrent appends of any runs share one durable commit. A
// [driver.Backend] is what a driver implements: it stores opaque headers, states, segments,
// heads and entries, and decides nothing.
//
//	program ─▶ Log ─▶ driver.Backend ─▶ SQLite, bbolt, memory, …
//
// The words used here:
//
//   - An [Event] is one immutable entry of a run: a [Header] and a state.
//   - A record is an event as it is stored: the header's JSON, and the state in one of the
//     ways that [Encoding] names.
//   - A head is the run's row that changes only when something other than an append
//     happens, and the run's newest record. Appends are compared with the record, all other
//     changes with the row.
//   - A segment is a sealed block of consecutive events. A run's tail is the events that are
//     not sealed: a record each.
//   - A [Note] is what is said about a run or its events later. Events never change. Notes
//     are part of the run: they change in the same change as what they speak of.
//   - A line is the events that one grew from, through parents. The line that a run stands
//     on is that of its newest recoverable event, which is one without a [Role].
//   - A [Position] is a seq and the event's hash, which covers the life of the run.
//
// # Where to look
//
//   - Appending: append.go takes an event, commit.go commits those that are queued,
//     cache.go remembers live runs.
//   - Reading: load.go one event, history.go many, reader.go makes a state of a record,
//     deltachain.go of a chain of deltas, sealed.go of a segment, segmentcache.go keeps
//     segments open.
//   - Finding: line.go what is on a line, visits.go the nth visit of a node, runs.go lists
//     runs, watch.go follows them.
//   - Saying more: notes.go, marks.go labels and pins.
//   - Smaller: seal.go and seal_block.go make segments, prune.go, redact.go, truncate.go and
//     delete.go drop what is named, prune_guard.go what was chosen earlier.
//   - Moving: export.go, import.go. Checking: verify.go. Damage: salvage.go.
//
// # Nothing grows with what it does not return
//
// The newest event is found by the newest record, which names it behind any number of
// failures. The visits of a node are found by a sparse index that is put with every 64th
// append. A segment is found by a seq that it holds. A page of runs is read in the order of
// an index. So each costs the same in a run of a thousand and of a million events.
//
// # Sealing
//
// [Log.Seal] moves events from a run's tail to segments, which [Log.Purge] and [Log.Reclaim]
// turn into disk space: the mechanism is here, and package compaction chooses when. A segment
// holds up to 256 events in the format of package log/segment. It is read back and each of
// its states held to its hash before one transaction puts it in force; the records that it
// replaces are dead from then on and erased later, and readers who meet the change on their
// way look again. No state in a segment rests on one outside of it, and the newest of a run
// that is sealed whole rests on none.
//
// # Export and import
//
// [Log.Export] gives a run as segments, those that are stored and others that are made of its
// tail, then its notes, and writes nothing; [Log.Import] stores them in another log under a
// head that says that the run is staged. A staged run is not there for anybody. When all of
// it was read back and verified, one change of the head makes it a run.
//
// # Dropping
//
// [Log.Prune] drops states and keeps their headers, so that the hash chain still leads through
// them. [Log.Redact] does so and has the driver, a [driver.Eraser], leave no copy in its files.
// [Log.TruncateFront] drops a run's oldest events with their headers and leaves an [Anchor],
// from which the rest verifies. Each makes a note of what goes and why in the same change, and
// [Log.Verify] holds what is gone to its note.
//
// # Guarantees
//
// Durability: a nil error from [Log.Append] means that the backend made the event durable and
// that every later read sees it.
//
// Atomicity: an event is there whole or not at all. Events of different runs that share a
// commit are independent of each other.
//
// Integrity: every state read is checked against the SHA-256 in its record, and every record
// against a checksum, so damage is reported and never returned as data. [Log.Verify] checks
// the hash chains of events and notes as well, which nobody can rewrite without changing the
// head's hashes, and derives again what is stored a second time: lines, visits, marks.
//
// Concurrency: a Log is safe for concurrent use. Several Logs, in several processes, may share
// a storage if its driver allows that; a change made on an outdated head is refused by the
// driver and made anew by the engine.
//
// A failed sync is an unknown outcome: see [ErrUnknownOutcome].
package log
