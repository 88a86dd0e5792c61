package main

import (
	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// historyFlags are what history is asked for.
type historyFlags struct {
	listing
	graph   bool
	stored  bool
	changed string
	asked   string // the argument
	output  *format
}

// history returns the verb that shows the events of a run.
func (c *cli) history() *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use:        "history REF",
		SuggestFor: []string{"log"},
		Example: `  flowlog history @last
  flowlog history essay-x7kq --backward --limit 20
  flowlog history @last --changed 'files["essay.md"]'
  flowlog history @last --node review
  flowlog history '@last@review#3'            the line that led to it
  flowlog history @last@5..12                 what came after 5, up to 12
  flowlog history @last -o jsonl | jq 'select(.took_seconds > 60)'`,
		Short: "Show what happened in a run, and what each step changed.",
		Long: `History shows the events of a run, oldest first: the visit (review#2 is the second
event of the node review, over all branches), the event that it continues from if
that is not the one before, its time, how long after that event it came, the size
of the state, and what changed in it: +3 messages are elements that came into an
array, +name and -name what else came and went, with the sizes or the values
before and after. What is largest stands first; diff shows all of it.

The largest state and the longest wait for an event are marked with a *. How long a
step took is not told where a run begins or someone went back; a pause before a resume
counts as time of the step after it. What was changed in the state on the way back
counts as a change of the step after it, too. A fork's first event shows what the fork
changed in the state that it was made from. An event whose state was pruned or
redacted is drawn hollow. A failure shows its error, beside the line that it left.
A » marks an event that another writer wrote than the one that it continues from:
another program, or the same after a restart; -o json names the writers.

` + refHelp + `
With RUN alone all its branches are shown; with an event the line that led to it;
with A..B the part of the line of B that A has not.`,
		Args: arguments("REF"),
	}
	f.output = outputFlag(cmd)
	cmd.Flags().IntVar(&f.limit, "limit", 0, "the most to show; 0 for all")
	cmd.Flags().StringVar(&f.node, "node", "", "only events of this node")
	cmd.Flags().StringVar(&f.changed, "changed", "", "only events that changed what is at this path of the\nstate, and only these changes")
	cmd.Flags().BoolVar(&f.backward, "backward", false, "newest first")
	cmd.Flags().BoolVar(&f.graph, "graph", false, "draw the branches also where not all rows are shown;\n--graph=false never")
	cmd.Flags().BoolVar(&f.stored, "stored", false, "how the events are stored, instead of what changed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.limit < 0 {
			return usage("--limit %d: it is a number of events, or 0 for all", f.limit)
		}
		path, err := statediff.ParsePath(f.changed)
		if err != nil {
			return usage("--changed: %v", err)
		}
		r, err := c.redactor()
		if err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error {
			f.asked = args[0]
			h := &historian{cli: c, l: l, historyFlags: f, redactor: r, path: path}
			if h.run, h.line, err = l.part(args[0]); err != nil {
				return err
			}
			h.drawn = f.graph || !cmd.Flags().Changed("graph") && h.isWhole() && f.changed == ""
			return h.show()
		})
	}
	c.completeRefs(cmd)
	c.completeNodes(cmd, "node")
	return cmd
}

// part returns the events of a run that a text names: nil for all of them.
func (l looker) part(text string) (checkpoint.Run, *line, error) {
	old, now, ok, err := l.span(text)
	if err != nil {
		return now.run, nil, err
	}
	if !ok {
		if run, ok, err := l.findRun(text); ok || err != nil && !isAnswer(err) {
			return run, nil, err
		}
		run, seq, err := l.event(text)
		return run, &line{to: seq}, err
	}
	if old.run.ID != now.run.ID {
		return now.run, nil, usage("%q and %q are two runs: a range is a part of one", old.run.ID, now.run.ID)
	}
	li, err := l.rangeOf(now.run, old.seq, now.seq)
	return now.run, li, err
}
