//go:build amd64 || arm64

package checkpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/flowlog/checkpoint"
)

const (
	syncRuns   = 4
	syncGood   = 30 // saves of each goroutine before syncs fail
	syncSavers = 16 // goroutines that save at the same time
)

func init() { children["failing shared sync"] = failingSharedSyncChild }

// failingSharedSyncChild saves to two files, one save after the other and many at
// the same time, loses its disk, and looks what saves give then.
func failingSharedSyncChild(args []string) int {
	var t inChild
	stores := make([]*checkpoint.SQLiteStore, len(args))
	good := make([][syncRuns]int, len(args))
	var mu sync.Mutex // guards good
	save := func(i, n int) error {
		run := n % syncRuns
		c := &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", run), NodeID: "node", State: json.RawMessage(filler(100 + 500*run))}
		err := stores[i].Save(context.Background(), c)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			good[i][run]++
			acknowledge(c, c.Parent, args[i])
		}
		return err
	}
	for i, path := range args {
		s, err := checkpoint.NewSQLiteStore(path)
		require.NoError(t, err)
		stores[i] = s
	}
	for n := range syncGood {
		require.NoError(t, save(0, n))
	}
	var errs [syncSavers]error
	var under, ready sync.WaitGroup
	ready.Add(syncSavers)
	for n := range errs {
		under.Go(func() {
			for saves := 1; errs[n] == nil; saves++ {
				if errs[n] = save(1, n); saves == syncGood {
					ready.Done()
				}
			}
		})
	}
	ready.Wait()
	require.NoError(t, deny(true, unix.EIO, unix.SYS_FSYNC, unix.SYS_FDATASYNC))
	under.Wait()

	err := save(0, 0)
	require.ErrorIs(t, err, checkpoint.ErrUnknownOutcome)
	require.NotErrorIs(t, err, checkpoint.ErrReadOnly)
	require.ErrorContains(t, err, "open the store again and look")
	unknown := 0
	for _, err := range errs {
		if errors.Is(err, checkpoint.ErrUnknownOutcome) {
			unknown++
			continue
		}
		require.ErrorIs(t, err, checkpoint.ErrReadOnly) // came after that commit
	}
	if unknown == 0 { // the first sync that failed was that of writing the WAL back
		require.ErrorContains(t, errs[0], "could not be written back")
	}
	fmt.Println("unknown", unknown)
	for i, s := range stores {
		requireReadable(t, s.EventStore, good[i])
		s.Close() // it may say that it could not write the WAL back, or not
	}
	return 0
}

// requireReadable holds that a store whose sync failed is there for reading only,
// and shows what was acknowledged.
func requireReadable(t require.TestingT, s *checkpoint.EventStore, good [syncRuns]int) {
	ctx := context.Background()
	_, pruneErr := s.Prune(ctx, "run-1", []uint64{1}, "test")
	for _, err := range []error{
		s.Save(ctx, &checkpoint.Checkpoint{RunID: "run-1", NodeID: "late", State: json.RawMessage(`1`)}),
		s.Save(ctx, &checkpoint.Checkpoint{RunID: "new", NodeID: "late", State: json.RawMessage(`1`)}),
		s.Delete(ctx, "run-1"),
		pruneErr,
	} {
		require.ErrorIs(t, err, checkpoint.ErrReadOnly)
		require.NotErrorIs(t, err, checkpoint.ErrUnknownOutcome)
		require.ErrorContains(t, err, "nothing was written now")
		require.ErrorContains(t, err, "open it again")
	}
	for i, count := range good {
		run := fmt.Sprint("run-", i)
		c, err := s.Load(ctx, run)
		require.NoError(t, err)
		require.EqualValues(t, count, c.Seq)
		list, err := s.List(run)
		require.NoError(t, err)
		require.Len(t, list, count)
		n := 0
		for ev, err := range s.History(ctx, run, checkpoint.HistoryOptions{Backward: true}) {
			require.NoError(t, err)
			require.Equal(t, string(list[count-1-n].State), string(ev.State))
			n++
		}
		require.Equal(t, count, n)
		rep, err := s.Verify(ctx, run)
		require.NoError(t, err)
		require.True(t, rep.Intact(), "%v", rep.Problems)
	}
}

// TestFailedSharedSync holds that when a sync fails, each save that shared the
// commit is told that its outcome is unknown, and that what was acknowledged
// before is safe.
func TestFailedSharedSync(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alone, together := filepath.Join(dir, "alone.db"), filepath.Join(dir, "together.db")
	out, err := child(t, "failing shared sync", alone, together).Output()
	require.NoError(t, err)
	told := map[string]map[string]map[uint64]string{alone: {}, together: {}} // hashes of states, by path, run and seq
	saves := map[string]int{}
	unknown := 0
	for line := range strings.Lines(string(out)) {
		if n, err := fmt.Sscanf(line, "unknown %d\n", &unknown); err == nil && n == 1 {
			continue
		}
		a := parseAcknowledged(t, line)
		runs := told[a.token]
		if runs[a.run] == nil {
			runs[a.run] = map[uint64]string{}
		}
		runs[a.run][a.seq] = a.hash
		saves[a.token]++
	}
	for path, may := range map[string]int{alone: 1, together: unknown} {
		s, err := checkpoint.NewSQLiteStore(path)
		require.NoError(t, err)
		require.Len(t, told[path], syncRuns)
		found := 0
		for run, hashes := range told[path] {
			found += requireTold(t, s.EventStore, run, hashes)
			last, err := s.Load(t.Context(), run)
			require.NoError(t, err)
			c := saved(t, s.EventStore, run, "again", `"again"`)
			require.Equal(t, last.Seq, c.Parent)
			requireIntact(t, s.EventStore, run)
		}
		require.GreaterOrEqual(t, found, saves[path])
		require.LessOrEqual(t, found, saves[path]+may)
		t.Logf("%s: %d saves acknowledged; of %d of unknown outcome %d are there", filepath.Base(path), saves[path], may, found-saves[path])
		require.NoError(t, s.Close())
	}
}
