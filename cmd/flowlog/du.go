package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// du returns the verb that shows what takes the space.
func (c *cli) du() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "du [RUN]",
		Example: `  flowlog du
  flowlog du --limit 5
  flowlog du @last
  flowlog du -o json | jq .disk.free`,
		Short: "Show what takes the space.",
		Long: `Du shows which runs take the space of a store, or which nodes that of a run, the
largest first: how many events there are and how many of them are not sealed, what
their states take together, what they take as they are stored, headers included,
the ratio of the two, and the share in all that is stored.

With RUN it also shows each node's largest state with the event that has it, and
by how much the node's state grows from one visit to the next, on average.

RUN is a run's id, the beginning of it if no other begins so, or @last.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return arguments("RUN")(cmd, args)
		},
	}
	output := outputFlag(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "the most to list; 0 for all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if limit < 0 {
			return usage("--limit %d: it is a number of runs or nodes, or 0 for all", limit)
		}
		return c.look(cmd.Context(), func(l looker) error {
			if len(args) == 0 {
				return c.duStore(l, limit, *output)
			}
			run, err := l.wholeRun("du", args[0])
			if err != nil {
				return err
			}
			return c.duRun(l, run, limit, *output)
		})
	}
	c.completeRuns(cmd, 0)
	return cmd
}

// amount is what events take.
type amount struct {
	Events uint64 `json:"events"`
	Bytes  int64  `json:"bytes"`
	Stored int64  `json:"stored"`
}

func (a *amount) add(b amount) {
	a.Events, a.Bytes, a.Stored = a.Events+b.Events, a.Bytes+b.Bytes, a.Stored+b.Stored
}

func (a *amount) sub(b amount) {
	a.Events, a.Bytes, a.Stored = a.Events-b.Events, a.Bytes-b.Bytes, a.Stored-b.Stored
}

// duTable are the columns that runs and nodes have.
type duTable struct {
	total                                          int64
	name, events, bytes, stored, ratio, share, bar *column
}

func newDuTable(what string, total int64) *duTable {
	return &duTable{
		total: total, name: left(what).in(bold), events: right("events"), bytes: right("states"), stored: right("stored"),
		ratio: right("ratio"), share: right("share"), bar: left("").in(blue),
	}
}

// barWidth is how wide the bar of all that is stored would be, in columns.
const barWidth = 16

func (t *duTable) add(name string, a amount) {
	share := float64(a.Stored) / float64(max(t.total, 1))
	t.name.add(name)
	t.events.add(humanize.Comma(int64(a.Events)))
	t.bytes.add(size(a.Bytes))
	t.stored.add(size(a.Stored))
	t.ratio.add(ratio(a.Bytes, a.Stored))
	t.share.add(fmt.Sprintf("%.0f%%", share*100))
	t.bar.add(bar(share, barWidth))
}

// ratio says how many times as large a is as b.
func ratio(a, b int64) string {
	f := float64(a) / float64(max(b, 1))
	if f < 10 {
		return fmt.Sprintf("%.1f×", f)
	}
	return humanize.Comma(int64(f+0.5)) + "×"
}
