package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// branches returns the verb that shows the tree of a run.
func (c *cli) branches() *cobra.Command {
	cmd := &cobra.Command{
		Use: "branches RUN",
		Example: `  flowlog branches @last
  flowlog branches essay-x7kq -o json | jq '.branches[].tip.seq'`,
		Short: "Show the branches of a run, as a tree.",
		Long: `Branches shows the lines of a run: the one that it began with, and each that began
where someone went back, below the one that it left and with the event that it
continues from. Of each it says its events, its first and its newest one, and the
node to go on with from there.

RUN is a run's id, the beginning of it if no other begins so, or @last.`,
		Args: arguments("RUN"),
	}
	output := outputFlag(cmd)
	c.completeRuns(cmd, 0)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.look(cmd.Context(), func(l looker) error {
			run, err := l.wholeRun("branches", args[0])
			if err != nil {
				return err
			}
			list, err := l.branches(run)
			if err != nil {
				return err
			}
			return c.writeBranches(run, list, *output)
		})
	}
	return cmd
}

// spotJSON is an event that a branch begins or ends at.
type spotJSON struct {
	Seq       uint64    `json:"seq"`
	NodeID    string    `json:"node_id"`
	Visit     uint64    `json:"visit"`
	CreatedAt time.Time `json:"created_at"`

	role checkpoint.Role
}

func spotOf(e *checkpoint.Event) spotJSON {
	return spotJSON{e.Seq, e.NodeID, e.Visit, e.CreatedAt.UTC(), e.Role}
}

func (s spotJSON) name() string { return visitName(s.NodeID, s.role, s.Visit) }

// branchJSON is a branch as -o json gives it: an event's first child goes on with its
// branch, any other begins one.
type branchJSON struct {
	Depth    int                `json:"depth"`            // how many branches lie between it and a beginning
	From     *spotJSON          `json:"from,omitempty"`   // the event that it continues from
	Origin   *checkpoint.Origin `json:"origin,omitempty"` // the event of another run that it was forked from
	First    spotJSON           `json:"first"`
	Tip      spotJSON           `json:"tip"` // its newest event
	Events   uint64             `json:"events"`
	NextNode string             `json:"next_node,omitempty"`
	Size     int64              `json:"size"` // of the tip's state
	lead     string             // the lines before it
}

// branches returns the branches of a run, each before those that leave it. One of nothing
// but failures, or what else has a role, is none.
func (l looker) branches(run checkpoint.Run) ([]*branchJSON, error) {
	chart, err := l.chart(run)
	if err != nil {
		return nil, err
	}
	lines, of := branchesOf(chart.parents, chart.first)
	list := make([]*branchJSON, len(lines))
	begins := map[uint64][]int{} // branches that continue from an event
	kids := make([][]int, len(lines))
	var roots []int
	shown := chart.onLines(lines, of)
	for i, b := range lines {
		list[i] = &branchJSON{}
		if !shown[i] {
			continue
		}
		if b.start == b.first {
			roots = append(roots, i)
			continue
		}
		begins[b.start] = append(begins[b.start], i)
		kids[of[b.start-1]] = append(kids[of[b.start-1]], i)
	}
	for e, err := range l.entries(run, listing{}) {
		if err != nil {
			return nil, err
		}
		spot := spotOf(e.Event)
		n := chart.number(e.Seq)
		b := list[of[n-1]]
		if b.Events++; b.Events == 1 {
			b.First, b.Origin = spot, e.Origin
		}
		b.Tip, b.NextNode, b.Size = spot, e.NextNode, e.Size
		for _, i := range begins[n] {
			list[i].From = &spot
		}
	}
	var sorted []*branchJSON
	var walk func(i, depth int, lead, below string)
	walk = func(i, depth int, lead, below string) {
		kids := kids[i]
		list[i].Depth, list[i].lead = depth, lead
		sorted = append(sorted, list[i])
		for n, kid := range kids {
			if n == len(kids)-1 {
				walk(kid, depth+1, below+"└─ ", below+"   ")
			} else {
				walk(kid, depth+1, below+"├─ ", below+"│  ")
			}
		}
	}
	for _, i := range roots {
		walk(i, 0, "", "")
	}
	return sorted, nil
}

// onLines reports of each branch whether it, or one that leaves it, has a checkpoint.
func (ch *chart) onLines(lines []branch, of []int) []bool {
	on := make([]bool, len(lines))
	for i, role := range ch.role {
		on[of[i]] = on[of[i]] || !role
	}
	for i := len(lines) - 1; i >= 0; i-- { // each comes after the one that it leaves
		if b := lines[i]; on[i] && b.start != b.first {
			on[of[b.start-1]] = true
		}
	}
	return on
}

func (c *cli) writeBranches(run checkpoint.Run, list []*branchJSON, f format) error {
	switch f {
	case formatJSON:
		return writeJSON(c.out, f, struct {
			Run      runJSON       `json:"run"`
			Branches []*branchJSON `json:"branches"`
		}{runFacts(run), list})
	case formatJSONL:
		for _, b := range list {
			if err := writeJSON(c.out, f, b); err != nil {
				return err
			}
		}
		return nil
	}
	tip, from, events, first := &column{name: "newest", long: true, color: bold}, left("from"), right("events"), left("first")
	goOn, state, at := left("next"), right("state"), left("time").in(faint)
	now := time.Now()
	for _, b := range list {
		lead, where := b.lead, "-"
		if o := b.Origin; o != nil {
			where = printable(fmt.Sprintf("%s@%d", o.RunID, o.Seq))
		}
		if b.From != nil {
			where = fmt.Sprintf("%d %s", b.From.Seq, b.From.name())
		}
		tip.add(fmt.Sprintf("%s%d %s", lead, b.Tip.Seq, b.Tip.name()))
		from.add(where)
		events.add(humanize.Comma(int64(b.Events)))
		first.add(fmt.Sprintf("%d %s", b.First.Seq, b.First.name()))
		goOn.add(next(b.NextNode))
		state.add(size(b.Size))
		at.add(c.when(b.Tip.CreatedAt, now))
	}
	writeTable(c.out, "", tip, goOn, events, first, from, state, at)
	c.out.printf("\n%s\n", strings.Replace(count(len(list), "branch"), "branchs", "branches", 1))
	return nil
}
