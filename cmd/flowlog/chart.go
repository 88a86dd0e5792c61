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
	first    []bool      // whether it is the first that continues from its parent
	hasChild []bool
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
	parent := ch.number(ev.Parent)
	first := parent > 0 && !ch.hasChild[parent-1]
	if first {
		ch.hasChild[parent-1] = true
	}
	ch.parents, ch.times = append(ch.parents, parent), append(ch.times, ev.CreatedAt)
	ch.first, ch.hasChild = append(ch.first, first), append(ch.hasChild, false)
}

// number returns an event's number, 0 for one that was dropped.
func (ch *chart) number(seq uint64) uint64 { return max(seq, ch.dropped) - ch.dropped }

// tree returns how the branches are drawn.
func (ch *chart) tree() *tree {
	t := newTree(ch.parents)
	t.dropped = ch.dropped
	return t
}

// took returns how long after the event that it continues from an event came. It is
// not known where a run begins, or where someone went back: nobody worked all that
// time.
func (ch *chart) took(seq uint64) (d time.Duration, known bool) {
	i := ch.number(seq) - 1
	if !ch.first[i] {
		return 0, false
	}
	return ch.times[i].Sub(ch.times[ch.parents[i]-1]), true
}
