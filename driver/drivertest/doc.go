// Package drivertest proves that a storage driver keeps the contract of
// [driver.Backend]. A driver's own test needs one [Driver] and a few lines:
//
//	func TestConformance(t *testing.T) {
//		d := drivertest.Driver{Open: func() (driver.Backend, error) { return mine.Open(t.TempDir()) }}
//		for _, c := range drivertest.Cases(d) {
//			t.Run(c.Name, func(t *testing.T) {
//				if err := c.Run(t.Context()); err != nil {
//					t.Error(err)
//				}
//			})
//		}
//	}
//
// [Test] runs all cases at once, for use without package testing.
//
// Each [Case] proves one rule, a sentence of the contract. What it finds is
// returned as errors that begin with that sentence, and nothing but errors are
// returned: a program can run the suite against its own storage, and the suite
// itself is tested against drivers that break one rule each.
//
// Every case works on a new, empty storage and closes it. The records that it
// writes are no real events: a driver knows nothing of what is in them, except
// that headers and the data of heads are JSON text.
//
// Of a Backend that is a [driver.Reclaimer] or a [driver.Sizer] as well, that is proved too.
//
// What the suite can't see from outside, and a driver's own tests have to show:
// that what was acknowledged survives a crash or a lost disk cache, that damage
// is reported as [driver.ErrCorrupt], that a failed sync is reported as an unknown
// outcome, and that Purge gives the space back.
package drivertest
