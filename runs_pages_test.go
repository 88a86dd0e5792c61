package checkpoint_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestRunsOverPages lists runs that were written at known times: newest first is exact
// within a page, and from page to page up to a second; each run comes once, whatever the
// limit, the class and the prefix, and a prefix of few runs is exact.
func TestRunsOverPages(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) storage{
		"memory": func(t *testing.T) storage { return inMemory(t, "") },
		"sqlite": func(t *testing.T) storage { return inSQLite(t, t.TempDir()) },
		"bolt":   func(t *testing.T) storage { return inBolt(t, t.TempDir()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				listedOverPages(t, open(t).open(t, checkpoint.WithoutCompaction()))
			})
		})
	}
}

func listedOverPages(t *testing.T, s *checkpoint.EventStore) {
	const all, busy = 700, 60 // runs, and those that are written again and again
	r := rand.New(rand.NewPCG(1, 2))
	at, finished := map[string]time.Time{}, map[string]bool{}
	write := func(run string) {
		c := small(run, 1)
		if finished[run] = r.IntN(3) == 0; finished[run] {
			c.Role = checkpoint.RoleEnd
		}
		time.Sleep(time.Duration(r.IntN(15)) * time.Millisecond)
		at[run] = time.Now()
		require.NoError(t, s.Save(t.Context(), c))
	}
	name := func(i int) string { return fmt.Sprintf("%c-%d", 'a'+rune(i%3), i) }
	for i := range all {
		write(name(i))
		write(name(i % busy))
	}
	// exact returns the runs in the order of their last events, newest first.
	exact := func(opts checkpoint.RunsOptions) []string {
		ids := []string{}
		for run := range at {
			if strings.HasPrefix(run, opts.Prefix) && (opts.Class == nil || finished[run] == (*opts.Class == checkpoint.ClassFinished)) {
				ids = append(ids, run)
			}
		}
		slices.SortFunc(ids, func(x, y string) int {
			if c := at[y].Compare(at[x]); c != 0 {
				return c
			}
			return strings.Compare(y, x)
		})
		return ids
	}
	paged := func(opts checkpoint.RunsOptions) []string {
		ids := []string{}
		for more := true; more; {
			more = false
			for run, err := range s.Runs(t.Context(), opts) {
				require.NoError(t, err)
				ids, opts.After, more = append(ids, run.ID), run.Cursor(), true
			}
		}
		return ids
	}
	open, done := checkpoint.ClassOpen, checkpoint.ClassFinished
	for _, class := range []*checkpoint.Class{nil, &open, &done} {
		for _, prefix := range []string{"", "a-", "b-1", "nothing"} {
			opts := checkpoint.RunsOptions{Class: class, Prefix: prefix}
			want := exact(opts)
			sorted := slices.Clone(want)
			slices.Sort(sorted)
			byID := opts
			byID.ByID = true
			require.Equal(t, sorted, runs(t, s, byID))
			for _, limit := range []int{0, 1, 7, 64, 100, 512, 600, 1000} {
				if limit > 0 && limit < 64 && len(want) > 100 && brief() || limit == 512 && raced {
					continue
				}
				opts.Limit, byID.Limit = limit, limit
				require.Equal(t, sorted, paged(byID))
				got := paged(opts)
				require.Len(t, got, len(want), "limit %d", limit)
				require.ElementsMatch(t, want, got, "limit %d", limit)
				if prefix != "" {
					require.Equal(t, want, got, "few runs are sorted as a whole")
				}
				// Of the runs that were not listed yet none is more than a second newer.
				var newest time.Time
				for _, run := range slices.Backward(got) {
					require.Less(t, newest.Sub(at[run]), time.Second)
					if at[run].After(newest) {
						newest = at[run]
					}
				}
				first := got[:min(len(got), 64)]
				require.True(t, slices.IsSortedFunc(first, func(x, y string) int { return at[y].Compare(at[x]) }), "a page is in order")
			}
		}
	}
}
