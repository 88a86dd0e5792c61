package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// runs collects the ids that a listing gives.
func runs(t tester, s *checkpoint.EventStore, opts checkpoint.RunsOptions) []string {
	t.Helper()
	ids := []string{}
	for run, err := range s.Runs(context.Background(), opts) {
		require.NoError(t, err)
		ids = append(ids, run.ID)
	}
	return ids
}

func TestRunsOptions(t *testing.T) {
	// By their last event, oldest first. None of these is a pattern.
	order := []string{"b", "a%", "a_", "a", "ä", "a*/x", "z", "A", "run-2", "run-10"}
	newest := slices.Clone(order)
	slices.Reverse(newest)
	byID := slices.Sorted(slices.Values(order))
	with := func(ids []string, prefix string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !strings.HasPrefix(id, prefix) })
	}
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for _, id := range byID {
			saved(t, s, id, "node", `1`)
		}
		for _, id := range order { // the last event counts, the first does not
			saved(t, s, id, "node", `2`)
		}
		for _, id := range []string{"b", "z", "run-10"} { // has notes from now on
			_, err := s.Prune(ctx, id, []uint64{1}, "test")
			require.NoError(t, err)
		}
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			require.Equal(t, newest, runs(t, s, checkpoint.RunsOptions{}), "companions are never listed")
			require.Equal(t, byID, runs(t, s, checkpoint.RunsOptions{ByID: true}))
			for _, prefix := range []string{"a", "a%", "run-", "z", "nothing", "ä", "\xc3", "b\x00"} {
				require.Equal(t, with(newest, prefix), runs(t, s, checkpoint.RunsOptions{Prefix: prefix}), "%q", prefix)
				require.Equal(t, with(byID, prefix), runs(t, s, checkpoint.RunsOptions{Prefix: prefix, ByID: true}), "%q", prefix)
			}
			for limit := 1; limit < 12; limit++ {
				n := min(limit, len(order))
				require.Equal(t, newest[:n], runs(t, s, checkpoint.RunsOptions{Limit: limit}))
				require.Equal(t, byID[:n], runs(t, s, checkpoint.RunsOptions{Limit: limit, ByID: true}))
			}
		}
	})
}

func TestRunsCursorContinuesExactly(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i := range 23 {
			saved(t, s, fmt.Sprint("run-", i*7%23), "node", `1`)
			if i%3 == 0 {
				_, err := s.Prune(ctx, fmt.Sprint("run-", i*7%23), []uint64{1}, "test")
				require.NoError(t, err)
			}
		}
		for _, byID := range []bool{false, true} {
			all := runs(t, s, checkpoint.RunsOptions{ByID: byID})
			require.Len(t, all, 23)
			for limit := 1; limit < 25; limit += 5 {
				var pages []string
				opts := checkpoint.RunsOptions{ByID: byID, Limit: limit}
				for more := true; more; {
					more = false
					for run, err := range s.Runs(ctx, opts) {
						require.NoError(t, err)
						pages, opts.After, more = append(pages, run.ID), run.Cursor(), true
					}
				}
				require.Equal(t, all, pages)
			}
		}
	})
}

func TestRunsCursorOutlivesItsRun(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i := range 6 {
			saved(t, s, fmt.Sprint("run-", i), "node", `1`)
		}
		var cursor string
		for run, err := range s.Runs(ctx, checkpoint.RunsOptions{Limit: 3}) {
			require.NoError(t, err)
			cursor = run.Cursor()
		}
		require.NoError(t, s.Delete(ctx, "run-3"))
		require.Equal(t, []string{"run-2", "run-1", "run-0"}, runs(t, s, checkpoint.RunsOptions{After: cursor}))
	})
}

func TestBadCursor(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t)
		saved(t, s, "run", "node", `1`)
		for _, cursor := range []string{"run", ".", "1", "1.", ".cnVu", "-1.cnVu", "1.c n", "1.cnVu=", "zzzzzzzzzzzzzzzzz.cnVu", "!!"} {
			listed := 0
			for _, err := range s.Runs(context.Background(), checkpoint.RunsOptions{After: cursor}) {
				listed++
				require.ErrorIs(t, err, checkpoint.ErrInvalid, cursor)
				require.ErrorContains(t, err, fmt.Sprintf("cursor %q: use one that a listing gave", cursor))
				say(err)
			}
			require.Equal(t, 1, listed, "an unknown cursor doesn't list everything")
		}
	})
}

func TestRunSummary(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		_, err := s.Run(ctx, "run")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		var bytes, stored int64
		for i := range 5 {
			c := &checkpoint.Checkpoint{
				RunID: "run", NodeID: fmt.Sprint("n", i), NextNode: fmt.Sprint("n", i+1), State: json.RawMessage(filler(3000 + 1000*i)),
				CreatedAt: noon.Add(time.Duration(i) * time.Minute), Metadata: checkpoint.Metadata{GraphID: "graph"},
			}
			require.NoError(t, s.Save(ctx, c))
			bytes += int64(len(c.State))
		}
		for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{HeadersOnly: true}) {
			stored += ev.Stored
		}
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			r, err := s.Run(ctx, "run")
			require.NoError(t, err)
			require.EqualValues(t, 5, r.Last)
			require.Equal(t, "n4", r.NodeID)
			require.Equal(t, "n5", r.NextNode)
			require.Equal(t, "graph", r.GraphID)
			require.EqualValues(t, 7000, r.Size)
			require.Equal(t, noon, r.CreatedAt)
			require.Equal(t, noon.Add(4*time.Minute), r.UpdatedAt)
			require.Zero(t, r.Pruned)
			require.Equal(t, bytes, r.Bytes)
			require.Equal(t, stored, r.Stored)
			require.Equal(t, requireIntact(t, s, "run").Head, r.Hash)
			say(r.Bytes, r.Stored)
		}
		_, err = s.Prune(ctx, "run", []uint64{2, 4}, "test")
		require.NoError(t, err)
		stored = 0
		for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{}) {
			stored += ev.Stored
		}
		r, err := s.Run(ctx, "run")
		require.NoError(t, err)
		require.EqualValues(t, 2, r.Pruned)
		require.Equal(t, bytes-4000-6000, r.Bytes)
		require.Equal(t, stored, r.Stored)
	})
}

func TestManyRunsAreListedOverPages(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		done := make(chan error)
		for w := range 4 {
			go func() {
				var err error
				for i := range 300 {
					if err == nil {
						err = s.Save(ctx, &checkpoint.Checkpoint{RunID: fmt.Sprintf("run-%d-%d", w, i), NodeID: "node", State: json.RawMessage(`1`)})
					}
				}
				done <- err
			}()
		}
		for range 4 {
			require.NoError(t, <-done)
		}
		byID := runs(t, s, checkpoint.RunsOptions{ByID: true})
		require.Len(t, byID, 1200)
		require.True(t, slices.IsSorted(byID))
		newest := runs(t, s, checkpoint.RunsOptions{})
		slices.Sort(newest)
		require.Equal(t, byID, newest)
	})
}
