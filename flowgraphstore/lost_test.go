package flowgraphstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// lossy is a store that fails to save some nodes.
type lossy struct {
	flowgraphstore.Events
	nodes []string
}

var errLost = errors.New("lost on purpose")

func (l *lossy) Append(ctx context.Context, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) (checkpoint.Saved, error) {
	if slices.Contains(l.nodes, c.NodeID) {
		return checkpoint.Saved{}, errLost
	}
	return l.Events.Append(ctx, c, opts...)
}

// Where checkpoint failures are not fatal, flowgraph goes on, and counts its
// sequence on.
func TestLostSaves(t *testing.T) {
	const first = "a<0 b<1 c<2 d<3 "
	for lost, want := range map[string]string{
		"a":     "b<0 c<5 d<6 d<6",
		"b":     "a<0 c<5 d<6 d<6",
		"c":     "a<0 b<5 d<6 d<3",
		"b c":   "a<0 d<5 d<3",
		"a b c": "d<0 d<3",
	} {
		t.Run(lost, func(t *testing.T) {
			play{do: func(p *player) {
				lossy := &lossy{Events: p.store}
				p.fg = flowgraphstore.New(lossy)
				p.run("")
				lossy.nodes = strings.Fields(lost)
				p.run("", flowgraph.WithCheckpointFailureFatal(false))
				lossy.nodes = nil
				if _, err := p.fg.Load("run", "c"); err != nil { // the first line's is not this one's
					require.ErrorIs(p.t, err, checkpoint.ErrNotFound)
					require.Contains(p.t, lost, "c")
					p.from("c#1", "")
					return
				}
				p.from("c", "")
			}, want: first + want}.on(t, letters)
		})
	}
}

// What can't be written as JSON gets no sequence, and the next checkpoint names a
// node before it that was never saved.
func TestStatesThatCanNotBeSaved(t *testing.T) {
	for odd, want := range map[string]string{"a": "b<0 c<1 d<2", "b": "a<0 c<1 d<2", "b c": "a<0 d<1"} {
		t.Run(odd, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				d := does{}
				for _, node := range []string{"a", "b", "c", "d"} {
					d[node] = func(_ flowgraph.Context, s *state) error {
						s.Odd = nil
						if strings.Contains(odd, node) {
							s.Odd = make(chan int)
						}
						return nil
					}
				}
				g, fg := graph(t, d, letters, nil), flowgraphstore.New(s)
				_, err := run(g, fg, "run", flowgraph.WithCheckpointFailureFatal(false))
				require.NoError(t, err)
				require.Equal(t, want, tree(t, s, "run"))
			})
		})
	}
}

func TestFailedSaveEndsTheRun(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p, lossy := newPlayer(t, s, letters), &lossy{Events: s, nodes: []string{"c"}}
		p.fg = flowgraphstore.New(lossy)
		for _, try := range []func() (string, error){
			func() (string, error) { return run(p.graph, p.fg, "run") },
			func() (string, error) { _, err := p.graph.Resume(newContext(), p.fg, "run"); return "", err },
			func() (string, error) {
				_, err := p.graph.Resume(newContext(), p.fg.At(2), "run")
				return "", err
			},
		} {
			_, err := try()
			var failed *flowgraph.CheckpointError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, []string{"c", "save"}, []string{failed.NodeID, failed.Op})
			require.ErrorIs(t, err, errLost)
			require.Equal(t, "a<0 b<1", tree(t, s, "run"))
		}
		lossy.nodes = nil
		p.resume("")
		require.Equal(t, "a<0 b<1 c<2 d<3", tree(t, s, "run"))
	})
}
