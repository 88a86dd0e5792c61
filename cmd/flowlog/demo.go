package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// demoFolder is where the demo keeps its store.
const demoFolder = "flowlog-demo"

// demoFile is the store in the demo's folder.
func demoFile(backend kind) string {
	if backend == boltKind {
		return "checkpoints.bolt"
	}
	return "checkpoints.db"
}

// demo returns the verb that shows what flowlog is for.
func (c *cli) demo() *cobra.Command {
	var dir string
	var pace time.Duration
	backend := sqliteKind
	cmd := &cobra.Command{
		Use: "demo",
		Example: `  flowlog demo
  flowlog demo --backend bolt
  flowlog demo --dir /tmp/try --pace 500ms`,
		Short: "Watch an agent be killed, resume and go back.",
		Long: `Demo runs a graph of flowgraph's engine, an agent that drafts an essay and has it
reviewed, in a process of its own. It kills that process in the middle of a node,
resumes the run in another one, goes back to an earlier review and from there on
another way. Then it shows the history, and what that cost to keep.

Everything is in one file in the folder that --dir names, of SQLite or of bbolt;
each demo adds a run to it. To be rid of it, remove the folder.

A SQLite file can be looked at while the demo runs. A bbolt file is open in one
process at a time: the agent's, or this one's while it looks.`,
		Args: arguments(),
	}
	cmd.Flags().StringVar(&dir, "dir", demoFolder, "the folder for the store; made if it is missing")
	cmd.Flags().Var(&backend, "backend", "what keeps the checkpoints: sqlite or bolt")
	cmd.Flags().DurationVar(&pace, "pace", 120*time.Millisecond, "what the work of a node takes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if c.store != "" {
			return usage("demo makes its own store and takes no --store; name its folder with --dir")
		}
		at, run, err := c.prepareDemo(cmd.Context(), backend, dir)
		if err != nil {
			return err
		}
		return newStory(c, at, run, pace).tell(cmd.Context())
	}
	cmd.AddCommand(c.demoAgent())
	return cmd
}

// prepareDemo makes the store and chooses a run id that is not in use.
func (c *cli) prepareDemo(ctx context.Context, backend kind, dir string) (at place, run string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return place{}, "", usage("the demo's folder can't be made: %v; choose another with --dir", err)
	}
	at = place{filepath.Join(dir, demoFile(backend)), backend}
	store, err := c.openAt(at)
	if err != nil {
		return place{}, "", fmt.Errorf("the demo can't use its folder, choose another with --dir: %w", err)
	}
	defer store.Close()
	for {
		run = "essay-" + strings.ToLower(rand.Text()[:4])
		_, err := store.Run(ctx, run)
		if errors.Is(err, checkpoint.ErrNotFound) {
			return at, run, store.Close()
		}
		if err != nil {
			return place{}, "", err
		}
	}
}
