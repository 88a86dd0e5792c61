package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/flowlog/checkpoint/log"
)

// Event is a checkpoint as it lies in its run.
type Event struct {
	Checkpoint
	// Pruned says that the state was dropped. It is then nil.
	Pruned bool
	// PrunedBy says by what, when and why, and whether it was redacted: the error that
	// asking for the state gives. It is nil if the state is there.
	PrunedBy *PrunedError
	// Size is the state's size in bytes, SHA256 its hash: also of a state that
	// was pruned or not asked for.
	Size   int64
	SHA256 Digest
	// Visit counts the events of this node and role in the run, by seq, over all
	// branches: this is the nth.
	Visit uint64
	// Writer is a random word of the open store that wrote the event: where it changes
	// along a line, another store continued the run.
	Writer string
	// Epoch is the epoch of the claim under which the event was written; 0 without a
	// claim.
	Epoch uint64
	// Stored is what header and state take in the store, in bytes, and
	// Encoding how the state is kept there.
	Stored   int64
	Encoding Encoding
}

// What histories and listings are made of, as package log defines it.
type (
	// Encoding says how a state is kept: plain, zstd, as a delta, or pruned.
	Encoding = log.Encoding
	// HistoryOptions choose events of a run.
	HistoryOptions = log.HistoryOptions
	// RunsOptions choose runs.
	RunsOptions = log.RunsOptions
	// Run is the summary of a run.
	Run = log.Run
	// Class says whether a run is open, finished or failed.
	Class = log.Class
)

// The classes of runs.
const (
	ClassOpen     = log.ClassOpen
	ClassFinished = log.ClassFinished
	ClassFailed   = log.ClassFailed
)

// History streams the events of a run as it stands when the iteration begins, by
// seq. The zero options give all of them, oldest first, with their states; a
// pruned event comes without, and with what dropped it. An error ends the iteration.
//
// While the caller works, no lock and no transaction is held. Memory: a page of
// at most 4 MiB of stored events and at most four states, besides what the caller
// keeps.
//
// Errors: ErrNotFound if there is no such run, also if it is deleted on the way;
// ErrCorrupt.
func (s *EventStore) History(ctx context.Context, runID string, opts HistoryOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for ev, err := range s.log.History(ctx, runID, opts) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(inHistory(ev), nil) {
				return
			}
		}
	}
}

// inHistory returns an event as histories have it.
func inHistory(ev *log.Event) *Event {
	return &Event{
		Checkpoint: fromEvent(ev), Pruned: ev.Pruned, PrunedBy: ev.PrunedBy, Size: ev.Size, SHA256: ev.SHA256,
		Visit: ev.Visit, Writer: ev.Writer, Epoch: ev.Epoch, Stored: ev.Stored, Encoding: ev.Encoding,
	}
}

// List returns the checkpoints of a run that still have their states, from all its
// lines, oldest first. For a run that doesn't exist it returns no checkpoints. Failures
// and other events with a role are only in History.
//
// Errors: ErrTooLarge if their states would take more than the store's limit
// together (1 GiB unless WithListLimit says otherwise): use History then.
func (s *EventStore) List(runID string) ([]*Checkpoint, error) {
	ctx := context.Background()
	run, err := s.log.Run(ctx, runID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if run.Bytes > s.listLimit {
		return nil, &Error{Run: runID, Reason: fmt.Sprintf("its states take %d bytes together, and List returns at most %d; go through them with History, or raise the limit with WithListLimit", run.Bytes, s.listLimit), Err: ErrTooLarge}
	}
	var list []*Checkpoint
	for ev, err := range s.log.History(ctx, runID, HistoryOptions{}) {
		if errors.Is(err, ErrNotFound) {
			return nil, nil // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		if !ev.Pruned && ev.Role == "" {
			c := fromEvent(ev)
			list = append(list, &c)
		}
	}
	return list, nil
}

// Run returns the summary of a run; ErrNotFound if there is none of that id.
func (s *EventStore) Run(ctx context.Context, runID string) (Run, error) {
	return s.log.Run(ctx, runID)
}

// Runs streams the summaries of runs, newest event first unless the options say
// otherwise. No event is read. [Run.Cursor] is where another listing can go on.
func (s *EventStore) Runs(ctx context.Context, opts RunsOptions) iter.Seq2[Run, error] {
	return s.log.Runs(ctx, opts)
}
