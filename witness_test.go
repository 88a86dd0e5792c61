package checkpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// witness knows what a store has acknowledged, so that another one that is opened
// on what a crash has left can be held to it. One goroutine writes through it, any
// number read.
type witness struct {
	mu    sync.Mutex
	runs  map[string]*told
	doing attempt // what was not acknowledged yet: a crash may leave it done or not
}

// told is what was acknowledged of one life of a run, by seq-1: the events up to seq
// dropped went with their headers.
type told struct {
	events  []toldEvent
	dropped uint64
}

type toldEvent struct {
	parent uint64
	state  string
	pruned bool
}

type attempt struct {
	kind  string // "save", "prune", "truncate", "delete", "plan", or nothing
	run   string
	event toldEvent
	seqs  []uint64
	plan  *checkpoint.Plan
}

func newWitness() *witness { return &witness{runs: map[string]*told{}} }

// clone returns what is known at the moment.
func (w *witness) clone() *witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &witness{runs: map[string]*told{}, doing: w.doing}
	for id, r := range w.runs {
		c.runs[id] = &told{slices.Clone(r.events), r.dropped}
	}
	return c
}

// try makes an attempt: do asks the store for it, and told notes that it has
// acknowledged it. After an error the attempt stays open.
func (w *witness) try(a attempt, do func() error, told func()) error {
	w.mu.Lock()
	w.doing = a
	w.mu.Unlock()
	if err := do(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	told()
	w.doing = attempt{}
	return nil
}

// save saves an event that continues from parent, with 0 from the last.
func (w *witness) save(s *checkpoint.EventStore, run string, parent uint64, state string) error {
	if parent == 0 {
		parent = w.last(run)
	}
	ev := toldEvent{parent: parent, state: state}
	return w.try(attempt{kind: "save", run: run, event: ev}, func() error {
		return s.Save(context.Background(), &checkpoint.Checkpoint{RunID: run, NodeID: "node", State: json.RawMessage(state), Seq: parent,
			Metadata: checkpoint.Metadata{GraphID: graphOf(run)}})
	}, func() {
		if w.runs[run] == nil {
			w.runs[run] = &told{}
		}
		w.runs[run].events = append(w.runs[run].events, ev)
	})
}

func (w *witness) prune(s *checkpoint.EventStore, run string, seqs ...uint64) error {
	return w.drop(s.Prune, run, seqs)
}

func (w *witness) redact(s *checkpoint.EventStore, run string, seqs ...uint64) error {
	return w.drop(s.Redact, run, seqs)
}

// drop drops states by one of the ways there are.
func (w *witness) drop(by func(context.Context, string, []uint64, string) (int, error), run string, seqs []uint64) error {
	return w.try(attempt{kind: "prune", run: run, seqs: seqs}, func() error {
		_, err := by(context.Background(), run, seqs, "test")
		return err
	}, func() {
		for _, seq := range seqs {
			w.runs[run].events[seq-1].pruned = true
		}
	})
}

func (w *witness) truncate(s *checkpoint.EventStore, run string, first uint64) error {
	return w.try(attempt{kind: "truncate", run: run}, func() error {
		_, err := s.TruncateFront(context.Background(), run, first, "test")
		return err
	}, func() { w.runs[run].dropped = first - 1 })
}

// graphOf returns the graph of the runs of the witness: "large" of "large-1".
func graphOf(run string) string {
	graph, _, _ := strings.Cut(run, "-")
	return graph
}

// follow plans by policies, and runs the plan: nothing may be skipped.
func (w *witness) follow(s *checkpoint.EventStore, policies ...checkpoint.Policy) error {
	plan, err := s.Plan(context.Background(), policies...)
	if err != nil {
		return err
	}
	return w.try(attempt{kind: "plan", plan: &plan}, func() error {
		res, err := s.RunPlan(context.Background(), plan, checkpoint.PlanOptions{Reclaim: true})
		if err == nil && len(res.Skipped) > 0 {
			err = res.Skipped[0].Err
		}
		return err
	}, func() {
		for i := range plan.Runs {
			r := &plan.Runs[i]
			if r.Drop != "" {
				delete(w.runs, r.Run)
			}
			for _, g := range r.Prune {
				for seq := g.First; seq <= g.Last; seq++ {
					w.runs[r.Run].events[seq-1].pruned = true
				}
			}
		}
	})
}

func (w *witness) remove(s *checkpoint.EventStore, run string) error {
	return w.try(attempt{kind: "delete", run: run},
		func() error { return s.Delete(context.Background(), run) }, func() { delete(w.runs, run) })
}

// last returns a run's last seq.
func (w *witness) last(run string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.runs[run]; r != nil {
		return uint64(len(r.events))
	}
	return 0
}

// dropped returns the seq up to which events went with their headers.
func (w *witness) dropped(run string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[run].dropped
}

// state returns the state of an event that is not pruned.
func (w *witness) state(run string, seq uint64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[run].events[seq-1].state
}

// settle takes what a crash has left undecided as the store has it.
func (w *witness) settle(t require.TestingT, s *checkpoint.EventStore) {
	a := w.doing
	w.doing = attempt{}
	if a.kind == "plan" {
		w.settlePlan(t, s, a.plan)
		return
	}
	run, err := s.Run(context.Background(), a.run)
	if a.kind == "" || errors.Is(err, checkpoint.ErrNotFound) {
		if a.kind == "delete" {
			delete(w.runs, a.run)
		}
		return
	}
	require.NoError(t, err)
	switch a.kind {
	case "save":
		if w.runs[a.run] == nil {
			w.runs[a.run] = &told{}
		}
		r := w.runs[a.run]
		if run.Last == uint64(len(r.events))+1 {
			r.events = append(r.events, a.event)
		}
	case "truncate":
		w.runs[a.run].dropped = run.Anchor
	case "prune":
		for ev, err := range s.History(context.Background(), a.run, checkpoint.HistoryOptions{HeadersOnly: true}) {
			require.NoError(t, err)
			if slices.Contains(a.seqs, ev.Seq) {
				w.runs[a.run].events[ev.Seq-1].pruned = ev.Pruned
			}
		}
	}
}

// settlePlan takes as much of a plan as the store has done of it.
func (w *witness) settlePlan(t require.TestingT, s *checkpoint.EventStore, plan *checkpoint.Plan) {
	for i := range plan.Runs {
		r := &plan.Runs[i]
		if r.Drop != "" {
			_, err := s.Run(context.Background(), r.Run)
			if errors.Is(err, checkpoint.ErrNotFound) {
				delete(w.runs, r.Run)
				continue
			}
			require.NoError(t, err)
		}
		for _, g := range r.Prune {
			for ev, err := range s.History(context.Background(), r.Run, checkpoint.HistoryOptions{From: g.First, To: g.Last, HeadersOnly: true}) {
				require.NoError(t, err)
				w.runs[r.Run].events[ev.Seq-1].pruned = ev.Pruned
			}
		}
	}
}

// check holds a store to all that was acknowledged: that and nothing else is there,
// exactly, and every run verifies. What is undecided must have been settled.
func (w *witness) check(t require.TestingT, s *checkpoint.EventStore, when string) {
	ctx := context.Background()
	var ids []string
	for run, err := range s.Runs(ctx, checkpoint.RunsOptions{ByID: true}) {
		require.NoError(t, err, when)
		ids = append(ids, run.ID)
	}
	require.Equal(t, slices.Sorted(maps.Keys(w.runs)), ids, when)
	for id, r := range w.runs {
		n := int(r.dropped)
		for ev, err := range s.History(ctx, id, checkpoint.HistoryOptions{}) {
			require.NoError(t, err, "%s: %s", when, id)
			require.Less(t, n, len(r.events), "%s: %s has an event that nobody saved", when, id)
			want := r.events[n]
			n++
			require.EqualValues(t, n, ev.Seq, "%s: %s", when, id)
			require.Equal(t, want.parent, ev.Parent, "%s: %s seq %d", when, id, n)
			require.Equal(t, want.pruned, ev.Pruned, "%s: %s seq %d", when, id, n)
			require.True(t, want.pruned || want.state == string(ev.State), "%s: %s seq %d is another state", when, id, n)
		}
		require.Len(t, r.events, n, "%s: events of %s", when, id)
		rep, err := s.Verify(ctx, id)
		require.NoError(t, err, when)
		require.True(t, rep.Intact(), "%s: run %s: %v", when, id, rep.Problems)
	}
}

// reader reads until stop is closed or the store is, and holds each answer to what
// was acknowledged.
func (w *witness) reader(t *testing.T, s *checkpoint.EventStore, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if err := w.readOne(t, s); errors.Is(err, checkpoint.ErrClosed) || errors.Is(err, errCrashed) {
			return
		}
		// SQLite can't empty its WAL while somebody reads, and waits for that.
		time.Sleep(time.Millisecond)
	}
}

func (w *witness) readOne(t *testing.T, s *checkpoint.EventStore) error {
	w.mu.Lock()
	var id string
	var r *told
	for id, r = range w.runs { // any
		break
	}
	if r == nil {
		w.mu.Unlock()
		return nil
	}
	n := len(r.events)
	from := 1 + r.dropped + rand.Uint64N(uint64(n)-r.dropped)
	want := slices.Clone(r.events[from-1 : min(n, int(from)+3)])
	w.mu.Unlock()
	opts := checkpoint.HistoryOptions{From: from, To: from + uint64(len(want)) - 1, Backward: rand.IntN(2) == 0}
	i := 0
	for ev, err := range s.History(context.Background(), id, opts) {
		ok := err == nil
		if ok {
			e := want[ev.Seq-from]
			ok = e.parent == ev.Parent && e.pruned == ev.Pruned && (e.pruned || e.state == string(ev.State))
			i++
		}
		if !ok && (errors.Is(err, checkpoint.ErrClosed) || errors.Is(err, errCrashed) || w.moved(id, r)) {
			return err
		}
		if !ok {
			t.Errorf("a reader of %s, %+v, got a wrong state or an error: %v", strings.ToValidUTF8(id, "?"), opts, err)
			return errCrashed
		}
	}
	if i != len(want) && !w.moved(id, r) {
		t.Errorf("a reader of %s, %+v, got %d events", id, opts, i)
	}
	return nil
}

// moved reports whether a run was deleted, truncated or pruned since, or is just being.
func (w *witness) moved(id string, r *told) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[id] != r || r.dropped > 0 || w.doing.run == id && w.doing.kind != "save" || w.doing.kind == "plan" && slices.Contains(planGraphs, graphOf(id)) ||
		slices.ContainsFunc(r.events, func(e toldEvent) bool { return e.pruned })
}
