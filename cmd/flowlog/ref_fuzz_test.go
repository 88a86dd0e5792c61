package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// refStore is a store with runs, nodes and branches whose ids look like references.
func refStore(tb testing.TB) looker {
	tb.Helper()
	store := checkpoint.NewMemoryStore().EventStore
	tb.Cleanup(func() { store.Close() })
	for _, run := range []string{"nightly-1", "nightly-2", "a", "a@b", "a~1", "a..b", "@last", "..", "~", "12"} {
		for i, node := range []string{"plan", "write", "a@b", "b#1", "b~2", "head", "7", "plan"} {
			c := &checkpoint.Checkpoint{RunID: run, NodeID: node, State: []byte(`{}`), Seq: uint64(i)}
			if i == 6 {
				c.Seq = 3
			}
			require.NoError(tb, store.Save(context.Background(), c))
		}
	}
	return looker{store: store, ctx: context.Background()}
}

// FuzzReference holds that whatever a reference names is there, that what can't be
// answered is an answer for people, and that an exact reference names its event.
func FuzzReference(f *testing.F) {
	for _, text := range []string{
		"nightly-1", "night", "@last", "a@b", "a@b@2", "a~1", "a~1~1", "a@head~2", "a@plan#2~", "a@b#1", "a@b#1#1", "a@7", "a@head",
		"a..b", "a@1..3", "a@1..", "a@plan..write#1", "..", "...", "~", "~~", "a~99", "a@99", "a@0", "a@@", "@", "#", "12@12", "a@1..12@3", "\x00", "\xff@1",
		strings.Repeat("x", 2000), "a@" + strings.Repeat("x", 2000), "~" + strings.Repeat(".", 2000) + "@0#1",
	} {
		f.Add(text)
	}
	l := refStore(f)
	f.Fuzz(func(t *testing.T, text string) {
		check := func(run checkpoint.Run, seq uint64, err error) {
			if err != nil {
				require.True(t, isAnswer(err), "%q: %v", text, err)
				return
			}
			require.NotEmpty(t, run.ID)
			require.True(t, seq >= 1 && seq <= run.Last, "%q: %s@%d", text, run.ID, seq)
		}
		run, seq, err := l.event(text)
		check(run, seq, err)
		old, now, ok, err := l.span(text)
		if ok {
			check(old.run, old.seq, err)
			check(now.run, now.seq, err)
		}
		run, on, err := l.part(text)
		require.True(t, err == nil || isAnswer(err), "%q: %v", text, err)
		if err == nil && on != nil {
			seqs, err := l.seqsOf(run, *on)
			require.NoError(t, err)
			require.Equal(t, on.isEmpty(), len(seqs) == 0)
			require.NotContains(t, seqs, uint64(0))
		}
		if run, err := l.run(text); err == nil && run.ID == text {
			for seq := range run.Last {
				again, found, err := l.event(fmt.Sprintf("%s@%d", text, seq+1))
				require.NoError(t, err)
				if again.ID == run.ID && seq+1 != 7 { // a node has that name
					require.Equal(t, seq+1, found)
				}
			}
		}
	})
}
