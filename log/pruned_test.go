package log_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestPrunedBy: each way to an event says what dropped its state, as asking for the
// state does, and reads the notes once for a whole history.
func TestPrunedBy(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 600 {
		add(t, l, event("run", "node"))
	}
	add(t, l, event("other", "node"))
	seqs := make([]uint64, 500)
	for i := range seqs {
		seqs[i] = uint64(i + 1)
	}
	n, err := l.Prune(t.Context(), "run", seqs, "too old")
	require.NoError(t, err)
	require.Equal(t, 500, n)
	redact := func(first, last uint64, reason string) {
		data, err := json.Marshal(map[string]string{"policy": reason})
		require.NoError(t, err)
		require.NoError(t, l.AddNote(t.Context(), "run", log.Note{Kind: "redact", Events: []log.Range{{First: first, Last: last}}, Data: data}))
	}
	redact(101, 200, "a key")
	redact(150, 300, "another")
	want := func(seq uint64) (policy string, redacted bool) {
		switch {
		case seq > 100 && seq <= 200:
			return "a key", true
		case seq > 200 && seq <= 300:
			return "another", true
		}
		return "too old", false
	}
	notes := 0 // records read of other runs than this
	b.onRecord = func(run string, _ *log.Record) bool {
		if run != "run" {
			notes++
		}
		return true
	}
	for _, opts := range []log.HistoryOptions{{}, {HeadersOnly: true}, {Backward: true, HeadersOnly: true}, {Node: "node"}, {Lineage: true}, {From: 90, To: 310}} {
		notes = 0
		for ev, err := range l.History(t.Context(), "run", opts) {
			require.NoError(t, err)
			require.Equal(t, ev.Pruned, ev.PrunedBy != nil)
			require.Equal(t, ev.Seq <= 500, ev.Pruned)
			if !ev.Pruned {
				continue
			}
			policy, redacted := want(ev.Seq)
			require.Equal(t, []any{policy, redacted}, []any{ev.PrunedBy.Policy, ev.PrunedBy.Redacted}, "seq %d", ev.Seq)
		}
		require.LessOrEqual(t, notes, 6, "the head and three notes, some of them twice")
	}
	for _, seq := range []uint64{1, 101, 300, 500} {
		ev, err := l.Header(t.Context(), "run", seq)
		require.NoError(t, err)
		_, err = l.At(t.Context(), "run", seq)
		require.ErrorIs(t, err, log.ErrPruned)
		require.Equal(t, err, error(ev.PrunedBy))
		require.Equal(t, []any{"run", seq, ev.Size, ev.SHA256}, []any{ev.PrunedBy.Run, ev.PrunedBy.Seq, ev.PrunedBy.Size, ev.PrunedBy.SHA256})
		require.False(t, ev.PrunedBy.At.IsZero())
	}
	notes = 0
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{From: 501}) {
		require.NoError(t, err)
		require.Nil(t, ev.PrunedBy)
	}
	require.Zero(t, notes, "there is nothing to look for")
	rep, err := l.Verify(t.Context(), "run")
	require.NoError(t, err)
	require.True(t, rep.Intact())
	require.Equal(t, []uint64{500, 200}, []uint64{rep.Pruned, rep.Redacted})

	// What is pruned while a history goes on is told of, too.
	told := false
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{HeadersOnly: true}) {
		require.NoError(t, err)
		if ev.Seq == 500 {
			_, err := another(t, b).Prune(t.Context(), "run", []uint64{599}, "just now")
			require.NoError(t, err)
		}
		if ev.Pruned && ev.Seq > 500 {
			require.Equal(t, uint64(599), ev.Seq)
			require.Equal(t, "just now", ev.PrunedBy.Policy)
			told = true
		}
	}
	require.True(t, told)
}

// TestPrunedByDamagedNotes: a damaged note takes nothing along but what it says.
func TestPrunedByDamagedNotes(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 3 {
		add(t, l, event("run", "node"))
	}
	_, err := l.Prune(t.Context(), "run", []uint64{1, 3}, "too old")
	require.NoError(t, err)
	b.onRecord = func(run string, r *log.Record) bool {
		if run != "run" {
			*r = clone(*r)
			r.Sum++
		}
		return true
	}
	var pruned []uint64
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
		require.NoError(t, err)
		if ev.PrunedBy != nil {
			require.Empty(t, ev.PrunedBy.Policy)
			pruned = append(pruned, ev.Seq)
		}
	}
	require.Equal(t, []uint64{1, 3}, pruned)
	ev, err := l.Newest(t.Context(), "run")
	require.NoError(t, err)
	require.EqualValues(t, 2, ev.Seq)
	_, err = l.At(t.Context(), "run", 1)
	require.ErrorIs(t, err, log.ErrPruned)
}

// TestPrunedByDamagedNote: what the notes behind a damaged one say is told.
func TestPrunedByDamagedNote(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 3 {
		add(t, l, event("run", "node"))
	}
	for seq := range uint64(3) {
		_, err := l.Prune(t.Context(), "run", []uint64{seq + 1}, fmt.Sprint("reason ", seq+1))
		require.NoError(t, err)
	}
	for _, damaged := range []uint64{1, 2, 3} {
		b.onRecord = func(run string, r *log.Record) bool {
			if run != "run" && r.Seq == damaged {
				*r = clone(*r)
				r.Sum++
			}
			return true
		}
		for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
			require.NoError(t, err)
			want := fmt.Sprint("reason ", ev.Seq)
			if ev.Seq == damaged {
				want = ""
			}
			require.Equal(t, want, ev.PrunedBy.Policy, "seq %d, note %d is damaged", ev.Seq, damaged)
		}
	}
}

// TestPrunedByOfRepetition: an append that was there already, and was pruned since, is
// answered with what dropped it.
func TestPrunedByOfRepetition(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	a := event("run", "node")
	a.CheckAfter = true
	first := add(t, l, a)
	_, err := l.Prune(t.Context(), "run", []uint64{1}, "too old")
	require.NoError(t, err)
	again, err := l.Append(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, first.Header, again.Header)
	require.True(t, again.Pruned)
	require.NotNil(t, again.PrunedBy)
	require.Equal(t, "too old", again.PrunedBy.Policy)
}
