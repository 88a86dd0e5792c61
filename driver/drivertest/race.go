//go:build race

package drivertest

// raceEnabled makes large cases smaller: under the race detector everything takes
// ten times as long.
const raceEnabled = true
