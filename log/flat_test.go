package log_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// cost is what a storage was asked for.
type cost struct {
	calls, records, entries, segments, heads int
	bytes                                    int64
}

func (c cost) String() string {
	return fmt.Sprintf("%d calls: %d records, %d entries, %d segments, %d heads, %d bytes", c.calls, c.records, c.entries, c.segments, c.heads, c.bytes)
}

// counted is a storage that counts what it is asked for.
type counted struct {
	driver.Backend
	cost
}

func (b *counted) Close() error { return nil }

func (b *counted) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	b.calls++
	b.heads++
	return b.Backend.Head(ctx, req)
}

func (b *counted) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	b.calls++
	hs, err := b.Backend.Heads(ctx, req)
	b.heads += len(hs)
	return hs, err
}

func (b *counted) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	b.calls++
	recs, err := b.Backend.Records(ctx, req)
	b.records += len(recs)
	for i := range recs {
		b.bytes += int64(len(recs[i].Header) + len(recs[i].State))
	}
	return recs, err
}

func (b *counted) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	b.calls++
	segs, err := b.Backend.Segments(ctx, req)
	b.segments += len(segs)
	return segs, err
}

func (b *counted) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	b.calls++
	b.segments++
	s, err := b.Backend.Segment(ctx, req)
	b.bytes += int64(len(s.Index) + len(s.Data))
	return s, err
}

func (b *counted) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	b.calls++
	es, err := b.Backend.Entries(ctx, req)
	b.entries += len(es)
	for i := range es {
		b.bytes += int64(len(es[i].Key) + len(es[i].Value))
	}
	return es, err
}

// of returns what a question to a Log that remembers nothing costs.
func (b *counted) of(t *testing.T, ask func(*log.Log) error) cost {
	t.Helper()
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err)
	b.cost = cost{}
	require.NoError(t, ask(l))
	return b.cost
}

// looped appends events to a run that goes around five nodes, behind a first node of its
// own, with two that went aside near the beginning and the end, and failures at the end.
func looped(t *testing.T, b driver.Backend, events, failures int) {
	t.Helper()
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err)
	add(t, l, tiny("run", "first"))
	for i := 2; i <= events; i++ {
		a := tiny("run", fmt.Sprint("node-", i%5))
		if i == 200 || i == events-100 {
			a.From.Seq = uint64(i - 50)
		}
		add(t, l, a)
	}
	for range failures {
		add(t, l, failed("run", "node-1"))
	}
}

// TestFlat: what is asked for at the end, or by a number, costs the same in a run of 1,000
// events and in one of 100 times as many, sealed or not, and behind any number of failures.
func TestFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes long runs")
	}
	const few = 1000
	many := 100 * few
	if raced {
		many = 20 * few
	}
	for _, sealed := range []bool{false, true} {
		for _, failures := range []int{0, 10_000} {
			if failures > 0 && raced {
				failures = 2000
			}
			t.Run(fmt.Sprint("sealed ", sealed, " failures ", failures), func(t *testing.T) {
				t.Parallel()
				var costs [2]map[string]cost
				for i, events := range []int{few, many} {
					b := &counted{Backend: newTapped(t)}
					looped(t, b, events, failures*min(i, 1))
					if sealed {
						_, err := open(t, b, log.Options{}).Seal(t.Context(), "run", log.SealOptions{Whole: true})
						require.NoError(t, err)
					}
					costs[i] = asked(t, b, uint64(events))
				}
				for name, small := range costs[0] {
					large := costs[1][name]
					t.Logf("%-28s %v; %v", name, small, large)
					// What is in a block depends on where the run ends in it. Behind the middle
					// the visits of each node are halved until one is found.
					more := 6
					if strings.Contains(name, " in the middle") || strings.Contains(name, " near the beginning") {
						more += small.calls
					}
					require.LessOrEqual(t, large.calls, small.calls+more, name)
					require.LessOrEqual(t, large.records, small.records+130, name)
					require.LessOrEqual(t, large.entries, small.entries+more, name)
					require.LessOrEqual(t, large.segments, small.segments+2, name)
					require.LessOrEqual(t, large.bytes, 2*small.bytes+12_000, name)
				}
			})
		}
	}
}

// asked asks all that is to be flat.
func asked(t *testing.T, b *counted, events uint64) map[string]cost {
	ctx := t.Context()
	all := map[string]cost{}
	ask := func(name string, f func(*log.Log) error) { all[name] = b.of(t, f) }
	event := func(name, node string, seq uint64, f func(*log.Log) (*log.Event, error)) {
		ask(name, func(l *log.Log) error {
			ev, err := f(l)
			if err == nil {
				require.Equal(t, node, ev.NodeID, name)
				if seq != 0 {
					require.Equal(t, seq, ev.Seq, name)
				}
			}
			return err
		})
	}
	node := func(seq uint64) string { return fmt.Sprint("node-", seq%5) }
	event("Newest", node(events), events, func(l *log.Log) (*log.Event, error) { return l.Newest(ctx, "run") })
	for name, seq := range map[string]uint64{"near the end": events - 7, "in the middle": events/2 + 3, "near the beginning": 17} {
		event("At "+name, node(seq), seq, func(l *log.Log) (*log.Event, error) { return l.At(ctx, "run", seq) })
		visit := int(seq+4) / 5
		if seq%5 == 1 {
			visit-- // the first was another node
		}
		event("Visit "+name, node(seq), 0, func(l *log.Log) (*log.Event, error) {
			return l.Visit(ctx, "run", node(seq), visit, log.Position{})
		})
		event("NodeAt "+name, "first", 1, func(l *log.Log) (*log.Event, error) {
			return l.NodeAt(ctx, "run", "first", log.Position{Seq: seq})
		})
		event("NodeAt of a loop "+name, node(seq-2), 0, func(l *log.Log) (*log.Event, error) {
			return l.NodeAt(ctx, "run", node(seq-2), log.Position{Seq: seq})
		})
		ask("Nodes "+name, func(l *log.Log) error {
			nodes, err := l.Nodes(ctx, "run", log.Position{Seq: seq})
			require.Len(t, nodes, 6)
			return err
		})
	}
	event("NodeAt", node(events), events, func(l *log.Log) (*log.Event, error) {
		return l.NodeAt(ctx, "run", node(events), log.Position{})
	})
	event("NodeAt of the first", "first", 1, func(l *log.Log) (*log.Event, error) {
		return l.NodeAt(ctx, "run", "first", log.Position{})
	})
	ask("Nodes", func(l *log.Log) error {
		nodes, err := l.Nodes(ctx, "run", log.Position{})
		require.Len(t, nodes, 6)
		require.Equal(t, events, nodes[5].Seq)
		return err
	})
	ask("last page", func(l *log.Log) error { return page(l, log.HistoryOptions{Backward: true, Limit: 50}) })
	ask("last headers", func(l *log.Log) error {
		return page(l, log.HistoryOptions{Backward: true, HeadersOnly: true, Limit: 50})
	})
	ask("first page", func(l *log.Log) error { return page(l, log.HistoryOptions{Limit: 50}) })
	ask("page of a line", func(l *log.Log) error { return page(l, log.HistoryOptions{Lineage: true, Limit: 50}) })
	ask("Run", func(l *log.Log) error { _, err := l.Run(ctx, "run"); return err })
	ask("Marks", func(l *log.Log) error { _, err := l.Marks(ctx, "run"); return err })
	ask("Append", func(l *log.Log) error { _, err := l.Append(ctx, tiny("run", node(events+1))); return err })
	ask("Append of the first node", func(l *log.Log) error { _, err := l.Append(ctx, tiny("run", "first")); return err })
	return all
}

// page reads a page of 50 events.
func page(l *log.Log, opts log.HistoryOptions) error {
	n := 0
	for _, err := range l.History(context.Background(), "run", opts) {
		if err != nil {
			return err
		}
		n++
	}
	if n != 50 {
		return fmt.Errorf("%d events", n)
	}
	return nil
}

// TestNewestBehindDroppedStates: the newest state of a line is found behind any number of
// events that lost theirs.
func TestNewestBehindDroppedStates(t *testing.T) {
	t.Parallel()
	var costs []cost
	for _, n := range []uint64{600, 20_000} {
		b := &counted{Backend: newTapped(t)}
		l := open(t, b, log.Options{})
		for i := range n + 100 {
			add(t, l, tiny("run", fmt.Sprint("node-", i%5)))
		}
		_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
		require.NoError(t, err)
		_, err = l.Prune(t.Context(), "run", span(51, n+100), "test")
		require.NoError(t, err)
		costs = append(costs, b.of(t, func(l *log.Log) error {
			ev, err := l.Newest(t.Context(), "run")
			if err == nil {
				require.EqualValues(t, 50, ev.Seq)
			}
			return err
		}))
		_, err = l.Prune(t.Context(), "run", span(1, 50), "test")
		require.NoError(t, err)
		_, err = l.Newest(t.Context(), "run")
		require.ErrorIs(t, err, log.ErrPruned)
	}
	t.Log(costs)
	require.LessOrEqual(t, costs[1].calls, costs[0].calls+5)
	require.LessOrEqual(t, costs[1].bytes, 2*costs[0].bytes)
}
