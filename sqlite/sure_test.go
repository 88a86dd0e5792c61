package sqlite_test

import (
	"errors"
	"maps"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// TestSure lets others write between two commits of one handle, which must not
// take for granted what it left there.
func TestSure(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	open := func() *bodies {
		backend, err := sqlite.Open(path, sqlite.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, backend.Close()) })
		return &bodies{T: t, b: backend, db: look(t, path), revisions: map[string]uint64{}}
	}
	one, other := open(), open()
	runs := append([]string{"e", "f"}, abcd...)
	one.together(1, runs...)
	one.together(2, runs...)
	other.revisions = one.revisions
	stale := func(b *bodies, want ...string) {
		t.Helper()
		var changes []driver.Change
		for _, id := range runs {
			changes = append(changes, driver.Change{Run: id, Revision: b.revisions[id], Append: events(3, 3)})
		}
		results, err := b.b.Apply(t.Context(), driver.ApplyRequest{Changes: changes})
		require.NoError(t, err)
		var conflicts []string
		for i, res := range results {
			if errors.Is(res.Err, driver.ErrConflict) {
				conflicts = append(conflicts, runs[i])
			} else {
				require.NoError(t, res.Err)
			}
		}
		require.Equal(t, want, conflicts)
	}
	// By the other: an append, an append together, a drop, and another life.
	old := one.revisions["d"]
	other.together(3, "a")
	other.apply(driver.Change{Run: "d", Drop: true})
	delete(other.revisions, "d")
	other.together(1, "d")
	other.together(2, "d")
	one.revisions = maps.Clone(other.revisions)
	one.revisions["d"] = old
	stale(one, "a", "d")
	stale(one, "e", "f", "a", "b", "c", "d")
	stale(other, "e", "f", "a", "b", "c")
	// By itself: a new revision, a drop.
	one.revisions["d"] = other.revisions["d"]
	one.together(4, runs...)
	before := maps.Clone(one.revisions)
	one.apply(driver.Change{Run: "e", Head: row(1), Rewrite: events(4, 4)}, driver.Change{Run: "f", Drop: true})
	one.revisions = before
	five := func(id string) driver.Change {
		return driver.Change{Run: id, Revision: before[id], Append: events(5, 5)}
	}
	results, err := one.b.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{five("e"), five("f"), five("a"), five("b")}})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, driver.ErrConflict)
	require.ErrorIs(t, results[1].Err, driver.ErrConflict)
	require.NoError(t, results[2].Err)
	require.NoError(t, results[3].Err)
	check(t, path)
}

// TestWrongWhileSure appends what doesn't fit to runs whose state is known.
func TestWrongWhileSure(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	b.together(1, abcd...)
	b.together(2, abcd...)
	change := func(id string, revision, seq uint64) driver.Change {
		return driver.Change{Run: id, Revision: b.revisions[id] + revision, Append: events(seq, seq)}
	}
	results, err := b.b.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{change("a", 1, 3), change("b", 0, 4), change("c", 0, 3), change("d", 0, 3)}})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, driver.ErrConflict)
	require.ErrorIs(t, results[1].Err, driver.ErrConflict)
	require.NoError(t, results[2].Err)
	require.NoError(t, results[3].Err)
	b.expect(1, 2, "a", "b")
	b.expect(1, 3, "c", "d")
}

// TestPlaceIsKnownForCertain undoes a commit, and has another handle begin a run anew in
// the past: the run's place must be right all the same.
func TestPlaceIsKnownForCertain(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	b.together(1, abcd...)
	at := func(id string, seq, second uint64) driver.Change {
		c := driver.Change{Run: id, Revision: b.revisions[id], Append: events(seq, seq)}
		c.Append[0].Recency = second * 1e9
		return c
	}
	bad := driver.Change{Run: "e", Head: row(1), Append: events(1, 3)}
	bad.Append[2].Seq = 4
	results, err := b.b.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{at("a", 2, 5), at("b", 2, 5), at("c", 2, 5), at("d", 2, 5), bad}})
	require.NoError(t, err)
	require.ErrorIs(t, results[4].Err, driver.ErrCorrupt)
	check(t, b.path)
	b.apply(at("a", 3, 5))

	o := &bodies{T: t, b: b.another(), db: b.db, revisions: b.revisions}
	o.apply(driver.Change{Run: "a", Drop: true})
	delete(o.revisions, "a")
	o.apply(driver.Change{Run: "a", Head: row(1), Append: events(1, 1)})
	b.apply(at("a", 2, 3))
	check(t, b.path)
}
