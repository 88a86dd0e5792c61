package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// prune returns the verb that drops states and runs by policies.
func (c *cli) prune() *cobra.Command {
	p := &pruner{c: c}
	cmd := &cobra.Command{
		Use: "prune [RUN]...",
		Example: `  flowlog prune --older-than 30d -n                     what that would drop
  flowlog prune --older-than 30d --keep-last 5
  flowlog prune --keep-last 1 --graph essay --keep-label gold=yes
  flowlog prune essay-x7kq --keep-newest-per-node
  flowlog prune --drop-idle 90d --keep-label gold --yes
  flowlog prune --older-than 2w -n -o json | jq '.plan.runs[] | {run_id, prune}'`,
		Short: "Drop states or runs that are no longer needed.",
		Long: `Prune first lists what would go of which run, and what is kept and why; then it
asks, and drops just that. Without a terminal to ask on it needs --yes; with -n the
list is all.

What loses its state keeps its header: it is still listed, as pruned, the run
verifies, and asking for the state says by which flags it went. In records and with
-o json these are called as the library's policies are: --older-than is keep-for,
--keep-label keep-labelled, --drop-idle drop-runs-idle, the others as they are here.
States that others are stored as differences from are no loss to these: they stay
readable.

What any of these keeps is kept, all else loses its state (of runs that do not go
as a whole, see below):
  --older-than 30d         keeps what is younger: with nothing else, all that is
                           older than 30 days goes; m are minutes, h hours, w weeks
  --keep-last N            keeps the last N events of each branch
  --keep-newest-per-node   keeps the newest event of each node of a run
  --keep-label NAME=VALUE  keeps what has this label, in a labelled run everything
Whatever they say, the newest event of each branch keeps its state, so that the run
can go on, and so does what is pinned. A sealed state of up to 512 bytes leaves its hash
of 32 bytes behind, so dropping very small ones can make the store larger.

--drop-idle 90d drops whole runs, headers and all, to which nothing was saved for 90
days, and whose newest event is dated before that, whatever else is said; only those
stay that are pinned or labelled with --keep-label, themselves or an event of theirs.
An imported run keeps its age. With --graph all this is about the runs of one graph;
with RUN about that one: its id, the beginning of it if no other begins so, or @last.

In the end the disk space is given back, as compact does; the list tells about how
much that is under "frees", beside what is free in the file already. Where each state holds nearly all of the one before, as a growing
transcript does, the states that stay hold what the others did, and little comes
back: dropping whole runs helps there.

While it works a SQLite file grows, as a rule by 30 MB at most. A bbolt file grows,
too, and is copied in the end, which needs room for all that stays, if at least an
eighth of it is free then; else it stays as large, and the next events fill it. On a disk with
less room, prune some runs, or a graph, at a time. If it is stopped, also by a
crash, the file may be larger than before: the same again goes on with the rest,
and gives the space back even if no rest is left. Programs may use a SQLite
store meanwhile; a bbolt store must not be open elsewhere while it drops. What is
appended since the list changes nothing; a run in which something on the list was
pinned or labelled since, or that was to go and went on, is skipped and named on
stderr. Ctrl-C stops it after the step at hand. The exit code is 1 if it was told
not to go on, if runs were skipped, or if one is damaged and so left alone.`,
		Args: cobra.ArbitraryArgs,
	}
	p.output = outputFlag(cmd)
	flags := cmd.Flags()
	flags.Var(&once{span: &p.olderThan}, "older-than", "drop states of events that are older than this, as in\n12h, 30d or 2w")
	flags.IntVar(&p.last, "keep-last", 0, "keep the last so many events of each branch")
	flags.BoolVar(&p.perNode, "keep-newest-per-node", false, "keep the newest event of each node of a run")
	flags.StringArrayVar(&p.labels, "keep-label", nil, "NAME=VALUE, or NAME for any value: keep what has this\nlabel; may be given several times")
	flags.Var(&once{span: &p.dropIdle}, "drop-idle", "drop whole runs without an event for so long")
	flags.StringArrayVar(&p.graphs, "graph", nil, "only runs of this graph; may be given several times")
	flags.BoolVarP(&p.dry, "dry-run", "n", false, "only list what would go")
	flags.BoolVarP(&p.yes, "yes", "y", false, "don't ask")
	c.completeFrom(cmd, "graph", graphOf)
	c.completeFrom(cmd, "keep-label", labelsOf)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, word string) (found []string, _ cobra.ShellCompDirective) {
		c.lookQuietly(cmd, func(l looker) { found = l.completeRun(word) })
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.check(flags.Changed); err != nil {
			return err
		}
		if !p.dry && !p.yes {
			if err := c.mayAsk("prune"); err != nil {
				return err
			}
		}
		return p.prune(cmd.Context(), args)
	}
	return cmd
}

// pruner lists what is to go and drops it.
type pruner struct {
	c *cli

	olderThan, dropIdle span
	last                int
	perNode             bool
	labels, graphs      []string
	dry, yes            bool
	output              *format

	policies []checkpoint.Policy
	doc      jsonObject // of -o json
}

// check makes policies of the flags, and refuses those that make no sense.
func (p *pruner) check(given func(flag string) bool) error {
	var keep []checkpoint.Policy
	if given("older-than") {
		if p.olderThan <= 0 {
			return usage("--older-than %s: it must be more than 0; to keep only the newest event of each branch, say --keep-last 1", lasting(p.olderThan.duration()))
		}
		keep = append(keep, compaction.KeepFor(p.olderThan.duration()))
	}
	if given("keep-last") {
		if p.last < 1 {
			return usage("--keep-last %d: it is a number of events of each branch, at least 1: the newest is always kept", p.last)
		}
		keep = append(keep, compaction.KeepLast(p.last))
	}
	if p.perNode {
		keep = append(keep, compaction.KeepNewestPerNode())
	}
	chosen := len(keep) > 0
	var labelled []checkpoint.Policy
	for _, text := range p.labels {
		key, value, valued := strings.Cut(text, "=")
		if key == "" || valued && value == "" {
			return usage("--keep-label %q: it is NAME=VALUE, or NAME for any value", text)
		}
		labelled = append(labelled, compaction.KeepLabelled(key, value))
	}
	keep = append(labelled, keep...) // the first reason is told
	if given("drop-idle") {
		switch {
		case p.dropIdle <= 0:
			return usage("--drop-idle %s: it must be more than 0: it is for how long nothing was saved to a run", lasting(p.dropIdle.duration()))
		case p.olderThan > p.dropIdle:
			return usage("--drop-idle %s would drop whole runs with states that --older-than %s keeps: make it %[2]s or more", &p.dropIdle, &p.olderThan)
		}
		if !chosen { // labels are for the runs then: nobody asked for states to go
			keep = append(keep, compaction.KeepAll())
		}
		keep, chosen = append(keep, compaction.DropRunsIdle(p.dropIdle.duration())), true
	}
	switch {
	case p.dry && p.yes:
		return usage("-n only lists, and --yes drops: say one of them")
	case !chosen && len(p.labels) > 0:
		return usage("--keep-label keeps something from what else is said, and nothing is: add --older-than 30d, say, or --keep-last 1 to drop all but what is labelled and the newest event of each branch")
	case !chosen:
		return usage("prune drops only what it is told to: say --older-than 30d, --keep-last 5, --keep-newest-per-node or --drop-idle 90d, and -n to see what that means; `flowlog prune --help` shows examples")
	}
	p.policies = keep
	if len(p.graphs) > 0 {
		p.policies = nil
		for _, graph := range p.graphs {
			for _, policy := range keep {
				p.policies = append(p.policies, policy.ForGraph(graph))
			}
		}
	}
	return nil
}

func (p *pruner) prune(ctx context.Context, args []string) error {
	var plan checkpoint.Plan
	p.c.noPager = p.c.noPager || p.yes // nobody is there to leave it
	err := p.c.look(ctx, func(l looker) (err error) {
		if plan, err = p.plan(l, args); err != nil {
			return err
		}
		return p.list(plan)
	})
	if err != nil {
		return err
	}
	defer func() { p.doc.end() }()
	var unreadable []string
	for _, r := range plan.Runs {
		if r.Unreadable != "" {
			unreadable = append(unreadable, r.Unreadable)
		}
	}
	p.sayFew("left alone", unreadable)
	if len(plan.Runs) == 0 {
		p.c.say("the store has no runs yet")
	}
	for _, text := range p.labels {
		switch {
		case keepsFor(plan, text):
		case p.dry:
			p.c.say("nothing has the label of --keep-label %s", text)
		default:
			return noMatch("nothing has the label of --keep-label %s, which may be a slip: nothing was dropped; leave it out if it is none", text)
		}
	}
	if total := plan.Total(); !p.dry {
		if !p.yes && total.Events+uint64(total.Dropped) > 0 {
			if err := p.c.confirm(ctx, fmt.Sprintf("Drop the states of %s and %s for good?", count(total.Events-dropped(plan), "event"), count(total.Dropped, "whole run"))); err != nil {
				return err
			}
		}
		err = p.run(ctx, plan)
	}
	if n := len(unreadable); err == nil && n > 0 {
		err = damaged("%s left alone", count(n, "damaged run"))
	}
	return err
}

// sayFew says something of each of some runs, but not of many: there may be thousands.
func (p *pruner) sayFew(what string, runs []string) {
	const few = 3
	for _, text := range runs[:min(few, len(runs))] {
		p.c.say("%s: %s", what, text)
	}
	if n := len(runs) - few; n > 0 {
		p.c.say("%s: %s more, all of which -o json names", what, count(n, "run"))
	}
}

// dropped is how many events go with their runs.
func dropped(plan checkpoint.Plan) (events uint64) {
	for _, r := range plan.Runs {
		if r.Drop != "" {
			events += r.Events
		}
	}
	return events
}

// keepsFor reports whether a plan keeps something for a label, NAME or NAME=VALUE.
func keepsFor(plan checkpoint.Plan, label string) bool {
	has := func(why string) bool {
		_, have, ok := strings.Cut(why, "labelled ")
		return ok && (have == label || strings.HasPrefix(have, label+"="))
	}
	for _, r := range plan.Runs {
		if has(r.Stays) || slices.ContainsFunc(r.Kept, func(k compaction.Kept) bool { return has(k.Why) }) {
			return true
		}
	}
	return false
}

// plan makes the plan, of some runs if args name them.
func (p *pruner) plan(l looker, args []string) (checkpoint.Plan, error) {
	only := map[string]bool{}
	for _, text := range args {
		run, err := l.wholeRun("prune", text)
		if err != nil {
			return checkpoint.Plan{}, err
		}
		only[run.ID] = true
	}
	plan, err := l.store.Plan(l.ctx, p.policies...)
	if err != nil {
		return plan, err
	}
	if err := p.checkGraphs(plan); err != nil {
		return plan, err
	}
	plan.Runs = slices.DeleteFunc(plan.Runs, func(r checkpoint.PlannedRun) bool {
		return len(only) > 0 && !only[r.Run] || len(p.graphs) > 0 && !slices.Contains(p.graphs, r.Graph)
	})
	if len(only) > 0 && len(plan.Runs) == 0 {
		return plan, noMatch("%s: none of these runs is of graph %s", strings.Join(args, ", "), strings.Join(p.graphs, ", "))
	}
	return plan, nil
}

// checkGraphs refuses a graph that no run is of: it may be a slip.
func (p *pruner) checkGraphs(plan checkpoint.Plan) error {
	var graphs []string
	for _, r := range plan.Runs {
		if !slices.Contains(graphs, r.Graph) {
			graphs = append(graphs, r.Graph)
		}
	}
	for _, graph := range p.graphs {
		if !slices.Contains(graphs, graph) {
			return noMatch("no run is of graph %q%s`flowlog runs` shows the graphs of all", graph, didYouMean(nearest(graph, graphs)))
		}
	}
	return nil
}

// run does what the plan says, and reports. It also finishes what one that was stopped
// has left, if there is nothing else to do.
func (p *pruner) run(ctx context.Context, plan checkpoint.Plan) error {
	store, err := p.c.openToWrite()
	if err != nil {
		return err
	}
	defer store.Close()
	meter, err := p.c.meter()
	if err != nil {
		return err
	}
	res, err := store.RunPlan(ctx, plan, checkpoint.PlanOptions{Reclaim: true, Progress: meter.show})
	meter.clear()
	if total := plan.Total(); err == nil && total.Events+uint64(total.Dropped) == 0 && res.After >= res.Before {
		return store.Close() // nobody wants to hear of that
	}
	skipped := make([]string, len(res.Skipped))
	for i, s := range res.Skipped {
		skipped[i] = s.Err.Error()
	}
	p.sayFew("skipped", skipped)
	if e := p.report(res, err == nil); err == nil {
		err = e
	}
	switch {
	case err != nil && ctx.Err() != nil:
		p.c.say("what was dropped is dropped, and the file may be larger than before: the same again goes on with the rest, and gives the space back")
		return err
	case errors.Is(err, checkpoint.ErrFull):
		p.c.say("what was dropped is dropped; its space comes back when there is room to work: make some, for a SQLite file up to 30 MB, for a bbolt file as much as stays, and say the same again, or drop less at a time, by naming runs or a --graph")
		return err
	case err != nil:
		return err
	}
	if _, free, e := store.Space(ctx); e == nil && res.After >= res.Before && free > 0 {
		p.c.say("%s in the file are free, for the next events", size(free))
	}
	use, _, err := p.c.storeUse(looker{store: store, ctx: ctx}, 1)
	if err != nil {
		return err
	}
	p.c.compactHint(use)
	if n := len(res.Skipped); n > 0 {
		return &exitError{codeDiffers, fmt.Sprintf("%s skipped; the rest was dropped as listed", count(n, "run"))}
	}
	return store.Close()
}
