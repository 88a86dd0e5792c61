package compaction

import (
	"fmt"
	"math"
	"time"

	"github.com/flowlog/checkpoint/log"
)

// Event is what policies look at of an event.
type Event struct {
	Seq, Parent uint64
	NodeID      string
	Role        log.Role // an event with a role does not count as a checkpoint
	Stateless   bool     // it never had a state, so it has none to lose
	CreatedAt   time.Time
	Labels      map[string]string // that were saved with it
	Pruned      bool
	Redacted    bool // only with Pruned
	// Size is the state's size, Stored about what it takes in the store, in bytes; Base
	// and Shared are those of log.Event.
	Size, Stored int64
	Base         uint64
	Shared       bool
}

// Why the states are kept that no policy chose.
const (
	whyNoPolicy  = "no policy is for its run"
	whyPinned    = "pinned"
	whyRunPinned = "the run is pinned"
	whyTip       = "newest of its branch"
	whyStateless = "it has no state"
)

// Keep decides about the events of a run, given in order and without gaps: it returns for
// each, in the same order, why it keeps its state; "" for those that lose it, and for
// those that have none any more. It is a pure function.
func Keep(graph string, events []Event, marks log.Marks, policies []Policy, now time.Time) []string {
	why := make([]string, len(events))
	k := keeper{events, why}
	policies = of(graph, policies)
	byPolicy := false
	for _, p := range policies {
		byPolicy = byPolicy || p.keeps()
	}
	label, runLabelled := labelled(marks.Run.Labels, policies)
	switch {
	case marks.Run.Pinned:
		k.all(whyRunPinned)
		return why
	case !byPolicy:
		k.all(whyNoPolicy)
		return why
	case runLabelled:
		k.all("the run is labelled " + label)
		return why
	}
	for i := range events {
		if events[i].Stateless {
			k.keep(i, whyStateless)
		}
		if marks.Events[events[i].Seq].Pinned {
			k.keep(i, whyPinned)
		}
	}
	for _, p := range policies {
		switch p.Rule {
		case keepAll:
			k.all("all are kept")
		case keepLast:
			k.last(p.N, fmt.Sprintf("among the last %d of its branch", p.N))
		case keepFor:
			k.since(now.Add(-p.Age), "younger than "+span(p.Age))
		case keepNewestPerNode:
			k.newestPerNode()
		case keepLabelled:
			k.labelled(p, marks)
		}
	}
	k.last(1, whyTip)
	return why
}

// keeper notes why events keep their states; the first reason stands.
type keeper struct {
	events []Event
	why    []string
}

func (k keeper) keep(i int, why string) {
	if k.why[i] == "" && !k.events[i].Pruned {
		k.why[i] = why
	}
}

func (k keeper) all(why string) {
	for i := range k.events {
		k.keep(i, why)
	}
}

// last keeps the last n checkpoints of each branch that have their states, and what comes
// between and behind them. An event counts from the nearest end of those of all branches
// that it is on.
func (k keeper) last(n int, why string) {
	behind := make([]int, len(k.events)) // how many states come after, on the branch with the fewest
	for i := range behind {
		behind[i] = math.MaxInt
	}
	for i := len(k.events) - 1; i >= 0; i-- {
		e := &k.events[i]
		if behind[i] == math.MaxInt { // nothing continues from it
			behind[i] = 0
		}
		upTo := behind[i]
		if !e.Pruned {
			if upTo < n {
				k.keep(i, why)
			}
			if e.Role == log.Recoverable {
				upTo++
			}
		}
		if p, first := e.Parent, k.events[0].Seq; p >= first && p < e.Seq { // else it was dropped
			behind[p-first] = min(behind[p-first], upTo)
		}
	}
}

func (k keeper) since(t time.Time, why string) {
	for i := range k.events {
		if k.events[i].CreatedAt.After(t) {
			k.keep(i, why)
		}
	}
}

func (k keeper) newestPerNode() {
	seen := map[string]bool{}
	for i := len(k.events) - 1; i >= 0; i-- {
		e := &k.events[i]
		if e.Role == log.Recoverable && !e.Pruned && !seen[e.NodeID] {
			seen[e.NodeID] = true
			k.keep(i, "newest of node "+e.NodeID)
		}
	}
}

func (k keeper) labelled(p Policy, marks log.Marks) {
	one := []Policy{p}
	for i := range k.events {
		e := &k.events[i]
		if label, ok := labelled(marks.Events[e.Seq].On(e.Labels), one); ok {
			k.keep(i, "labelled "+label)
		}
	}
}

// Drop decides about a run as a whole: it returns why it goes, or "" if it stays, and
// then, if a policy would have dropped it, why not. It is a pure function. events may be
// nil unless there is a KeepLabelled among the policies.
func Drop(run log.Run, events []Event, marks log.Marks, policies []Policy, now time.Time) (why, whyNot string) {
	policies = of(run.GraphID, policies)
	for _, p := range policies {
		if p.Rule == dropRunsIdle && !run.SavedAt.IsZero() && run.SavedAt.Before(now.Add(-p.Age)) && run.UpdatedAt.Before(now.Add(-p.Age)) {
			why = "idle for " + span(p.Age)
			break
		}
	}
	if why == "" {
		return "", ""
	}
	if seq, whyNot := protected(marks, policies, nil); whyNot != "" {
		return "", place(seq) + whyNot
	}
	for i := range events {
		e := &events[i]
		if label, ok := labelled(marks.Events[e.Seq].On(e.Labels), policies); ok {
			return "", place(e.Seq) + "labelled " + label
		}
	}
	return why, ""
}

// place begins a reason that is about one event.
func place(seq uint64) string {
	if seq == 0 {
		return ""
	}
	return fmt.Sprintf("event %d is ", seq)
}

// protected returns what notes say against dropping events, nil for all of a run, and
// which event they say it of, 0 for the run.
func protected(marks log.Marks, policies []Policy, events []log.Range) (seq uint64, why string) {
	if marks.Run.Pinned {
		return 0, whyRunPinned
	}
	if label, ok := labelled(marks.Run.Labels, policies); ok {
		return 0, "the run is labelled " + label
	}
	for s, m := range marks.Events {
		if seq > 0 && s > seq || events != nil && !within(s, events) {
			continue // the first is named
		}
		if label, ok := labelled(m.Labels, policies); ok {
			seq, why = s, "labelled "+label
		}
		if m.Pinned {
			seq, why = s, whyPinned
		}
	}
	return seq, why
}
