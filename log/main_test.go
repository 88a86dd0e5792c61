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

// cases tries so many cases of a property, or in a long run those of the second
// number.
func cases(t *testing.T, n, long int, prop func(*rapid.T)) {
	if os.Getenv("FLOWLOG_LONG") == "1" {
		n = long
	}
	if testing.Short() {
		n = batchOfCases
	}
	for range n / batchOfCases {
		rapid.Check(t, prop)
	}
}
