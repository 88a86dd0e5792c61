package checkpoint_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// fullOnce is a storage whose disk is full when the first segment is written.
type fullOnce struct {
	driver.Backend
	was atomic.Bool
	hit chan struct{} // closed then
}

func (b *fullOnce) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	if len(req.Changes[0].Add) > 0 && b.was.CompareAndSwap(false, true) {
		close(b.hit)
		return nil, &driver.NotAppliedError{Err: syscall.ENOSPC}
	}
	return b.Backend.Apply(ctx, req)
}

// TestSealingIsTriedAgain: a run that could not be sealed in the background is, with
// the next that is, though no event comes to it any more.
func TestSealingIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := &fullOnce{Backend: memory.New(), hit: make(chan struct{})}
	s, err := checkpoint.Open(b, checkpoint.WithIdle(time.Hour), checkpoint.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer s.Close()
	fill := func(run string) {
		for i := range 257 {
			require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: run, NodeID: "a", State: []byte(filler(20 + i))}))
		}
	}
	fill("first")
	<-b.hit
	fill("second")
	for _, run := range []string{"first", "second"} {
		require.Eventually(t, func() bool {
			r, err := s.Run(t.Context(), run)
			require.NoError(t, err)
			return r.Unsealed() == 1
		}, time.Minute, time.Millisecond, run)
	}
}
