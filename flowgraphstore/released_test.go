package flowgraphstore_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// flowgraph's released tests of its stores and of resuming are run on a Store: the same
// files, but for the constructors.

// released are the test files, by the folder that they are in.
var released = map[string][]string{
	"pkg/flowgraph/checkpoint": {"store_test.go", "memory_test.go", "sqlite_test.go", "checkpoint_test.go"},
	"pkg/flowgraph":            {"checkpoint_test.go", "resume_edge_test.go"},
}

// Two tests are not of what a store does. flowlog makes a folder that is missing, and a file
// of ten states of zeros is small.
const notOfStores = "^TestSQLiteStore_(InvalidPath|FileSizeGrowth)$"

// constructors stand in for those of flowgraph's stores.
const constructors = `package %s_test

import (
	"context"
	"os"
	"path/filepath"

	flowlog "github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

type store struct {
	*flowgraphstore.Store
	events *flowlog.EventStore
}

func (s *store) Len() (n int) {
	for run, err := range s.events.Runs(context.Background(), flowlog.RunsOptions{}) {
		if err != nil {
			panic(err)
		}
		infos, err := s.List(run.ID)
		if err != nil {
			panic(err)
		}
		n += len(infos)
	}
	return n
}

func newMemoryStore() *store {
	if os.Getenv("FLOWLOG_RELEASED") == "memory" {
		s := flowlog.NewMemoryStore()
		return &store{flowgraphstore.New(s), s.EventStore}
	}
	s, err := newSQLiteStore(":memory:")
	if err != nil {
		panic(err)
	}
	return s
}

func newSQLiteStore(path string) (*store, error) {
	if path == ":memory:" {
		dir, err := os.MkdirTemp("", "")
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, "runs.db")
	}
	if os.Getenv("FLOWLOG_RELEASED") == "bolt" {
		s, err := flowlog.NewBoltStore(path, flowlog.WithDurability(flowlog.DurabilityOff))
		if err != nil {
			return nil, err
		}
		return &store{flowgraphstore.New(s), s.EventStore}, nil
	}
	s, err := flowlog.NewSQLiteStore(path, flowlog.WithDurability(flowlog.DurabilityOff))
	if err != nil {
		return nil, err
	}
	return &store{flowgraphstore.New(s), s.EventStore}, nil
}
`

func TestReleasedTestsOfFlowgraph(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds another package of tests")
	}
	t.Parallel()
	overlay := releasedOverlay(t)
	for folder := range released {
		pkg := filepath.Base(folder)
		binary := filepath.Join(t.TempDir(), pkg+".test")
		out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./released/"+pkg).CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, driver := range []string{"memory", "sqlite", "bolt"} {
			t.Run(pkg+"/"+driver, func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(binary, "-test.v", "-test.skip", notOfStores)
				cmd.Dir = t.TempDir()
				cmd.Env = append(os.Environ(), "FLOWLOG_RELEASED="+driver, "TMPDIR="+cmd.Dir)
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", out)
				passed := regexp.MustCompile(`(?m)^ *--- PASS`).FindAll(out, -1)
				require.GreaterOrEqual(t, len(passed), 20, "%s", out)
				require.NotContains(t, string(out), "--- SKIP")
			})
		}
	}
}

// releasedOverlay returns what puts the released files into packages beside this one.
func releasedOverlay(t *testing.T) string {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/randalmurphal/flowgraph").Output()
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	put := func(pkg, name, text string) {
		file := filepath.Join(dir, pkg+"-"+name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		overlay.Replace[filepath.Join(here, "released", pkg, name)] = file
	}
	renamed := strings.NewReplacer("checkpoint.NewMemoryStore(", "newMemoryStore(", "checkpoint.NewSQLiteStore(", "newSQLiteStore(")
	for folder, files := range released {
		pkg := filepath.Base(folder)
		put(pkg, "constructors_test.go", fmt.Sprintf(constructors, pkg))
		for _, name := range files {
			text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), filepath.FromSlash(folder), name))
			require.NoError(t, err)
			put(pkg, name, renamed.Replace(string(text))+"\nvar _ checkpoint.Store // all of the import may have been renamed\n")
		}
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}
