package drivertest

import (
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

// versionCases are about [driver.Versioner]. For a Backend without it there is nothing
// to prove.
func versionCases() []Case {
	return []Case{
		{Name: "version/moves", Rule: "Version is another number once a change was made, through any handle", run: versionMoves},
		{Name: "version/closed", Rule: "after Close, Version returns ErrClosed", run: versionClosed},
	}
}

func versionMoves(t *tester) {
	v, ok := t.b.(driver.Versioner)
	if !ok {
		return
	}
	version := func() int64 {
		n, err := v.Version(t.ctx)
		if err != nil {
			t.fatalf("Version returned the error %w", err)
		}
		return n
	}
	writers := []*tester{t}
	if t.driver.Another != nil {
		writers = append(writers, t.another())
	}
	before := version()
	moved := func(what string) {
		now := version()
		if now == before {
			t.errorf("after %s Version is %d as before", what, now)
		}
		before = now
	}
	for _, w := range writers {
		revision := w.create("a", 2)
		moved("a run was made")
		w.extend("a", revision, 3, 3)
		moved("an append")
		w.apply(driver.Change{Run: "a", Revision: revision, Head: head(3, 3), Add: []driver.Segment{segment(1, 2, "a")}})
		moved("a segment was added")
		w.drop("a")
		moved("a run was dropped")
	}
}

func versionClosed(t *tester) {
	v, ok := t.b.(driver.Versioner)
	if !ok {
		return
	}
	if err := t.b.Close(); err != nil {
		t.errorf("Close returned %w", err)
	}
	if _, err := v.Version(t.ctx); !errors.Is(err, driver.ErrClosed) {
		t.errorf("Version returned the error %v, must be ErrClosed", err)
	}
}
