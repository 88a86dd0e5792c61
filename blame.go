package checkpoint

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/flowlog/checkpoint/statediff"
)

// Provenance says which event gave a value what it is, and what it was before.
type Provenance struct {
	// Asked is the place that was asked about, in the state of the event that was
	// asked about.
	Asked statediff.Pointer
	// Event set the value, or so it seems if Or has any. It comes without its state,
	// and if the run was forked, it may be of the run that it came from: see its RunID.
	Event *Event
	// Path is where the value is in Event's state: another place than Asked if
	// elements came or went before it since.
	Path statediff.Pointer
	// Value is the value as Event's state has it.
	Value json.RawMessage
	// Kind is Added if the value was not there before, Changed if another was, and
	// the zero Kind if all that was before is unread: see Or.
	Kind statediff.Kind
	// Prior is the event before that Event was compared with: its parent, but for
	// those in Or. It is nil if there is none, and then Event began it all unless Or has any.
	Prior *Event
	// PriorPath and Before are where the value was in Prior's state and what it was
	// there, "" and nil if it was added.
	PriorPath statediff.Pointer
	Before    json.RawMessage
	// Coarse: the comparison was, so a closer look might say otherwise; see
	// [statediff.Origin].
	Coarse bool
	// Or are the events just before Event that nothing can be read of. Each of
	// them may have set the value in its stead.
	Or []Unread
	// Unseen are the events since Event in which the value can't be looked at:
	// it was the same before and after them, and may have been another in between.
	Unseen []Unread
}

// Unread are events of a lineage, one after the other, whose states can't be looked
// into.
type Unread struct {
	RunID string
	// First and Last are the seqs of the oldest and the newest, Events is how many
	// they are: what lies between and is not of the lineage isn't meant.
	First, Last uint64
	Events      int
	Reason      UnreadReason
}

// UnreadReason is why a state can't be looked into.
type UnreadReason string

// The reasons.
const (
	// UnreadPruned: the state was dropped.
	UnreadPruned UnreadReason = "pruned"
	// UnreadNotJSON: the state is of KindBytes, or JSON that is too deep.
	UnreadNotJSON UnreadReason = "not JSON"
	// UnreadGone: a run was forked from there, and the event is not there any more,
	// nor is anything known of what was before. First and Last are its seq.
	UnreadGone UnreadReason = "gone"
)

// Blame returns which event set the value at path in the state of an event, and
// what it was before. The path is as [statediff.ParsePath] reads it: a JSON Pointer, or
// messages[-1].content; "" is the whole state.
//
// It goes back through the events that this one grew from ([EventStore.Lineage]) until
// it finds the value changed, and follows it while elements are put in or taken out
// before it, as [statediff.Trace] does. What can't be read on the way is said in the answer.
//
// Errors: ErrNotFound, ErrPruned and ErrCorrupt for the event, and ErrInvalid if its
// state is not JSON; a [statediff.PathError]; a [statediff.LookupError] if the state has no such
// value; ErrCorrupt for a damaged event on the way.
func (s *EventStore) Blame(ctx context.Context, runID string, seq uint64, path string) (*Provenance, error) {
	return nil, nil
}

// BlameHistory is Blame for the value, then for what it was before, and so on: all
// values that it had, newest first, to the event in which it was added. Asked is the same
// in all of them. An error ends the iteration.
//
// Memory: two states, read, and a page as in History.
func (s *EventStore) BlameHistory(ctx context.Context, runID string, seq uint64, path string) iter.Seq2[*Provenance, error] {
	return nil
}

// BlameChildren is Blame for each element of the array, or member of the object, at
// path: those that were set last come first, those of one event in the order in which they stand there. Asked tells
// them apart. A value that is no array or object has none. Of members of the same name only the last counts.
//
// Memory: as BlameHistory, and some 100 bytes for each child that is still being looked for.
func (s *EventStore) BlameChildren(ctx context.Context, runID string, seq uint64, path string) iter.Seq2[*Provenance, error] {
	return nil
}
