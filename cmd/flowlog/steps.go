package main

import (
	"errors"
	"iter"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// step is an event, and what it changed in the state that it continues from: its
// parent's, or of a fork's first event the origin's.
type step struct {
	entry
	// diff is nil if there are no two states to compare; then why says why.
	diff *statediff.Diff
	why  string
	// old and new are the states; nil where there is none. They are the same bytes if
	// nothing changed.
	old, new []byte
}

// Why there is nothing to compare.
const (
	whyNoState       = "no state"
	whyOldNoState    = "the event before has no state"
	whyBeginning     = "a beginning"
	whyNotJSON       = "changed, and is not JSON"
	whyOldNotJSON    = "the state before was not JSON"
	whyOldDropped    = "the event before was dropped"
	whyOriginGone    = "the origin is no longer there"
	whyOriginDamaged = "the origin is damaged"
	whyDamaged       = "damaged"
	whyOldDamaged    = "the state before is damaged"
)

// state is the state of an event, read as JSON when it is first compared.
type state struct {
	sha    checkpoint.Digest
	raw    []byte
	gone   *checkpoint.PrunedError // nil if it is there
	none   bool                    // the event never had one
	broken bool                    // it can't be read
	isJSON bool
	doc    *statediff.Document
}

func stateOf(e *checkpoint.Event) *state {
	return &state{sha: e.SHA256, raw: e.State, gone: e.PrunedBy, none: e.Kind == checkpoint.KindNone, isJSON: e.Kind == checkpoint.KindJSON}
}

// steps streams the events that are listed, each with its state and its changes.
// They are headers of one run, by rising seq.
//
// A damaged state does not end the list: its step says so, and looker.damaged gets the error.
//
// States are read once, in order. Those that more events continue from are kept until
// then, up to maxKept; then they are read again.
func (l looker) steps(list []entry) iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		if len(list) == 0 {
			return
		}
		s := stepper{l: l, run: list[0].RunID, uses: map[uint64]int{}, kept: map[uint64]*state{}}
		for _, e := range list {
			s.uses[e.Parent]++
		}
		delete(s.uses, 0)
		for _, part := range stretches(list, func(e entry) uint64 { return e.Seq }) {
			if !s.steps(part, yield) {
				return
			}
		}
	}
}

// steps gives those of events that are not far apart, and reports whether more are wanted.
func (s *stepper) steps(list []entry, yield func(step, error) bool) bool {
	next, to := list[0].Seq, list[len(list)-1].Seq
	for begun := uint64(0); next <= to && next > begun; { // else the events are gone
		begun = next
		for ev, err := range s.l.store.History(s.l.ctx, s.run, checkpoint.HistoryOptions{From: next, To: to}) {
			e, now := list[0], &state{broken: true}
			switch {
			case errors.Is(err, checkpoint.ErrCorrupt):
				s.l.report(err)
			case err != nil:
				yield(step{}, err)
				return false
			default:
				next, now = ev.Seq, stateOf(ev)
				if ev.Seq == e.Seq {
					e = entry{ev}
				}
			}
			if e.Seq == next {
				st, err := s.step(e, now)
				if list = list[1:]; !yield(st, err) || err != nil {
					return false
				}
			}
			s.keep(next, now)
			if next++; err != nil {
				break // go on behind it
			}
		}
	}
	return true
}

// maxKept is how much of states is kept for events that continue from them later.
const maxKept = 64 << 20

type stepper struct {
	l    looker
	run  string
	uses map[uint64]int // events still to come that continue from this one
	kept map[uint64]*state
	size int
}

func (s *stepper) keep(seq uint64, now *state) {
	if s.uses[seq] > 0 && (s.size == 0 || s.size+len(now.raw) <= maxKept) {
		s.kept[seq] = now
		s.size += len(now.raw)
	}
}

// before returns the state that an event continues from, nil if there is none.
func (s *stepper) before(e *checkpoint.Event) (*state, error) {
	parent := e.Parent
	old := s.kept[parent]
	if s.uses[parent]--; old != nil {
		if s.uses[parent] == 0 {
			delete(s.kept, parent)
			s.size -= len(old.raw)
		}
		return old, nil
	}
	prior, err := s.l.store.Prior(s.l.ctx, e)
	if e.ForkedFrom() == nil && errors.Is(err, checkpoint.ErrCorrupt) {
		s.l.report(err)
		s.keep(parent, &state{broken: true})
		return &state{broken: true}, nil
	}
	if err != nil || prior == nil {
		return nil, err
	}
	old = stateOf(prior)
	s.keep(parent, old)
	return old, nil
}

// step compares an event's state with the one that it continues from.
func (s *stepper) step(e entry, now *state) (step, error) {
	st := step{new: now.raw}
	old, err := s.before(e.Event)
	_, gone := errors.AsType[*checkpoint.OriginError](err)
	switch {
	case gone:
		st.why = whyOriginGone
	case errors.Is(err, checkpoint.ErrDropped):
		st.why = whyOldDropped
	case e.ForkedFrom() != nil && errors.Is(err, checkpoint.ErrCorrupt): // the fork is not
		st.why = whyOriginDamaged
	case err != nil:
		return step{}, err
	case old == nil:
		st.why = whyBeginning
	default:
		st = compare(old, now)
	}
	st.entry = e
	if now.broken {
		st.why = whyDamaged
	}
	if old == nil && now.gone != nil {
		st.why += ", and its state was " + goneBriefly(now.gone)
	}
	return st, nil
}

// compare returns what changed between two states, without the event. The new one can be
// read.
func compare(old, now *state) step {
	st := step{old: old.raw, new: now.raw}
	switch {
	case now.none:
		st.why = whyNoState
	case old.none:
		st.why = whyOldNoState
	case old.broken:
		st.why = whyOldDamaged
	case old.sha == now.sha:
		st.diff = &statediff.Diff{}
	case now.gone != nil:
		st.why = "its state was " + goneBriefly(now.gone)
	case old.gone != nil:
		st.why = "the state before was " + goneBriefly(old.gone)
	case !now.parse():
		st.why = whyNotJSON
	case !old.parse():
		st.why = whyOldNotJSON
	default:
		st.diff = old.doc.Compare(now.doc, statediff.Options{})
	}
	return st
}

// changes are all changes of a step, none if there are no two states to compare.
func (st step) changes() []statediff.Change {
	if st.diff == nil {
		return nil
	}
	return st.diff.Changes
}

// parse reports whether the state is JSON.
func (s *state) parse() bool {
	if s.doc == nil && s.isJSON {
		doc, err := statediff.Parse(s.raw)
		s.doc, s.isJSON = doc, err == nil
	}
	return s.isJSON
}

// under returns the changes of a step that are at a path or in what is there, and
// those of values that it lies in. A path that counts from the end of an array is
// found in either state.
func (st step) under(path statediff.Path) []statediff.Change {
	if st.diff == nil {
		return nil
	}
	old, oldErr := path.In(st.old)
	now, newErr := path.In(st.new)
	if p, ok := path.Pointer(); ok {
		old, now, oldErr, newErr = p, p, nil, nil
	}
	meets := func(p, q statediff.Pointer, err error) bool {
		return err == nil && (p.Contains(q) || q.Contains(p))
	}
	var list []statediff.Change
	for _, c := range st.diff.Changes {
		if c.Kind != statediff.Removed && meets(now, c.Path, newErr) || c.Kind != statediff.Added && meets(old, c.OldPath, oldErr) {
			list = append(list, c)
		}
	}
	return list
}

// has reports whether a state has a value at a path.
func has(state []byte, path statediff.Path) bool {
	if state == nil {
		return false
	}
	_, err := path.In(state)
	return err == nil
}
