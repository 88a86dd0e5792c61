package drivertest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

// right is a driver that keeps all rules, those of several handles included.
func right() drivertest.Driver {
	return storage{unchanged, everything}.driver()
}

func TestRightDriverPasses(t *testing.T) {
	t.Parallel()
	require.NoError(t, drivertest.Test(t.Context(), right()))
	require.NoError(t, drivertest.Test(t.Context(), rightReclaimer()))
}

func breakages() []breakage {
	return slices.Concat(recordBreakages(), headBreakages(), tipBreakages(), listBreakages(), byteBreakages(), changeBreakages(), dropBreakages(),
		segmentBreakages(), entryBreakages(), slotBreakages(), lifecycleBreakages(), concurrencyBreakages(), sealingBreakages(), reclaimBreakages(), eraseBreakages(), versionBreakages(), limitBreakages())
}

// TestBrokenDriversAreCaught expects that each driver is caught by the rule that
// it breaks, and that no other case hangs or panics on its account. In short tests
// and under the race detector the latter is left out.
func TestBrokenDriversAreCaught(t *testing.T) {
	t.Parallel()
	for _, b := range breakages() {
		d := drivertest.Driver{Open: func() (driver.Backend, error) { return b.make(memory.New()), nil }}
		caught(t, b.name, b.rule, d)
	}
	for _, b := range slices.Concat(storageBreakages(), sealingStorageBreakages()) {
		caught(t, b.name, b.rule, b.driver())
	}
	for _, b := range lossBreakages() {
		caught(t, b.name, b.rule, b.driver())
	}
}

func caught(t *testing.T, name, rule string, d drivertest.Driver) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { // slots expire without a wait
			for _, c := range drivertest.Cases(d) {
				if (testing.Short() || drivertest.RaceEnabled) && c.Rule != rule {
					continue
				}
				err := c.Run(t.Context())
				if c.Rule == rule {
					require.ErrorContains(t, err, c.Name+": "+rule+": ")
					t.Log(err)
				}
			}
		})
	})
}

// TestEveryCaseIsProved expects that for each case there is a driver that only
// fails because of it.
func TestEveryCaseIsProved(t *testing.T) {
	t.Parallel()
	proved := map[string]bool{}
	for _, b := range breakages() {
		proved[b.rule] = true
	}
	for _, b := range slices.Concat(storageBreakages(), sealingStorageBreakages()) {
		proved[b.rule] = true
	}
	for _, b := range lossBreakages() {
		proved[b.rule] = true
	}
	names := map[string]bool{}
	for _, c := range drivertest.Cases(right()) {
		require.False(t, names[c.Name], c.Name)
		names[c.Name] = true
		if !proved[c.Rule] {
			t.Errorf("no broken driver proves case %s: %s", c.Name, c.Rule)
		}
		delete(proved, c.Rule)
	}
	require.Empty(t, proved, "rules of no case")
}

func TestCasesFollowTheDriver(t *testing.T) {
	t.Parallel()
	d := right()
	all := len(drivertest.Cases(d))
	d.Another = nil
	require.Less(t, len(drivertest.Cases(d)), all)
	d.Reopen = nil
	for _, c := range drivertest.Cases(d) {
		require.False(t, strings.HasPrefix(c.Name, "handles/") || strings.HasPrefix(c.Name, "reopen/"), c.Name)
	}
}

func TestErrorsOfTheDriverAreReported(t *testing.T) {
	t.Parallel()
	cause := errors.New("no disk")
	for name, d := range map[string]drivertest.Driver{
		"open":    {Open: func() (driver.Backend, error) { return nil, cause }},
		"another": {Open: right().Open, Another: func(driver.Backend) (driver.Backend, error) { return nil, cause }},
		"reopen":  {Open: right().Open, Reopen: func(driver.Backend) (driver.Backend, error) { return nil, cause }},
		"apply": {Open: func() (driver.Backend, error) {
			return &broken{Backend: memory.New(), apply: func(context.Context, []driver.Change) ([]driver.Result, error) { return nil, cause }}, nil
		}},
		"close": {Open: func() (driver.Backend, error) {
			return &broken{Backend: memory.New(), close: func() error { return cause }}, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, drivertest.Test(t.Context(), d), cause)
		})
	}
}

func TestCancelledContextFailsTheSuite(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, drivertest.Test(ctx, right()), context.Canceled)
}

// TestPanicOfTheDriverIsNotHidden: the trace tells more than an error could.
func TestPanicOfTheDriverIsNotHidden(t *testing.T) {
	t.Parallel()
	d := drivertest.Driver{Open: func() (driver.Backend, error) {
		return &broken{Backend: memory.New(), head: func(context.Context, driver.HeadRequest) (driver.Head, error) { panic("bug") }}, nil
	}}
	require.PanicsWithValue(t, "bug", func() { drivertest.Cases(d)[0].Run(t.Context()) })
}
