package flowgraphstore_test

import (
	"bufio"
	"cmp"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// The environment of a child process: the store's file, and the node in which it
// waits to be killed; without one it resumes the run.
const (
	childFile = "FLOWGRAPHSTORE_TEST_FILE"
	childNode = "FLOWGRAPHSTORE_TEST_NODE"
)

// child is a process that works on a run, says what it enters, and waits in a
// node until it is killed.
func child(file string) int {
	g := compileChild(os.Getenv(childNode))
	s, err := checkpoint.NewSQLiteStore(file)
	if err == nil {
		fg := flowgraphstore.New(s)
		if infos, _ := fg.List("run"); len(infos) == 0 {
			_, err = run(g, fg, "run")
		} else {
			_, err = g.Resume(newContext(), fg, "run")
		}
		err = cmp.Or(err, fg.Close())
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

// compileChild makes a graph of four nodes in a row that say when they are
// entered, and of which one waits for the end of the input.
func compileChild(waitIn string) *flowgraph.CompiledGraph[state] {
	g := flowgraph.NewGraph[state]().SetEntry("a")
	for edge := range strings.FieldsSeq("a>b b>c c>d d>" + flowgraph.END) {
		from, to, _ := strings.Cut(edge, ">")
		g.AddEdge(from, to).AddNode(from, does{from: func(flowgraph.Context, *state) error {
			os.Stdout.WriteString(from + "\n")
			if from == waitIn {
				io.Copy(io.Discard, os.Stdin)
			}
			return nil
		}}.node(from))
	}
	compiled, err := g.Compile()
	if err != nil {
		panic(err)
	}
	return compiled
}

func TestKilledProcessIsResumedByAnother(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "runs.db")
	require.Equal(t, "a b c", killIn(t, file, "c"))
	s := sqliteStore(t, file) // looks on from here while others write
	require.Equal(t, "a<0 b<1", tree(t, s, "run"))

	require.Equal(t, "c d", killIn(t, file, "d"))
	require.Equal(t, "a<0 b<1 c<2", tree(t, s, "run"))

	require.Equal(t, "d", killIn(t, file, ""))
	require.Equal(t, "a<0 b<1 c<2 d<3", tree(t, s, "run"))
	require.Equal(t, "a b c d", path(t, s, "run", 4))

	require.Empty(t, killIn(t, file, ""))
	require.Equal(t, "a<0 b<1 c<2 d<3", tree(t, s, "run"))
}

// killIn starts a child and kills it when it is inside a node, or lets it come to
// the end if none is given. It returns the nodes that the child entered.
func killIn(t *testing.T, file, node string) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childFile+"="+file, childNode+"="+node)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	var entered []string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		entered = append(entered, lines.Text())
		if lines.Text() == node {
			require.NoError(t, cmd.Process.Kill()) // SIGKILL: nothing is closed
		}
	}
	require.Equal(t, node == "", cmd.Wait() == nil, stderr.String())
	return strings.Join(entered, " ")
}
