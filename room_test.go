package checkpoint_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestRoomToWork holds by how much the files grow while a store is sealed and pruned:
// what was replaced is erased before much more is.
func TestRoomToWork(t *testing.T) {
	t.Parallel()
	if brief() {
		t.Skip("it writes 80 MB")
	}
	for name, d := range disks {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "checkpoints.db")
			b, err := d.open(path)
			require.NoError(t, err)
			s, err := checkpoint.Open(b, checkpoint.WithoutCompaction())
			require.NoError(t, err)
			defer s.Close()
			r := rand.New(rand.NewPCG(1, 1))
			for i := range 20 * 40 {
				saved(t, s, fmt.Sprint("run-", i%20), "node", noise(r, 100_000))
			}
			taken := func() (sum int64) {
				for _, file := range matching(t, path, d.files) {
					if info, err := os.Stat(file); err == nil {
						sum += info.Size()
					}
				}
				return sum
			}
			hold := func(what string, work func(watch func(checkpoint.CompactProgress)) error) {
				before, most := taken(), int64(0)
				require.NoError(t, work(func(checkpoint.CompactProgress) { most = max(most, taken()) }))
				room := int64(24 << 20) // what waits to be erased, and a segment
				if name == "bolt" {
					room += taken() // the copy that takes the file's place
					if what == "compact" {
						room += before // a segment has no room where states were: its pages must lie in a row
					}
				}
				require.LessOrEqual(t, most-before, room, what)
				t.Logf("%s: %d bytes before, at most %d, %d after", what, before, most, taken())
			}
			hold("compact", func(watch func(checkpoint.CompactProgress)) error {
				_, err := s.Compact(t.Context(), checkpoint.CompactOptions{Progress: watch})
				return err
			})
			plan, err := s.Plan(t.Context(), compaction.KeepLast(20))
			require.NoError(t, err)
			hold("prune", func(watch func(checkpoint.CompactProgress)) error {
				_, err := s.RunPlan(t.Context(), plan, checkpoint.PlanOptions{Reclaim: true, Progress: watch})
				return err
			})
		})
	}
}
