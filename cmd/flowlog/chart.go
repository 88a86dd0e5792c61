package main

import (
	"time"

	"github.com/flowlog/checkpoint"
)

// chart is how the events of a run hang together, from the oldest on. They count from
// 1 in it, whatever was dropped before; a parent that was dropped is none.
type chart struct {
	dropped  uint64      // the last seq before
	parents  []uint64    // by number-1, as are the others
	times    []time.Time // when they were made
	writers  []uint32    // who wrote them, by order of appearance
	first    []bool      // whether it is the first that continues from its parent, on its line
	aside    []bool      // whether it is beside the line
	role     []bool      // whether it has a role
	hasChild []bool

	known map[string]uint32 // the writers
}

// chart reads a run's events.
func (l looker) chart(run checkpoint.Run) (*chart, error) {
	ch := &chart{}
	for ev, err := range l.headers(run, listing{}) {
		if err != nil {
			return nil, err
		}
		ch.see(ev)
	}
	return ch, nil
}

// see adds the next event.
func (ch *chart) see(ev *checkpoint.Event) {
	if len(ch.parents) == 0 {
		ch.dropped = ev.Seq - 1
	}
	parent, aside := ch.number(ev.Parent), isAside(ev)
	first := parent > 0 && !ch.hasChild[parent-1] && (!aside || ch.aside[parent-1])
	if first {
		ch.hasChild[parent-1] = true
	}
	ch.parents, ch.times = append(ch.parents, parent), append(ch.times, ev.CreatedAt)
	ch.first, ch.hasChild = append(ch.first, first), append(ch.hasChild, false)
	ch.aside, ch.role = append(ch.aside, aside), append(ch.role, ev.Role != "")
	ch.writers = append(ch.writers, ch.writer(ev.Writer))
}

func (ch *chart) writer(name string) uint32 {
	n, ok := ch.known[name]
	if !ok {
		if ch.known == nil {
			ch.known = map[string]uint32{}
		}
		n = uint32(len(ch.known))
		ch.known[name] = n
	}
	return n
}

// number returns an event's number, 0 for one that was dropped.
func (ch *chart) number(seq uint64) uint64 { return max(seq, ch.dropped) - ch.dropped }

// tree returns how the branches are drawn.
func (ch *chart) tree() *tree {
	t := newTree(ch.parents, ch.first)
	t.dropped = ch.dropped
	return t
}

// prior is what an event's row says of the event that it continues from.
type prior struct {
	// took is how long after it the event came. It is not known where a run begins, or
	// where someone went back: nobody worked all that time.
	took  time.Duration
	timed bool
	// there says that there is such an event, handed that another writer wrote it.
	there, handed bool
}

// prior looks one event back from an event.
func (ch *chart) prior(seq uint64) (p prior) {
	i := ch.number(seq) - 1
	parent := ch.parents[i]
	if parent == 0 {
		return p
	}
	if ch.first[i] {
		p.waited(ch.times[i].Sub(ch.times[parent-1]))
	}
	p.there, p.handed = true, ch.writers[i] != ch.writers[parent-1]
	return p
}

// manyBetween is how many events are looked through, at most, for one that continues from
// the same event as another: who goes back further has gone back.
const manyBetween = 1000

// before is chart.prior where the run is not read as a whole: known are events that were
// read with this one, by seq.
func (l looker) before(run checkpoint.Run, e *checkpoint.Event, known map[uint64]*checkpoint.Event) (p prior, err error) {
	if e.Parent <= run.Anchor {
		return p, nil
	}
	parent := known[e.Parent]
	if parent == nil {
		if parent, err = l.header(run.ID, e.Parent); err != nil {
			return p, err
		}
	}
	p.there, p.handed = true, parent.Writer != e.Writer
	first, err := l.isFirst(run, e, parent)
	if first {
		p.waited(e.CreatedAt.Sub(parent.CreatedAt))
	}
	return p, err
}

// waited notes the time since the event before. Less than none says that two clocks do not
// agree, and nothing of how long it took.
func (p *prior) waited(d time.Duration) {
	if d >= 0 {
		p.took, p.timed = d, true
	}
}

// isFirst reports whether an event is the first that continues from its parent, on its
// line.
func (l looker) isFirst(run checkpoint.Run, e, parent *checkpoint.Event) (bool, error) {
	on := func(e *checkpoint.Event) bool { return !isAside(e) || isAside(parent) }
	between := e.Seq - e.Parent - 1
	if !on(e) || between > manyBetween {
		return false, nil
	}
	if between == 0 {
		return true, nil
	}
	for ev, err := range l.store.History(l.ctx, run.ID, checkpoint.HistoryOptions{From: e.Parent + 1, To: e.Seq - 1, HeadersOnly: true}) {
		if err != nil || ev.Parent == e.Parent && on(ev) {
			return false, err
		}
	}
	return true, nil
}

// header returns an event without its state.
func (l looker) header(runID string, seq uint64) (*checkpoint.Event, error) {
	return l.read(runID, checkpoint.HistoryOptions{From: seq, To: seq, HeadersOnly: true})
}

// read returns the one event that the options choose.
func (l looker) read(runID string, opts checkpoint.HistoryOptions) (*checkpoint.Event, error) {
	for ev, err := range l.store.History(l.ctx, runID, opts) {
		return ev, err
	}
	return nil, notFound("run %q has no event %d any more", runID, opts.To)
}
