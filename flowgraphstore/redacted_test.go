package flowgraphstore_test

import (
	"slices"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// A run of a to e went back to b, and its process died in d of the other line:
//
//	a1 b2 c3 d4 e5
//	   +-- c6
//
// Then states are dropped. A resume takes what is left of the line that the run was on, and
// never the other, however complete that is.

const fiveLetters = "a>b b>c c>d d>e e>END"

// wentBack makes that run, stopped in the given node of the second line.
func wentBack(t *testing.T, s *checkpoint.EventStore, stop string) {
	t.Helper()
	fg := flowgraphstore.New(s)
	_, err := run(graph(t, nil, fiveLetters, nil), fg, "run")
	require.NoError(t, err)
	g := graph(t, does{stop: func(flowgraph.Context, *state) error { return errStop }}, fiveLetters, nil)
	_, err = g.Resume(newContext(), fg.At(2), "run", flowgraph.WithStateOverride(func(s any) any {
		return state{Path: append(slices.Clone(s.(state).Path), "other")}
	}))
	if stop != "" {
		require.ErrorIs(t, err, errStop)
	}
}

// drops are the ways in which states go.
var drops = map[string]func(t *testing.T, s *checkpoint.EventStore, seqs []uint64){
	"redacted": func(t *testing.T, s *checkpoint.EventStore, seqs []uint64) {
		n, err := s.Redact(t.Context(), "run", seqs, "an API key")
		require.NoError(t, err)
		require.Equal(t, len(seqs), n)
	},
	"pruned": func(t *testing.T, s *checkpoint.EventStore, seqs []uint64) {
		n, err := s.Prune(t.Context(), "run", seqs, "by hand")
		require.NoError(t, err)
		require.Equal(t, len(seqs), n)
	},
	"sealed and redacted": func(t *testing.T, s *checkpoint.EventStore, seqs []uint64) {
		seal(t, s)
		_, err := s.Redact(t.Context(), "run", seqs, "an API key")
		require.NoError(t, err)
	},
	"pruned one by one and sealed": func(t *testing.T, s *checkpoint.EventStore, seqs []uint64) {
		for _, seq := range seqs {
			_, err := s.Prune(t.Context(), "run", []uint64{seq}, "by hand")
			require.NoError(t, err)
		}
		seal(t, s)
	},
}

func seal(t *testing.T, s *checkpoint.EventStore) {
	t.Helper()
	_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
	require.NoError(t, err)
}

func TestDroppedStatesAreNotRecoveredFromAnotherLine(t *testing.T) {
	for _, tc := range []struct {
		name string
		stop string   // of the second line
		drop []uint64 // events
		list []int    // what is left to resume from
		path string   // of the state that a resume ends with
		tree string   // the new events
	}{
		{"the newest", "d", []uint64{6}, []int{1, 2}, "a b c d e", " c<2 d<7 e<8"},
		{"the newest two", "d", []uint64{2, 6}, []int{1}, "a b c d e", " b<1 c<7 d<8 e<9"},
		{"the newest of several", "e", []uint64{7}, []int{1, 2, 6}, "a b other c d e", " d<6 e<8"},
		{"several of several", "e", []uint64{6, 7}, []int{1, 2}, "a b c d e", " c<2 d<8 e<9"},
		{"one in the middle", "e", []uint64{6}, []int{1, 2, 7}, "a b other c d e", " e<7"},
		{"the end", "", []uint64{8}, []int{1, 2, 6, 7}, "a b other c d e", " e<7"},
		{"before the end", "", []uint64{2, 6, 7}, []int{1, 8}, "a b other c d e", ""},
		{"all of the second line's own", "", []uint64{6, 7, 8}, []int{1, 2}, "a b c d e", " c<2 d<9 e<10"},
		{"the other line", "d", []uint64{3, 4, 5}, []int{1, 2, 6}, "a b other c d e", " d<6 e<7"},
	} {
		for how, drop := range drops {
			t.Run(tc.name+"/"+how, func(t *testing.T) {
				eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
					wentBack(t, s, tc.stop)
					drop(t, other, tc.drop)
					was := tree(t, s, "run")
					fg := flowgraphstore.New(s)
					require.Equal(t, tc.list, seqs(t, fg))
					newest, err := s.Load(t.Context(), "run")
					require.NoError(t, err)
					require.EqualValues(t, tc.list[len(tc.list)-1], newest.Seq, "Load takes the one that Resume takes")

					got, err := graph(t, nil, fiveLetters, nil).Resume(newContext(), fg, "run")
					require.NoError(t, err)
					require.Equal(t, tc.path, got.String())
					require.Equal(t, was+tc.tree, tree(t, s, "run"))
				})
			})
		}
	}
}

func TestNothingIsLeftOfTheLine(t *testing.T) {
	for how, drop := range drops {
		t.Run(how, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				wentBack(t, s, "d")
				drop(t, other, []uint64{1, 2, 6})
				fg, g := flowgraphstore.New(s), graph(t, nil, fiveLetters, nil)
				_, err := g.Resume(newContext(), fg, "run")
				require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints)
				_, err = s.Load(t.Context(), "run")
				require.ErrorIs(t, err, checkpoint.ErrPruned)
				// The other line is there for those who ask for it.
				got, err := g.Resume(newContext(), fg.At(4), "run")
				require.NoError(t, err)
				require.Equal(t, "a b c d e", got.String())
				require.Equal(t, "a<0! b<1! c<2 d<3 e<4 c<2! e<4", tree(t, s, "run"))
			})
		})
	}
}

// What a node's name finds is on the same line.
func TestResumeFromANodeWhoseStateIsDropped(t *testing.T) {
	for how, drop := range drops {
		t.Run(how, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				wentBack(t, s, "d")
				drop(t, other, []uint64{6})
				fg, g := flowgraphstore.New(s), graph(t, nil, fiveLetters, nil)
				for _, node := range []string{"c", "d", "e", "c#2"} {
					_, err := fg.Load("run", node)
					require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, node)
					_, err = g.ResumeFrom(newContext(), fg, "run", node)
					require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints, node)
				}
				_, err := fg.Load("run", "c#2")
				require.ErrorIs(t, err, checkpoint.ErrPruned)
				got, err := g.ResumeFrom(newContext(), fg, "run", "b")
				require.NoError(t, err)
				require.Equal(t, "a b c d e", got.String())
				require.Equal(t, "a<0 b<1 c<2 d<3 e<4 c<2! c<2 d<7 e<8", tree(t, s, "run"))
			})
		})
	}
}

// A view that was used before keeps its line; one that is made later says what happened.
func TestViewWhoseEventIsDropped(t *testing.T) {
	for how, drop := range drops {
		t.Run(how, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				wentBack(t, s, "d")
				fg, g := flowgraphstore.New(s), graph(t, nil, fiveLetters, nil)
				view := fg.At(6)
				require.Equal(t, []int{1, 2, 6}, seqs(t, view))
				drop(t, other, []uint64{6})
				require.Equal(t, []int{1, 2}, seqs(t, view))
				_, err := g.Resume(newContext(), fg.At(6), "run")
				require.ErrorIs(t, err, checkpoint.ErrPruned)
				got, err := g.Resume(newContext(), view, "run")
				require.NoError(t, err)
				require.Equal(t, "a b c d e", got.String())
				require.Equal(t, "a<0 b<1 c<2 d<3 e<4 c<2! c<2 d<7 e<8", tree(t, s, "run"))
			})
		})
	}
}

// An engine that is on its way when its own last state is dropped goes on from there.
func TestEngineWhoseLastStateIsDropped(t *testing.T) {
	for how, drop := range drops {
		t.Run(how, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				wentBack(t, s, "d")
				g := graph(t, does{"e": func(flowgraph.Context, *state) error {
					drop(t, other, []uint64{6, 7})
					return nil
				}}, fiveLetters, nil)
				got, err := g.Resume(newContext(), flowgraphstore.New(s), "run")
				require.NoError(t, err)
				require.Equal(t, "a b other c d e", got.String())
				require.Equal(t, "a<0 b<1 c<2 d<3 e<4 c<2! d<6! e<7", tree(t, s, "run"))
				require.Equal(t, []int{1, 2, 8}, seqs(t, flowgraphstore.New(other)))
			})
		})
	}
}

// A save that doesn't say what it continues from stays on the line, too.
func TestSaveAfterTheNewestIsDropped(t *testing.T) {
	for how, drop := range drops {
		t.Run(how, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				wentBack(t, s, "d")
				drop(t, other, []uint64{6})
				fg := flowgraphstore.New(s)
				save(t, fg, "note", "1") // bytes of another kind
				require.Equal(t, []int{1, 2, 7}, seqs(t, fg))
				save(t, flowgraphstore.New(s), "c", envelope(`{"path":["a","b","c"]}`)) // of sequence 3, without a load
				require.Equal(t, []int{1, 2, 8}, seqs(t, fg))
				require.Equal(t, "a<0 b<1 c<2 d<3 e<4 c<2! note<6 c<2", tree(t, s, "run"))
			})
		})
	}
}
