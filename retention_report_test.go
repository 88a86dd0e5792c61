package checkpoint_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestReportUsesTheStore (F4): who is told of a pass may compact, prune by a plan of its own,
// and close the store, and waits for nobody.
func TestReportUsesTheStore(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(context.Context, *checkpoint.EventStore) error{
		"compact": func(ctx context.Context, s *checkpoint.EventStore) error {
			_, err := s.Compact(ctx, checkpoint.CompactOptions{})
			return err
		},
		"run a plan": func(ctx context.Context, s *checkpoint.EventStore) error {
			plan, err := s.Plan(ctx, compaction.KeepLast(1))
			if err == nil {
				_, err = s.RunPlan(ctx, plan, checkpoint.PlanOptions{Reclaim: true})
			}
			return err
		},
		"prune": func(ctx context.Context, s *checkpoint.EventStore) error {
			_, err := s.Prune(ctx, "run-0", []uint64{1}, "test")
			return err
		},
		"close": func(_ context.Context, s *checkpoint.EventStore) error { return s.Close() },
	} {
		for _, kind := range []string{"memory", "sqlite", "bolt"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // less than a lease
				defer cancel()
				ready, done := make(chan *checkpoint.EventStore, 1), make(chan error, 1)
				first := true
				opts := []checkpoint.Option{
					checkpoint.WithRetention(10*time.Millisecond, compaction.KeepLast(3)),
					checkpoint.WithRetentionReport(func(checkpoint.RetentionPass) {
						if !first {
							return
						}
						first = false
						done <- use(ctx, <-ready)
					}),
				}
				var s *checkpoint.EventStore
				if kind == "memory" {
					s = checkpoint.NewMemoryStore(opts...).EventStore
				} else {
					s = openFile(t, kind, filepath.Join(t.TempDir(), "checkpoints.db"), opts...)
				}
				for i := range 20 {
					require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", i%2), NodeID: "node", State: []byte(filler(2000))}))
				}
				ready <- s
				select {
				case err := <-done:
					require.NoError(t, err)
				case <-ctx.Done():
					t.Fatal("it waits")
				}
				require.NoError(t, s.Close())
			})
		}
	}
}
