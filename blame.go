package checkpoint

import (
	"bytes"
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
	// Event set the value, or one of those in Or did. It comes without its state. Of
	// a run that was forked, it may be an event of the run that it came from: RunID
	// says so. If its Parent is not 0 and not the event before it, the run went back, and
	// whoever did that may have set the value on the way, and not the node.
	Event *Event
	// ByForkOf says that it was no node that set the value but the fork which Event's
	// run began with, as EditState does, and of which event it was made. Event, the first
	// of that run, has only the name of that event's node. It is nil if a node set it.
	ByForkOf *Origin
	// Path is where the value is in Event's state: another place than Asked if
	// elements before it came or went since. Value is what it is there, as written.
	Path  statediff.Pointer
	Value json.RawMessage
	// Kind is Added if the value was not there before and Changed if another was,
	// or something else was in it. It is Same if that can't be told, because nothing
	// before Event can be read.
	Kind statediff.Kind
	// Prior is the event that Event was compared with, without its state: its
	// parent, or the newest before that which can be read. It is nil if there is none.
	Prior *Event
	// PriorPath is where the value was in Prior's state, and Before what it was
	// there, as written: "" and nil if it was added.
	PriorPath statediff.Pointer
	Before    json.RawMessage
	// Coarse says that a closer look at the states might have told more; see
	// [statediff.Origin].
	Coarse bool
	// Or are the events between Event and Prior, newest first: their states can't
	// be read, and each may have set the value.
	Or []Unread
	// Unseen are the events after Event, newest first, whose states can't be read:
	// the value was the same before and after, and may have been another meanwhile.
	Unseen []Unread
}

// Unread are events of a lineage, one after the other, whose states can't be read
// for the same reason.
type Unread struct {
	RunID string
	// First and Last are the seqs of the oldest and the newest of them, Events is
	// how many they are. What lies between and is not of the lineage is not meant.
	First, Last uint64
	Events      int
	Reason      UnreadReason
}

// UnreadReason is why a state can't be read.
type UnreadReason string

// The reasons.
const (
	// UnreadPruned: the state was dropped.
	UnreadPruned UnreadReason = "pruned"
	// UnreadRedacted: the state was dropped by Redact.
	UnreadRedacted UnreadReason = "redacted"
	// UnreadNotJSON: the state is of KindBytes.
	UnreadNotJSON UnreadReason = "not JSON"
	// UnreadDropped: the event was dropped with its header, and with all before it.
	UnreadDropped UnreadReason = "dropped"
	// UnreadGone: a run was forked from the event, which is no longer there, and
	// nothing that was before it is known.
	UnreadGone UnreadReason = "gone"
)

// Blame returns which event set a value in the state of an event, and what it was
// before. The path is a JSON Pointer or like messages[-1].content, as
// [statediff.ParsePath] reads it; "" is the whole state.
//
// It goes back through the event's lineage, past the origins of forks, to where the
// value was another. An element of an array is followed to where it was before
// others came or went, as [statediff.Tracer] does. Events that can't be read are
// passed over, and the answer says which; only a damaged one is an error.
//
// Errors: ErrNotFound, ErrPruned and ErrCorrupt; ErrInvalid for a state that is not
// JSON; a [*statediff.PathError]; a [*statediff.LookupError] if the state has
// nothing at path.
func (s *EventStore) Blame(ctx context.Context, runID string, seq uint64, path string) (*Provenance, error) {
	for p, err := range s.BlameHistory(ctx, runID, seq, path) {
		return p, err
	}
	return nil, ErrNotFound // not reached: a value that is there was set
}

// BlameHistory streams all values that the one at path was, newest first: what Blame
// returns, then the same of what it was before, and so on to where it was added. If
// that was to an object which had a member of that name at an earlier time, it goes
// on with where that was taken out, of the kind Removed and without Path and Value,
// and with what that was. An error ends the iteration; they are those of Blame.
//
// Memory: two states and what History takes, and 24 bytes for each value in them.
func (s *EventStore) BlameHistory(ctx context.Context, runID string, seq uint64, path string) iter.Seq2[*Provenance, error] {
	return func(yield func(*Provenance, error) bool) {
		var asked, at statediff.Pointer
		var since seen
		absent := false // at is where it is not
		for st, err := range s.blameSteps(ctx, runID, seq) {
			if err == nil && st.first {
				asked, err = st.resolve(path)
				at = asked
			}
			if err != nil {
				yield(nil, err)
				return
			}
			var o statediff.Origin
			if absent {
				var ok bool
				if o, ok = st.comeback(at); !ok {
					return
				}
			} else {
				o = st.origin(at)
			}
			if since.coarse = since.coarse || o.Coarse; o.Kind == statediff.Same && st.prior != nil {
				at, since.unread = o.Old, append(since.unread, st.unread...)
				continue
			}
			p := st.provenance(asked, at, o, since)
			if absent {
				p.Path = ""
			} else {
				p.Value = lookup(st.state, at)
			}
			if o.Kind != statediff.Added && st.prior != nil {
				p.Before = lookup(st.old, o.Old)
			}
			if !yield(p, nil) {
				return
			}
			if absent = o.Kind == statediff.Added; absent {
				var ok bool
				if o, ok = st.comeback(at); !ok || o.Kind == statediff.Removed { // that one was not this one
					return
				}
			}
			at, since = o.Old, seen{}
		}
	}
}

// BlameChildren streams what Blame says of each element of the array, or member of
// the object, at path: the one that was set last comes first, those that one event set in
// the order in which they stand there. Asked tells them apart. A value of another type
// has none, and of members of the same name only the last counts. The errors are
// those of Blame, and end the iteration.
//
// Memory: as BlameHistory, and some 100 bytes for each child that is not given yet.
func (s *EventStore) BlameChildren(ctx context.Context, runID string, seq uint64, path string) iter.Seq2[*Provenance, error] {
	return func(yield func(*Provenance, error) bool) {
		var asked, at statediff.Pointer // of the container
		var since seen
		var left map[string]sought // by the token that leads to them now
		for st, err := range s.blameSteps(ctx, runID, seq) {
			if err == nil && st.first {
				if asked, err = st.resolve(path); err == nil {
					at = asked
					if left = st.children(at); len(left) == 0 {
						return
					}
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			o := st.origin(at)
			if since.coarse = since.coarse || o.Coarse; o.Kind == statediff.Same && st.prior != nil {
				at, since.unread = o.Old, append(since.unread, st.unread...)
				continue
			}
			remain := make(map[string]sought, len(left))
			for child, o := range st.trace(at) {
				k, ok := left[child.Token]
				if !ok {
					continue
				}
				k.coarse = k.coarse || o.Coarse
				if o.Kind == statediff.Same && st.prior != nil {
					_, token := o.Old.Parent()
					remain[token] = k
					continue
				}
				p := st.provenance(asked.Name(k.asked), at.Name(child.Token), o, seen{since.unread, since.coarse || k.coarse})
				p.Value, p.Before = bytes.Clone(child.New), bytes.Clone(child.Old)
				if !yield(p, nil) {
					return
				}
			}
			if left = remain; len(left) == 0 {
				return
			}
			at, since.unread = o.Old, append(since.unread, st.unread...)
		}
	}
}

// seen is what is known of a value since it was set.
type seen struct {
	unread []Unread
	coarse bool
}

// sought is a child of which it is not known yet what set it.
type sought struct {
	asked  string // the token that led to it
	coarse bool
}
