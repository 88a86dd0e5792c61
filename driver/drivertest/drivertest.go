package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// Driver says how to get at the storage under test. Its functions may be called
// from several goroutines when cases run in parallel.
type Driver struct {
	// Open returns a Backend on a new, empty storage. The suite closes it.
	Open func() (driver.Backend, error)
	// Another, if not nil, returns a further handle on the storage of the given
	// one, as another process would open it, while that one stays in use.
	Another func(driver.Backend) (driver.Backend, error)
	// Reopen, if not nil, closes the given handle, which may be closed already,
	// and opens the same storage again.
	Reopen func(driver.Backend) (driver.Backend, error)
	// Lossy, if not nil, returns a further handle on the storage of the given one that
	// loses answers: next is called for each Apply and says what becomes of it. It is
	// for drivers that return [driver.LostError], and breaks their connection below
	// them. Without it, [Lossy] loses the answers above the driver.
	Lossy func(b driver.Backend, next func() Loss) (driver.Backend, error)
}

// Case is one rule of the contract and how to prove it.
type Case struct {
	// Name is unique, short and fit for a subtest, such as "records/limit".
	Name string
	// Rule is the sentence that must hold.
	Rule string

	driver Driver
	run    func(*tester)
}

// Cases returns the cases for a driver, in the order in which it is best to make
// them pass. Those that need Another or Reopen are left out if d has none.
func Cases(d Driver) []Case {
	cases := slices.Concat(headCases(), tipCases(), listCases(), classCases(), placeCases(), recordCases(), pageCases(), changeCases(), dropCases(),
		segmentCases(), entryCases(), slotCases(), expiryCases(), lostCases(), ownershipCases(), lifecycleCases(), concurrencyCases(), sealingCases(), reclaimCases(), eraseCases(), versionCases(), limitCases())
	if d.Another != nil {
		cases = append(append(cases, handleCases()...), sealingHandleCases()...)
	}
	if d.Reopen != nil {
		cases = append(cases, reopenCases()...)
	}
	for i := range cases {
		cases[i].driver = d
	}
	return cases
}

// Test runs all cases, one after the other. It returns nil, or an error that
// joins those of all cases that failed.
func Test(ctx context.Context, d Driver) error {
	var errs []error
	for _, c := range Cases(d) {
		errs = append(errs, c.Run(ctx))
	}
	return errors.Join(errs...)
}

// Run runs the case on a storage of its own. It returns nil, or what it found:
// each line has the case's name, its rule and what was seen instead.
//
// A cancelled ctx makes a case fail. Cases may run in parallel.
func (c Case) Run(ctx context.Context) error {
	b, err := c.driver.Open()
	if err != nil {
		return fmt.Errorf("%s: open an empty storage: %w", c.Name, err)
	}
	t := &tester{ctx: ctx, driver: c.driver, b: b, report: &report{name: c.Name, rule: c.Rule}}
	t.handles = []driver.Backend{b}
	t.try(c.run)
	for _, b := range t.handles {
		if err := b.Close(); err != nil {
			t.errorf("Close returned %w", err)
		}
	}
	return t.err()
}
