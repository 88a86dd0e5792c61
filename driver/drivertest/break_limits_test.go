package drivertest_test

import (
	"context"
	"sync/atomic"

	"github.com/flowlog/checkpoint/driver"
)

// limited is a Backend with limits.
type limited struct {
	driver.Backend
	calls   atomic.Int64
	changes bool // whether the limit changes
	takes   int  // the largest state that it takes
}

func (l *limited) Limits() driver.Limits {
	if n := l.calls.Add(1); l.changes {
		return driver.Limits{State: 1000 * n}
	}
	return driver.Limits{State: 1000}
}

func (l *limited) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	results, err := l.Backend.Apply(ctx, req)
	for i, c := range req.Changes {
		for _, r := range c.Append {
			if err == nil && len(r.State) > l.takes {
				results[i] = driver.Result{Err: driver.ErrTooLarge}
			}
		}
	}
	return results, err
}

// limitBreakages break what must hold of limits.
func limitBreakages() []breakage {
	return []breakage{
		{"lowers its limits", "Limits and Concurrency never change, and are what they may be", func(b driver.Backend) driver.Backend {
			return &limited{Backend: b, changes: true, takes: 1 << 30}
		}},
		{"takes less than its limits", "a state that is within Limits is stored", func(b driver.Backend) driver.Backend {
			return &limited{Backend: b, takes: 999}
		}},
	}
}
