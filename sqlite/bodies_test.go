package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
)

// TestBodiesAreErased writes events of shared commits, which are stored apart
// from their places, and expects each to be gone when its event is.
func TestBodiesAreErased(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	runs := []string{"a", "b", "c", "d"}
	var create, more []driver.Change
	for _, id := range runs {
		create = append(create, driver.Change{Run: id, Head: row(1), Append: events(1, 2)})
		more = append(more, driver.Change{Run: id, Append: events(3, 4)})
	}
	b.apply(create[:3]...)
	b.want(0, 6) // three are not enough
	b.apply(create[3])
	b.apply(more...)
	b.want(8, 16)
	b.apply(driver.Change{Run: "a", Append: events(5, 5)})
	b.want(8, 17)

	b.apply(driver.Change{Run: "a", Head: row(1), Rewrite: events(2, 3)}) // one of each kind
	b.want(7, 17)
	b.apply(driver.Change{Run: "a", Head: row(1), Rewrite: events(2, 3)}) // again
	b.want(7, 17)

	b.apply(driver.Change{Run: "b", Head: row(4), Add: []driver.Segment{{First: 1, Last: 3, Index: []byte("i"), Data: []byte("sealed")}}})
	b.purge()
	b.want(6, 14)

	b.apply(driver.Change{Run: "c", Drop: true})
	b.purge()
	b.want(4, 10)

	for _, id := range []string{"a", "b", "d"} {
		b.apply(driver.Change{Run: id, Drop: true})
	}
	b.purge()
	b.want(0, 0)
	require.Zero(t, query[int](t, b.db, `SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM segments) + (SELECT count(*) FROM dead)`))
}

// TestBodiesAreErasedInSlices has more to erase than one slice holds.
func TestBodiesAreErasedInSlices(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	const n = 300
	var create []driver.Change
	for _, id := range []string{"a", "b", "c", "d"} {
		create = append(create, driver.Change{Run: id, Head: row(1), Append: events(1, n)})
	}
	b.apply(create...)
	b.want(4*n, 4*n)
	b.apply(driver.Change{Run: "a", Drop: true})
	b.apply(driver.Change{Run: "b", Head: row(n), Add: []driver.Segment{{First: 1, Last: n - 1, Index: []byte("i"), Data: []byte("sealed")}}})
	require.Greater(t, b.purge(), 2)
	b.want(2*n+1, 2*n+1)
	// What comes next does not take the place of what is left.
	b.apply(driver.Change{Run: "b", Append: events(n+1, n+1)}, driver.Change{Run: "c", Append: events(n+1, n+1)},
		driver.Change{Run: "d", Drop: true}, driver.Change{Run: "e", Head: row(1), Append: events(1, 1)})
	b.want(2*n+4, 2*n+4)
	b.purge()
	b.want(n+4, n+4)
}

// TestBodiesOfAConflict puts a change that is refused among others: it leaves nothing.
func TestBodiesOfAConflict(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	b.apply(driver.Change{Run: "x", Head: row(1), Append: events(1, 1)})
	changes := []driver.Change{
		{Run: "x", Revision: b.revisions["x"], Head: row(1), Append: events(1, 1)},
		{Run: "y", Revision: 1 << 40, Append: events(1, 1)},
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		changes = append(changes, driver.Change{Run: id, Head: row(1), Append: events(1, 2)})
	}
	results, err := b.b.Apply(t.Context(), driver.ApplyRequest{Changes: changes})
	require.NoError(t, err)
	x, err := b.b.Head(t.Context(), driver.HeadRequest{Run: "x"})
	require.NoError(t, err)
	require.Equal(t, driver.Result{Err: driver.ErrConflict, Head: &x}, results[0])
	require.Equal(t, driver.Result{Err: driver.ErrConflict}, results[1])
	for _, res := range results[2:] {
		require.NoError(t, res.Err)
	}
	b.want(8, 9)
}

// TestBodiesOfAFailure puts a change that fails halfway among others: they are then made
// one by one, and nothing is left of the first try.
func TestBodiesOfAFailure(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	bad := driver.Change{Run: "x", Head: row(1), Append: events(1, 3)}
	bad.Append[2].Seq = 4
	changes := []driver.Change{bad}
	for _, id := range []string{"a", "b", "c", "d"} {
		changes = append(changes, driver.Change{Run: id, Head: row(1), Append: events(1, 2)})
	}
	results, err := b.b.Apply(t.Context(), driver.ApplyRequest{Changes: append(changes[1:], changes[0])})
	require.NoError(t, err)
	require.ErrorIs(t, results[4].Err, driver.ErrCorrupt)
	var notApplied *driver.NotAppliedError
	require.ErrorAs(t, results[4].Err, &notApplied)
	for _, res := range results[:4] {
		require.NoError(t, res.Err)
	}
	b.want(0, 8)
}
