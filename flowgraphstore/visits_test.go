package flowgraphstore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/flowgraphstore"
	"github.com/flowlog/checkpoint/memory"
)

// A node of the name "review#2" goes before the second visit of review, also where it has no
// checkpoint to be taken: a resume that means the node must not get the visit.
func TestLiteralNameGoesBeforeAVisit(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		g := graph(t, nil, "draft>review review>review#2 review#2>c c>END", nil)
		fg := flowgraphstore.New(s)
		for range 2 {
			_, err := run(g, fg, "run")
			require.NoError(t, err)
		}
		const twice = "draft<0 review<1 review#2<2 c<3 draft<0 review<5 review#2<6 c<7"
		require.Equal(t, twice, tree(t, s, "run"))
		require.Equal(t, []int{5, 6, 7, 8}, seqs(t, fg))
		require.Equal(t, "draft review review#2", path(t, s, "run", 7))
		require.Equal(t, load(t, fg.At(7), "run", "review#2"), load(t, fg, "run", "review#2"))
		require.Contains(t, load(t, fg, "run", "review#1"), `"sequence":2`)

		got, err := g.ResumeFrom(newContext(), fg, "run", "review#2")
		require.NoError(t, err)
		require.Equal(t, "draft review review#2 c", got.String())
		require.Equal(t, twice+" c<7", tree(t, s, "run"))

		// Before it ran there is none on the line, though other lines have one, and the
		// second visit of review is on the line.
		for _, fg := range []*flowgraphstore.Store{fg.At(6), flowgraphstore.New(s).At(6)} {
			_, err = fg.Load("run", "review#2")
			require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
			_, err = g.ResumeFrom(newContext(), fg, "run", "review#2")
			require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints)
		}
		require.Contains(t, load(t, fg.At(6), "run", "review"), `"sequence":2`)

		// Nor once it is deleted.
		require.NoError(t, fg.Delete("run", "review#2"))
		_, err = g.ResumeFrom(newContext(), fg, "run", "review#2")
		require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints)
		require.Equal(t, []int{5, 6, 9}, seqs(t, fg))
	})
}

// A node of many visits, over several blocks of the index and segments, is deleted.
func TestDeleteANodeOfManyVisits(t *testing.T) {
	const events = 700
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", sealed), func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				runLaps(t, s, "run", events)
				fg := flowgraphstore.New(s)
				require.Equal(t, []int{696, 697, 698, 699, 700}, seqs(t, fg))
				if sealed {
					seal(t, other)
				}
				require.NoError(t, fg.Delete("run", "test")) // the newest, and each fifth
				for _, fg := range []*flowgraphstore.Store{fg, flowgraphstore.New(other)} {
					require.Equal(t, []int{696, 697, 698, 699}, seqs(t, fg))
					for _, node := range []string{"test", "test#1", "test#64", "test#140"} {
						_, err := fg.Load("run", node)
						require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, node)
						require.ErrorIs(t, err, checkpoint.ErrPruned, node)
					}
					_, err := fg.Load("run", "test#141")
					require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
					require.Contains(t, load(t, fg, "run", "fix"), `"text":"fix 699"`)
					require.Contains(t, load(t, fg, "run", "fix#70"), `"text":"fix 349"`)
				}
				require.Equal(t, []int{346, 347, 348, 349}, seqs(t, fg.At(349)))
				require.ErrorIs(t, onlyErr(fg.At(350).List("run")), checkpoint.ErrPruned)

				// It goes on with what is left, and runs the node anew.
				_, err := laps(t, 702).Resume(newContext(), flowgraphstore.New(other), "run")
				require.ErrorIs(t, err, errStop)
				require.Equal(t, []int{697, 698, 699, 701, 702}, seqs(t, fg))
				require.Contains(t, load(t, fg, "run", "test"), `"text":"test 700"`)
				require.Equal(t, load(t, fg, "run", "test#141"), load(t, fg, "run", "test"))
				c, err := s.LoadSeq(t.Context(), "run", 701)
				require.NoError(t, err)
				require.EqualValues(t, 699, c.Parent)

				// And once more, with what came since.
				require.NoError(t, fg.Delete("run", "test"))
				require.NoError(t, fg.Delete("run", "plan"))
				require.Equal(t, []int{697, 698, 699}, seqs(t, flowgraphstore.New(other)))
				report, err := s.Verify(t.Context(), "run")
				require.NoError(t, err)
				require.True(t, report.Intact(), report)
			})
		})
	}
}

func onlyErr[T any](_ T, err error) error { return err }

// A run whose newest event is damaged is not taken for one that has no checkpoints: an
// engine would begin it anew. 64 events are a full block of the index of visits, so that
// nothing else reads the newest.
func TestDamagedNewestIsAnError(t *testing.T) {
	t.Parallel()
	for _, events := range []int{1, 63, 64, 65, 128} {
		t.Run(fmt.Sprint(events), func(t *testing.T) {
			t.Parallel()
			backend := memory.New()
			runLaps(t, storeOn(t, backend), "run", events)
			fg := flowgraphstore.New(storeOn(t, &damaged{backend, uint64(events)}))
			require.ErrorIs(t, onlyErr(fg.List("run")), checkpoint.ErrCorrupt)
			require.ErrorIs(t, onlyErr(fg.Load("run", "plan")), checkpoint.ErrCorrupt)
			_, err := laps(t, 1000).Resume(newContext(), fg, "run")
			require.ErrorIs(t, err, checkpoint.ErrCorrupt)
			if events > 1 { // going back is a way out
				require.NoError(t, onlyErr(fg.At(1).List("run")))
			}
		})
	}
}

// damaged is a backend of which one record's header is damaged.
type damaged struct {
	driver.Backend
	seq uint64
}

func (d *damaged) damage(r *driver.Record) {
	if r != nil && r.Seq == d.seq {
		r.Header[len(r.Header)/2] ^= 1
	}
}

func (d *damaged) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	h, err := d.Backend.Head(ctx, req)
	d.damage(h.Last)
	d.damage(h.Tip)
	return h, err
}

func (d *damaged) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	recs, err := d.Backend.Records(ctx, req)
	for i := range recs {
		d.damage(&recs[i])
	}
	return recs, err
}
