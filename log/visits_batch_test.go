package log_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestVisitsOfOneCommit: a commit that fills blocks of more nodes than a live run remembers
// counts the visits of those that come again.
func TestVisitsOfOneCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newBusy(t, t.Context(), nil)
		var calls []*call
		for _, round := range []string{"first", "second"} {
			for n := range 300 {
				a := event("run", round)
				a.Header.NodeID = fmt.Sprint("node-", n)
				calls = append(calls, start(t.Context(), l.Log, a))
			}
		}
		l.release()
		for i, c := range calls {
			require.NoError(t, c.err)
			require.EqualValues(t, i+1, c.ev.Seq)
			require.EqualValues(t, 1+i/300, c.ev.Visit, "event %d", i+1)
		}
		rep, err := l.Verify(t.Context(), "run")
		require.NoError(t, err)
		require.Empty(t, rep.Problems)
		ev, err := l.Visit(t.Context(), "run", "node-7", 2, log.Position{})
		require.NoError(t, err)
		require.EqualValues(t, 308, ev.Seq)
	})
}
