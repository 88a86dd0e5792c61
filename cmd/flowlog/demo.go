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

// demoFolder is where the demo keeps its store, and demoFile the store in it.
const (
	demoFolder = "flowlog-demo"
	demoFile   = "checkpoints.db"
)

// demo returns the verb that shows what flowlog is for.
func (c *cli) demo() *cobra.Command {
	var dir string
	var pace time.Duration
	cmd := &cobra.Command{
		Use: "demo",
		Example: `  flowlog demo
  flowlog demo --dir /tmp/try --pace 500ms`,
		Short: "Watch an agent be killed, resume and go back.",
		Long: `Demo runs a graph of flowgraph's engine, an agent that drafts an essay and has it
reviewed, in a process of its own. It kills that process in the middle of a node,
resumes the run in another one, goes back to an earlier review and from there on
another way. Then it shows the history, and what that cost to keep.

Everything is in one SQLite file in the folder that --dir names; each demo adds a
run to it. To be rid of it, remove the folder.`,
		Args: arguments(),
	}
	cmd.Flags().StringVar(&dir, "dir", demoFolder, "the folder for the store; made if it is missing")
	cmd.Flags().DurationVar(&pace, "pace", 120*time.Millisecond, "what the work of a node takes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if c.store != "" {
			return usage("demo makes its own store and takes no --store; name its folder with --dir")
		}
		path, run, err := prepareDemo(cmd.Context(), dir)
		if err != nil {
			return err
		}
		return newStory(c, path, run, pace).tell(cmd.Context())
	}
	cmd.AddCommand(c.demoAgent())
	return cmd
}

// prepareDemo makes the store and chooses a run id that is not in use.
func prepareDemo(ctx context.Context, dir string) (path, run string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", usage("the demo's folder can't be made: %v; choose another with --dir", err)
	}
	path = filepath.Join(dir, demoFile)
	store, err := checkpoint.NewSQLiteStore(path)
	if err != nil {
		return "", "", fmt.Errorf("the demo can't use its folder, choose another with --dir: %w", err)
	}
	defer store.Close()
	for {
		run = "essay-" + strings.ToLower(rand.Text()[:4])
		_, err := store.Run(ctx, run)
		if errors.Is(err, checkpoint.ErrNotFound) {
			return path, run, store.Close()
		}
		if err != nil {
			return "", "", err
		}
	}
}
