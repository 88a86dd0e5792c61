package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestSizeOfASmallEvent holds what an event with a state of 440 bytes takes in SQLite's file
// as it is saved, with all that a flowgraph node says of itself: six fit in a page of 4 KiB.
func TestSizeOfASmallEvent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	s := openFile(t, "sqlite", path, checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
	nodes := []string{"plan", "write", "review", "search", "tool"}
	const events = 5000
	for i := range events {
		state := fmt.Sprintf(`{"i":"%08d","pad":"%s"}`, i, strings.Repeat("x", 415))
		require.Len(t, state, 440)
		require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{
			RunID: "run-123", NodeID: nodes[i%5], PrevNodeID: nodes[(i+4)%5], NextNode: nodes[(i+1)%5], State: []byte(state),
			StartedAt: time.Now().Add(-3 * time.Second), Metadata: checkpoint.Metadata{GraphID: "my-workflow", Version: 1},
		}))
	}
	require.NoError(t, s.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.LessOrEqual(t, float64(info.Size())/events, 800.0)
	t.Logf("%.1f bytes an event", float64(info.Size())/events)
}
