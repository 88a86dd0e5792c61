package checkpoint_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// unpurgeable is a storage that finds damage of its own when it is to erase.
type unpurgeable struct {
	driver.Backend
	damaged bool
	purged  int
}

func (b *unpurgeable) Purge(ctx context.Context, req driver.PurgeRequest) (driver.PurgeResult, error) {
	if b.damaged {
		b.purged++
		return driver.PurgeResult{}, driver.ErrCorrupt
	}
	return b.Backend.Purge(ctx, req)
}

// TestDamageFoundByErasing: what is wrong with the storage ends a plan, and is not taken
// for damage of the run that is being pruned.
func TestDamageFoundByErasing(t *testing.T) {
	t.Parallel()
	b := &unpurgeable{Backend: memory.New()}
	s, err := checkpoint.Open(b, checkpoint.WithoutCompaction(), checkpoint.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer s.Close()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 2 * 200 { // each run of more than is erased at once
		saved(t, s, []string{"a", "b"}[i%2], "node", noise(r, 100_000))
	}
	_, err = s.Compact(t.Context(), checkpoint.CompactOptions{Idle: -time.Hour})
	require.NoError(t, err)
	plan, err := s.Plan(t.Context(), compaction.KeepLast(1))
	require.NoError(t, err)
	b.damaged = true
	res, err := s.RunPlan(t.Context(), plan, checkpoint.PlanOptions{})
	require.ErrorIs(t, err, checkpoint.ErrCorrupt)
	require.Empty(t, res.Skipped, "no run is damaged")
	require.Equal(t, 1, b.purged, "nothing is erased from what is damaged")
}
