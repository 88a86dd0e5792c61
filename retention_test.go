package checkpoint_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestRetention holds that what policies don't keep goes in the background, while runs
// grow, what is pinned stays, and that passes are told of.
func TestRetention(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		var said lockedBuffer
		passes := make(chan checkpoint.RetentionPass, 1)
		before := st.open(t, checkpoint.WithPlainUpTo(1000), checkpoint.WithoutCompaction(), atNoon)
		states := loop(t, before, "run", 300)
		saved(t, before, "idle", "a", `1`)
		require.NoError(t, before.Pin(ctx, "run", 7))
		retain := func() *checkpoint.EventStore {
			return st.open(t, checkpoint.WithPlainUpTo(1000), checkpoint.WithIdle(time.Hour), checkpoint.WithLogger(slog.New(slog.NewTextHandler(&said, nil))),
				checkpoint.WithRetention(time.Millisecond, compaction.KeepLast(3), compaction.DropRunsIdle(time.Hour)),
				checkpoint.WithRetentionReport(func(p checkpoint.RetentionPass) {
					select {
					case passes <- p:
					default:
					}
				}))
		}
		s := retain()
		other := retain() // they take turns
		pass := <-passes
		require.NoError(t, pass.Err)
		require.Empty(t, pass.Result.Skipped)
		for i := range 5 {
			states = append(states, filler(5000+i))
			require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "a", State: []byte(states[len(states)-1])}))
		}
		require.Eventually(t, func() bool {
			run, err := other.Run(ctx, "run")
			require.NoError(t, err)
			return run.Pruned == 305-4
		}, time.Minute, time.Millisecond)
		for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{}) {
			require.Equal(t, ev.Seq != 7 && ev.Seq < 303, ev.Pruned, "seq %d", ev.Seq)
			require.True(t, ev.Pruned || string(ev.State) == states[ev.Seq])
		}
		require.Equal(t, []string{"run"}, runs(t, s, checkpoint.RunsOptions{}))
		requireIntact(t, s, "run")
		// The store that met both runs may have let the other take its turn, and tells when
		// it is done. Close would end its pass untold.
		require.Eventually(t, func() bool {
			return strings.Contains(said.String(), `level=INFO msg="flowlog: retention" runs=2 `)
		}, time.Minute, time.Millisecond)
		require.NoError(t, s.Close())
		require.NoError(t, other.Close())
		require.NotContains(t, said.String(), "WARN")
	})
}

// TestRetentionNamesWhatItCantRead: once as a warning, and in number with each pass.
func TestRetentionNamesWhatItCantRead(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("each pass fails %t", fails), func(t *testing.T) { retentionNamesWhatItCantRead(t, fails) })
	}
}

func retentionNamesWhatItCantRead(t *testing.T, fails bool) {
	t.Parallel()
	b := memory.New()
	before, err := checkpoint.Open(keptBackend{b}, checkpoint.WithoutCompaction())
	require.NoError(t, err)
	for _, run := range []string{"damaged", "sound"} {
		for range 3 {
			saved(t, before, run, "node", `1`)
		}
	}
	require.NoError(t, before.Close())
	h, err := b.Head(t.Context(), driver.HeadRequest{Run: "damaged"})
	require.NoError(t, err)
	h.Sum++
	results, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{{Run: h.Run, Revision: h.Revision, Head: &h}}})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)

	var said lockedBuffer
	passes := make(chan checkpoint.RetentionPass)
	ctx, stop := context.WithCancel(t.Context())
	s, err := checkpoint.Open(&unpurgeable{Backend: b, damaged: fails}, checkpoint.WithIdle(time.Hour), checkpoint.WithRetention(time.Millisecond, compaction.KeepLast(1)),
		checkpoint.WithLogger(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		checkpoint.WithRetentionReport(func(p checkpoint.RetentionPass) {
			select {
			case passes <- p:
			case <-ctx.Done():
			}
		}))
	require.NoError(t, err)
	for i := range 3 {
		pass := <-passes
		require.Equal(t, fails, pass.Err != nil)
		require.Contains(t, pass.Plan.Runs[0].Unreadable, "corrupt")
		if i == 0 {
			require.EqualValues(t, 2, pass.Result.Events)
		}
	}
	stop()
	require.NoError(t, s.Close())
	if !fails {
		require.Contains(t, said.String(), `level=INFO msg="flowlog: retention" runs=2 pruned_runs=1 dropped_runs=0 events=2 skipped_runs=0 unreadable_runs=1`)
	}
	require.Contains(t, said.String(), `level=WARN msg="flowlog: retention leaves a run alone that can't be read" run=damaged error=`)
	require.Equal(t, 1, strings.Count(said.String(), "level=WARN msg=\"flowlog: retention leaves a run alone"))
	require.GreaterOrEqual(t, strings.Count(said.String(), "unreadable_runs=1"), 3)
	require.GreaterOrEqual(t, strings.Count(said.String(), "level=DEBUG msg=\"flowlog: retention leaves a run alone"), 2)
}

func TestRetentionThatMakesNoSense(t *testing.T) {
	t.Parallel()
	st := inSQLite(t, t.TempDir())
	for want, opts := range map[string][]checkpoint.Option{
		"invalid retention every 0s: the time between two passes must be more than 0":                {checkpoint.WithRetention(0, compaction.KeepAll())},
		"invalid retention without a policy: it would keep everything":                               {checkpoint.WithRetention(time.Hour)},
		`retention: invalid policy "keep-last 0": the number of events must be at least 1`:           {checkpoint.WithRetention(time.Hour, compaction.KeepLast(0))},
		"invalid option WithRetention: it cannot be combined with WithoutCompaction or WithReadOnly": {checkpoint.WithRetention(time.Hour, compaction.KeepLast(1)), checkpoint.WithoutCompaction()},
	} {
		_, err := checkpoint.NewSQLiteStore(st.path, opts...)
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
		require.EqualError(t, err, want)
	}
}

// TestRetentionErasesWhatACrashLeft: also when a pass itself has nothing to drop.
func TestRetentionErasesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	for name, d := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			b, err := d.open(path)
			require.NoError(t, err)
			l, err := log.Open(b, log.Options{})
			require.NoError(t, err)
			for _, run := range []string{"gone", "kept"} {
				_, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: run, NodeID: "node", Kind: log.JSON}, State: []byte(`1`)})
				require.NoError(t, err)
			}
			run, err := l.Run(t.Context(), "gone")
			require.NoError(t, err)
			require.NoError(t, l.DropIf(t.Context(), "gone", run.Life, 1, func(log.Marks) error { return nil }))
			require.NoError(t, l.Close()) // before it is erased

			b, err = d.open(path)
			require.NoError(t, err)
			passes := make(chan checkpoint.RetentionPass, 1)
			s, err := checkpoint.Open(b, checkpoint.WithRetention(time.Hour, compaction.KeepAll()),
				checkpoint.WithRetentionReport(func(p checkpoint.RetentionPass) { passes <- p }))
			require.NoError(t, err)
			require.NoError(t, (<-passes).Err)
			require.NoError(t, s.Close())
			d.orphans(t, path, "after a pass")
		})
	}
}
