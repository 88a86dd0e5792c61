package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// tester is one run of a case, as seen through one handle on the storage.
type tester struct {
	*report
	ctx    context.Context
	driver Driver
	b      driver.Backend
}

// report is what the views of one run of a case have in common.
type report struct {
	name, rule string
	handles    []driver.Backend // to be closed in the end

	mu   sync.Mutex // guards those below
	errs []error
	more int
}

// maxErrors bounds what one case reports: the first errors tell the most.
const maxErrors = 5

// errorf reports that the case's rule is broken. It may be called from several
// goroutines.
func (r *report) errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errs) == maxErrors {
		r.more++
		return
	}
	r.errs = append(r.errs, fmt.Errorf("%s: %s: %w", r.name, r.rule, fmt.Errorf(format, args...)))
}

func (r *report) err() error {
	if r.more > 0 {
		r.errs = append(r.errs, fmt.Errorf("%s: and %d more", r.name, r.more))
	}
	return errors.Join(r.errs...)
}

// stop is what fatalf panics with and try recovers.
type stop struct{}

// fatalf reports like errorf and ends the case. It must be called from the
// goroutine that runs it.
func (t *tester) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	panic(stop{})
}

// try runs f up to its first fatalf.
func (t *tester) try(f func(*tester)) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stop); !ok {
				panic(r)
			}
		}
	}()
	f(t)
}

// together runs f in n goroutines that start at once, waits for them all, and
// reports every error.
func (t *tester) together(n int, f func(i int) error) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if err := f(i); err != nil {
				t.errorf("%w", err)
			}
		})
	}
	close(start)
	wg.Wait()
}

// on returns a view of the same run through another handle.
func (t *tester) on(b driver.Backend) *tester {
	return &tester{report: t.report, ctx: t.ctx, driver: t.driver, b: b}
}

// another opens a further handle on the storage.
func (t *tester) another() *tester {
	b, err := t.driver.Another(t.b)
	if err != nil {
		t.fatalf("another handle on the same storage: %w", err)
	}
	t.handles = append(t.handles, b)
	return t.on(b)
}

// reopen closes the handle and opens the storage again.
func (t *tester) reopen() *tester {
	b, err := t.driver.Reopen(t.b)
	if err != nil {
		t.fatalf("open the same storage again: %w", err)
	}
	t.handles = append(slices.DeleteFunc(t.handles, func(h driver.Backend) bool { return h == t.b }), b)
	return t.on(b)
}

// applyAll makes changes, of which each may end in a conflict.
func (t *tester) applyAll(changes ...driver.Change) []driver.Result {
	results, err := t.b.Apply(t.ctx, driver.ApplyRequest{Changes: changes})
	if err != nil {
		t.fatalf("Apply returned the error %w", err)
	}
	if len(results) != len(changes) {
		t.fatalf("Apply returned %d results for %d changes", len(results), len(changes))
	}
	return results
}

// apply makes one change that must succeed.
func (t *tester) apply(c driver.Change) driver.Result {
	res := t.applyAll(c)[0]
	if res.Err != nil {
		t.fatalf("a change of run %s at its revision %d has the result %w", quote(c.Run), c.Revision, res.Err)
	}
	if !c.Drop && res.Revision == 0 {
		t.fatalf("a change of run %s was made, and its revision is 0", quote(c.Run))
	}
	if !c.Drop && c.Head == nil && res.Revision != c.Revision {
		t.fatalf("a change of run %s without a head was made at revision %d, and the result has %d", quote(c.Run), c.Revision, res.Revision)
	}
	if !c.Drop && len(res.Added) != len(c.Add) {
		t.fatalf("a change of run %s that adds %d segments has %d ids in its result", quote(c.Run), len(c.Add), len(res.Added))
	}
	return res
}

// create makes a run with the records 1 to n and returns its revision.
func (t *tester) create(id string, n uint64) uint64 {
	return t.apply(driver.Change{Run: id, Head: head(1, n), Append: records(1, n, id)}).Revision
}

// extend appends the records from to last to a run, and does not touch its row.
func (t *tester) extend(id string, revision, from, last uint64) {
	t.apply(driver.Change{Run: id, Revision: revision, Append: records(from, last, id)})
}

// slot returns a slot, and whether there is one.
func (t *tester) slot(id, key string) (driver.Slot, bool) {
	s, err := t.b.Slot(t.ctx, driver.SlotRequest{Run: id, Key: key})
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		t.fatalf("Slot %s of run %s returned the error %w", quote(key), quote(id), err)
	}
	return s, err == nil
}

// setSlot makes a change of a slot that must succeed.
func (t *tester) setSlot(c driver.SlotChange) driver.Slot {
	s, err := t.b.SetSlot(t.ctx, c)
	if err != nil {
		t.fatalf("SetSlot %s of run %s at version %d returned the error %w", quote(c.Key), quote(c.Run), c.Version, err)
	}
	return s
}

// wantNoSlot expects that there is no such slot.
func (t *tester) wantNoSlot(id, key string) {
	if s, ok := t.slot(id, key); ok {
		t.errorf("Slot %s of run %s must be ErrNotFound, got version %d", quote(key), quote(id), s.Version)
	}
}

// drop drops a run at its revision.
func (t *tester) drop(id string) {
	t.apply(driver.Change{Run: id, Revision: t.head(id).Revision, Drop: true})
}

// purge erases until no more is left.
func (t *tester) purge() {
	for range 10_000 {
		more, err := purge(t.ctx, t.b)
		if err != nil {
			t.fatalf("Purge returned the error %w", err)
		}
		if !more {
			return
		}
	}
	t.fatalf("Purge reported 10000 times that more is left")
}
