package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/cmd/flowlog/internal/essay"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// agentVerb is the hidden verb of the demo that the agent's processes run.
const agentVerb = "agent"

// agentTask is what an agent's process is to do.
type agentTask struct {
	at       place
	run      string
	wait     time.Duration // for other processes
	pace     time.Duration
	passes   int    // drafts to write
	slowPass int    // the draft whose writing takes a minute; 0 for none
	resume   bool   // go on where the run stands
	from     string // go on from this visit instead
}

// agentReport is a line that an agent's process writes to its stdout: a node's work
// began, or an event was acknowledged.
type agentReport struct {
	Entered string `json:"entered,omitempty"`
	Pass    int    `json:"pass,omitempty"`

	Seq      uint64 `json:"seq,omitempty"`
	Parent   uint64 `json:"parent,omitempty"`
	NodeID   string `json:"node_id,omitempty"`
	NextNode string `json:"next_node,omitempty"`
	Size     int    `json:"size,omitempty"`
}

func (c *cli) demoAgent() *cobra.Command {
	var task agentTask
	cmd := &cobra.Command{Use: agentVerb, Hidden: true, Args: arguments(), Short: "Be the agent of a demo."}
	flags := cmd.Flags()
	flags.StringVar((*string)(&task.at.kind), "backend", "", "")
	flags.StringVar(&task.at.path, "path", "", "")
	flags.StringVar(&task.run, "run", "", "")
	flags.DurationVar(&task.pace, "pace", 0, "")
	flags.IntVar(&task.passes, "passes", 0, "")
	flags.IntVar(&task.slowPass, "slow-pass", 0, "")
	flags.BoolVar(&task.resume, "resume", false, "")
	flags.StringVar(&task.from, "from", "", "")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithCancel(cmd.Context())
		defer cancel()
		// The parent holds the other end of stdin: when it dies, however it
		// dies, this one ends. The goroutine ends with the process.
		go func() {
			io.Copy(io.Discard, c.stdin)
			cancel()
		}()
		return task.do(ctx, c, json.NewEncoder(c.stdout))
	}
	return cmd
}

// args returns the arguments of the process that is to do the task.
func (t agentTask) args() []string {
	return []string{"demo", agentVerb, "--backend", string(t.at.kind), "--path", t.at.path, "--wait", t.wait.String(),
		"--run", t.run, "--pace", t.pace.String(), "--from", t.from,
		fmt.Sprint("--passes=", t.passes), fmt.Sprint("--slow-pass=", t.slowPass), fmt.Sprint("--resume=", t.resume)}
}

// do runs the graph. This is how any program uses flowlog under flowgraph; only
// the reports are the demo's.
func (t agentTask) do(ctx context.Context, c *cli, reports *json.Encoder) error {
	store, err := c.openAt(t.at)
	if err != nil {
		return err
	}
	defer store.Close()
	graph, err := essay.Graph(essay.Work{Pace: t.pace, SlowPass: t.slowPass, Entered: func(node string, pass int) {
		reports.Encode(agentReport{Entered: node, Pass: pass})
	}})
	if err != nil {
		return err
	}
	fg := flowgraphstore.New(reporting{store, reports}, flowgraphstore.WithGraphID(essay.GraphID))
	fctx := flowgraph.NewContext(ctx)
	switch {
	case t.from != "":
		_, err = graph.ResumeFrom(fctx, fg, t.run, t.from, flowgraph.WithStateOverride(func(s any) any {
			state := s.(essay.State)
			state.Passes = t.passes
			return state
		}))
	case t.resume:
		_, err = graph.Resume(fctx, fg, t.run)
	default:
		_, err = graph.Run(fctx, essay.New(t.passes), flowgraph.WithCheckpointing(fg), flowgraph.WithRunID(t.run))
	}
	return err
}

// reporting is a store that reports the events that it acknowledged.
type reporting struct {
	flowgraphstore.Events
	reports *json.Encoder
}

// Append implements flowgraphstore.Events.
func (r reporting) Append(ctx context.Context, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) (checkpoint.Saved, error) {
	saved, err := r.Events.Append(ctx, c, opts...)
	if err != nil {
		return saved, err
	}
	return saved, r.reports.Encode(agentReport{Seq: c.Seq, Parent: c.Parent, NodeID: c.NodeID, NextNode: c.NextNode, Size: len(c.State)})
}
