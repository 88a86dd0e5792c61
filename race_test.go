//go:build race

package checkpoint_test

// raced: under the race detector everything takes ten times as long, and less of it does.
const raced = true
