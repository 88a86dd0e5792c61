package flowgraphstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
	"github.com/flowlog/checkpoint/memory"
)

// Two processes that resume one run at the same time make two lines of it. Both can be seen,
// and no event claims to continue from one that its engine did not come from.

// marked makes a graph whose nodes leave their name and the engine's in the path, and
// call enter before they are done.
func marked(t *testing.T, edges, engine string, enter func(node string)) *flowgraph.CompiledGraph[state] {
	d := does{}
	for _, node := range []string{"a", "b", "c", "d", "fork", "x", "y", "join", "k"} {
		d[node] = func(_ flowgraph.Context, s *state) error {
			s.Path[len(s.Path)-1] += "." + engine
			enter(node)
			return nil
		}
	}
	return graph(t, d, edges, nil)
}

// honest holds every event to continue from the one that its path says, and to name the
// writer of its engine. Some nodes save nothing.
func honest(t *testing.T, s *checkpoint.EventStore, unsaved ...string) {
	t.Helper()
	paths, writers := map[uint64]string{0: ""}, map[string]string{}
	for ev, err := range s.History(t.Context(), "run", checkpoint.HistoryOptions{}) {
		require.NoError(t, err)
		var at state
		require.NoError(t, ev.Decode(&at))
		paths[ev.Seq] = at.String()
		before, self := at.Path[:len(at.Path)-1], at.Path[len(at.Path)-1]
		for n := len(before); n > 0; n-- {
			if node, _, _ := strings.Cut(before[n-1], "."); !slices.Contains(unsaved, node) {
				break
			}
			before = before[:n-1]
		}
		require.Equal(t, strings.Join(before, " "), paths[ev.Parent], "seq %d after %d", ev.Seq, ev.Parent)
		_, engine, _ := strings.Cut(self, ".")
		if writers[engine] == "" {
			writers[engine] = ev.Writer
		}
		require.Equal(t, writers[engine], ev.Writer, "seq %d", ev.Seq)
	}
	require.NotEqual(t, writers["one"], writers["two"])
}

func TestTwoHandlesResumeInStep(t *testing.T) {
	for name, order := range map[string]string{ // in which the engines save c and d
		"by turns":              "one two one two",
		"by turns, the other":   "one two two one",
		"one after the other":   "one one two two",
		"the second overtakes":  "two two one one",
		"the second in between": "one two two one",
	} {
		t.Run(name, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				begin(t, s, letters, "c")
				turns := newTurns(strings.Fields(order))
				var wg sync.WaitGroup
				var loaded sync.WaitGroup // both begin with b
				loaded.Add(2)
				failed := make(chan error, 2)
				for engine, store := range map[string]*checkpoint.EventStore{"one": s, "two": other} {
					g := marked(t, letters, engine, func(node string) {
						if node == "c" {
							loaded.Done()
							loaded.Wait()
						}
						turns.await(engine)
					})
					fg := flowgraphstore.New(&turning{store, engine, turns})
					wg.Go(func() {
						_, err := g.Resume(newContext(), fg, "run")
						failed <- err
					})
				}
				wg.Wait()
				require.NoError(t, <-failed)
				require.NoError(t, <-failed)

				// Both lines are there, each whole.
				honest(t, s)
				var ends []string
				for seq := uint64(3); seq <= 6; seq++ {
					ends = append(ends, strings.Join(nodes(t, flowgraphstore.New(other).At(seq), "run"), " ")+": "+path(t, s, "run", seq))
				}
				for _, engine := range []string{"one", "two"} {
					require.Contains(t, ends, "a b c: a b c."+engine)
					require.Contains(t, ends, "a b c d: a b c."+engine+" d."+engine)
				}
				// The run is on the line of its newest event.
				last := strings.Fields(order)[3]
				require.Equal(t, "a b c."+last+" d."+last, path(t, s, "run", uint64(listed(t, s, "run")[3])))
			})
		})
	}
}

// turns lets engines act in a given order.
type turns struct {
	mu    sync.Mutex
	ready *sync.Cond
	order []string // what is left of it
}

func newTurns(order []string) *turns {
	u := &turns{order: order}
	u.ready = sync.NewCond(&u.mu)
	return u
}

func (u *turns) await(engine string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.order) > 0 && u.order[0] != engine {
		u.ready.Wait()
	}
}

func (u *turns) done() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.order = u.order[1:]
	u.ready.Broadcast()
}

// turning is a store that ends an engine's turn when it has saved.
type turning struct {
	*checkpoint.EventStore
	engine string
	turns  *turns
}

func (s *turning) Append(ctx context.Context, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) (checkpoint.Saved, error) {
	defer s.turns.done()
	return s.EventStore.Append(ctx, c, opts...)
}

// The same at random, with a fork on the way.
func TestHandlesResumeAtRandom(t *testing.T) {
	eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
		begin(t, s, forked, "join")
		rng := rand.New(rand.NewPCG(1, 2))
		for round := range 8 {
			var wg sync.WaitGroup
			failed := make(chan error, 2)
			for engine, store := range map[string]*checkpoint.EventStore{"one": s, "two": other} {
				g := marked(t, forked, engine, func(string) {})
				fg, from := flowgraphstore.New(store), []string{"a", "b"}[rng.IntN(2)]
				wg.Go(func() {
					_, err := g.ResumeFrom(newContext(), fg, "run", from)
					failed <- err
				})
			}
			wg.Wait()
			require.NoError(t, <-failed, "round %d", round)
			require.NoError(t, <-failed, "round %d", round)
		}
		honest(t, s, "fork", "x", "y")
		tree(t, s, "run")
		require.Equal(t, []string{"a", "b", "join", "k"}, nodes(t, flowgraphstore.New(s), "run"))
	})
}

// A Store does not remember any number of runs: of 10,001 it has forgotten the one that it
// used longest ago, and finds out by the sequences where that is.
func TestOldestRunIsForgotten(t *testing.T) {
	t.Parallel()
	s := storeOn(t, memory.New())
	fg := flowgraphstore.New(s)
	next := func(fg *flowgraphstore.Store, run string, sequence int) {
		node := fmt.Sprint("n", sequence)
		data := fmt.Appendf(nil, `{"version":1,"run_id":%q,"node_id":%q,"sequence":%d,"state":{},"next_node":"n"}`, run, node, sequence)
		require.NoError(t, fg.Save(run, node, data))
	}
	next(fg, "run-0", 1)
	next(fg, "run-1", 1)
	next(fg, "run-1", 2)
	next(fg, "run-0", 2) // so run-1 was used longest ago
	for _, run := range []string{"run-0", "run-1"} {
		next(flowgraphstore.New(s).At(1), run, 2) // another engine, which leaves the run on its line
	}
	for i := 2; i <= 10_000; i++ {
		next(fg, fmt.Sprint("run-", i), 1)
	}
	next(fg, "run-0", 3)
	next(fg, "run-1", 3)
	require.Equal(t, "n1<0 n2<1 n2<1 n3<2", tree(t, s, "run-0"), "from where the Store was")
	require.Equal(t, "n1<0 n2<1 n2<1 n3<3", tree(t, s, "run-1"), "from where the run is")
}
