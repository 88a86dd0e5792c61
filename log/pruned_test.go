package log_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// span returns the seqs from first to last.
func span(first, last uint64) (seqs []uint64) {
	for seq := first; seq <= last; seq++ {
		seqs = append(seqs, seq)
	}
	return seqs
}

// TestPrunedBy: each way to an event says what dropped its state, as asking for the
// state does, and reads each note once for a whole history.
func TestPrunedBy(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprint("sealed ", sealed), func(t *testing.T) { prunedBy(t, sealed) })
	}
}

func prunedBy(t *testing.T, sealed bool) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, erasable{b}, log.Options{})
	for range 600 {
		add(t, l, event("run", "node"))
	}
	add(t, l, event("other", "node"))
	if sealed {
		_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
		require.NoError(t, err)
	}
	n, err := l.Prune(t.Context(), "run", span(1, 500), "too old")
	require.NoError(t, err)
	require.Equal(t, 500, n)
	redact := func(first, last uint64, reason string) {
		n, err := l.Redact(t.Context(), "run", span(first, last), reason)
		require.NoError(t, err)
		require.EqualValues(t, last-first+1, n)
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
	notes := map[string]int{} // how often each was read
	b.onEntry = func(_ string, e *driver.Entry) bool {
		notes[string(e.Key)]++
		return true
	}
	for _, opts := range []log.HistoryOptions{{}, {HeadersOnly: true}, {Backward: true, HeadersOnly: true}, {Node: "node"}, {Lineage: true}, {From: 90, To: 310}} {
		clear(notes)
		for ev, err := range l.History(t.Context(), "run", opts) {
			require.NoError(t, err)
			require.Equal(t, ev.Pruned, ev.PrunedBy != nil)
			require.Equal(t, ev.Seq <= 500, ev.Pruned)
			if !ev.Pruned {
				continue
			}
			require.Zero(t, ev.Base)
			policy, redacted := want(ev.Seq)
			require.Equal(t, []any{policy, redacted}, []any{ev.PrunedBy.Policy, ev.PrunedBy.Redacted}, "seq %d", ev.Seq)
		}
		require.NotEmpty(t, notes)
		for key, n := range notes {
			require.Equal(t, 1, n, "note %q", key)
		}
	}
	for _, seq := range []uint64{1, 101, 300, 500} {
		ev, err := l.Header(t.Context(), "run", seq)
		require.NoError(t, err)
		clear(notes)
		_, err = l.At(t.Context(), "run", seq)
		require.ErrorIs(t, err, log.ErrPruned)
		require.Len(t, notes, 1, "the one that the event names")
		require.Equal(t, err, error(ev.PrunedBy))
		require.Equal(t, []any{"run", seq, ev.Size, ev.SHA256}, []any{ev.PrunedBy.Run, ev.PrunedBy.Seq, ev.PrunedBy.Size, ev.PrunedBy.SHA256})
		require.False(t, ev.PrunedBy.At.IsZero())
	}
	clear(notes)
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{From: 501}) {
		require.NoError(t, err)
		require.Nil(t, ev.PrunedBy)
	}
	require.Empty(t, notes, "there is nothing to look for")
	rep := requireIntact(t, l, "run")
	require.Equal(t, []uint64{500, 200}, []uint64{rep.Pruned, rep.Redacted})

	// What is pruned while a history goes on is told of, too.
	told := false
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{HeadersOnly: true}) {
		require.NoError(t, err)
		if ev.Seq == 5 {
			_, err := another(t, b).Prune(t.Context(), "run", []uint64{599}, "just now")
			require.NoError(t, err)
		}
		if ev.Pruned && ev.Seq > 500 {
			require.Equal(t, uint64(599), ev.Seq)
			require.Equal(t, "just now", ev.PrunedBy.Policy)
			told = true
		}
	}
	require.True(t, told || sealed, "of a segment that was read before, it may be the old one")
}

// TestPrunedByDamagedNote: a damaged note takes nothing along but what it says.
func TestPrunedByDamagedNote(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 4 {
		add(t, l, event("run", "node"))
	}
	for seq := range uint64(3) {
		_, err := l.Prune(t.Context(), "run", []uint64{seq + 1}, fmt.Sprint("reason ", seq+1))
		require.NoError(t, err)
	}
	for name, damage := range map[string]func(e *driver.Entry) bool{
		"missing": func(*driver.Entry) bool { return false },
		"no JSON": func(e *driver.Entry) bool { e.Value = e.Value[:len(e.Value)-1]; return true },
		"empty":   func(e *driver.Entry) bool { e.Value = nil; return true },
		"of another kind": func(e *driver.Entry) bool {
			e.Value = bytes.Replace(e.Value, []byte("prune"), []byte("label"), 1)
			return true
		},
		"of other events": func(e *driver.Entry) bool {
			e.Value = bytes.Replace(e.Value, []byte(`"first":`), []byte(`"first":9`), 1)
			return true
		},
	} {
		for _, damaged := range []uint64{1, 2, 3} {
			b.onEntry = func(_ string, e *driver.Entry) bool {
				return !bytes.Equal(e.Key, log.NoteKey(damaged)) || damage(e)
			}
			for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
				require.NoError(t, err)
				if ev.Seq == 4 {
					require.Nil(t, ev.PrunedBy)
					continue
				}
				want := fmt.Sprint("reason ", ev.Seq)
				if ev.Seq == damaged {
					want = ""
				}
				require.Equal(t, want, ev.PrunedBy.Policy, "%s: seq %d, note %d is damaged", name, ev.Seq, damaged)
			}
			ev, err := l.Newest(t.Context(), "run")
			require.NoError(t, err)
			require.EqualValues(t, 4, ev.Seq)
			_, err = l.At(t.Context(), "run", damaged)
			require.ErrorIs(t, err, log.ErrPruned)
			rep, err := l.Verify(t.Context(), "run")
			require.NoError(t, err)
			require.False(t, rep.Intact(), name)
			require.Equal(t, uint64(3), rep.Pruned)
		}
	}
}

// TestPrunedByOfRepetition: an append that was there already, and was pruned since, is
// answered with what dropped it.
func TestPrunedByOfRepetition(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	add(t, l, event("run", "first"))
	a := event("run", "node")
	a.Expect = &log.Position{Seq: 1}
	first := add(t, l, a)
	_, err := l.Prune(t.Context(), "run", []uint64{2}, "too old")
	require.NoError(t, err)
	again, err := l.Append(t.Context(), a)
	require.NoError(t, err)
	require.True(t, again.Repeated)
	require.Equal(t, first.Header, again.Header)
	require.True(t, again.Pruned)
	require.NotNil(t, again.PrunedBy)
	require.Equal(t, "too old", again.PrunedBy.Policy)
}
