package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this binary the command as well: scripts and tests run it as a
// process named flowlog, as people do.
func TestMain(m *testing.M) {
	// Under the race detector every process would sleep a second as it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=10 "+os.Getenv("GORACE"))
	testscript.Main(m, map[string]func(){"flowlog": main})
}
