package main

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// stats returns the verb that says what takes the time and the space of a run.
func (c *cli) stats() *cobra.Command {
	var paths int
	cmd := &cobra.Command{
		Use: "stats RUN",
		Example: `  flowlog stats @last
  flowlog stats essay-x7kq --paths 30
  flowlog stats @last -o json | jq '.nodes[] | {node_id, seconds}'`,
		Short: "Show what takes the time and the space of a run.",
		Long: `Stats shows the visits of each node and the time they took, the longest first: from
the event that each continues from until it was saved, so with what the engine did
in between; a pause before a resume counts as time of the node after it. Where the
run begins and where someone went back, that is not known and not counted.

Then it shows how the state grew from event to event, which values of the newest
state are the largest, and what all states take, as they are and as they are stored.
du says more of the latter.

RUN is a run's id, the beginning of it if no other begins so, or @last.`,
		Args: arguments("RUN"),
	}
	output := outputFlag(cmd)
	cmd.Flags().IntVar(&paths, "paths", 10, "how many of the largest values to show; 0 for all")
	c.completeRuns(cmd, 0)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if paths < 0 {
			return usage("--paths %d: it is a number of values, or 0 for all", paths)
		}
		return c.look(cmd.Context(), func(l looker) error {
			run, err := l.wholeRun("stats", args[0])
			if err != nil {
				return err
			}
			s, err := l.stats(run, paths)
			if err != nil {
				return err
			}
			return c.writeStats(s, *output)
		})
	}
	return cmd
}

// statsJSON is what stats says, as -o json gives it. Sizes are in bytes.
type statsJSON struct {
	Run     runJSON      `json:"run"`
	Seconds float64      `json:"seconds"` // that the steps took together
	Nodes   []*nodeTime  `json:"nodes"`
	Growth  []growthJSON `json:"growth"` // at most as many as are drawn
	Paths   []pathSize   `json:"paths"`  // of the newest state, the largest first
	// Largest is the largest state, if the newest is not.
	Largest *largestJSON `json:"largest,omitempty"`

	total  time.Duration
	newest int64 // size of the newest state
}

// largestJSON is the event with the largest state of a run.
type largestJSON struct {
	spotJSON
	Size int64 `json:"size"`
	goneJSON
	Paths []pathSize `json:"paths"` // the largest values

	gone *checkpoint.PrunedError // nil if it is there
}

// nodeTime is what the visits of a node took.
type nodeTime struct {
	NodeID     string  `json:"node_id"`
	Visits     int     `json:"visits"`
	Timed      int     `json:"timed"` // visits of which it is known what they took
	Seconds    float64 `json:"seconds"`
	Slowest    float64 `json:"slowest_seconds"`
	SlowestSeq uint64  `json:"slowest_seq,omitempty"`

	total, slowest time.Duration
}

func (n *nodeTime) see(seq uint64, took time.Duration, known bool) {
	n.Visits++
	if !known {
		return
	}
	n.Timed++
	if n.total += took; took > n.slowest || n.SlowestSeq == 0 {
		n.slowest, n.SlowestSeq = took, seq
	}
	n.Seconds, n.Slowest = n.total.Seconds(), n.slowest.Seconds()
}

// growthJSON is the largest state of some consecutive events.
type growthJSON struct {
	Seq  uint64 `json:"seq"` // the last of them
	Size int64  `json:"size"`
}

func (l looker) stats(run checkpoint.Run, paths int) (*statsJSON, error) {
	s := &statsJSON{Run: runFacts(run), Nodes: []*nodeTime{}, Growth: []growthJSON{}, Paths: []pathSize{}}
	chart, nodes := &chart{}, map[string]*nodeTime{}
	width := (run.Events() + plotWidth - 1) / plotWidth // events in a column of the plot
	for ev, err := range l.headers(run, listing{}) {
		if err != nil {
			return nil, err
		}
		chart.see(ev)
		if ev.Role == "" {
			before, n := chart.prior(ev.Seq), nodes[ev.NodeID]
			if n == nil {
				n = &nodeTime{NodeID: ev.NodeID}
				nodes[ev.NodeID], s.Nodes = n, append(s.Nodes, n)
			}
			n.see(ev.Seq, before.took, before.timed)
			s.total += before.took
		}
		if ev.Seq == head(run) {
			s.newest = ev.Size
		}
		if s.Largest == nil || ev.Size > s.Largest.Size {
			s.Largest = &largestJSON{spotOf(ev), ev.Size, goneFacts(ev), []pathSize{}, ev.PrunedBy}
		}
		if (chart.number(ev.Seq)-1)%width == 0 {
			s.Growth = append(s.Growth, growthJSON{})
		}
		g := &s.Growth[len(s.Growth)-1]
		*g = growthJSON{ev.Seq, max(g.Size, ev.Size)}
	}
	s.Seconds = s.total.Seconds()
	slices.SortFunc(s.Nodes, func(a, b *nodeTime) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.NodeID, b.NodeID))
	})
	var err error
	if s.Paths, err = l.largestPaths(run, head(run), paths); err != nil {
		return nil, err
	}
	if s.Largest != nil && s.Largest.Size <= s.newest {
		s.Largest = nil
	}
	if s.Largest != nil {
		s.Largest.Paths, err = l.largestPaths(run, s.Largest.Seq, paths)
	}
	return s, err
}

// largestPaths returns the largest values of the state of an event; none if that is no
// JSON, was pruned, or can't be read.
func (l looker) largestPaths(run checkpoint.Run, seq uint64, limit int) ([]pathSize, error) {
	for ev, err := range l.store.History(l.ctx, run.ID, checkpoint.HistoryOptions{From: seq, To: seq}) {
		if errors.Is(err, checkpoint.ErrCorrupt) {
			l.report(err)
			break
		}
		if err != nil {
			return nil, err
		}
		if doc, err := statediff.Parse(ev.State); err == nil && ev.Kind == checkpoint.KindJSON {
			return largestPaths(l.ctx, doc, limit)
		}
	}
	return []pathSize{}, nil
}
