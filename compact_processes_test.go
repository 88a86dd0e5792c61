package checkpoint_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func init() { children["compactor"] = compactorChild }

// compactorChild compacts for a while, and says from when until when it was at work
// each time.
func compactorChild(args []string) int {
	var t inChild
	duration, err := time.ParseDuration(args[1])
	require.NoError(t, err)
	s := openFile(t, "sqlite", args[0], checkpoint.WithIdle(50*time.Millisecond), checkpoint.WithDurability(checkpoint.DurabilityOff))
	for end := time.Now().Add(duration); time.Now().Before(end); {
		var first, last time.Time
		rep, err := s.Compact(context.Background(), checkpoint.CompactOptions{Progress: func(p checkpoint.CompactProgress) {
			if p.Step == checkpoint.CompactWaiting {
				return
			}
			if last = time.Now(); first.IsZero() {
				first = last
			}
		}})
		require.NoError(t, err)
		require.Empty(t, rep.Skipped)
		fmt.Println(first.UnixNano(), last.UnixNano(), rep.Sealed.Events)
		time.Sleep(time.Duration(number(50)) * time.Millisecond)
	}
	require.NoError(t, s.Close())
	return 0
}

// TestProcessesCompact holds that processes that compact one file, while others save
// to it and compact in the background, take turns, and that no event is lost.
func TestProcessesCompact(t *testing.T) {
	t.Parallel()
	const compactors, savers = 3, 2
	duration := 1500 * time.Millisecond
	if os.Getenv("FLOWLOG_LONG") == "1" {
		duration = 15 * time.Second
	}
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	require.NoError(t, openFile(t, "sqlite", path).Close())
	var outputs [compactors + savers]bytes.Buffer
	var wait [compactors + savers]func() error
	for i := range outputs {
		cmd := child(t, "compactor", path, duration.String())
		if i >= compactors {
			cmd = child(t, "writer", path, fmt.Sprint("own-", i), duration.String())
		}
		cmd.Stdout = &outputs[i]
		require.NoError(t, cmd.Start())
		wait[i] = cmd.Wait
	}
	for i := range outputs {
		require.NoError(t, wait[i](), "process %d met an error", i)
	}

	// The times at work of all, by their beginning, must not overlap.
	type turn struct{ first, last, events int64 }
	var turns []turn
	sealed := int64(0)
	for i := range compactors {
		for line := range strings.Lines(outputs[i].String()) {
			var x turn
			_, err := fmt.Sscan(line, &x.first, &x.last, &x.events)
			require.NoError(t, err, line)
			turns = append(turns, x)
			sealed += x.events
		}
	}
	slices.SortFunc(turns, func(x, y turn) int { return cmp.Compare(x.first, y.first) })
	for i := 1; i < len(turns); i++ {
		require.Greater(t, turns[i].first, turns[i-1].last, "two compacted at the same time")
	}
	require.NotEmpty(t, turns) // on a busy machine the background may have left nothing to seal

	s := openFile(t, "sqlite", path)
	told := map[string]int{}
	for i := compactors; i < len(outputs); i++ {
		for line := range strings.Lines(outputs[i].String()) {
			if strings.HasPrefix(line, "conflicts ") {
				continue
			}
			a := parseAcknowledged(t, line)
			told[a.run]++
			ev, err := s.LoadSeq(t.Context(), a.run, a.seq)
			require.NoError(t, err)
			require.Equal(t, a.parent, ev.Parent, "%s seq %d", a.run, a.seq)
			require.Equal(t, a.hash, sum(ev.State), "%s seq %d", a.run, a.seq)
		}
	}
	events := 0
	for run, n := range told {
		require.EqualValues(t, n, requireIntact(t, s, run).Events, run)
		events += n
	}
	_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	requireNoOrphansSQLite(t, path, "in the end")
	t.Logf("%d turns of %d processes sealed %d events, some more than once, of %d", len(turns), compactors, sealed, events)
}
