package checkpoint_test

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// twoHandles returns two stores on one file.
func twoHandles(t *testing.T, opts ...checkpoint.Option) (a, b *checkpoint.SQLiteStore) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	for _, s := range []**checkpoint.SQLiteStore{&a, &b} {
		store, err := checkpoint.NewSQLiteStore(path, opts...)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		*s = store
	}
	return a, b
}

// While one handle prunes, another goes on saving states that lean on the last.
func TestPruneWhileAnotherAppends(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, b := twoHandles(t)
	text := strings.Repeat("what the states have in common, more or less. ", 200)
	save := func(i int) error {
		c, err := checkpoint.New("run", "node", map[string]any{"i": i, "text": text})
		require.NoError(t, err)
		return b.Save(ctx, c)
	}
	for i := range 10 {
		require.NoError(t, save(i))
	}
	done := make(chan error, 1)
	go func() {
		for i := 10; i < 200; i++ {
			if err := save(i); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for saving := true; saving; {
		run, err := a.Run(ctx, "run")
		require.NoError(t, err)
		_, err = a.Prune(ctx, "run", []uint64{run.Last, run.Last - 3}, "test")
		require.NoError(t, err)
		select {
		case err := <-done:
			require.NoError(t, err)
			saving = false
		default:
		}
	}
	report, err := a.Verify(ctx, "run")
	require.NoError(t, err)
	require.True(t, report.Intact(), report.String())
	require.EqualValues(t, 200, report.Events)
	list, err := a.List("run")
	require.NoError(t, err)
	for _, c := range list {
		var state struct{ I int }
		require.NoError(t, c.Decode(&state))
		require.EqualValues(t, c.Seq-1, state.I)
	}
}

func TestLargeOptions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := checkpoint.NewMemoryStore(checkpoint.WithMaxState(math.MaxInt64))
	defer s.Close()
	c, err := checkpoint.New("run", "node", strings.Repeat("x", 2<<20))
	require.NoError(t, err)
	require.NoError(t, s.Save(ctx, c))
	loaded, err := s.Load(ctx, "run")
	require.NoError(t, err)
	require.Equal(t, c.State, loaded.State)
	for run, err := range s.Runs(ctx, checkpoint.RunsOptions{Limit: math.MaxInt}) {
		require.NoError(t, err)
		require.Equal(t, "run", run.ID)
	}
}
