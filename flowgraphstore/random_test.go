package flowgraphstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// TestRandomStories runs, resumes, goes back, looks around, loses saves and
// deletes at random, and then holds every event to continue from the right one.
// Which that is, the states say: each node leaves a mark of its own in the path,
// so an event continues from the one with the longest beginning of its path.
func TestRandomStories(t *testing.T) {
	t.Parallel()
	events, refusals := 0, 0
	for seed := range uint64(300) {
		w := newWanderer(t, seed)
		for range 12 {
			w.step()
			w.check()
		}
		events += len(w.paths)
		refusals += w.refusals
	}
	require.Greater(t, events, 2000)
	require.Greater(t, refusals, 10)
}

type wanderer struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	*checkpoint.EventStore
	graph *flowgraph.CompiledGraph[state]
	fg    *flowgraphstore.Store
	view  bool
	life  int // how often the run was deleted, and of the view when that was made
	lifeV int
	marks atomic.Int64
	// entered counts the nodes since an engine was started; it fails in the
	// node number stop. In a nested engine nothing happens beside.
	entered, stop int
	nested        bool
	losing, lost  bool
	refusals      int                 // saves of an earlier life
	paths         map[uint64][]string // by seq, also of pruned events
}

func newWanderer(t *testing.T, seed uint64) *wanderer {
	w := &wanderer{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), EventStore: memoryStore(t), paths: map[uint64][]string{}}
	d := does{}
	for _, name := range []string{"a", "b", "fork", "x", "y", "join", "k", "d"} {
		d[name] = func(_ flowgraph.Context, s *state) error {
			s.Path[len(s.Path)-1] += fmt.Sprint(".", w.marks.Add(1))
			if name == "x" || name == "y" {
				return nil // they run at the same time
			}
			return w.inside(name)
		}
	}
	w.graph = graph(t, d, "a>b b>fork fork>x fork>y x>join y>join join>k k> d>END", map[string]flowgraph.RouterFunc[state]{
		"k": func(flowgraph.Context, state) string { return []string{"b", "k", "d"}[w.rng.IntN(3)] },
	})
	w.plain()
	return w
}

func (w *wanderer) plain() {
	w.fg, w.view = flowgraphstore.New(w), false
}

// Append loses some saves: w is the store that the engine saves to.
func (w *wanderer) Append(ctx context.Context, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) (checkpoint.Saved, error) {
	if w.losing && w.rng.IntN(4) == 0 {
		w.lost = true
		return checkpoint.Saved{}, errLost
	}
	return w.EventStore.Append(ctx, c, opts...)
}

// step starts an engine, or changes the Store that the next one gets.
func (w *wanderer) step() {
	switch n := w.rng.IntN(20); {
	case n < 3:
		w.losing = w.rng.IntN(2) == 0
		w.start(func() error {
			_, err := run(w.graph, w.fg, "run", flowgraph.WithCheckpointFailureFatal(false))
			return err
		})
		w.losing = false
	case n < 9:
		w.start(func() error { _, err := w.graph.Resume(newContext(), w.fg, "run", w.options()...); return err })
	case n < 14:
		w.start(func() error { return w.resumeFrom(w.fg) })
	case n < 16 && len(w.paths) > 0:
		w.fg, w.view, w.lifeV = w.fg.At(1+w.rng.Uint64N(uint64(len(w.paths)))), true, w.life
	case n < 19:
		w.plain()
	default:
		w.remove()
	}
}

// start runs an engine until it fails or comes to the end.
func (w *wanderer) start(engine func() error) {
	w.entered, w.stop = 0, 1+w.rng.IntN(10)
	life := w.life
	err := engine()
	if life != w.life || w.view && w.lifeV != w.life {
		if errors.Is(err, checkpoint.ErrConflict) {
			w.refusals++
			return
		}
	}
	for _, other := range []error{nil, errStop, flowgraph.ErrNoCheckpoints, fgcheckpoint.ErrNotFound} {
		if errors.Is(err, other) {
			return
		}
	}
	require.NoError(w.t, err, "seed %d", w.seed)
}

func (w *wanderer) options() []flowgraph.ResumeOption {
	if w.rng.IntN(4) == 0 {
		return []flowgraph.ResumeOption{flowgraph.WithReplayNode()}
	}
	return nil
}

func (w *wanderer) resumeFrom(fg *flowgraphstore.Store) error {
	name, opts := w.node(), w.options()
	if opts == nil && w.rng.IntN(2) == 0 {
		name += fmt.Sprint("#", 1+w.rng.IntN(3))
	}
	_, err := w.graph.ResumeFrom(newContext(), fg, "run", name, opts...)
	return err
}

func (w *wanderer) node() string {
	return []string{"a", "b", "join", "k", "d"}[w.rng.IntN(5)]
}

// inside is what happens while a node works.
func (w *wanderer) inside(name string) error {
	if w.nested {
		return nil
	}
	w.entered++
	if w.entered == w.stop {
		return errStop
	}
	switch n := w.rng.IntN(10); {
	case n < 3 && w.mayLook(name):
		for range 3 {
			w.fg.Load("run", w.node()+[]string{"", "#1", "#2"}[w.rng.IntN(3)])
		}
	case n == 3:
		w.nest(func() error { return w.resumeFrom(flowgraphstore.New(w)) })
	case n == 4:
		w.nest(func() error { _, err := run(w.graph, w.fg, "other"); return err })
	case n == 5 && w.rng.IntN(4) == 0:
		w.remove()
	case n == 6 && w.rng.IntN(6) == 0:
		w.deleteRun()
		w.nest(func() error { _, err := run(w.graph, flowgraphstore.New(w), "run"); return err })
	}
	return nil
}

// mayLook reports whether a node may load what it likes. Where no event names the
// node before, a plain Store can take that for the load of a resume, if it is of
// another line and has the same sequence.
func (w *wanderer) mayLook(name string) bool {
	atFork := name == "fork" || name == "join"
	return w.view && !w.losing || w.entered > 1 && !atFork
}

// nest runs another engine meanwhile.
func (w *wanderer) nest(engine func() error) {
	losing := w.losing
	w.nested, w.losing = true, false
	err := engine()
	w.nested, w.losing = false, losing
	if !errors.Is(err, flowgraph.ErrNoCheckpoints) && !errors.Is(err, flowgraph.ErrMaxIterations) {
		require.NoError(w.t, err, "seed %d", w.seed)
	}
}

// remove deletes a node, or the run.
func (w *wanderer) remove() {
	w.check()
	if w.rng.IntN(2) == 0 {
		err := w.fg.Delete("run", w.node())
		if w.view && w.lifeV != w.life && errors.Is(err, checkpoint.ErrConflict) {
			return
		}
		require.NoError(w.t, err, "seed %d", w.seed)
		return
	}
	w.deleteRun()
}

func (w *wanderer) deleteRun() {
	require.NoError(w.t, w.EventStore.Delete(context.Background(), "run"))
	clear(w.paths)
	w.life++
	w.lost = w.losing // what the engine lost before is still missing
}

// check reads what is new and compares its parents.
func (w *wanderer) check() {
	for ev, err := range w.EventStore.History(w.t.Context(), "run", checkpoint.HistoryOptions{From: uint64(len(w.paths)) + 1}) {
		if errors.Is(err, checkpoint.ErrNotFound) {
			return
		}
		require.NoError(w.t, err)
		var s state
		require.NoError(w.t, ev.Decode(&s))
		require.Equal(w.t, w.parent(s.Path), ev.Parent, "seed %d seq %d %v", w.seed, ev.Seq, s.Path)
		if ev.Parent == 0 && !w.lost { // nothing is left over from an earlier life
			require.Len(w.t, s.Path, 1, "seed %d seq %d", w.seed, ev.Seq)
		}
		w.paths[ev.Seq] = s.Path
	}
}

// parent returns the event that has most of the beginning of a path.
func (w *wanderer) parent(path []string) (parent uint64) {
	most := 0
	for seq, other := range w.paths {
		if n := len(other); n > most && n < len(path) && slices.Equal(other, path[:n]) {
			parent, most = seq, n
		}
	}
	return parent
}
