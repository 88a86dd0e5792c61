package drivertest

import (
	"github.com/flowlog/checkpoint/driver"
)

// limitCases are about [driver.Limiter] and [driver.Concurrent]. For a Backend without
// them there is nothing to prove.
func limitCases() []Case {
	return []Case{
		{Name: "limits/constant", Rule: "Limits and Concurrency never change, and are what they may be", run: limitsConstant},
		{Name: "limits/state", Rule: "a state that is within Limits is stored", run: limitsState},
	}
}

func limitsConstant(t *tester) {
	l, limited := t.b.(driver.Limiter)
	c, concurrent := t.b.(driver.Concurrent)
	var limits driver.Limits
	concurrency := 1
	if limited {
		limits = l.Limits()
	}
	if concurrent {
		concurrency = c.Concurrency()
	}
	if limits.State < 0 || limits.Apply < 0 {
		t.errorf("Limits are %d and %d bytes, must not be negative", limits.State, limits.Apply)
	}
	if concurrency < 1 {
		t.errorf("Concurrency is %d, must be at least 1", concurrency)
	}
	rich(t, "a")
	if limited && l.Limits() != limits {
		t.errorf("Limits were %v, and are %v after a change", limits, l.Limits())
	}
	if concurrent && c.Concurrency() != concurrency {
		t.errorf("Concurrency was %d, and is %d after a change", concurrency, c.Concurrency())
	}
}

// limitsState stores the largest state, unless that would take long.
func limitsState(t *tester) {
	l, ok := t.b.(driver.Limiter)
	if !ok || l.Limits().State == 0 || l.Limits().State > 32<<20 {
		return
	}
	recs := records(1, 1, "a")
	recs[0].State = noise(int(l.Limits().State))
	t.apply(driver.Change{Run: "a", Head: head(1, 1), Append: recs})
	t.wantTail("a", recs)
}
