package flowgraphstore_test

import (
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// A graph can be resumed from what it saved, and only from that: the errors are
// those that flowgraph's own tests expect on its own stores.
func TestResumeErrors(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		want       error
	}{
		{name: "version", data: `{"version":999,"run_id":"run","node_id":"a","sequence":1,"state":{},"next_node":"b"}`, want: flowgraph.ErrCheckpointVersionMismatch},
		{name: "no version", data: `{"state":{}}`, want: flowgraph.ErrCheckpointVersionMismatch},
		{name: "malformed", data: `{not valid json at all`, want: flowgraph.ErrDeserializeState},
		{name: "empty", data: ``, want: flowgraph.ErrDeserializeState},
		{name: "malformed state", data: envelope(`{invalid json`), want: flowgraph.ErrDeserializeState},
		{name: "another state", data: envelope(`{"path":"not a list"}`), want: flowgraph.ErrDeserializeState},
		{name: "no state", data: `{"version":1,"run_id":"run","node_id":"a","sequence":1,"next_node":"b"}`, want: flowgraph.ErrDeserializeState},
		{name: "unknown node", data: `{"version":1,"run_id":"run","node_id":"a","sequence":1,"state":{},"next_node":"nowhere"}`, want: flowgraph.ErrInvalidResumeNode},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				g, fg := graph(t, nil, letters, nil), flowgraphstore.New(s)
				require.NoError(t, fg.Save("run", "a", []byte(tc.data)))
				_, err := g.ResumeFrom(newContext(), fg, "run", "a")
				require.ErrorIs(t, err, tc.want)
				_, err = g.Resume(newContext(), fg, "run")
				if tc.want == flowgraph.ErrInvalidResumeNode {
					var node *flowgraph.NodeError // Resume finds out later
					require.ErrorAs(t, err, &node)
					require.Equal(t, "nowhere", node.NodeID)
				} else {
					require.ErrorIs(t, err, tc.want)
				}
				require.Equal(t, "a<0", tree(t, s, "run"))
			})
		})
	}
}

func TestNothingToResume(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p := newPlayer(t, s, letters)
		_, err := p.graph.Resume(newContext(), p.fg, "run")
		require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints)
		p.run("c")
		for _, node := range []string{"c", "nowhere", "b#2"} {
			_, err = p.graph.ResumeFrom(newContext(), p.fg, "run", node)
			require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints, node)
		}
		require.NoError(t, p.fg.Delete("run", "a"))
		require.NoError(t, p.fg.Delete("run", "b"))
		_, err = p.graph.Resume(newContext(), p.fg, "run")
		require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints)
		_, err = p.graph.ResumeFrom(newContext(), p.fg, "run", "a")
		require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints)
	})
}

func TestResumeAtTheEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p := newPlayer(t, s, letters)
		p.run("")
		got, err := p.graph.Resume(newContext(), p.fg, "run")
		require.NoError(t, err)
		require.Equal(t, "a b c d", got.String())
		got, err = p.graph.ResumeFrom(newContext(), p.fg, "run", "d")
		require.NoError(t, err)
		require.Equal(t, "a b c d", got.String())
		require.Equal(t, "a<0 b<1 c<2 d<3", tree(t, s, "run"))
	})
}

func TestResumeOptions(t *testing.T) {
	replay := flowgraph.WithReplayNode()
	override := flowgraph.WithStateOverride(func(s any) any { return state{Path: append(s.(state).Path, "override")} })
	refuse := flowgraph.WithStateValidation(func(any) error { return errStop })
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p := newPlayer(t, s, letters)
		p.run("d")
		_, err := p.graph.Resume(newContext(), p.fg, "run", refuse)
		require.ErrorIs(t, err, errStop)
		require.Equal(t, "a<0 b<1 c<2", tree(t, s, "run"))

		p.resume("", override)
		require.Equal(t, "a b c override d", path(t, s, "run", 4))
		p.resume("", replay)
		require.Equal(t, "a b c override d d", path(t, s, "run", 5))
		p.from("b", "c", replay, override)
		require.Equal(t, "a b override b", path(t, s, "run", 6))
		require.Equal(t, "a<0 b<1 c<2 d<3 d<4 b<2", tree(t, s, "run"))

		// flowgraph looks for a node of the name that it was given.
		_, err = p.graph.ResumeFrom(newContext(), p.fg, "run", "b#1", replay)
		require.ErrorIs(t, err, flowgraph.ErrInvalidResumeNode)
		p.fg = p.fg.At(2)
		p.resume("d", replay)
		require.Equal(t, "a b b c", path(t, s, "run", 8))
		require.Equal(t, "a<0 b<1 c<2 d<3 d<4 b<2 b<2 c<7", tree(t, s, "run"))
	})
}

func TestStateThatIsNotJSONIsRefused(t *testing.T) {
	type withChannel struct{ C chan int }
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		g, err := flowgraph.NewGraph[withChannel]().
			AddNode("a", func(_ flowgraph.Context, s withChannel) (withChannel, error) {
				s.C = make(chan int)
				return s, nil
			}).
			AddEdge("a", flowgraph.END).SetEntry("a").Compile()
		require.NoError(t, err)
		fg := flowgraphstore.New(s)
		_, err = g.Run(newContext(), withChannel{}, flowgraph.WithCheckpointing(fg), flowgraph.WithRunID("run"))
		var failed *flowgraph.CheckpointError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "serialize", failed.Op)
		require.Empty(t, nodes(t, fg, "run"))
	})
}

func TestRunOnAClosedStore(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		g, fg := graph(t, nil, letters, nil), flowgraphstore.New(s)
		require.NoError(t, fg.Close())
		_, err := run(g, fg, "run")
		var failed *flowgraph.CheckpointError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "save", failed.Op)
		require.ErrorIs(t, err, fgcheckpoint.ErrStoreClosed)
		_, err = g.Resume(newContext(), fg, "run")
		require.ErrorIs(t, err, fgcheckpoint.ErrStoreClosed)
		_, err = g.ResumeFrom(newContext(), fg, "run", "a")
		require.ErrorIs(t, err, fgcheckpoint.ErrStoreClosed)
	})
}
