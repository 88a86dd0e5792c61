package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// loopNodes is how many nodes the loop has.
const loopNodes = 5

func loopNode(i int) string { return fmt.Sprint("node-", i%loopNodes) }

// loopState is what the nodes of the loop work on: some 300 bytes.
type loopState struct {
	Step int    `json:"step"`
	Note string `json:"note"`
}

// loopStore is a store with one run, a loop as flowgraph's engine would have saved it.
type loopStore struct {
	driver driver
	path   string
	events int
}

// build makes the store. Many goroutines append to the run, so that they share commits:
// which of some neighbours comes first is left to chance.
func (s loopStore) build() error {
	const writers = 64
	start := time.Now()
	store, err := s.driver.open(s.path, fast(), checkpoint.WithoutCompaction())
	if err != nil {
		return err
	}
	defer store.Close()
	notes := smallStates(1000)
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for i := g; i < s.events && errs[g] == nil; i += writers {
				errs[g] = saveLoop(store, i, notes[i%len(notes)])
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	progress("%s: saved %s events in %v", s.driver.name, comma(int64(s.events)), time.Since(start).Round(time.Second/10))
	return store.Close()
}

// saveLoop saves the ith step as flowgraphstore does. A Store of that has a run go on from
// the event that it saved last, and so one after the other.
func saveLoop(store *checkpoint.EventStore, i int, note []byte) error {
	state, err := json.Marshal(loopState{i, string(note[:min(len(note), 250)])})
	if err != nil {
		return err
	}
	cp := fgcheckpoint.New("run", loopNode(i), i+1, state, loopNode(i+1))
	if i > 0 {
		cp = cp.WithPrevNode(loopNode(i - 1 + loopNodes))
	}
	data, err := cp.Marshal()
	if err != nil {
		return err
	}
	prefix, suffix, ok := bytes.Cut(data, state)
	if !ok {
		return errors.New("flowgraph's envelope does not have the state in it")
	}
	return store.Save(context.Background(), &checkpoint.Checkpoint{
		RunID: "run", NodeID: loopNode(i), NextNode: loopNode(i + 1), PrevNodeID: cp.PrevNodeID, Attempt: cp.Attempt, CreatedAt: cp.Timestamp, State: state,
		Metadata: checkpoint.Metadata{Version: cp.Version},
		Envelope: &checkpoint.Envelope{Prefix: string(prefix), Suffix: string(suffix)},
	})
}

// seal seals the run whole.
func (s loopStore) seal() error {
	start := time.Now()
	store, err := s.driver.open(s.path, fast(), checkpoint.WithoutCompaction())
	if err != nil {
		return err
	}
	if err := compactAndClose(store); err != nil {
		return err
	}
	progress("%s: sealed %s events in %v", s.driver.name, comma(int64(s.events)), time.Since(start).Round(time.Second/10))
	return nil
}

// openLoop is an open loopStore.
type openLoop struct {
	loopStore
	store  *checkpoint.EventStore
	engine *flowgraphstore.Store
	graph  *flowgraph.CompiledGraph[loopState]
	ctx    flowgraph.Context
}

// errStop ends a resumed run before its first node has done anything.
var errStop = errors.New("stop")

func (s loopStore) open(opts ...checkpoint.Option) (*openLoop, error) {
	store, err := s.driver.open(s.path, append(opts, checkpoint.WithoutCompaction())...)
	if err != nil {
		return nil, err
	}
	stop := func(_ flowgraph.Context, s loopState) (loopState, error) { return s, errStop }
	g := flowgraph.NewGraph[loopState]()
	for i := range loopNodes {
		g = g.AddNode(loopNode(i), stop).AddConditionalEdge(loopNode(i), func(flowgraph.Context, loopState) string { return loopNode(i + 1) })
	}
	graph, err := g.SetEntry(loopNode(0)).Compile()
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	ctx := flowgraph.NewContext(context.Background(), flowgraph.WithLogger(slog.New(slog.DiscardHandler)))
	return &openLoop{s, store, flowgraphstore.New(store), graph, ctx}, nil
}

// loopOp is something that is done in a run and must not cost more in a longer one.
type loopOp struct {
	name  string
	limit float64       // of the ratio; 0 for none
	most  time.Duration // of the time in the long run; 0 for none
	// scattered says that it reads another event each time, and so what no cache has:
	// of a short run a cache has all.
	scattered bool
	do        func(o *openLoop, i int) error
}

var loopOps = []loopOp{
	{name: "flowgraph's Resume", limit: 1.5, do: func(o *openLoop, _ int) error {
		_, err := o.graph.Resume(o.ctx, o.engine, "run")
		return stopped(err)
	}},
	{name: "flowgraph's ResumeFrom", limit: 1.5, do: func(o *openLoop, _ int) error {
		_, err := o.graph.ResumeFrom(o.ctx, o.engine, "run", loopNode(3))
		return stopped(err)
	}},
	{name: `ResumeFrom("node")`, limit: 1.5, do: func(o *openLoop, _ int) error {
		_, err := checkpoint.ResumeFrom[loopState](o.ctx, o.store, "run", loopNode(3))
		return err
	}},
	{name: "Load", limit: 1.5, do: func(o *openLoop, _ int) error {
		_, err := o.store.Load(o.ctx, "run")
		return err
	}},
	{name: "LoadSeq", limit: 1.5, do: func(o *openLoop, i int) error { return o.loadSeq(o.events / 2) }},
	{name: `LoadNode("x#n")`, limit: 2, most: time.Millisecond, do: func(o *openLoop, i int) error { return o.loadVisit(o.events/loopNodes/2 + i%10) }},
	{name: "newest 50, backwards", limit: 1.5, do: func(o *openLoop, _ int) error { return o.newest(50) }},
	{name: "LoadSeq all over the run", scattered: true, do: func(o *openLoop, i int) error { return o.loadSeq(1 + i*7919%o.events) }},
	{name: `LoadNode("x#n") all over the run`, scattered: true, do: func(o *openLoop, i int) error {
		return o.loadVisit(1 + i*7919%(o.events/loopNodes))
	}},
}

// stopped returns nil for errStop, and an error for everything else.
func stopped(err error) error {
	if errors.Is(err, errStop) {
		return nil
	}
	return fmt.Errorf("the run was not resumed: %w", err)
}

func (o *openLoop) loadSeq(seq int) error {
	c, err := o.store.LoadSeq(o.ctx, "run", uint64(seq))
	if err == nil && c.Seq != uint64(seq) {
		err = fmt.Errorf("event %d instead of %d", c.Seq, seq)
	}
	return err
}

func (o *openLoop) loadVisit(n int) error {
	_, err := o.store.LoadNode(o.ctx, "run", fmt.Sprintf("%s#%d", loopNode(3), n))
	return err
}

func (o *openLoop) newest(n int) error {
	have := 0
	for _, err := range o.store.History(o.ctx, "run", checkpoint.HistoryOptions{Backward: true, Limit: n}) {
		if err != nil {
			return err
		}
		have++
	}
	if have != n {
		return fmt.Errorf("%d events instead of %d", have, n)
	}
	return nil
}

func (o *openLoop) export() error {
	m, err := o.store.Export(o.ctx, "run", io.Discard)
	if err == nil && m.Events != uint64(o.events) {
		err = fmt.Errorf("%d events instead of %d", m.Events, o.events)
	}
	return err
}
