//go:build race

package sqlite_test

// The race detector makes SQLite many times slower.
const raceDetector = true
