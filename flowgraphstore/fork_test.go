package flowgraphstore_test

import (
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// flowgraph saves nothing for a fork and its branches: the join names the fork,
// of which there is no event, as the node before it. Parents must be right around
// that.

const (
	forked    = "a>b b>fork fork>x fork>y x>join y>join join>k k>END"
	forkFirst = "fork>x fork>y x>join y>join join>k k>END"
	twoForks  = "a>fork fork>x fork>y x>join y>join join>v join>w v>last w>last last>END"
)

func TestForkAndJoin(t *testing.T) {
	for _, tc := range []struct{ name, edges, path, tree string }{
		{"in between", forked, "a b fork x y join k", "a<0 b<1 join<2 k<3"},
		{"first", forkFirst, "fork x y join k", "join<0 k<1"},
		{"a join that forks", twoForks, "a fork x y join v w last", "a<0 last<1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				g, fg := graph(t, nil, tc.edges, nil), flowgraphstore.New(s)
				got, err := run(g, fg, "run")
				require.NoError(t, err)
				require.Equal(t, tc.path, got)
				require.Equal(t, tc.tree, tree(t, s, "run"))
			})
		})
	}
}

func TestGoingBackAroundAFork(t *testing.T) {
	back := func(p *player, fg *flowgraphstore.Store, node, stop string) {
		p.fg = fg
		p.from(node, stop)
	}
	for _, tc := range []play{
		{name: "a branch fails", do: func(p *player) {
			p.run("y")
			p.resume("")
		}, want: "a<0 b<1 join<2 k<3"},
		{name: "the join fails", do: func(p *player) {
			p.run("join")
			p.resume("")
		}, want: "a<0 b<1 join<2 k<3"},
		{name: "again from before it", do: func(p *player) {
			p.run("")
			p.from("b", "")
		}, want: "a<0 b<1 join<2 k<3 join<2 k<5"},
		{name: "again from before it, after another event with the same sequence", do: func(p *player) {
			p.run("")
			p.from("a", "fork")
			p.from("b#1", "")
		}, want: "a<0 b<1 join<2 k<3 b<1 join<2 k<6"},
		{name: "in a view of the end", do: func(p *player) {
			p.run("")
			back(p, p.fg.At(4), "b", "")
		}, want: "a<0 b<1 join<2 k<3 join<2 k<5"},
		{name: "in a view of before it", do: func(p *player) {
			p.run("")
			p.from("a", "fork")
			back(p, p.fg.At(2), "b", "k")
			p.resume("")
		}, want: "a<0 b<1 join<2 k<3 b<1 join<2 k<6"},
		{name: "looking around inside", do: func(p *player) {
			p.look["x"] = []string{"a", "b"}
			p.run("k")
			p.look["x"] = []string{"join", "a", "b"}
			p.from("b", "")
		}, want: "a<0 b<1 join<2 join<2 k<4"},
		{name: "from the start", do: func(p *player) {
			p.run("")
			p.run("")
		}, want: "a<0 b<1 join<2 k<3 a<0 b<5 join<6 k<7"},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.on(t, forked) })
	}
}

func TestForkFirstIsARoot(t *testing.T) {
	play{do: func(p *player) {
		p.run("k")
		p.run("")
		p.resume("")
	}, want: "join<0 join<0 k<2"}.on(t, forkFirst)
}

// play is a story of a run and the tree that it must end in.
type play struct {
	name string
	do   func(*player)
	want string
}

func (tc play) on(t *testing.T, edges string) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p := newPlayer(t, s, edges)
		tc.do(p)
		require.Equal(t, tc.want, tree(t, s, "run"))
	})
}

// player runs a graph on a store, up to a node that fails.
type player struct {
	t     *testing.T
	store *checkpoint.EventStore
	fg    *flowgraphstore.Store
	graph *flowgraph.CompiledGraph[state]
	stop  string
	// look are the nodes that a node loads, enter is what else it does.
	look  map[string][]string
	enter map[string]func()
}

func newPlayer(t *testing.T, s *checkpoint.EventStore, edges string) *player {
	p := &player{t: t, store: s, fg: flowgraphstore.New(s), look: map[string][]string{}, enter: map[string]func(){}}
	d := does{}
	for _, name := range []string{"a", "b", "c", "d", "fork", "x", "y", "join", "k", "last"} {
		d[name] = func(flowgraph.Context, *state) error { return p.inside(name) }
	}
	p.graph = graph(t, d, edges, nil)
	return p
}

func (p *player) inside(name string) error {
	if name == p.stop {
		return errStop
	}
	for _, other := range p.look[name] {
		if _, err := p.fg.Load("run", other); err != nil {
			return err
		}
	}
	if do := p.enter[name]; do != nil {
		do()
	}
	return nil
}

// run starts the run from its first node and lets it fail in the node stop, if
// one is given.
func (p *player) run(stop string, opts ...flowgraph.RunOption) {
	p.t.Helper()
	p.stop = stop
	_, err := run(p.graph, p.fg, "run", opts...)
	p.ended(err)
}

func (p *player) resume(stop string, opts ...flowgraph.ResumeOption) {
	p.t.Helper()
	p.stop = stop
	_, err := p.graph.Resume(newContext(), p.fg, "run", opts...)
	p.ended(err)
}

func (p *player) from(node, stop string, opts ...flowgraph.ResumeOption) {
	p.t.Helper()
	p.stop = stop
	_, err := p.graph.ResumeFrom(newContext(), p.fg, "run", node, opts...)
	p.ended(err)
}

func (p *player) ended(err error) {
	p.t.Helper()
	if p.stop == "" {
		require.NoError(p.t, err)
	} else {
		require.ErrorIs(p.t, err, errStop)
	}
}

// fresh goes on with a Store that knows nothing yet.
func (p *player) fresh() { p.fg = flowgraphstore.New(p.store) }
