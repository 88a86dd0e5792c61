package drivertest_test

import (
	"context"
	"errors"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

// lossBreakages are drivers that lose answers in ways of their own.
func lossBreakages() []lossBreakage {
	const whole = "of an Apply whose answer was lost each change was made whole or not at all, and after a NotAppliedError none was"
	return []lossBreakage{
		{
			"reports a lost answer as a conflict", "an Apply whose answer was lost returns a LostError, or what became of its changes, and never a conflict with itself",
			func(ctx context.Context, b driver.Backend, changes []driver.Change, _ error) ([]driver.Result, error) {
				return all(ctx, b, changes) // as one that connects again and tries again
			},
		},
		{
			"reports a lost answer as an error of its own", "an Apply whose answer was lost returns a LostError, or what became of its changes, and never a conflict with itself",
			func(context.Context, driver.Backend, []driver.Change, error) ([]driver.Result, error) {
				return nil, errors.New("connection reset by peer")
			},
		},
		{
			"says that nothing was applied when an answer is lost", whole,
			func(_ context.Context, _ driver.Backend, _ []driver.Change, err error) ([]driver.Result, error) {
				return nil, &driver.NotAppliedError{Err: err}
			},
		},
		{
			"makes part of a change when an answer is lost", whole,
			func(ctx context.Context, b driver.Backend, changes []driver.Change, err error) ([]driver.Result, error) {
				for _, c := range changes {
					if len(c.Append) > 1 {
						c.Append = c.Append[:1]
						one(ctx, b, c)
					}
				}
				return nil, err
			},
		},
	}
}

// lossBreakage is a driver that does something of its own when an answer is lost.
type lossBreakage struct {
	name    string
	rule    string
	instead func(ctx context.Context, b driver.Backend, changes []driver.Change, err error) ([]driver.Result, error)
}

func (l lossBreakage) driver() drivertest.Driver {
	return drivertest.Driver{
		Open: func() (driver.Backend, error) { return memory.New(), nil },
		Lossy: func(b driver.Backend, next func() drivertest.Loss) (driver.Backend, error) {
			return l.on(b, drivertest.Lossy(b, next)), nil
		},
	}
}

// on returns a handle on b that answers in its own way where lossy lost the answer.
func (l lossBreakage) on(b, lossy driver.Backend) driver.Backend {
	return &broken{Backend: lossy, apply: func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		results, err := all(ctx, lossy, changes)
		var lost *driver.LostError
		if errors.As(err, &lost) {
			return l.instead(ctx, b, changes, err)
		}
		return results, err
	}, close: func() error { return nil }}
}
