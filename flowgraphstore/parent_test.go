package flowgraphstore_test

import (
	"fmt"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// flowgraph doesn't say what a checkpoint continues from. These are the stories
// in which that must be found out all the same.

const letters = "a>b b>c c>d d>END"

func TestParents(t *testing.T) {
	replay := flowgraph.WithReplayNode()
	for _, tc := range []play{
		{name: "from the start again", do: func(p *player) {
			p.run("")
			p.run("")
		}, want: "a<0 b<1 c<2 d<3 a<0 b<5 c<6 d<7"},
		{name: "from the start again after failing", do: func(p *player) {
			p.run("c")
			p.run("b")
			p.resume("")
		}, want: "a<0 b<1 a<0 b<3 c<4 d<5"},
		{name: "resumed twice", do: func(p *player) {
			p.run("c")
			p.resume("d")
			p.resume("")
			p.resume("")
		}, want: "a<0 b<1 c<2 d<3"},
		{name: "resumed by Stores that know nothing", do: func(p *player) {
			p.run("c")
			p.fresh()
			p.resume("d")
			p.fresh()
			p.from("b", "d")
			p.fresh()
			p.resume("")
		}, want: "a<0 b<1 c<2 c<2 d<4"},
		{name: "replayed", do: func(p *player) {
			p.run("")
			p.resume("", replay)
			p.from("b", "", replay)
		}, want: "a<0 b<1 c<2 d<3 d<4 b<2 c<6 d<7"},
		{name: "back and back again", do: func(p *player) {
			p.run("")
			p.from("b", "d")
			p.from("a", "d")
			p.from("c#1", "")
			p.from("b#1", "")
		}, want: "a<0 b<1 c<2 d<3 c<2 b<1 c<6 d<3 c<2 d<9"},
		{name: "back past an event with the same sequence", do: func(p *player) {
			p.run("d")
			p.from("a", "c") // b again, as 4
			p.from("b#1", "d")
			p.resume("")
		}, want: "a<0 b<1 c<2 b<1 c<2 d<5"},
		{name: "the first node after a resume looks around", do: func(p *player) {
			p.look["c"] = []string{"a", "b#1", "a#1"}
			p.run("c")
			p.fresh()
			p.resume("")
		}, want: "a<0 b<1 c<2 d<3"},
		{name: "all nodes look around", do: func(p *player) {
			p.run("")
			for _, node := range []string{"a", "b", "c", "d"} {
				p.look[node] = []string{"d#1", "c#1", "a#1", "b#1"}
			}
			p.from("a", "d")
			p.run("")
		}, want: "a<0 b<1 c<2 d<3 b<1 c<5 a<0 b<7 c<8 d<9"},
		{name: "the newest is deleted before a resume", do: func(p *player) {
			p.run("c")
			require.NoError(p.t, p.fg.Delete("run", "b"))
			p.resume("")
		}, want: "a<0 b<1! b<1 c<3 d<4"},
		{name: "the node before is deleted on the way", do: func(p *player) {
			p.enter["c"] = func() { require.NoError(p.t, p.fg.Delete("run", "b")) }
			p.run("")
		}, want: "a<0 b<1! c<2 d<3"},
		{name: "the run is deleted in between", do: func(p *player) {
			p.run("")
			require.NoError(p.t, p.store.Delete(p.t.Context(), "run"))
			p.run("c")
			p.resume("")
		}, want: "a<0 b<1 c<2 d<3"},
		{name: "another run on the way", do: func(p *player) {
			other := graph(p.t, nil, letters, nil)
			p.enter["c"] = func() {
				_, err := run(other, p.fg, "other")
				require.NoError(p.t, err)
				_, err = other.ResumeFrom(newContext(), p.fg, "other", "a")
				require.NoError(p.t, err)
			}
			p.run("d")
			p.from("b", "")
			require.Equal(p.t, "a<0 b<1 c<2 d<3 b<1 c<5 d<6 a<0 b<8 c<9 d<10 b<8 c<12 d<13", tree(p.t, p.store, "other"))
		}, want: "a<0 b<1 c<2 c<2 d<4"},
		{name: "another Store on the same run", do: func(p *player) {
			other := graph(p.t, nil, letters, nil)
			p.enter["c"] = func() {
				_, err := other.ResumeFrom(newContext(), flowgraphstore.New(p.store), "run", "a")
				require.NoError(p.t, err)
			}
			p.run("")
		}, want: "a<0 b<1 b<1 c<3 d<4 c<2 d<6"},
		{name: "a second resume overtakes the first", do: func(p *player) {
			p.run("b")
			other := graph(p.t, nil, letters, nil)
			p.enter["b"] = func() {
				_, err := other.Resume(newContext(), p.fg, "run")
				require.NoError(p.t, err)
			}
			p.resume("c")
		}, want: "a<0 b<1 c<2 d<3 b<1"},
		{name: "events that are not flowgraph's in between", do: func(p *player) {
			p.run("")
			p.from("a", "c") // b, as 5
			p.enter["c"] = func() { require.NoError(p.t, p.fg.Save("run", "note", []byte("seen b"))) }
			p.from("b#1", "")
		}, want: "a<0 b<1 c<2 d<3 b<1 note<5 c<2 d<7"},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.on(t, letters) })
	}
}

func TestResumeInAnotherHandle(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/runs.db"
	p := newPlayer(t, sqliteStore(t, file), letters)
	p.run("c")
	for _, stop := range []string{"d", ""} {
		p.store = sqliteStore(t, file)
		p.fresh()
		p.resume(stop)
	}
	p.store = sqliteStore(t, file)
	p.fresh()
	p.from("a", "")
	require.Equal(t, "a<0 b<1 c<2 d<3 b<1 c<5 d<6", tree(t, p.store, "run"))
}

// A Store does not remember any number of runs. Where it has forgotten one, the
// newest event with a lower sequence is the parent.
func TestForgottenRun(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, memoryStore(t), letters)
	p.run("")
	p.enter["c"] = func() {
		for i := range 20_000 {
			require.NoError(t, p.fg.Save(fmt.Sprint("other-", i), "a", nil))
		}
	}
	p.from("a", "")
	require.Equal(t, "a<0 b<1 c<2 d<3 b<1 c<5 d<6", tree(t, p.store, "run"))
}

func TestCheckpointIsCopiedToAnotherRun(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p := newPlayer(t, s, letters)
		p.run("")
		require.NoError(t, p.fg.Save("copy", "b", []byte(load(t, p.fg, "run", "b"))))
		p.fresh()
		got, err := p.graph.Resume(newContext(), p.fg, "copy")
		require.NoError(t, err)
		require.Equal(t, "a b c d", got.String())
		require.Equal(t, "b<0 c<1 d<2", tree(t, s, "copy"))
	})
}

// What is left in flowgraph's own store of a loop has gaps in its sequences.
func TestCheckpointsAreMovedOver(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		old := fgcheckpoint.NewMemoryStore()
		g := graph(t, nil, "a>work work> b>END", map[string]flowgraph.RouterFunc[state]{
			"work": func(_ flowgraph.Context, s state) string {
				if len(s.Path) < 9 {
					return "work"
				}
				return "b"
			},
		})
		_, err := g.Run(newContext(), state{}, flowgraph.WithCheckpointing(old), flowgraph.WithRunID("run"))
		require.NoError(t, err)
		fg := flowgraphstore.New(s)
		infos, err := old.List("run")
		require.NoError(t, err)
		for _, info := range infos {
			data, err := old.Load("run", info.NodeID)
			require.NoError(t, err)
			require.NoError(t, fg.Save("run", info.NodeID, data))
		}
		require.Equal(t, "a<0 work<1 b<2", tree(t, s, "run"))
		_, err = g.ResumeFrom(newContext(), fg, "run", "work")
		require.NoError(t, err)
		require.Equal(t, "a<0 work<1 b<2 b<2", tree(t, s, "run"))
	})
}
