package drivertest

// What the tests of the suite need as well.
var (
	CloneChanges = cloneChanges
	CloneRecords = cloneRecords
)

const RaceEnabled = raceEnabled
