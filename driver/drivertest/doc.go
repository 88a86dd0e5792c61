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
// Each [Case] proves one rule, a sentence of the contract. It returns what it finds as
// errors that begin with that sentence. So a program can run the suite against its own
// storage, and the suite itself is tested against drivers that break one rule each.
//
// Every case works on a new, empty storage and closes it. The records that it writes are
// no real events: a driver knows nothing of what is in them. Cases about times to live
// wait for up to a third of a second, unless they run in a bubble of testing/synctest.
//
// If a Backend has optional interfaces, such as [driver.Reclaimer], they are proved too.
//
// [Lossy] makes a Backend that loses answers, for tests of engines and of drivers. A
// driver that returns [driver.LostError] itself sets [Driver.Lossy], and the suite proves
// that it reports a lost answer as nothing else.
//
// The suite can't see everything from outside. A driver's own tests have to show that an
// acknowledged change survives a crash and a lost disk cache, that damage is reported as
// [driver.ErrCorrupt], that a failed sync is reported as an unknown outcome, that Apply
// obeys its context while it waits for another process, and that Purge gives the space
// back.
package drivertest
