package checkpoint

import "context"

// Redact drops the states of events by seq for good, with a reason: as Prune does,
// and no copy of them is left in any file of the store when it returns nil: neither
// in free pages nor between what is stored of others, in SQLite's WAL or a segment
// that was replaced, nor in what the deltas of neighbouring events hold. Events that
// are pruned already can be redacted, too; one that is redacted already keeps its first
// reason. Asking for their state gives ErrPruned, as
// a [PrunedError] with Redacted set, the reason, the time, the size and the hash.
//
// All other states stay readable and byte for byte as they were, all headers and
// hashes stay, and the run verifies. It returns how many events that were. A seq that
// the run does not have is ErrNotFound, and then nothing is done.
//
// What it does not do:
//
//   - Headers stay: node ids, times, labels, sizes, what flowgraph's envelope has
//     around a state, and the reason itself. Only Delete takes them, with the run.
//   - The SHA-256 of a state stays in its header, or the run would not verify. Who can
//     guess the whole state can tell from it, and from the size, that the guess is
//     right: a yes or no, a PIN, a name between known words. It says nothing of what
//     can't be guessed.
//   - It knows events, not values: the same secret in another event's state, in a fork,
//     another run, an export or a backup stays there. Look for it with `flowlog grep`.
//   - It erases from the store's files. What the file system, its snapshots or an SSD
//     keep of blocks that were overwritten is theirs.
//
// The whole file is written anew (VACUUM on SQLite, a new file on bbolt), so that it
// takes the longer the larger the store is: name all events in one call. Readers go
// on meanwhile; writers wait, on SQLite those of other processes up to their
// WithBusyTimeout. On SQLite it waits for readers of what was there before, also up
// to WithBusyTimeout.
//
// Errors: ErrNotErased if something may be left, with its cause, such as ErrLocked:
// the same call again finishes the work, as it does after a crash. ErrInvalid without
// a reason.
func (s *EventStore) Redact(ctx context.Context, runID string, seqs []uint64, reason string) (int, error) {
	return s.log.Redact(ctx, runID, seqs, reason)
}

// RedactOf is [EventStore.Redact] for a run as [EventStore.Run] or Runs returned it: it
// fails with ErrConflict if the run was deleted since, and its id used again.
func (s *EventStore) RedactOf(ctx context.Context, run Run, seqs []uint64, reason string) (int, error) {
	return s.log.RedactOf(ctx, run, seqs, reason)
}
