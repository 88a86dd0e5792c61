package main

import (
	"errors"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// runs returns the verb that lists the runs of a store.
func (c *cli) runs() *cobra.Command {
	var opts checkpoint.RunsOptions
	cmd := &cobra.Command{
		Use:        "runs [QUERY]...",
		SuggestFor: []string{"ls", "list"},
		Example: `  flowlog runs
  flowlog runs node:review graph:essay
  flowlog runs nightly --limit 10
  flowlog runs -o json | jq -r '.[].run_id'`,
		Short: "List the runs of a store, newest first.",
		Long: `Runs lists the runs of a store, the one with the newest event first: where it is,
when it began and last went on, what its states take together, and what they take
as they are stored, headers included; and where there are some, its pin and labels.

A QUERY narrows that down; of several all must hold:
  node:NAME     the run stands at this node: its newest event is of it
  graph:NAME    the run executes this graph
  label:NAME    it or its newest event has this label; with =VALUE, of that value
  is:pinned     it or one of its events is pinned
  TEXT          the run's id, graph or node has this text in it, whatever its case`,
		Args: cobra.ArbitraryArgs,
	}
	output := outputFlag(cmd)
	cmd.Flags().IntVar(&opts.Limit, "limit", 50, "the most to list; 0 for all")
	cmd.Flags().StringVar(&opts.Prefix, "prefix", "", "only runs whose id begins so")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if opts.Limit < 0 {
			return usage("--limit %d: it is a number of runs, or 0 for all", opts.Limit)
		}
		q, err := parseQuery(args)
		if err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error { return c.listRuns(l, opts, q, *output) })
	}
	return cmd
}

func (c *cli) listRuns(l looker, opts checkpoint.RunsOptions, q query, f format) error {
	limit := opts.Limit
	opts.Limit = 0 // it is of what the query finds
	list, more := []checkpoint.Run{}, false
	var damaged error
	for run, err := range l.store.Runs(l.ctx, opts) {
		if err != nil && run.ID == "" {
			return err
		}
		if err != nil { // one run is no reason to keep quiet about the others
			c.say("%v", err)
			damaged = err
			continue
		}
		found, err := l.finds(q, run)
		if err != nil {
			c.say("%v", err)
			damaged = err
		}
		if !found {
			continue
		}
		if limit > 0 && len(list) == limit {
			more = true
			break
		}
		list = append(list, run)
	}
	marks := make([]checkpoint.Marks, len(list))
	for i, run := range list {
		var err error
		if marks[i], err = l.store.Marks(l.ctx, run.ID); err != nil && !errors.Is(err, checkpoint.ErrNotFound) { // that one was deleted just now
			c.say("%v", err)
			damaged = err
		}
	}
	if err := c.writeRuns(list, marks, f); err != nil {
		return err
	}
	switch {
	case len(list) == 0 && len(q) > 0:
		return noMatch("no run is found by %s%s`flowlog runs` lists them all", q, q.hint())
	case len(list) == 0 && opts.Prefix != "":
		return noMatch("no run begins with %q; `flowlog runs` lists them all", opts.Prefix)
	case len(list) == 0:
		c.say("the store has no runs yet")
	case more:
		c.say("there are more; --limit 0 lists them all")
	}
	return damaged
}

func (c *cli) writeRuns(list []checkpoint.Run, marks []checkpoint.Marks, f format) error {
	if f == formatText {
		c.runsTable(list, marks)
		return nil
	}
	facts := make([]runJSON, len(list))
	for i, run := range list {
		facts[i] = markedRun(run, marks[i])
	}
	if f == formatJSON {
		return writeJSON(c.out, f, facts)
	}
	for _, fact := range facts {
		if err := writeJSON(c.out, f, fact); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) runsTable(list []checkpoint.Run, marks []checkpoint.Marks) {
	if len(list) == 0 {
		return
	}
	run, graph, events, at := left("run").in(bold), left("graph"), right("events"), left("newest")
	started, updated := left("started"), left("updated")
	states, stored, said := right("states"), right("stored"), left("marks")
	now := time.Now()
	for i, r := range list {
		run.add(printable(r.ID))
		graph.add(printable(r.GraphID))
		events.add(humanize.Comma(int64(r.Events())))
		at.add(printable(r.NodeID) + " → " + next(r.NextNode))
		started.add(c.when(r.CreatedAt, now))
		updated.add(c.when(r.UpdatedAt, now))
		states.add(size(r.Bytes))
		stored.add(size(r.Stored))
		said.add(runMarks(marks[i]))
	}
	columns := []*column{run, graph, events, at, started, updated, states, stored}
	if said.hasCells() {
		columns = append(columns, said)
	}
	writeTable(c.out, "", columns...)
}

// next names the node that a run goes on with.
func next(node string) string {
	switch node {
	case flowgraph.END:
		return "(end)"
	case "":
		return "-"
	}
	return printable(node)
}
