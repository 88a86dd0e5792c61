package flowgraphstore_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// reviewed makes a graph that drafts, reviews and fixes until a review is content,
// and then ships. Its reviews are counted in the path.
func reviewed(t *testing.T, contentAfter int) *flowgraph.CompiledGraph[state] {
	return graph(t, nil, "draft>review review> fix>review ship>END", map[string]flowgraph.RouterFunc[state]{
		"review": func(_ flowgraph.Context, s state) string {
			if strings.Count(s.String(), "review") < contentAfter {
				return "fix"
			}
			return "ship"
		},
	})
}

const reviewedThreeTimes = "draft<0 review<1 fix<2 review<3 fix<4 review<5 ship<6"

func TestGoingBackToAVisit(t *testing.T) {
	twice := flowgraph.WithStateOverride(func(s any) any {
		return state{Path: append(slices.Clone(s.(state).Path), "hint")}
	})
	for name, resume := range map[string]func(*flowgraph.CompiledGraph[state], *flowgraphstore.Store) (state, error){
		"Resume at": func(g *flowgraph.CompiledGraph[state], fg *flowgraphstore.Store) (state, error) {
			return g.Resume(newContext(), fg.At(2), "run", twice)
		},
		"ResumeFrom at": func(g *flowgraph.CompiledGraph[state], fg *flowgraphstore.Store) (state, error) {
			return g.ResumeFrom(newContext(), fg.At(2), "run", "review", twice)
		},
		"ResumeFrom the visit": func(g *flowgraph.CompiledGraph[state], fg *flowgraphstore.Store) (state, error) {
			return g.ResumeFrom(newContext(), fg, "run", "review#1", twice)
		},
		"ResumeFrom the visit at a later event": func(g *flowgraph.CompiledGraph[state], fg *flowgraphstore.Store) (state, error) {
			return g.ResumeFrom(newContext(), fg.At(6), "run", "review#1", twice)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				fg := flowgraphstore.New(s)
				_, err := run(reviewed(t, 3), fg, "run")
				require.NoError(t, err)
				require.Equal(t, reviewedThreeTimes, tree(t, s, "run"))

				got, err := resume(reviewed(t, 2), fg)
				require.NoError(t, err)
				const other = "draft review hint fix review ship"
				require.Equal(t, other, got.String())
				require.Equal(t, reviewedThreeTimes+" fix<2 review<8 ship<9", tree(t, s, "run"))

				// Both lines are there to be read and gone on with.
				require.Equal(t, "draft review fix review fix review ship", path(t, s, "run", 7))
				require.Equal(t, other, path(t, s, "run", 10))
				require.Equal(t, []int{1, 5, 6, 7}, seqs(t, fg.At(7)))
				require.Equal(t, []int{1, 8, 9, 10}, seqs(t, fg.At(10)))
				require.Equal(t, []int{1, 8, 9, 10}, seqs(t, fg))
				require.Equal(t, load(t, fg.At(10), "run", "review"), load(t, fg, "run", "review#4"))
				require.Equal(t, load(t, fg.At(7), "run", "review"), load(t, fg, "run", "review#3"))
			})
		})
	}
}

func TestGoingBackOnABranch(t *testing.T) {
	play{do: func(p *player) {
		p.run("")
		p.fg = p.fg.At(2)
		p.resume("d") // c, as 5
		p.fg = p.fg.At(5)
		p.resume("") // d, as 6
		p.fg = p.fg.At(5)
		p.resume("") // d, as 7
		p.fg = p.fg.At(3)
		p.resume("") // d, as 8, on the first line
		p.fg = p.fg.At(6)
		p.from("a", "c") // b, as 9
		p.resume("")
	}, want: "a<0 b<1 c<2 d<3 c<2 d<5 d<5 d<3 b<1 c<9 d<10"}.on(t, letters)
}

func TestGoingBackTwiceInOneView(t *testing.T) {
	play{do: func(p *player) {
		p.run("")
		p.fg = p.fg.At(3)
		p.from("b", "d") // c, as 5: where the view is now
		p.resume("")     // d, as 6
		p.from("b", "d") // c, as 7
		p.from("c", "")  // d, as 8
		_, err := p.fg.Load("run", "c#1")
		require.ErrorIs(p.t, err, checkpoint.ErrNotFound, "it is on another line")
		p.from("c#3", "")
	}, want: "a<0 b<1 c<2 d<3 c<2 d<5 c<2 d<7 d<7"}.on(t, letters)
}

func TestPlainStoreAfterAView(t *testing.T) {
	play{do: func(p *player) {
		plain := p.fg
		p.run("d")
		p.fg = plain.At(1)
		p.resume("c") // b, as 4
		p.fg = plain
		p.resume("d") // goes on with the newest, which is the view's
		p.from("c#1", "")
	}, want: "a<0 b<1 c<2 b<1 c<4 d<3"}.on(t, letters)
}

func TestNodeThatIsNamedLikeAVisit(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		g := graph(t, nil, "review>review#2 review#2>c c>END", nil)
		for range 2 {
			_, err := run(g, fg, "run")
			require.NoError(t, err)
		}
		require.Equal(t, "review<0 review#2<1 c<2 review<0 review#2<4 c<5", tree(t, s, "run"))
		for _, from := range []*flowgraphstore.Store{fg, fg.At(6)} {
			got, err := g.ResumeFrom(newContext(), from, "run", "review#2", flowgraph.WithReplayNode())
			require.NoError(t, err)
			require.Equal(t, "review review#2 review#2 c", got.String())
		}
		require.Equal(t, "review<0 review#2<1 c<2 review<0 review#2<4 c<5 review#2<5 c<7 review#2<5 c<9", tree(t, s, "run"))
		// The visits of both nodes can still be had.
		require.Contains(t, load(t, fg, "run", "review#1"), `"sequence":1`)
		require.Contains(t, load(t, fg, "run", "review#2#1"), `"sequence":2`)
	})
}

func TestRunInAViewIsANewBeginning(t *testing.T) {
	play{do: func(p *player) {
		p.run("")
		p.fg = p.fg.At(2)
		p.run("c")
		p.resume("")
	}, want: "a<0 b<1 c<2 d<3 a<0 b<5 c<6 d<7"}.on(t, letters)
}
