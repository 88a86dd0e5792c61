package log_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestCacheOfSealedStates loads the newest states of runs that are sealed: what is
// remembered of them is the states, and not the blocks that they lie in.
//
// It measures memory, so nothing else may run beside it.
func TestCacheOfSealedStates(t *testing.T) {
	const runs, events, size = 1000, 60, 1000
	b := newTapped(t)
	l := open(t, b, log.Options{})
	r := rand.New(rand.NewPCG(1, 2))
	for i := range runs {
		id := fmt.Sprint("run-", i)
		for range events {
			state := make([]byte, size)
			for i := range state {
				state[i] = byte(r.Uint32())
			}
			_, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: id, NodeID: "a", Kind: log.Bytes}, State: state})
			require.NoError(t, err)
		}
		sealed, err := l.Seal(t.Context(), id, log.SealOptions{Whole: true})
		require.NoError(t, err)
		require.EqualValues(t, events, sealed.Events)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	reader := open(t, b, log.Options{})
	before := heap()
	for i := range runs {
		ev, err := reader.Newest(t.Context(), fmt.Sprint("run-", i))
		require.NoError(t, err)
		require.Len(t, ev.State, size)
	}
	// A run takes about 3 KB; its block would take 60. The last 64 segments stay open.
	require.Less(t, heap()-before, int64(runs*15_000))
	runtime.KeepAlive(reader)
}
