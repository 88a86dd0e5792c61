package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strconv"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/rogpeppe/go-internal/testscript"
)

// flip FILE BYTE: flips a bit of a byte of a file.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	b, at := readAt(ts, args[0], args[1])
	b[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// cut FILE TO LENGTH: copies the beginning of a file.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	b, at := readAt(ts, args[0], args[2])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b[:at], 0o600))
}

func readAt(ts *testscript.TestScript, file, at string) ([]byte, int) {
	b, err := os.ReadFile(ts.MkAbs(file))
	ts.Check(err)
	n, err := strconv.Atoi(at)
	ts.Check(err)
	if n >= len(b) {
		ts.Fatalf("%s has %d bytes only", file, len(b))
	}
	return b, n
}

// headof FILE NAME: sets a variable to the head that JSON in a file has.
func headof(ts *testscript.TestScript, _ bool, args []string) {
	var doc struct{ Head string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	ts.Setenv(args[1], doc.Head)
}

// path is what the nodes of flowgraphRun leave behind.
type path struct {
	Path []string `json:"path"`
}

// flowgraphRun FILE RUN NODE: runs a workflow of flowgraph's on its own store, up to the
// node that is to come after the second pass of this one, or to its end.
func flowgraphRun(ts *testscript.TestScript, _ bool, args []string) {
	store, err := fgcheckpoint.NewSQLiteStore(ts.MkAbs(args[0]))
	ts.Check(err)
	defer store.Close()
	stopped := errors.New("stopped")
	node := func(name string) flowgraph.NodeFunc[path] {
		return func(_ flowgraph.Context, s path) (path, error) {
			if name == args[2] && slices.Contains(s.Path, name) {
				return s, stopped
			}
			return path{append(slices.Clone(s.Path), name)}, nil
		}
	}
	g, err := flowgraph.NewGraph[path]().
		AddNode("plan", node("plan")).AddNode("write", node("write")).AddNode("review", node("review")).AddNode("publish", node("publish")).
		SetEntry("plan").AddEdge("plan", "write").AddEdge("write", "review").AddEdge("publish", flowgraph.END).
		AddConditionalEdge("review", func(_ flowgraph.Context, s path) string {
			if len(s.Path) < 5 {
				return "write"
			}
			return "publish"
		}).Compile()
	ts.Check(err)
	ctx := flowgraph.NewContext(context.Background(), flowgraph.WithLogger(slog.New(slog.DiscardHandler)))
	_, err = g.Run(ctx, path{}, flowgraph.WithCheckpointing(store), flowgraph.WithRunID(args[1]))
	if !errors.Is(err, stopped) {
		ts.Check(err)
	}
}
