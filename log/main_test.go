package log_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// batchOfCases is how many cases one rapid.Check tries.
const batchOfCases = 20

func TestMain(m *testing.M) {
	flag.Set("rapid.checks", fmt.Sprint(batchOfCases))
	os.Exit(m.Run())
}

// tries returns how often to try: n times, in a long run as often as the second number
// says, and in a short one a batch of times at most.
func tries(n, long int) int {
	switch {
	case os.Getenv("FLOWLOG_LONG") == "1":
		return long
	case testing.Short():
		return min(n, batchOfCases)
	}
	return n
}

// cases tries so many cases of a property, or in a long run those of the second
// number.
func cases(t *testing.T, n, long int, prop func(*rapid.T)) {
	for range tries(n, long) / batchOfCases {
		rapid.Check(t, prop)
	}
}
