package flowgraphstore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/flowgraphstore"
	"github.com/flowlog/checkpoint/memory"
)

// cost is what was asked of a backend, and what it returned.
type cost struct{ calls, items, bytes int64 }

// counting is a backend that counts what it is asked for.
type counting struct {
	driver.Backend
	calls, items, bytes atomic.Int64
}

// of returns what f costs.
func (c *counting) of(f func()) cost {
	calls, items, bytes := c.calls.Load(), c.items.Load(), c.bytes.Load()
	f()
	return cost{c.calls.Load() - calls, c.items.Load() - items, c.bytes.Load() - bytes}
}

func (c *counting) count(items int) { c.calls.Add(1); c.items.Add(int64(items)) }

func (c *counting) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	c.count(1)
	return c.Backend.Head(ctx, req)
}

func (c *counting) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	heads, err := c.Backend.Heads(ctx, req)
	c.count(len(heads))
	return heads, err
}

func (c *counting) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	recs, err := c.Backend.Records(ctx, req)
	c.count(len(recs))
	for _, r := range recs {
		c.bytes.Add(int64(len(r.Header) + len(r.State)))
	}
	return recs, err
}

func (c *counting) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	segs, err := c.Backend.Segments(ctx, req)
	c.count(len(segs))
	return segs, err
}

func (c *counting) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	c.count(1)
	seg, err := c.Backend.Segment(ctx, req)
	c.bytes.Add(int64(len(seg.Index) + len(seg.Data)))
	return seg, err
}

func (c *counting) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	entries, err := c.Backend.Entries(ctx, req)
	c.count(len(entries))
	for _, e := range entries {
		c.bytes.Add(int64(len(e.Key) + len(e.Value)))
	}
	return entries, err
}

func (c *counting) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	c.count(len(req.Changes))
	return c.Backend.Apply(ctx, req)
}

// lap is the state of a loop of five nodes.
type lap struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

var lapNodes = []string{"plan", "write", "review", "fix", "test"}

// laps makes a loop of five nodes that stops before an event.
func laps(t testing.TB, stop int) *flowgraph.CompiledGraph[lap] {
	t.Helper()
	g := flowgraph.NewGraph[lap]().SetEntry(lapNodes[0])
	for i, node := range lapNodes {
		g.AddNode(node, func(_ flowgraph.Context, s lap) (lap, error) {
			if s.N++; s.N == stop {
				return s, errStop
			}
			s.Text = fmt.Sprintf("%s %d", node, s.N)
			return s, nil
		})
		g.AddConditionalEdge(node, func(flowgraph.Context, lap) string { return lapNodes[(i+1)%len(lapNodes)] })
	}
	compiled, err := g.Compile()
	require.NoError(t, err)
	return compiled
}

// runLaps fills a run with events.
func runLaps(t testing.TB, s *checkpoint.EventStore, runID string, events int) {
	t.Helper()
	_, err := laps(t, events+1).Run(newContext(), lap{}, flowgraph.WithCheckpointing(flowgraphstore.New(s)),
		flowgraph.WithRunID(runID), flowgraph.WithMaxIterations(events+1))
	require.ErrorIs(t, err, errStop)
}

// resumptions are what an engine can go on from: an event, and how it gets there.
var resumptions = []struct {
	name string
	from func(ctx context.Context, s *checkpoint.EventStore, runID string, last uint64) (*checkpoint.Checkpoint, error)
	do   func(g *flowgraph.CompiledGraph[lap], fg *flowgraphstore.Store, runID string, from uint64) error
}{
	{"Resume", func(ctx context.Context, s *checkpoint.EventStore, runID string, last uint64) (*checkpoint.Checkpoint, error) {
		return s.Load(ctx, runID)
	}, func(g *flowgraph.CompiledGraph[lap], fg *flowgraphstore.Store, runID string, from uint64) error {
		_, err := g.Resume(newContext(), fg, runID)
		return err
	}},
	{"ResumeFrom a node", func(ctx context.Context, s *checkpoint.EventStore, runID string, last uint64) (*checkpoint.Checkpoint, error) {
		return s.LoadNode(ctx, runID, "write")
	}, func(g *flowgraph.CompiledGraph[lap], fg *flowgraphstore.Store, runID string, from uint64) error {
		_, err := g.ResumeFrom(newContext(), fg, runID, "write")
		return err
	}},
	{"ResumeFrom a visit", func(ctx context.Context, s *checkpoint.EventStore, runID string, last uint64) (*checkpoint.Checkpoint, error) {
		return s.LoadVisit(ctx, runID, "review", int(last/10))
	}, func(g *flowgraph.CompiledGraph[lap], fg *flowgraphstore.Store, runID string, from uint64) error {
		_, err := g.ResumeFrom(newContext(), fg, runID, fmt.Sprint("review#", from/5+1))
		return err
	}},
	{"Resume in a view", func(ctx context.Context, s *checkpoint.EventStore, runID string, last uint64) (*checkpoint.Checkpoint, error) {
		return s.LoadSeq(ctx, runID, last/2)
	}, func(g *flowgraph.CompiledGraph[lap], fg *flowgraphstore.Store, runID string, from uint64) error {
		_, err := g.Resume(newContext(), fg.At(from), runID)
		return err
	}},
}

// Resuming a run of 50,000 events costs what resuming one of 1,000 does, sealed or not, in a
// store that knows the run and in one that was just opened. Halving a node's visits, for one
// in the middle, may take as many reads more as their number has digits.
func TestResumeCostsTheSameInALongRun(t *testing.T) {
	t.Parallel()
	events := map[string]int{"short": 1_000, "long": 50_000}
	if testing.Short() {
		events["long"] = 8_000
	}
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", sealed), func(t *testing.T) {
			t.Parallel()
			backend := &counting{Backend: memory.New()}
			s := storeOn(t, backend)
			for runID, n := range events {
				runLaps(t, s, runID, n)
			}
			if sealed {
				seal(t, s)
			}
			for _, r := range resumptions {
				for _, s := range []*checkpoint.EventStore{storeOn(t, backend), s} { // just opened, and not
					costs := map[string]cost{}
					for runID, last := range events {
						from, err := r.from(t.Context(), storeOn(t, backend), runID, uint64(last))
						require.NoError(t, err)
						var at lap
						require.NoError(t, from.Decode(&at))
						g := laps(t, at.N+4) // goes on for three nodes
						costs[runID] = backend.of(func() { err = r.do(g, flowgraphstore.New(s), runID, from.Seq) })
						require.ErrorIs(t, err, errStop)
						newest, err := s.Load(t.Context(), runID)
						require.NoError(t, err)
						require.NoError(t, newest.Decode(&at))
						require.Contains(t, at.Text, fmt.Sprint(at.N))
					}
					long, short := costs["long"], costs["short"]
					require.LessOrEqual(t, long.calls, short.calls*3/2+10, "%s %v", r.name, costs)
					require.LessOrEqual(t, long.items, short.items*3/2+100, "%s %v", r.name, costs)
					require.LessOrEqual(t, long.bytes, short.bytes*2+64<<10, "%s %v", r.name, costs)
				}
			}
		})
	}
}

// A resume costs the same behind 10,000 failures, and from then on each save.
func TestResumeBehindFailures(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", sealed), func(t *testing.T) {
			t.Parallel()
			backend := &counting{Backend: memory.New()}
			s := storeOn(t, backend)
			costs := map[int]cost{}
			for _, failures := range []int{64, 10_000} {
				require.NoError(t, s.Delete(t.Context(), "run"))
				runLaps(t, s, "run", 12)
				for i := range failures {
					_, err := s.Append(t.Context(), &checkpoint.Checkpoint{
						RunID: "run", NodeID: lapNodes[i%5], Role: checkpoint.RoleFailure, Kind: checkpoint.KindNone,
						Failure: &checkpoint.Failure{Text: "stopped"},
					})
					require.NoError(t, err)
				}
				if sealed {
					seal(t, s)
				}
				fresh := storeOn(t, backend)
				costs[failures] = backend.of(func() {
					_, err := laps(t, 16).Resume(newContext(), flowgraphstore.New(fresh), "run")
					require.ErrorIs(t, err, errStop)
				})
				newest, err := fresh.Load(t.Context(), "run")
				require.NoError(t, err)
				require.JSONEq(t, `{"n":15,"text":"test 15"}`, string(newest.State))
				require.EqualValues(t, 12+failures+3, newest.Seq)
				require.Equal(t, []int{12 - 1, 12, 12 + failures + 1, 12 + failures + 2, 12 + failures + 3}, listed(t, fresh, "run"))
			}
			few, many := costs[64], costs[10_000]
			require.LessOrEqual(t, many.calls, few.calls+8, costs)
			require.LessOrEqual(t, many.items, few.items+100, costs)
			require.LessOrEqual(t, many.bytes, few.bytes*2+64<<10, costs)
		})
	}
}

// listed returns the seqs that List of a new Store gives.
func listed(t *testing.T, s *checkpoint.EventStore, runID string) []int {
	t.Helper()
	infos, err := flowgraphstore.New(s).List(runID)
	require.NoError(t, err)
	var seqs []int
	for _, info := range infos {
		seqs = append(seqs, info.Sequence)
	}
	return seqs
}
