package compaction_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	. "github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// TestWaitingIsNoWork: a Compactor rests for as long as it worked, and what it waited for
// work before counts for nothing, or the first run after a quiet hour would be sealed
// hours later.
func TestWaitingIsNoWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := New(BackgroundOptions{Idle: 1000 * time.Hour})
		l, err := log.Open(memory.New(), log.Options{Grown: c.Grown})
		require.NoError(t, err)
		defer l.Close()
		c.Start(l)
		defer c.Close()
		for hour := range 3 {
			time.Sleep(time.Hour)
			id := fmt.Sprint("run ", hour)
			for i := range 600 {
				state := fmt.Appendf(nil, `{"n":%d}`, i)
				_, err := l.Append(ctx, log.Append{Header: log.Header{RunID: id, NodeID: "a", Kind: log.JSON}, State: state})
				require.NoError(t, err)
			}
			time.Sleep(time.Second) // in which no real time passes: work takes none
			run, err := l.Run(ctx, id)
			require.NoError(t, err)
			require.Less(t, run.Unsealed(), uint64(256), "sealing rests for an hour's work, which was waiting")
		}
	})
}
