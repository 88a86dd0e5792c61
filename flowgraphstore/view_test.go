package flowgraphstore_test

import (
	"math"
	"testing"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// branched fills a run with two lines, of which each event's bytes are its seq:
//
//	a1 b2 a3 b4
//	   +-- c5 a6
func branched(t *testing.T, s *checkpoint.EventStore) *flowgraphstore.Store {
	t.Helper()
	fg := flowgraphstore.New(s)
	save(t, fg, "a", "1")
	save(t, fg, "b", "2")
	save(t, fg, "a", "3")
	save(t, fg, "b", "4")
	view := fg.At(2)
	save(t, view, "c", "5")
	save(t, view, "a", "6")
	require.Equal(t, "a<0 b<1 a<2 b<3 c<2 a<5", tree(t, s, "run"))
	return fg
}

func save(t *testing.T, fg *flowgraphstore.Store, node, data string) {
	t.Helper()
	require.NoError(t, fg.Save("run", node, []byte(data)))
}

func TestViewShowsItsLine(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := branched(t, s)
		for _, tc := range []struct {
			at   uint64
			seqs []int
			load map[string]string // by node; an empty one is not found
		}{
			{1, []int{1}, map[string]string{"a": "1", "b": "", "a#1": "1", "a#2": ""}},
			{2, []int{1, 2}, map[string]string{"a": "1", "b": "2", "c": ""}},
			{3, []int{2, 3}, map[string]string{"a": "3", "b": "2", "a#1": "1", "a#2": "3"}},
			{4, []int{3, 4}, map[string]string{"a": "3", "b": "4", "c": ""}},
			{5, []int{1, 2, 5}, map[string]string{"a": "1", "b": "2", "c": "5", "b#2": ""}},
			{6, []int{2, 5, 6}, map[string]string{"a": "6", "b": "2", "c": "5", "a#2": "", "a#3": "6"}},
		} {
			require.Equal(t, tc.seqs, seqs(t, fg.At(tc.at)), "at %d", tc.at)
			for node, want := range tc.load {
				got, err := fg.At(tc.at).Load("run", node)
				if want == "" {
					require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, "%s at %d", node, tc.at)
					require.ErrorIs(t, err, checkpoint.ErrNotFound, "%s at %d", node, tc.at)
					continue
				}
				require.NoError(t, err, "%s at %d", node, tc.at)
				require.Equal(t, want, string(got), "%s at %d", node, tc.at)
			}
		}
		require.Equal(t, []int{2, 5, 6}, seqs(t, fg), "the line of the newest")
	})
}

func seqs(t *testing.T, fg *flowgraphstore.Store) []int {
	t.Helper()
	infos, err := fg.List("run")
	require.NoError(t, err)
	var seqs []int
	for _, info := range infos {
		seqs = append(seqs, info.Sequence)
	}
	return seqs
}

func TestViewOfAnUnknownEvent(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := branched(t, s)
		require.NoError(t, fg.Delete("run", "c"))
		for _, tc := range []struct {
			run string
			at  uint64
		}{{"run", 0}, {"run", 7}, {"run", math.MaxUint64}, {"run", 5}, {"other", 1}, {"other", 0}} {
			view := fg.At(tc.at)
			_, err := view.List(tc.run)
			require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, tc)
			require.ErrorIs(t, err, checkpoint.ErrNotFound, tc)
			_, err = view.Load(tc.run, "a")
			require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, tc)
			_, err = graph(t, nil, letters, nil).Resume(newContext(), view, tc.run)
			require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, tc)
		}
		// The deleted one says so.
		_, err := fg.At(5).List("run")
		require.ErrorIs(t, err, checkpoint.ErrPruned)
		for _, at := range []uint64{0, 7, math.MaxUint64} {
			err := fg.At(at).Save("run", "a", []byte("never"))
			require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
		}
		require.Equal(t, "a<0 b<1 a<2 b<3 c<2! a<5", tree(t, s, "run"))
	})
}

func TestViewMovesAlong(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := branched(t, s)
		view := fg.At(3)
		save(t, view, "d", "7")
		require.Equal(t, []int{2, 3, 7}, seqs(t, view))
		save(t, fg, "a", "8") // the newest is the view's
		require.Equal(t, []int{2, 7, 8}, seqs(t, fg))
		require.Equal(t, []int{2, 3, 7}, seqs(t, view))
		require.Equal(t, "3", load(t, view, "run", "a"))
		save(t, view, "a", "9")
		require.Equal(t, "9", load(t, view, "run", "a"))
		require.Equal(t, []int{2, 7, 9}, seqs(t, view))
		require.Equal(t, []int{2, 3}, seqs(t, fg.At(3)), "another view")

		again := view.At(2)
		save(t, again, "e", "10")
		require.Equal(t, []int{1, 2, 10}, seqs(t, again))
		require.Equal(t, []int{2, 7, 9}, seqs(t, view))
		require.Equal(t, "a<0 b<1 a<2 b<3 c<2 a<5 d<3 a<7 a<7 e<2", tree(t, s, "run"))
	})
}

func TestDeleteInAView(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := branched(t, s)
		view := fg.At(6)
		// A node is deleted with all its visits, those of other lines too.
		require.NoError(t, view.Delete("run", "b"))
		require.Equal(t, []int{5, 6}, seqs(t, view))
		require.Equal(t, []int{5, 6}, seqs(t, fg))
		require.Equal(t, []int{3}, seqs(t, fg.At(3)))
		save(t, view, "d", "7")
		require.NoError(t, view.Delete("run", "d"))
		require.Equal(t, []int{5, 6}, seqs(t, view))
		save(t, view, "e", "8")
		require.Equal(t, "a<0 b<1! a<2 b<3! c<2 a<5 d<6! e<7", tree(t, s, "run"))

		require.NoError(t, view.DeleteRun("run"))
		require.Empty(t, nodes(t, fg, "run"))
		_, err := view.List("run")
		require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
	})
}
