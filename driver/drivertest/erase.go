package drivertest

import (
	"context"
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

// eraseCases are about [driver.Eraser]. For a Backend without it there is nothing to
// prove. What it leaves in its files only its own tests can look for.
func eraseCases() []Case {
	return []Case{
		{Name: "erase/keeps", Rule: "Erase changes nothing that can be read", run: eraseKeeps},
		{Name: "erase/purges", Rule: "after Erase there is nothing left for Purge to do", run: erasePurges},
		{Name: "erase/stopped", Rule: "a done ctx ends Erase, and nothing is lost", run: eraseStopped},
		{Name: "erase/closed", Rule: "after Close, Erase returns ErrClosed", run: eraseClosed},
	}
}

func (t *tester) erase(e driver.Eraser) {
	if err := e.Erase(t.ctx); err != nil {
		t.fatalf("Erase returned the error %w", err)
	}
}

func eraseKeeps(t *tester) {
	e, ok := t.b.(driver.Eraser)
	if !ok {
		return
	}
	rewriteKeeps(t, "after Erase", func() { t.erase(e) })
}

func erasePurges(t *tester) {
	e, ok := t.b.(driver.Eraser)
	if !ok {
		return
	}
	rich(t, "a")
	rich(t, "b")
	t.drop("b")
	t.erase(e)
	if more, err := purge(t.ctx, t.b); more || err != nil {
		t.errorf("after Erase, Purge returned %t and the error %v", more, err)
	}
}

func eraseStopped(t *tester) {
	e, ok := t.b.(driver.Eraser)
	if !ok {
		return
	}
	rich(t, "a")
	bulky(t, "bulk")
	want := t.dump()
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	if err := e.Erase(ctx); !errors.Is(err, context.Canceled) {
		t.errorf("Erase with a done ctx returned the error %v", err)
	}
	t.wantDump(want, "after Erase was stopped")
	t.erase(e)
	t.wantDump(want, "after Erase")
}

func eraseClosed(t *tester) {
	e, ok := t.b.(driver.Eraser)
	if !ok {
		return
	}
	if err := t.b.Close(); err != nil {
		t.errorf("Close returned %w", err)
	}
	if err := e.Erase(t.ctx); !errors.Is(err, driver.ErrClosed) {
		t.errorf("Erase returned the error %v, must be ErrClosed", err)
	}
}
