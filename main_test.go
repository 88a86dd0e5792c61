package checkpoint_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Some tests need other processes: the test binary starts itself again, as the
// child that this variable names.
const childVariable = "FLOWLOG_TEST_CHILD"

// children are what such a process does; it gets its arguments, returns its exit
// code and answers on its standard output.
var children = map[string]func(args []string) int{}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		os.Exit(children[name](os.Args[1:]))
	}
	flag.Set("rapid.checks", fmt.Sprint(batchOfCases))
	os.Exit(m.Run())
}

// brief reports whether a test should do less of what it does many times.
func brief() bool { return testing.Short() || raced }

// child returns a process that is yet to be started.
func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}
