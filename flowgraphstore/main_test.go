package flowgraphstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/flowgraphstore"
	"github.com/flowlog/checkpoint/memory"
	"github.com/flowlog/checkpoint/sqlite"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(childFile); file != "" {
		os.Exit(child(file))
	}
	os.Exit(m.Run())
}

// eachStore runs a test on every kind of store.
func eachStore(t *testing.T, test func(t *testing.T, s *checkpoint.EventStore)) {
	t.Helper()
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, memoryStore(t))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, sqliteStore(t, filepath.Join(t.TempDir(), "runs.db")))
	})
	t.Run("bolt", func(t *testing.T) {
		t.Parallel()
		s, err := checkpoint.NewBoltStore(filepath.Join(t.TempDir(), "runs.bolt"), checkpoint.WithDurability(checkpoint.DurabilityOff))
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		test(t, s.EventStore)
	})
}

// eachPair runs a test on two stores with one storage, as two processes have it, of each
// kind.
func eachPair(t *testing.T, test func(t *testing.T, s, other *checkpoint.EventStore)) {
	t.Helper()
	t.Parallel()
	for name, open := range map[string]func() (driver.Backend, error){
		"memory": func() (driver.Backend, error) { return memory.New(), nil },
		"sqlite": func() (driver.Backend, error) {
			return sqlite.Open(filepath.Join(t.TempDir(), "runs.db"), sqlite.Options{Durability: driver.Off})
		},
		"bolt": func() (driver.Backend, error) {
			return bolt.Open(filepath.Join(t.TempDir(), "runs.bolt"), bolt.Options{Durability: driver.Off})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend, err := open()
			require.NoError(t, err)
			test(t, storeOn(t, backend), storeOn(t, backend))
		})
	}
}

// storeOn returns a store that does nothing in the background.
func storeOn(t *testing.T, backend driver.Backend) *checkpoint.EventStore {
	t.Helper()
	s, err := checkpoint.Open(backend, checkpoint.WithoutCompaction())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func memoryStore(t *testing.T) *checkpoint.EventStore {
	t.Helper()
	s := checkpoint.NewMemoryStore()
	t.Cleanup(func() { s.Close() })
	return s.EventStore
}

func sqliteStore(t *testing.T, path string) *checkpoint.EventStore {
	t.Helper()
	s, err := checkpoint.NewSQLiteStore(path, checkpoint.WithDurability(checkpoint.DurabilityOff))
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s.EventStore
}

// state is what the graphs of these tests carry: the nodes that it went through.
type state struct {
	Path []string `json:"path"`
	// Odd is here for what can't be written as JSON.
	Odd any `json:"odd,omitempty"`
}

// Clone and Merge are for forks: the branches' nodes come in order of their names.
func (s state) Clone(string) state {
	return state{Path: slices.Clone(s.Path)}
}

func (s state) Merge(branches map[string]state) state {
	merged := s.Clone("")
	for _, id := range slices.Sorted(maps.Keys(branches)) {
		merged.Path = append(merged.Path, branches[id].Path[len(s.Path):]...)
	}
	return merged
}

// does is what nodes do beside leaving their name in the path.
type does map[string]func(ctx flowgraph.Context, s *state) error

func (d does) node(name string) flowgraph.NodeFunc[state] {
	return func(ctx flowgraph.Context, s state) (state, error) {
		s.Path = append(slices.Clone(s.Path), name)
		if do := d[name]; do != nil {
			return s, do(ctx, &s)
		}
		return s, nil
	}
}

// graph compiles edges such as "a>b", "b>END"; the first node is the entry.
// Conditional edges are in routes.
func graph(t *testing.T, d does, edges string, routes map[string]flowgraph.RouterFunc[state]) *flowgraph.CompiledGraph[state] {
	t.Helper()
	g, seen := flowgraph.NewGraph[state](), map[string]bool{"END": true}
	for _, edge := range strings.Fields(edges) {
		from, to, _ := strings.Cut(edge, ">")
		for _, name := range []string{from, to} {
			if name != "" && !seen[name] {
				if len(seen) == 1 {
					g.SetEntry(name)
				}
				seen[name] = true
				g.AddNode(name, d.node(name))
			}
		}
		if to == "END" {
			to = flowgraph.END
		}
		if to != "" {
			g.AddEdge(from, to)
		}
	}
	for from, route := range routes {
		g.AddConditionalEdge(from, route)
	}
	compiled, err := g.Compile()
	require.NoError(t, err)
	return compiled
}

func newContext() flowgraph.Context {
	return flowgraph.NewContext(context.Background(), flowgraph.WithLogger(slog.New(slog.DiscardHandler)))
}

// run runs a graph from its first node.
func run(g *flowgraph.CompiledGraph[state], fg *flowgraphstore.Store, runID string, opts ...flowgraph.RunOption) (string, error) {
	opts = append(opts, flowgraph.WithCheckpointing(fg), flowgraph.WithRunID(runID))
	s, err := g.Run(newContext(), state{}, opts...)
	return s.String(), err
}

func (s state) String() string { return strings.Join(s.Path, " ") }

// tree returns a run's events as node<parent, one with a role as node:role<parent, a pruned
// one with an exclamation mark, and holds it to be intact. It is empty for no run.
func tree(t *testing.T, s *checkpoint.EventStore, runID string) string {
	t.Helper()
	var events []string
	for ev, err := range s.History(t.Context(), runID, checkpoint.HistoryOptions{}) {
		if errors.Is(err, checkpoint.ErrNotFound) {
			return ""
		}
		require.NoError(t, err)
		name, mark := ev.NodeID, ""
		if ev.Role != "" {
			name += ":" + string(ev.Role)
		}
		if ev.Pruned {
			mark = "!"
		}
		events = append(events, fmt.Sprintf("%s<%d%s", name, ev.Parent, mark))
	}
	report, err := s.Verify(t.Context(), runID)
	require.NoError(t, err)
	require.True(t, report.Intact(), report.String())
	return strings.Join(events, " ")
}

// path returns the nodes that the state of an event went through.
func path(t *testing.T, s *checkpoint.EventStore, runID string, seq uint64) string {
	t.Helper()
	c, err := s.LoadSeq(t.Context(), runID, seq)
	require.NoError(t, err)
	var st state
	require.NoError(t, c.Decode(&st))
	return st.String()
}
