// Package log is the engine of flowlog: append-only logs of checkpoint events,
// one log a run, over a storage that a driver provides.
//
// A [Log] is what programs use. It validates, assigns each event its seq under
// one lock, links the events of a run by a hash chain, stores a state as what
// differs from the state it grew from, and lets concurrent appends of any runs
// share one durable commit. A [Backend] is what a driver implements: it stores
// opaque headers, states, segments and heads, and decides nothing.
//
//	program ─▶ Log ─▶ Backend ─▶ SQLite, bbolt, memory, …
//
// The words used here:
//
//   - An [Event] is one immutable entry of a run: a [Header] and a state.
//   - A [Record] is an event as it is stored: the header's JSON, and the state
//     in one of the ways that [Encoding] names.
//   - A [Head] is where a run stands: its newest record, and a row that changes
//     only when something else than an append happens. Appends are compared with
//     the one, all other changes with the other.
//   - A [Segment] is a sealed block of consecutive events, and a run's tail are
//     those that are not sealed: a record each.
//   - A [Note] is what is said about events later, an event of the run's
//     companion log. Events themselves never change.
//
// # Sealing
//
// [Log.Seal] moves events from a run's tail to segments, which [Log.Purge] and
// [Log.Reclaim] turn into disk space: the mechanism is here, and package compaction
// chooses when. A segment holds up to 256 events in the format of package
// log/segment. It is read back and each of its states held to its hash before one
// transaction puts it in force; the records that it replaces are dead from then on
// and erased later, and readers who meet the change on their way look again. No
// state in a segment rests on one outside of it, and the newest of a run that is
// sealed whole rests on none.
//
// # Export and import
//
// [Log.Export] gives a run as segments, those that are stored and others that are made
// of its tail, and writes nothing; [Log.Import] stores them in another log under a head
// that says that the run is staged. A staged run is not there for anybody. When all of
// it was read back and verified, one change of the head makes it a run.
//
// # Dropping
//
// [Log.Prune] drops states and keeps their headers, so that the hash chain still leads
// through them. [Log.Redact] does so and has the driver, an [Eraser], leave no copy in
// its files. [Log.TruncateFront] drops a run's oldest events with their headers and
// leaves an [Anchor], from which the rest verifies. Each makes a note first of what goes
// and why, and [Log.Verify] holds what is gone to its note.
//
// # Guarantees
//
// Durability: a nil error from [Log.Append] means that the backend made the
// event durable and that every later read sees it.
//
// Atomicity: an event is there whole or not at all. Events of different runs
// that share a commit are independent of each other.
//
// Integrity: every state read is checked against the SHA-256 in its header, and
// every header against a checksum, so damage is reported and never returned as
// data. [Log.Verify] checks the hash chain as well, which no one can rewrite
// without changing the head's hash.
//
// Concurrency: a Log is safe for concurrent use. Several Logs, in several
// processes, may share a storage if its driver allows that; a change made on an
// outdated head is refused by the driver and made anew by the engine.
//
// A failed sync is an unknown outcome: see [ErrUnknownOutcome].
package log
