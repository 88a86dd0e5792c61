package flowgraphstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// These run flowgraph's own engine on a Store.

var errStop = errors.New("stopped on purpose")

func TestRunKeepsEveryNode(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s, flowgraphstore.WithGraphID("letters"))
		got, err := run(graph(t, nil, "a>b b>c c>END", nil), fg, "run")
		require.NoError(t, err)
		require.Equal(t, "a b c", got)
		require.Equal(t, "a<0 b<1 c<2", tree(t, s, "run"))
		for seq, want := range []string{"a", "a b", "a b c"} {
			require.Equal(t, want, path(t, s, "run", uint64(seq+1)))
		}
		head, err := s.Run(t.Context(), "run")
		require.NoError(t, err)
		require.Equal(t, "letters", head.GraphID)
		require.Equal(t, flowgraph.END, head.NextNode)
	})
}

func TestConditionalEdges(t *testing.T) {
	for _, want := range []string{"ask yes", "ask no more"} {
		t.Run(want, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				g := graph(t, nil, "ask> yes>END no>more more>END", map[string]flowgraph.RouterFunc[state]{
					"ask": func(flowgraph.Context, state) string { return strings.Fields(want)[1] },
				})
				got, err := run(g, flowgraphstore.New(s), "run")
				require.NoError(t, err)
				require.Equal(t, want, got)
				c, err := s.LoadSeq(t.Context(), "run", 1)
				require.NoError(t, err)
				require.Equal(t, strings.Fields(want)[1], c.NextNode)
			})
		})
	}
}

func TestLoopKeepsEveryPass(t *testing.T) {
	const passes = 100
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		g := graph(t, nil, "plan>work work> ship>END", map[string]flowgraph.RouterFunc[state]{
			"work": func(_ flowgraph.Context, s state) string {
				if len(s.Path) <= passes {
					return "work"
				}
				return "ship"
			},
		})
		fg := flowgraphstore.New(s)
		_, err := run(g, fg, "run", flowgraph.WithMaxIterations(passes+2))
		require.NoError(t, err)

		want := []string{"plan<0"}
		for seq := range passes {
			want = append(want, fmt.Sprintf("work<%d", seq+1))
		}
		require.Equal(t, strings.Join(append(want, "ship<101"), " "), tree(t, s, "run"))
		require.Equal(t, []string{"plan", "work", "ship"}, nodes(t, fg, "run"))
		require.Equal(t, []int{1, passes + 1, passes + 2}, seqs(t, fg))
		for _, pass := range []int{1, 57, passes} {
			c, err := s.LoadVisit(t.Context(), "run", "work", pass)
			require.NoError(t, err)
			require.Equal(t, uint64(pass+1), c.Seq)
			require.Contains(t, load(t, fg, "run", fmt.Sprint("work#", pass)), string(c.State))
		}
		require.Equal(t, load(t, fg, "run", "work#100"), load(t, fg, "run", "work"))

		// What flowgraph wraps around a state takes next to no space.
		for e, err := range s.History(t.Context(), "run", checkpoint.HistoryOptions{From: 2, HeadersOnly: true}) {
			require.NoError(t, err)
			if e.Encoding == driver.Plain {
				require.LessOrEqual(t, e.Stored-e.Size, int64(140), "event %d", e.Seq)
			}
		}
	})
}

func TestFailedNodeIsResumed(t *testing.T) {
	fails := map[string]func() error{
		"error": func() error { return errStop },
		"panic": func() error { panic(errStop) },
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				broken := true
				g := graph(t, does{"c": func(flowgraph.Context, *state) error {
					if broken {
						return fail()
					}
					return nil
				}}, "a>b b>c c>d d>END", nil)
				fg := flowgraphstore.New(s)
				_, err := run(g, fg, "run")
				require.Error(t, err)
				require.Equal(t, "a<0 b<1", tree(t, s, "run"))
				broken = false
				got, err := g.Resume(newContext(), fg, "run")
				require.NoError(t, err)
				require.Equal(t, "a b c d", got.String())
				require.Equal(t, "a<0 b<1 c<2 d<3", tree(t, s, "run"))
			})
		})
	}
}

func TestManyRunsAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		g := graph(t, does{"d": func(_ flowgraph.Context, s *state) error {
			if len(s.Path) == 4 {
				return errStop
			}
			return nil
		}}, "a>b b>c c>d d>END", nil)
		failed := make(chan error, 100)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				id := fmt.Sprint("run-", i)
				if _, err := run(g, fg, id); !errors.Is(err, errStop) {
					failed <- fmt.Errorf("%s: %w", id, err)
				}
				_, err := g.Resume(newContext(), fg, id, flowgraph.WithReplayNode())
				if err != nil {
					failed <- fmt.Errorf("%s: %w", id, err)
				}
			})
		}
		wg.Wait()
		close(failed)
		for err := range failed {
			require.NoError(t, err)
		}
		for i := range 16 {
			require.Equal(t, "a<0 b<1 c<2 c<3 d<4", tree(t, s, fmt.Sprint("run-", i)))
		}
	})
}
