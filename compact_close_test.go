package checkpoint_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestCloseDuringCompaction closes a store that seals a long run in the background:
// Close waits for the step at hand and no more, and what was reached is kept.
func TestCloseDuringCompaction(t *testing.T) {
	t.Parallel()
	for name, d := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "checkpoints.db")
			b, err := d.open(path)
			require.NoError(t, err)
			s, err := checkpoint.Open(b, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(100))
			require.NoError(t, err)
			w := newWitness()
			const segments = 6
			text := filler(5000)
			for i := range segments * 256 {
				require.NoError(t, w.save(s, "run", 0, fmt.Sprintf(`{"i":%d,"text":%s}`, i, text)))
			}
			require.NoError(t, s.Close())

			// The step at hand is held up until Close has been called.
			b, err = d.open(path)
			require.NoError(t, err)
			var sealed, steps atomic.Int64
			second, closing := make(chan struct{}), make(chan struct{})
			f := &failpoints{Backend: b, point: func(name string) error {
				select {
				case <-closing:
					if strings.HasPrefix(name, "before") && !strings.Contains(name, "lease") {
						steps.Add(1)
					}
					return nil
				default:
				}
				if strings.HasPrefix(name, "before") && strings.Contains(name, " 1 sealed") && sealed.Add(1) == 2 {
					close(second)
					<-closing
					time.Sleep(20 * time.Millisecond) // so that Close is under way
				}
				return nil
			}}
			s, err = checkpoint.Open(f, checkpoint.WithIdle(time.Millisecond))
			require.NoError(t, err)
			<-second
			close(closing)
			require.NoError(t, s.Close())
			require.LessOrEqual(t, steps.Load(), int64(1), "steps begun after Close")

			b, err = d.open(path)
			require.NoError(t, err)
			s, err = checkpoint.Open(b, checkpoint.WithoutCompaction())
			require.NoError(t, err)
			w.check(t, s, "closed")
			run, err := s.Run(t.Context(), "run")
			require.NoError(t, err)
			left := run.Unsealed()
			require.Greater(t, left, uint64(256), "it was in the middle")
			require.Less(t, left, uint64(segments*256), "what was reached is kept")
			require.NoError(t, w.save(s, "run", 0, `"goes on"`))
			start := time.Now() // the lease was given back: nobody waits for it
			_, err = s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
			require.Less(t, time.Since(start), 25*time.Second)
			w.check(t, s, "compacted")
			requireTiled(t, b, "compacted")
			require.NoError(t, s.Close())
			d.orphans(t, path, "compacted")
		})
	}
}
