package checkpoint_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestCompactLongerThanItsLease compacts so slowly that the lease runs out in every
// step: a bolt store writes nothing while it copies its file, not even a lease.
func TestCompactLongerThanItsLease(t *testing.T) {
	t.Parallel()
	for name, d := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, err := d.open(filepath.Join(t.TempDir(), "checkpoints.db"))
				require.NoError(t, err)
				s, err := checkpoint.Open(b, checkpoint.WithoutCompaction())
				require.NoError(t, err)
				w := newWitness()
				for i := range 40 {
					require.NoError(t, w.save(s, "kept", 0, fmt.Sprintf(`{"i":%d}`, i)))
					require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: "gone", NodeID: "a", State: []byte(filler(20_000))}))
				}
				require.NoError(t, s.Delete(t.Context(), "gone"))
				seen := map[string]bool{}
				report, err := s.Compact(t.Context(), checkpoint.CompactOptions{Progress: func(p checkpoint.CompactProgress) {
					seen[string(p.Step)] = true
					time.Sleep(checkpoint.CompactLease)
				}})
				require.NoError(t, err)
				require.Positive(t, report.Reclaimed)
				require.True(t, seen[string(checkpoint.CompactReclaiming)])
				w.check(t, s, "compacted")
				require.NoError(t, s.Close())
			})
		})
	}
}
