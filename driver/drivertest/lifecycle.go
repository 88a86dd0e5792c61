package drivertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

func lifecycleCases() []Case {
	return []Case{
		{Name: "context/cancelled", Rule: "a method that was given a cancelled context returns an error that satisfies ctx.Err()", run: contextCancelled},
		{Name: "context/nothing", Rule: "an Apply that was given a cancelled context changes nothing and says so with a NotAppliedError", run: contextNothing},
		{Name: "context/midway", Rule: "after a NotAppliedError none of the changes was or will be made; without an error all were", run: contextMidway},
		{Name: "close/closed", Rule: "after Close every method returns ErrClosed", run: closeClosed},
		{Name: "close/twice", Rule: "a second Close does nothing and returns nil", run: closeTwice},
		{Name: "close/waits", Rule: "Close may be called at any time: calls under way end as they would have, later ones are ErrClosed", run: closeWaits},
	}
}

// call is a call of one method on the run "a".
type call struct {
	name string
	do   func(ctx context.Context, b driver.Backend) error
}

// calls are calls of all methods but Close.
func calls() []call {
	return append(reads(),
		call{"Apply", func(ctx context.Context, b driver.Backend) error {
			_, err := b.Apply(ctx, driver.ApplyRequest{Changes: []driver.Change{{Run: "new", Head: head(1, 1), Append: records(1, 1, "new")}}})
			return err
		}},
		call{"SetSlot", func(ctx context.Context, b driver.Backend) error {
			_, err := b.SetSlot(ctx, driver.SlotChange{Key: "new", Value: []byte("new")})
			return err
		}},
		call{"Purge", func(ctx context.Context, b driver.Backend) error { _, err := purge(ctx, b); return err }})
}

func reads() []call {
	return []call{
		{"Head", func(ctx context.Context, b driver.Backend) error {
			_, err := b.Head(ctx, driver.HeadRequest{Run: "a"})
			return err
		}},
		{"Heads", func(ctx context.Context, b driver.Backend) error {
			_, err := b.Heads(ctx, driver.HeadsRequest{Limit: 10})
			return err
		}},
		{"Heads with Newest", func(ctx context.Context, b driver.Backend) error {
			_, err := b.Heads(ctx, driver.HeadsRequest{Newest: true, Limit: 10})
			return err
		}},
		{"Records", func(ctx context.Context, b driver.Backend) error { _, err := b.Records(ctx, whole("a")); return err }},
		{"Segments", func(ctx context.Context, b driver.Backend) error {
			_, err := b.Segments(ctx, allSegments("a"))
			return err
		}},
		{"Segment", func(ctx context.Context, b driver.Backend) error { // that is there or not
			if _, err := b.Segment(ctx, driver.SegmentRequest{Run: "a", Seq: 1}); !errors.Is(err, driver.ErrNotFound) {
				return err
			}
			return nil
		}},
		{"Entries", func(ctx context.Context, b driver.Backend) error {
			_, err := b.Entries(ctx, allEntries("a"))
			return err
		}},
		{"Slot", func(ctx context.Context, b driver.Backend) error { // that is there or not
			if _, err := b.Slot(ctx, driver.SlotRequest{Run: "a", Key: slotKey}); !errors.Is(err, driver.ErrNotFound) {
				return err
			}
			return nil
		}},
	}
}

// cancelled returns contexts that are done, each in its way.
func cancelled(t *tester) []context.Context {
	a, cancel := context.WithCancel(t.ctx)
	cancel()
	b, cancel := context.WithTimeout(t.ctx, -time.Second)
	cancel()
	return []context.Context{a, b}
}

func contextCancelled(t *tester) {
	rich(t, "a")
	for _, ctx := range cancelled(t) {
		for _, c := range calls() {
			if err := c.do(ctx, t.b); !errors.Is(err, ctx.Err()) {
				t.errorf("%s returned the error %v, must be %w", c.name, err, ctx.Err())
			}
		}
	}
	t.head("a") // the Backend is as good as before
	t.wantNoRun("new")
	t.wantNoSlot("", "new")
}

func contextNothing(t *tester) {
	rich(t, "a")
	want := t.dump()
	for _, ctx := range cancelled(t) {
		for _, c := range append(wrongs(want[0], want[0].head.Revision), driver.Change{Run: "new", Head: head(1, 1), Append: records(1, 1, "new")}) {
			_, err := t.b.Apply(ctx, driver.ApplyRequest{Changes: []driver.Change{c}})
			var notApplied *driver.NotAppliedError
			if !errors.As(err, &notApplied) || !errors.Is(err, ctx.Err()) {
				t.errorf("Apply returned the error %v, must be a NotAppliedError that satisfies ctx.Err()", err)
			}
			t.wantDump(want, "after Apply with a cancelled context")
		}
	}
}

// contextMidway cancels while Apply is at work, as far as that can be hit: on new
// runs, and on appends.
func contextMidway(t *tester) {
	const n = 10
	var made, unmade []string
	a := appends{revision: t.create("a", 0)}
	for i := range 25 {
		changes := []driver.Change{
			{Run: fmt.Sprint("b", i), Head: head(1, n), Append: records(1, n, "x")},
			{Run: fmt.Sprint("c", i), Head: head(1, n), Append: records(1, n, "x")},
		}
		timeout := time.Duration(i) * 50 * time.Microsecond
		results, err := t.applyWithin(timeout, changes)
		var notApplied *driver.NotAppliedError
		for j, c := range changes {
			switch {
			case err == nil && results[j].Err == nil:
				made = append(made, c.Run)
			case err == nil, errors.As(err, &notApplied):
				unmade = append(unmade, c.Run)
			} // otherwise nobody knows
		}
		a.try(t, timeout/4)
	}
	look := func(t *tester) {
		for _, id := range made {
			t.wantTail(id, records(1, n, "x"))
		}
		for _, id := range unmade {
			t.wantNoRun(id)
		}
		t.wantTail("a", records(1, a.last, "a"))
	}
	look(t)
	if t.driver.Reopen != nil {
		look(t.reopen())
	}
}

// applyWithin makes changes with a deadline.
func (t *tester) applyWithin(timeout time.Duration, changes []driver.Change) ([]driver.Result, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	results, err := t.b.Apply(ctx, driver.ApplyRequest{Changes: changes})
	if err == nil && len(results) != len(changes) {
		t.fatalf("Apply returned %d results for %d changes", len(results), len(changes))
	}
	return results, err
}

// appends are appends to the run "a", of which some may be cancelled.
type appends struct{ revision, last uint64 }

// try appends one record, or finds out whether that was done where nobody says.
func (a *appends) try(t *tester, timeout time.Duration) {
	results, err := t.applyWithin(timeout, []driver.Change{{Run: "a", Revision: a.revision, Append: records(a.last+1, a.last+1, "a")}})
	var notApplied *driver.NotAppliedError
	last := lastOf(t.head("a"))
	switch {
	case err == nil && results[0].Err != nil:
		t.fatalf("an append after the last event has the result %w", results[0].Err)
	case err == nil && last != a.last+1:
		t.errorf("an append of seq %d was acknowledged, then the last seq is %d", a.last+1, last)
	case errors.As(err, &notApplied) && last != a.last:
		t.errorf("an append of seq %d was certainly not made, then the last seq is %d", a.last+1, last)
	}
	a.last = last
}

func closeClosed(t *tester) {
	rich(t, "a")
	if err := t.b.Close(); err != nil {
		t.errorf("Close returned %w", err)
	}
	for _, c := range calls() {
		if err := c.do(t.ctx, t.b); !errors.Is(err, driver.ErrClosed) {
			t.errorf("%s returned the error %v, must be ErrClosed", c.name, err)
		}
	}
	// What isn't there is no exception.
	if _, err := t.b.Segment(t.ctx, driver.SegmentRequest{Run: "no such run", Seq: 1}); !errors.Is(err, driver.ErrClosed) {
		t.errorf("Segment of a run that doesn't exist returned the error %v, must be ErrClosed", err)
	}
}

func closeTwice(t *tester) {
	t.create("a", 1)
	for i := range 3 {
		if err := t.b.Close(); err != nil {
			t.errorf("Close number %d returned %w", i+1, err)
		}
	}
}
