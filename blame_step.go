package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/flowlog/checkpoint/statediff"
)

// blameStep is an event of a lineage that can be read, beside the one before it that
// can be.
type blameStep struct {
	first bool // the event is the one that was asked about
	event *Event
	state *statediff.Document
	// prior and old are nil of the last step: nothing before the event can be read,
	// or nothing was.
	prior  *Event
	old    *statediff.Document
	unread []Unread // between the two
	tracer *statediff.Tracer
}

// blameSteps goes back through the lineage of an event. The first step is of the
// event itself; each step's prior is the next one's event.
func (s *EventStore) blameSteps(ctx context.Context, runID string, seq uint64) iter.Seq2[*blameStep, error] {
	return func(yield func(*blameStep, error) bool) {
		var st *blameStep
		var oldest *Event
		for ev, err := range s.Lineage(ctx, runID, seq, LineageOptions{}) {
			if gone, ok := errors.AsType[*OriginError](err); ok && st != nil {
				st.pass(gone.Origin.RunID, gone.Origin.Seq, UnreadGone)
				break
			}
			if err != nil {
				yield(nil, err)
				return
			}
			oldest = ev
			doc, reason := read(ev)
			switch {
			case st == nil && reason != "":
				yield(nil, unreadable(ev))
				return
			case st == nil:
				st = &blameStep{first: true, event: ev, state: doc}
			case reason != "":
				st.pass(ev.RunID, ev.Seq, reason)
			default:
				st.prior, st.old, st.tracer = ev, doc, statediff.Trace(doc, st.state, statediff.Options{})
				if !yield(st, nil) {
					return
				}
				st = &blameStep{event: ev, state: doc}
			}
		}
		if oldest != nil && oldest.Parent != 0 { // else the lineage would go on
			st.pass(oldest.RunID, oldest.Parent, UnreadDropped)
		}
		yield(st, nil)
	}
}

// read takes the state off an event and reads it, or says why it can't be read.
func read(ev *Event) (*statediff.Document, UnreadReason) {
	if ev.Pruned {
		if ev.PrunedBy.Redacted {
			return nil, UnreadRedacted
		}
		return nil, UnreadPruned
	}
	state := ev.State
	ev.State = nil
	if ev.Kind == KindBytes {
		return nil, UnreadNotJSON
	}
	doc, err := statediff.Parse(state)
	if err != nil {
		return nil, UnreadNotJSON
	}
	return doc, ""
}

// unreadable returns the error for an event that is asked about and can't be read.
func unreadable(ev *Event) error {
	if ev.Pruned {
		return ev.PrunedBy
	}
	return &Error{Run: ev.RunID, Seq: ev.Seq, Reason: "the state is not JSON, so there are no values to look for in it", Err: ErrInvalid}
}

// pass notes that an older event can't be read.
func (st *blameStep) pass(runID string, seq uint64, reason UnreadReason) {
	if n := len(st.unread); n > 0 && reason != UnreadGone {
		if u := &st.unread[n-1]; u.RunID == runID && u.Reason == reason {
			u.First, u.Events = seq, u.Events+1
			return
		}
	}
	st.unread = append(st.unread, Unread{RunID: runID, First: seq, Last: seq, Events: 1, Reason: reason})
}

// resolve returns where a path leads in the event's state.
func (st *blameStep) resolve(path string) (statediff.Pointer, error) {
	p, err := statediff.ParsePath(path)
	if err != nil {
		return "", err
	}
	at, err := p.In(st.state.Raw())
	if err != nil {
		return "", fmt.Errorf("state of run %q seq %d: %w", st.event.RunID, st.event.Seq, err)
	}
	return at, nil
}

// origin returns where the value at p was in the prior state. Without one, all was
// added in the event, unless there were others that can't be read.
func (st *blameStep) origin(p statediff.Pointer) statediff.Origin {
	if st.prior == nil {
		return st.beginning()
	}
	o, _ := st.tracer.Origin(p) // it is there: it was resolved, or traced to here
	return o
}

func (st *blameStep) beginning() statediff.Origin {
	if len(st.unread) > 0 {
		return statediff.Origin{Kind: statediff.Same}
	}
	return statediff.Origin{Kind: statediff.Added}
}

// comeback says whether a member that is not there, or was just added, was there in
// the prior state: Removed, with its place, or Same, with where it would have been. It
// reports false if there was no such object to be in.
func (st *blameStep) comeback(p statediff.Pointer) (statediff.Origin, bool) {
	if p == "" || st.prior == nil {
		return statediff.Origin{}, false
	}
	parent, name := p.Parent()
	o := st.origin(parent)
	if o.Kind == statediff.Added || !isObject(st.state, parent) || !isObject(st.old, o.Old) {
		return statediff.Origin{}, false
	}
	was := statediff.Origin{Kind: statediff.Same, Old: o.Old.Name(name), Coarse: o.Coarse}
	if _, err := st.old.Lookup(was.Old); err == nil {
		was.Kind = statediff.Removed
	}
	return was, true
}

func isObject(doc *statediff.Document, p statediff.Pointer) bool {
	raw, err := doc.Lookup(p)
	return err == nil && raw[0] == '{'
}

// trace goes through the children of the value at p, as origin has it.
func (st *blameStep) trace(p statediff.Pointer) iter.Seq2[statediff.Child, statediff.Origin] {
	return func(yield func(statediff.Child, statediff.Origin) bool) {
		t := st.tracer
		if st.prior == nil {
			t = statediff.Trace(st.state, st.state, statediff.Options{})
		}
		children, err := t.Children(p)
		if err != nil {
			return // as in origin
		}
		for child, o := range children {
			if st.prior == nil {
				o = st.beginning()
			}
			if !yield(child, o) {
				return
			}
		}
	}
}

// children returns the children of the value at p.
func (st *blameStep) children(p statediff.Pointer) map[string]sought {
	all := map[string]sought{}
	for child := range st.trace(p) {
		all[child.Token] = sought{asked: child.Token}
	}
	return all
}

// provenance returns what is known of the value at path but for the value itself: it
// was at o in the prior state.
func (st *blameStep) provenance(asked, path statediff.Pointer, o statediff.Origin, since seen) *Provenance {
	return &Provenance{
		Asked: asked, Event: st.event, ByForkOf: st.event.ForkedFrom(), Path: path, Kind: o.Kind, Prior: st.prior, PriorPath: o.Old,
		Coarse: since.coarse, Or: slices.Clone(st.unread), Unseen: slices.Clone(since.unread),
	}
}

// lookup returns the value at p, which is there.
func lookup(doc *statediff.Document, p statediff.Pointer) []byte {
	raw, _ := doc.Lookup(p)
	return bytes.Clone(raw)
}
