package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// explain returns the plan of a statement. Where it is given no arguments it gets any.
func explain(t *testing.T, b *sqlite.Backend, text string, args ...any) []string {
	t.Helper()
	if args == nil {
		for i := range 32 {
			args = append(args, int64(i))
		}
	}
	plan, err := b.Explain(t.Context(), text, args...)
	require.NoError(t, err, text)
	return plan
}

// TestNothingIsScanned holds that no statement that looks for something reads a table
// from end to end, or sorts.
func TestNothingIsScanned(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{})
	for name, text := range sqlite.Statements() {
		for _, step := range explain(t, b, text) {
			require.NotContains(t, step, "TEMP B-TREE", name)
			if step != "SCAN (subquery-1)" { // eight segments at most
				require.NotContains(t, step, "SCAN ", name)
			}
		}
	}
}

// TestPlansOfPages holds that a page of heads or entries is read from one index in its
// order.
func TestPlansOfPages(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{})
	class, after := uint8(1), driver.Head{Run: "m", Place: 5}
	for _, test := range []struct {
		req  driver.HeadsRequest
		plan string
	}{
		{driver.HeadsRequest{}, "SCAN r USING INDEX sqlite_autoindex_runs_1"},
		{driver.HeadsRequest{After: after}, "SEARCH r USING INDEX sqlite_autoindex_runs_1 (run>?)"},
		{driver.HeadsRequest{Prefix: "a"}, "SEARCH r USING INDEX sqlite_autoindex_runs_1 (run>? AND run<?)"},
		{driver.HeadsRequest{Prefix: "mm", After: after}, "SEARCH r USING INDEX sqlite_autoindex_runs_1 (run>? AND run<?)"},
		{driver.HeadsRequest{Prefix: "m", After: after}, "SEARCH r USING INDEX sqlite_autoindex_runs_1 (run>? AND run<?)"},
		{driver.HeadsRequest{Newest: true}, "SCAN r USING INDEX runs_by_place"},
		{driver.HeadsRequest{Newest: true, After: after}, "SEARCH r USING INDEX runs_by_place ((place,run)<(?,?))"},
		{driver.HeadsRequest{Newest: true, Prefix: "m", After: after}, "SEARCH r USING INDEX runs_by_place ((place,run)<(?,?))"},
		{driver.HeadsRequest{Newest: true, Class: &class}, "SEARCH r USING INDEX runs_by_class (class=?)"},
		{driver.HeadsRequest{Newest: true, Class: &class, Prefix: "m"}, "SEARCH r USING INDEX runs_by_class (class=?)"},
		{driver.HeadsRequest{Newest: true, Class: &class, After: after}, "SEARCH r USING INDEX runs_by_class (class=? AND (place,run)<(?,?))"},
	} {
		test.req.Limit = 10
		text, args := sqlite.HeadsSQL(test.req)
		plan := explain(t, b, text, args...)
		require.Equal(t, test.plan, plan[0], text)
		require.NotContains(t, strings.Join(plan, "\n"), "TEMP B-TREE", text)
	}
	for _, req := range []driver.EntriesRequest{
		{}, {Reverse: true}, {EntryRange: driver.EntryRange{From: []byte("a")}}, {EntryRange: driver.EntryRange{To: []byte("a")}, Reverse: true},
	} {
		req.Run, req.Limit = "a", 10
		text, args := sqlite.EntriesSQL(req)
		plan := explain(t, b, text, args...)
		require.Len(t, plan, 2, text)
		require.Contains(t, plan[1], "SEARCH e USING PRIMARY KEY (rk=? AND key>?", text)
	}
}
