package log_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// tapped is a storage that a test can come between. It outlives the Logs that are
// opened on it.
type tapped struct {
	log.Backend
	// onApply makes the changes by calling apply, or not.
	onApply func(changes []log.Change, apply applyFunc) ([]log.Result, error)
	// onHead is called after a head was read, onRecord with each record read, that
	// of a head included: it returns false for one that is not to be found.
	onHead   func(run string)
	onRecord func(run string, r *log.Record) bool
}

type applyFunc func([]log.Change) ([]log.Result, error)

func (b *tapped) Close() error { return nil }

func (b *tapped) Apply(ctx context.Context, changes []log.Change) ([]log.Result, error) {
	if b.onApply == nil {
		return b.Backend.Apply(ctx, changes)
	}
	return b.onApply(changes, func(c []log.Change) ([]log.Result, error) { return b.Backend.Apply(ctx, c) })
}

func (b *tapped) Head(ctx context.Context, run string) (log.Head, error) {
	h, err := b.Backend.Head(ctx, run)
	if err == nil && h.Last != nil && b.onRecord != nil {
		b.onRecord(run, h.Last)
	}
	if b.onHead != nil {
		b.onHead(run)
	}
	return h, err
}

func (b *tapped) Records(ctx context.Context, req log.RecordsRequest) ([]log.Record, error) {
	recs, err := b.Backend.Records(ctx, req)
	if b.onRecord == nil {
		return recs, err
	}
	var found []log.Record
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

// newTapped returns an empty storage.
func newTapped(t *testing.T) *tapped {
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return &tapped{Backend: b}
}

// open opens a Log on a storage.
func open(t *testing.T, b log.Backend, opts log.Options) *log.Log {
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

// add appends an event that must be accepted.
func add(t *testing.T, l *log.Log, a log.Append) log.Event {
	t.Helper()
	ev, err := l.Append(t.Context(), a)
	require.NoError(t, err)
	return ev
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
	rep, err := l.Verify(t.Context(), run)
	require.NoError(t, err)
	require.True(t, rep.Intact(), rep)
	return out
}

// requireNoRun wants a run not to be there.
func requireNoRun(t *testing.T, l *log.Log, run string) {
	t.Helper()
	_, err := l.Run(t.Context(), run)
	require.ErrorIs(t, err, log.ErrNotFound)
}
