package main

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// counting counts what is read of a backend.
type counting struct {
	driver.Backend
	records, calls int // of one goroutine
}

func (c *counting) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	recs, err := c.Backend.Records(ctx, req)
	c.records += len(recs)
	c.calls++
	return recs, err
}

func (c *counting) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	c.calls++
	return c.Backend.Segment(ctx, req)
}

func (c *counting) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	c.calls++
	return c.Backend.Segments(ctx, req)
}

func (c *counting) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	c.calls++
	return c.Backend.Entries(ctx, req)
}

// loop returns a store with a run of so many events, in a loop of five nodes, of which a
// part is sealed.
func loop(t *testing.T, events int) (looker, *counting) {
	b := &counting{Backend: memory.New()}
	store, err := checkpoint.Open(b, checkpoint.WithoutCompaction())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	for i := range events {
		if i == events-100 {
			_, err := store.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
		state := fmt.Appendf(nil, `{"n":%d,"loop":%d,"last":%t}`, i, i/5, i == events-1)
		require.NoError(t, store.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: fmt.Sprint("node-", i%5), State: state}))
	}
	b.records, b.calls = 0, 0
	return looker{store: store, ctx: t.Context()}, b
}

// TestWhatIsAskedOfTheEndReadsTheEnd: what is asked about a run's end, or about one event,
// reads as much of a run of 6,000 events as of one of 1,500.
func TestWhatIsAskedOfTheEndReadsTheEnd(t *testing.T) {
	t.Parallel()
	output := formatText
	historyOf := func(c *cli, l looker, text string, change func(*historyFlags)) error {
		f := historyFlags{asked: text, output: &output}
		change(&f)
		h := &historian{cli: c, l: l, historyFlags: f}
		var err error
		if h.run, h.line, err = l.part(text); err != nil {
			return err
		}
		h.drawn = h.isWhole()
		return h.show()
	}
	last := func(f *historyFlags) { f.backward, f.limit = true, 20 }
	asked := map[string]func(c *cli, l looker, n int) error{
		"the head":                 func(c *cli, l looker, n int) error { return show(c, l, "run") },
		"a node":                   func(c *cli, l looker, n int) error { return show(c, l, "run@node-3") },
		"the nth of a node":        func(c *cli, l looker, n int) error { return show(c, l, fmt.Sprint("run@node-3#", n/5-7)) },
		"one up":                   func(c *cli, l looker, n int) error { return show(c, l, "run~1") },
		"a seq in the middle":      func(c *cli, l looker, n int) error { return show(c, l, fmt.Sprint("run@", n/2)) },
		"the newest":               func(c *cli, l looker, n int) error { return historyOf(c, l, "run", last) },
		"the newest of one's line": func(c *cli, l looker, n int) error { return historyOf(c, l, "run@head", last) },
		"the newest of a node": func(c *cli, l looker, n int) error {
			return historyOf(c, l, "run", func(f *historyFlags) { last(f); f.node = "node-1" })
		},
		"the first": func(c *cli, l looker, n int) error {
			return historyOf(c, l, "run", func(f *historyFlags) { f.limit = 20 })
		},
		"a range": func(c *cli, l looker, n int) error { return historyOf(c, l, "run~30..head", func(*historyFlags) {}) },
		"the tail": func(c *cli, l looker, n int) error {
			run, err := l.run("run")
			require.NoError(t, err)
			h := &historian{cli: c, l: l, historyFlags: historyFlags{output: &output}}
			return (&tailer{tailFlags: tailFlags{events: 10, output: &output}, l: l, run: &run, h: h}).show()
		},
		"a value": func(c *cli, l looker, n int) error {
			run, seq, err := l.event("run")
			require.NoError(t, err)
			return (&blamer{c: c, l: l, path: "last", asked: ref{run, seq}}).show(false, formatJSON)
		},
		"what came after the head": func(c *cli, l looker, n int) error {
			run, seq, err := l.event("run")
			require.NoError(t, err)
			_, err = l.after(run, seq)
			return err
		},
		"what changed": func(c *cli, l looker, n int) error {
			before, after, err := l.toCompare([]string{"run"})
			require.NoError(t, err)
			require.NotEmpty(t, compareEvents(before, after).changes())
			return nil
		},
	}
	few, many := 1500, 6000
	fewer, fewRead := loop(t, few)
	more, manyRead := loop(t, many)
	for name, ask := range asked {
		for n, l := range map[int]looker{few: fewer, many: more} {
			var out bytes.Buffer
			s, err := newScreen(nil, &out, "never")
			require.NoError(t, err)
			require.NoError(t, ask(&cli{stdout: &out, stderr: &out, out: s}, l, n), name)
		}
		require.Less(t, manyRead.records, 700, name) // a page of headers, and some states
		require.InDelta(t, fewRead.records, manyRead.records, 64, "%s: %d records of %d events, %d of %d", name, fewRead.records, few, manyRead.records, many)
		require.InDelta(t, fewRead.calls, manyRead.calls, 8, "%s: %d calls of %d events, %d of %d", name, fewRead.calls, few, manyRead.calls, many)
		fewRead.records, fewRead.calls, manyRead.records, manyRead.calls = 0, 0, 0, 0
	}
}

// TestHowManyVisitsThereAre: an error that says so looks for it in few steps.
func TestHowManyVisitsThereAre(t *testing.T) {
	t.Parallel()
	l, read := loop(t, 1500)
	for _, n := range []int{301, 302, 1000, 1 << 30} {
		_, _, err := l.event(fmt.Sprint("run@node-3#", n))
		require.ErrorContains(t, err, "the newest is node-3#300")
	}
	require.Less(t, read.calls, 4*40*5)
}

// show shows one event.
func show(c *cli, l looker, text string) error {
	run, seq, err := l.event(text)
	if err != nil {
		return err
	}
	output := formatText
	return c.showEvent(l, run, seq, showFlags{output: &output}, redactor{})
}
