package main

import (
	"time"

	"github.com/flowlog/checkpoint"
)

// chart is how the events of a run hang together, from the first on.
type chart struct {
	parents  []uint64    // by seq-1, as are the others
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
	first := ev.Parent > 0 && !ch.hasChild[ev.Parent-1]
	if first {
		ch.hasChild[ev.Parent-1] = true
	}
	ch.parents, ch.times = append(ch.parents, ev.Parent), append(ch.times, ev.CreatedAt)
	ch.first, ch.hasChild = append(ch.first, first), append(ch.hasChild, false)
}

// took returns how long after the event that it continues from an event came. It is
// not known where a run begins, or where someone went back: nobody worked all that
// time.
func (ch *chart) took(seq uint64) (d time.Duration, known bool) {
	i := seq - 1
	if !ch.first[i] {
		return 0, false
	}
	return ch.times[i].Sub(ch.times[ch.parents[i]-1]), true
}
