package checkpoint_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/statediff"
)

// TestTruncateFront is what a user of the store sees of it.
func TestTruncateFront(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		states := []string{""}
		for i := range 60 {
			states = append(states, fmt.Sprintf(`{"since":%q,"i":%d,"filler":%s}`, []string{"early", "late"}[i/30], i, filler(5000)))
			saved(t, s, "run", []string{"plan", "act"}[i%2], states[i+1])
		}
		before := events(t, s, "run", checkpoint.HistoryOptions{})
		head := requireIntact(t, s, "run").Head

		a, err := s.TruncateFront(ctx, "run", 21, "too old")
		require.NoError(t, err)
		require.EqualValues(t, 20, a.Seq)
		require.Equal(t, before[19].Hash, a.Hash)
		require.Equal(t, map[string]int{"plan": 10, "act": 10}, a.Visits)
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			rep := requireIntact(t, s, "run")
			require.Equal(t, head, rep.Head)
			require.Equal(t, fmt.Sprintf("intact from anchor 20: 40 events, head %s", head), rep.String())
			after := events(t, s, "run", checkpoint.HistoryOptions{})
			require.Len(t, after, 40)
			for i, ev := range after {
				was := before[20+i]
				require.Equal(t, was.Checkpoint, ev.Checkpoint)
				require.Equal(t, was.Hash, ev.Hash)
			}
			list, err := s.List("run")
			require.NoError(t, err)
			require.Len(t, list, 40)
			_, err = s.LoadSeq(ctx, "run", 20)
			require.ErrorIs(t, err, checkpoint.ErrDropped)
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
			require.ErrorContains(t, err, `run "run" seq 20: not found: dropped: event 20 was removed when the run was truncated through seq 20 at 20`)
			c, err := s.LoadVisit(ctx, "run", "act", 11)
			require.NoError(t, err)
			require.EqualValues(t, 22, c.Seq, "visits go on counting")
			_, err = s.LoadVisit(ctx, "run", "act", 10)
			require.ErrorIs(t, err, checkpoint.ErrDropped)
			require.ErrorContains(t, err, `visit 10 of node "act" was removed when the run was truncated through seq 20`)
			run, err := s.Run(ctx, "run")
			require.NoError(t, err)
			require.EqualValues(t, 20, run.Anchor)
			require.EqualValues(t, 60, run.Last)
			require.True(t, before[0].CreatedAt.Equal(run.CreatedAt))
		}

		p, err := s.Blame(ctx, "run", 60, "since")
		require.NoError(t, err)
		require.EqualValues(t, 31, p.Event.Seq)
		p, err = s.Blame(ctx, "run", 25, "since")
		require.NoError(t, err)
		require.EqualValues(t, 21, p.Event.Seq)
		require.Equal(t, statediff.Same, p.Kind, "who set it can't be told")
		require.Equal(t, []checkpoint.Unread{{RunID: "run", First: 20, Last: 20, Events: 1, Reason: checkpoint.UnreadDropped}}, p.Or)
		var line []uint64
		for ev, err := range s.Lineage(ctx, "run", 23, checkpoint.LineageOptions{}) {
			require.NoError(t, err)
			line = append(line, ev.Seq, ev.Parent)
		}
		require.Equal(t, []uint64{23, 22, 22, 21, 21, 20}, line)
		_, err = s.TruncateFront(ctx, "run", 61, "all of it")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		say(err)

		var file bytes.Buffer
		_, err = s.Export(ctx, "run", &file)
		require.NoError(t, err)
		copied := checkpoint.NewMemoryStore()
		_, err = copied.Import(ctx, &file, checkpoint.ImportOptions{})
		require.NoError(t, err)
		require.Equal(t, requireIntact(t, s, "run"), requireIntact(t, copied.EventStore, "run"))
		other, err := copied.Anchor(ctx, "run")
		require.NoError(t, err)
		require.Equal(t, a, other)
		require.NoError(t, copied.Close())

		// A fork of what is dropped later says so.
		_, err = s.Fork(ctx, "run", 25, "fork")
		require.NoError(t, err)
		_, err = s.TruncateFront(ctx, "run", 60, "older yet")
		require.NoError(t, err)
		require.Equal(t, []uint64{60}, seqs(events(t, s, "run", checkpoint.HistoryOptions{})))
		for _, err := range s.Lineage(ctx, "fork", 1, checkpoint.LineageOptions{}) {
			if err != nil {
				require.ErrorContains(t, err, "it was dropped from its run")
				say(err.Error()[len(err.Error())-20:])
			}
		}
		next := saved(t, s, "run", "next", `{}`)
		require.EqualValues(t, 61, next.Seq)
		requireIntact(t, st.open(t), "run")
		n, err := s.Redact(ctx, "run", []uint64{3, 60}, "what was dropped, too")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		requireIntact(t, st.open(t), "run")
		require.NoError(t, s.Delete(ctx, "run"))
		saved(t, s, "run", "new", `{}`)
		require.Zero(t, requireIntact(t, st.open(t), "run").Anchor)
	})
}

// TestCrashDuringTruncateFront crashes after each step: the events are dropped or not,
// and the same call finishes.
func TestCrashDuringTruncateFront(t *testing.T) {
	truncate := func(_ *redaction, l *log.Log) error {
		_, err := l.TruncateFront(t.Context(), redactedRun, truncatedTo, "too old")
		return err
	}
	const steps = 2 // the change with the note, purging
	atEachCrash(t, steps, func(step string) bool { return step[0] != 'b' }, truncate,
		func(t *testing.T, x *redaction, l *log.Log, _, when string) {
			x.requireFrom(t, l, when)
			require.NoError(t, truncate(x, l), when)
			require.True(t, x.requireFrom(t, l, when), when)
			notes := 0
			for n, err := range l.Notes(t.Context(), redactedRun) {
				require.NoError(t, err, when)
				if n.Kind == "anchor" {
					notes++
				}
			}
			require.Equal(t, 1, notes, when)
			_, err := l.Reclaim(t.Context(), nil)
			require.NoError(t, err, when)
			require.NoError(t, l.Close(), when)
		})
}

const truncatedTo = 6

// requireFrom holds what is there of a run to what was saved, and reports whether its
// oldest events are gone.
func (x *redaction) requireFrom(t *testing.T, l *log.Log, when string) (gone bool) {
	rep, err := l.Verify(t.Context(), redactedRun)
	require.NoError(t, err, when)
	require.True(t, rep.Intact(), "%s: %s", when, rep)
	require.Contains(t, []uint64{0, truncatedTo - 1}, rep.Anchor, when)
	for seq := rep.Anchor + 1; seq < uint64(len(x.states)); seq++ {
		ev, err := l.At(t.Context(), redactedRun, seq)
		if ev == nil {
			require.ErrorIs(t, err, log.ErrPruned, when)
			continue
		}
		require.NoError(t, err, when)
		require.True(t, x.states[seq] == string(ev.State), "%s: the state of seq %d is another", when, seq)
	}
	return rep.Anchor > 0
}
