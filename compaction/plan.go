package compaction

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"github.com/flowlog/checkpoint/log"
)

// Plan says what policies drop of a log as it is: which events of which runs lose their
// states and which runs go, and why all others stay. It is a value that can be looked
// at, written as JSON and read back, and have runs taken out, before it is run.
type Plan struct {
	// At is when it was made, by which ages are reckoned.
	At time.Time `json:"at"`
	// Policies are those that it follows.
	Policies []Policy `json:"policies"`
	// Runs are all runs, those that lose nothing too, by ascending id.
	Runs []PlannedRun `json:"runs"`
}

// PlannedRun is the part of a plan that is about one run.
type PlannedRun struct {
	Run string `json:"run_id"`
	// Life is the run's incarnation id, Last its last seq: those that come later are no
	// part of the plan.
	Life  string `json:"life"`
	Last  uint64 `json:"last"`
	Graph string `json:"graph_id,omitempty"`
	// Drop says why the run goes as a whole; empty if it stays.
	Drop string `json:"drop,omitempty"`
	// Stays says why it does not though it has been idle for long enough.
	Stays string `json:"stays,omitempty"`
	// Prune are the events that lose their states, in order. Of a run that goes as a
	// whole there are none.
	Prune []log.Range `json:"prune,omitempty"`
	// Kept are those that keep them and why, in order.
	Kept []Kept `json:"kept,omitempty"`
	// Pruned is how many events had lost their states before; Redacted is how many of
	// these were redacted, which is not counted of a run that goes as a whole.
	Pruned   uint64 `json:"pruned,omitempty"`
	Redacted uint64 `json:"redacted,omitempty"`
	// Events is how many lose their states, or go with their run, those pruned before
	// not counted. Bytes is the size of these states as they were given, exactly;
	// Freed is by about how much less the run then takes in the store, in bytes: not
	// what they take now, since a state that stays keeps what it had in common with
	// them.
	Events uint64 `json:"events"`
	Bytes  int64  `json:"bytes"`
	Freed  int64  `json:"freed"`
	// Unreadable says what is damaged: nothing of the run is planned then.
	Unreadable string `json:"unreadable,omitempty"`
}

// Kept is consecutive events that keep their states for the same reason.
type Kept struct {
	log.Range
	Why string `json:"why"`
}

// Total is what the parts of a plan come to.
type Total struct {
	// Runs is how many runs lose states, Dropped how many go as a whole. Events, Bytes
	// and Freed are those of both, as in PlannedRun.
	Runs    int    `json:"runs"`
	Dropped int    `json:"dropped"`
	Events  uint64 `json:"events"`
	Bytes   int64  `json:"bytes"`
	Freed   int64  `json:"freed"`
}

// Total returns what the parts of the plan come to.
func (p *Plan) Total() Total {
	var t Total
	for i := range p.Runs {
		r := &p.Runs[i]
		if r.Drop != "" {
			t.Dropped++
		} else if len(r.Prune) > 0 {
			t.Runs++
		}
		t.Events += r.Events
		t.Bytes += r.Bytes
		t.Freed += r.Freed
	}
	return t
}

// NewPlan makes a plan of what policies drop of a log. It reads headers and notes and
// no state, and changes nothing. What is appended meanwhile may be in it or not.
//
// Memory: some 100 bytes for each event of one run at a time, and for each reason that
// is told.
//
// Errors: ErrInvalid for a policy that makes no sense. A damaged run is named in the
// plan and is no error.
func NewPlan(ctx context.Context, l *log.Log, policies ...Policy) (Plan, error) {
	return newPlan(ctx, l, nil, policies)
}

// newPlan is NewPlan; pace, if not nil, is called after each run.
func newPlan(ctx context.Context, l *log.Log, pace func(), policies []Policy) (Plan, error) {
	p := Plan{At: l.Now().UTC(), Policies: slices.Clone(policies), Runs: []PlannedRun{}}
	for _, policy := range policies {
		if err := policy.check(); err != nil {
			return Plan{}, err
		}
	}
	for run, err := range l.Runs(ctx, log.RunsOptions{ByID: true}) {
		if err != nil && run.ID == "" {
			return Plan{}, err
		}
		var r PlannedRun
		if err == nil {
			r, err = p.run(ctx, l, run)
		}
		switch {
		case errors.Is(err, log.ErrNotFound): // deleted meanwhile
			continue
		case damaged(err):
			r = PlannedRun{Run: run.ID, Unreadable: err.Error()}
		case err != nil:
			return Plan{}, err
		}
		p.Runs = append(p.Runs, r)
		if pace != nil {
			pace()
		}
	}
	return p, nil
}

// damaged reports whether an error is about what one run holds.
func damaged(err error) bool {
	return errors.Is(err, log.ErrCorrupt) || errors.Is(err, log.ErrUnsupportedVersion) || errors.Is(err, log.ErrTooLarge)
}

// run plans for one run.
func (p *Plan) run(ctx context.Context, l *log.Log, run log.Run) (PlannedRun, error) {
	r := PlannedRun{Run: run.ID, Life: run.Life, Last: run.Last, Graph: run.GraphID, Pruned: run.Pruned}
	marks, err := l.Marks(ctx, run.ID)
	if err != nil {
		return PlannedRun{}, err
	}
	policies := of(run.GraphID, p.Policies)
	var events []Event
	if slices.ContainsFunc(policies, func(p Policy) bool { return p.Rule == keepLabelled }) {
		if events, err = read(ctx, l, run); err != nil {
			return PlannedRun{}, err
		}
	}
	if r.Drop, r.Stays = Drop(run, events, marks, policies, p.At); r.Drop != "" {
		r.Events, r.Bytes, r.Freed = run.Events()-run.Pruned, run.Bytes, run.Stored
		return r, nil
	}
	if run.Pruned == 0 && !slices.ContainsFunc(policies, Policy.keeps) { // all are kept: no need to look at them
		r.Kept = []Kept{{log.Range{First: run.Anchor + 1, Last: run.Last}, whyNoPolicy}}
		return r, nil
	}
	if events == nil {
		if events, err = read(ctx, l, run); err != nil {
			return PlannedRun{}, err
		}
	}
	r.Pruned = 0
	why := Keep(run.GraphID, events, marks, policies, p.At)
	for i, why := range why {
		e := &events[i]
		switch {
		case e.Pruned:
			r.Pruned++
			if e.Redacted {
				r.Redacted++
			}
		case why != "":
			if n := len(r.Kept); n > 0 && r.Kept[n-1].Last == e.Seq-1 && r.Kept[n-1].Why == why {
				r.Kept[n-1].Last = e.Seq
			} else {
				r.Kept = append(r.Kept, Kept{log.Range{First: e.Seq, Last: e.Seq}, why})
			}
		default:
			if n := len(r.Prune); n > 0 && r.Prune[n-1].Last == e.Seq-1 {
				r.Prune[n-1].Last = e.Seq
			} else {
				r.Prune = append(r.Prune, log.Range{First: e.Seq, Last: e.Seq})
			}
			r.Events++
			r.Bytes += e.Size
		}
	}
	r.Freed = freed(events, why)
	return r, nil
}

// read reads the headers of a run.
func read(ctx context.Context, l *log.Log, run log.Run) ([]Event, error) {
	events := make([]Event, 0, min(run.Last, 1<<16))
	nodes := map[string]string{} // each kept once
	for ev, err := range l.History(ctx, run.ID, log.HistoryOptions{To: run.Last, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		node, ok := nodes[ev.NodeID]
		if !ok {
			node = ev.NodeID
			nodes[node] = node
		}
		events = append(events, Event{
			Seq: ev.Seq, Parent: ev.Parent, NodeID: node, Role: ev.Role, Stateless: ev.Kind == log.None, CreatedAt: ev.CreatedAt, Labels: ev.Metadata.Labels,
			Pruned: ev.Pruned, Redacted: ev.Pruned && ev.PrunedBy.Redacted,
			Size: ev.Size, Stored: ev.StateStored, Base: ev.Base, Shared: ev.Shared,
		})
	}
	return events, nil
}

// within reports whether a seq is in ascending ranges.
func within(seq uint64, ranges []log.Range) bool {
	i := sort.Search(len(ranges), func(i int) bool { return ranges[i].Last >= seq })
	return i < len(ranges) && ranges[i].First <= seq
}
