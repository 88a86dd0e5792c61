package checkpoint_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// heldBackend is a storage whose lock another process has: each Apply says how many events
// wait for it, and gets it from free.
type heldBackend struct {
	driver.Backend
	waits   chan int
	free    chan struct{}
	leaving func() // is called when a caller can't wait any longer
}

func (b *heldBackend) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	b.waits <- len(req.Changes[0].Append)
	select {
	case <-b.free:
		return b.Backend.Apply(ctx, req)
	case <-ctx.Done():
		b.leaving()
		return nil, &driver.NotAppliedError{Err: ctx.Err()}
	}
}

// lateContext is canceled while it is being asked whether it is.
type lateContext struct {
	context.Context
	cancel context.CancelFunc
	armed  atomic.Bool
}

func (c *lateContext) Err() error {
	if !c.armed.CompareAndSwap(true, false) {
		return c.Context.Err()
	}
	c.cancel()
	time.Sleep(10 * time.Millisecond) // so that whoever waits for it has noticed
	return nil
}

// TestACallerThatLeavesJustAfterAnother: of two callers that share a commit one can't wait
// any longer, and the commit is called off. The other's time is over while what it wants
// to save is on its way back into the queue: it gets its answer all the same.
func TestACallerThatLeavesJustAfterAnother(t *testing.T) {
	t.Parallel()
	shared := 0
	for shared < 20 { // either of the two may be the one that commits for both
		late := &lateContext{}
		late.Context, late.cancel = context.WithCancel(t.Context())
		b := &heldBackend{Backend: memory.New(), waits: make(chan int, 10), free: make(chan struct{}), leaving: func() { late.armed.Store(true) }}
		s, err := checkpoint.Open(b, checkpoint.WithoutCompaction())
		require.NoError(t, err)
		save := func(ctx context.Context) chan error {
			answer := make(chan error, 1)
			go func() {
				answer <- s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`1`)})
			}()
			return answer
		}
		first := save(t.Context())
		<-b.waits
		hurried, leave := context.WithCancel(t.Context())
		one, other := save(hurried), save(late)
		time.Sleep(time.Millisecond) // until they are queued behind the first
		b.free <- struct{}{}
		require.NoError(t, <-first)
		if <-b.waits == 2 {
			shared++
		} else { // they were not there yet
			late.cancel()
		}
		leave()
		require.ErrorIs(t, <-one, context.Canceled)
		select {
		case err := <-other:
			require.ErrorIs(t, err, context.Canceled)
		case <-time.After(10 * time.Second):
			require.Fail(t, "a caller whose context is done still waits")
		}
		run, err := s.Run(t.Context(), "run")
		require.NoError(t, err)
		require.EqualValues(t, 1, run.Last)
		close(b.free)
		require.NoError(t, s.Close())
	}
}
