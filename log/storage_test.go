package log_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// tapped is a storage that a test can come between. It outlives the Logs that are
// opened on it.
type tapped struct {
	driver.Backend
	// onApply makes the changes by calling apply, or not.
	onApply func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error)
	// onHead is called after a head was read. onRecord is called with each record that
	// was read, also with those of a head: it returns false for one that is not to be
	// found. onEntry does the same for entries.
	onHead   func(run string)
	onRecord func(run string, r *driver.Record) bool
	onEntry  func(run string, e *driver.Entry) bool
}

type applyFunc func(context.Context, []driver.Change) ([]driver.Result, error)

func (b *tapped) Close() error { return nil }

func (b *tapped) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	if b.onApply == nil {
		return b.Backend.Apply(ctx, req)
	}
	return b.onApply(ctx, req.Changes, func(ctx context.Context, c []driver.Change) ([]driver.Result, error) {
		return b.Backend.Apply(ctx, driver.ApplyRequest{Changes: c})
	})
}

func (b *tapped) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	h, err := b.Backend.Head(ctx, req)
	if err == nil && b.onRecord != nil {
		if h.Last != nil {
			b.onRecord(req.Run, h.Last)
		}
		if h.Tip != nil && !b.onRecord(req.Run, h.Tip) {
			h.Tip = nil
		}
	}
	if b.onHead != nil {
		b.onHead(req.Run)
	}
	return h, err
}

func (b *tapped) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	recs, err := b.Backend.Records(ctx, req)
	if b.onRecord == nil {
		return recs, err
	}
	var found []driver.Record
	for i := range recs {
		if b.onRecord(req.Run, &recs[i]) {
			if req.HeadersOnly {
				recs[i].State = nil
			}
			found = append(found, recs[i])
		}
	}
	return found, err
}

func (b *tapped) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	es, err := b.Backend.Entries(ctx, req)
	if b.onEntry == nil {
		return es, err
	}
	var found []driver.Entry
	for i := range es {
		if b.onEntry(req.Run, &es[i]) {
			found = append(found, es[i])
		}
	}
	return found, err
}

// newTapped returns an empty storage.
func newTapped(t *testing.T) *tapped {
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return &tapped{Backend: b}
}

// erasable is a tapped storage that is a [driver.Eraser].
type erasable struct{ *tapped }

func (b erasable) Erase(context.Context) error { return nil }

// open opens a Log on a storage.
func open(t *testing.T, b driver.Backend, opts log.Options) *log.Log {
	t.Helper()
	l, err := log.Open(b, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// another opens a second Log on a tapped storage, one that the test does not come
// between.
func another(t *testing.T, b *tapped) *log.Log {
	return open(t, &tapped{Backend: b.Backend}, log.Options{})
}

// event returns an append of an event whose state names it.
func event(run, node string) log.Append {
	return log.Append{
		Header: log.Header{RunID: run, NodeID: node, Kind: log.JSON},
		State:  fmt.Appendf(nil, `{"node":%q,"text":%q}`, node, bytes.Repeat([]byte("all states of this test begin alike. "), 200)),
	}
}

// tiny returns an append of an event with a state of a few bytes.
func tiny(run, node string) log.Append {
	return log.Append{Header: log.Header{RunID: run, NodeID: node, Kind: log.JSON}, State: []byte("{}")}
}

// failed returns an append of an event that recovery passes over.
func failed(run, node string) log.Append {
	return log.Append{Header: log.Header{RunID: run, NodeID: node, Role: log.Failure, Kind: log.None, Failure: &log.FailureInfo{Text: "no"}}}
}

// after returns an append that continues from an event.
func after(a log.Append, seq uint64) log.Append {
	a.From = log.Position{Seq: seq}
	return a
}

// add appends an event that must be accepted.
func add(t require.TestingT, l *log.Log, a log.Append) log.Event {
	ev, err := l.Append(context.Background(), a)
	require.NoError(t, err)
	require.False(t, ev.Repeated)
	return ev.Event
}

// lineage returns what a run holds, as "seq<parent node", having read all of it
// back and found its chain sound.
func lineage(t *testing.T, l *log.Log, run string) (out []string) {
	t.Helper()
	for ev, err := range l.History(t.Context(), run, log.HistoryOptions{}) {
		require.NoError(t, err)
		require.Equal(t, string(event(run, ev.NodeID).State), string(ev.State))
		out = append(out, fmt.Sprintf("%d<%d %s", ev.Seq, ev.Parent, ev.NodeID))
	}
	requireIntact(t, l, run)
	return out
}

// requireIntact wants Verify to find nothing.
func requireIntact(t require.TestingT, l *log.Log, run string) *log.Report {
	rep, err := l.Verify(context.Background(), run)
	require.NoError(t, err)
	require.True(t, rep.Intact(), "%v", rep.Problems)
	return rep
}

// requireNoRun wants a run not to be there.
func requireNoRun(t *testing.T, l *log.Log, run string) {
	t.Helper()
	_, err := l.Run(t.Context(), run)
	require.ErrorIs(t, err, log.ErrNotFound)
}
