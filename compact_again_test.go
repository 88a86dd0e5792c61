package checkpoint_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestCompactAgain holds what Compact says to the file, and expects a second one to
// find nothing to do: not to copy a bbolt file for what the first one's end made of it.
func TestCompactAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x")
			s := openFile(t, kind, path, checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
			r := rand.NewChaCha8([32]byte{})
			for run := range 1200 {
				noise := make([]byte, 1<<10)
				r.Read(noise)
				state, err := json.Marshal(noise)
				require.NoError(t, err)
				require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", run), NodeID: "n", State: state}))
			}
			first, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
			require.Positive(t, first.Reclaimed)
			after, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, after.Size(), first.After)

			second, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
			again, err := os.Stat(path)
			require.NoError(t, err)
			require.True(t, os.SameFile(after, again), "the file was copied again")
			require.Equal(t, again.Size(), second.After)
			require.Equal(t, first.After, second.After)
			require.NoError(t, s.Close())
		})
	}
}
