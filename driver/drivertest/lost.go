package drivertest

import (
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// lostCases are about answers that are lost: by the driver's own Lossy, or else by that
// of this package around the driver.
func lostCases() []Case {
	return []Case{
		{Name: "lost/named", Rule: "an Apply whose answer was lost returns a LostError, or what became of its changes, and never a conflict with itself", run: lostNamed},
		{Name: "lost/whole", Rule: "of an Apply whose answer was lost each change was made whole or not at all, and after a NotAppliedError none was", run: lostWhole},
		{Name: "lost/again", Rule: "after a LostError, applying the same changes again makes each of them once", run: lostAgain},
	}
}

var losses = []Loss{Unmade, Half, Made, Late}

// losing returns a view through a handle that loses the answer of its next Apply, and
// of no other.
func (t *tester) losing(loss Loss) *tester {
	next := func() Loss {
		now := loss
		loss = Answered
		return now
	}
	if t.driver.Lossy == nil {
		return t.on(Lossy(t.b, next))
	}
	b, err := t.driver.Lossy(t.b, next)
	if err != nil {
		t.fatalf("a handle that loses answers: %w", err)
	}
	t.handles = append(t.handles, b)
	return t.on(b)
}

// outcome is what an Apply says of changes that fit.
type outcome int

const (
	made       outcome = iota // it returned no error, and each result is nil
	lost                      // a LostError
	notApplied                // a NotAppliedError
)

// lose applies changes that fit through a handle that loses the answer.
func (t *tester) lose(loss Loss, changes []driver.Change) outcome {
	results, err := t.losing(loss).b.Apply(t.ctx, driver.ApplyRequest{Changes: changes})
	var lostError *driver.LostError
	var notAppliedError *driver.NotAppliedError
	switch {
	case errors.As(err, &notAppliedError):
		return notApplied
	case errors.As(err, &lostError):
		return lost
	case err != nil:
		t.fatalf("an Apply whose answer was lost returned the error %w, must be a LostError", err)
	case len(results) != len(changes):
		t.fatalf("Apply returned %d results for %d changes", len(results), len(changes))
	}
	for _, res := range results {
		if res.Err != nil {
			t.fatalf("an Apply whose answer was lost has the result %w for a change that fits, must be a LostError", res.Err)
		}
	}
	return made
}

// lostNamed loses the answers of all changes at once, and of one at a time.
func lostNamed(t *tester) {
	for i, loss := range losses {
		changes := t.prepare(func(k int) string { return fmt.Sprintf("run-%d-%02d", i, k) })
		if t.lose(loss, changes) == made {
			t.wantMade(changes)
		}
		for k, c := range t.prepare(func(k int) string { return fmt.Sprintf("alone-%d-%02d", i, k) }) {
			if t.lose(loss, []driver.Change{c}) == made {
				t.wantConflict(kinds()[k].name+", made a second time,", t.applyAll(c)[0])
			}
		}
	}
}

// wantMade expects that changes were made: they conflict.
func (t *tester) wantMade(changes []driver.Change) {
	for i, res := range t.applyAll(changes...) {
		t.wantConflict(kinds()[i].name+", made a second time,", res)
	}
}

// once returns what runs look like to which each kind of change was made once, by kind.
func (t *tester) once(tag string) (before, after []runState) {
	name := func(k int) string { return fmt.Sprintf("%s-%02d", tag, k) }
	changes := t.prepare(name)
	before = t.looks(name)
	for i, res := range t.applyAll(changes...) {
		if res.Err != nil {
			t.fatalf("%s has the result %w", kinds()[i].name, res.Err)
		}
	}
	return before, t.looks(name)
}

// looks returns the runs of the kinds without what differs between equal ones: ids,
// revisions and versions.
func (t *tester) looks(name func(k int) string) []runState {
	states := map[string]runState{}
	for _, r := range t.dump() {
		states[r.head.Run] = r
	}
	var out []runState
	for k := range kinds() {
		r := states[name(k)]
		r.head.Run, r.head.Revision, r.slot.Version = "", 0, 0
		for i := range r.segments {
			r.segments[i].ID = 0
		}
		out = append(out, r)
	}
	return out
}

// same reports what differs between two states, "" if nothing does.
func (r runState) same(other runState) string {
	for _, d := range r.diff(other) {
		if d != "" {
			return d
		}
	}
	return ""
}

func lostWhole(t *tester) {
	before, after := t.once("once")
	for i, loss := range losses {
		name := func(k int) string { return fmt.Sprintf("run-%d-%02d", i, k) }
		became := t.lose(loss, t.prepare(name))
		for k, have := range t.looks(name) {
			if d := before[k].same(have); d != "" && became == notApplied {
				t.errorf("%s, which was certainly not made, was made: %s", kinds()[k].name, d)
			}
			if d := after[k].same(have); d != "" && before[k].same(have) != "" {
				t.errorf("%s, of which the answer was lost, was made in part: %s", kinds()[k].name, d)
			}
		}
	}
}

func lostAgain(t *tester) {
	_, after := t.once("once")
	for i, loss := range losses {
		name := func(k int) string { return fmt.Sprintf("run-%d-%02d", i, k) }
		changes := t.prepare(name)
		there := t.losing(loss)
		if _, err := there.b.Apply(t.ctx, driver.ApplyRequest{Changes: changes}); err == nil {
			continue // the driver has found out by itself what became of it
		}
		for k, res := range there.applyAll(changes...) {
			if res.Err != nil {
				t.wantConflict(kinds()[k].name+", applied again after its answer was lost,", res)
			}
		}
		for range 2 {
			for k, have := range t.looks(name) {
				if d := after[k].same(have); d != "" {
					t.errorf("%s, applied again after its answer was lost: %s", kinds()[k].name, d)
				}
			}
			there.drop(name(0)) // and nothing of before comes now
			there.apply(changes[0])
		}
	}
}
