package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// completion returns the verb that writes a shell's completion script.
func (c *cli) completion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	cmd := &cobra.Command{
		Use: "completion SHELL",
		Example: `  source <(flowlog completion bash)                 # in this shell
  flowlog completion bash > /etc/bash_completion.d/flowlog
  flowlog completion zsh > "${fpath[1]}/_flowlog"
  flowlog completion fish > ~/.config/fish/completions/flowlog.fish`,
		Short: "Write a script that completes verbs, runs and nodes in a shell.",
		Long: `Completion writes a script for bash, zsh, fish or powershell. With it the shell
completes verbs and flags, the ids of runs and, behind RUN@, the nodes of the run:
from the store that the other verbs would use, or that --store names on the line.`,
		Args:      arguments("SHELL"),
		ValidArgs: shells,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root := cmd.Root()
		switch args[0] {
		case "bash":
			return root.GenBashCompletionV2(c.out, true)
		case "zsh":
			return root.GenZshCompletion(c.out)
		case "fish":
			return root.GenFishCompletion(c.out, true)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(c.out)
		}
		return usage("there is no completion for %q; there is for %s", args[0], strings.Join(shells, ", "))
	}
	return cmd
}

// maxCompletions is how many runs are offered.
const maxCompletions = 200

// completeRefs lets the shell complete the runs and events that a verb takes.
func (c *cli) completeRefs(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		var found []string
		c.lookQuietly(cmd, func(l looker) {
			if i := strings.LastIndexByte(word, '@'); i > 0 {
				found = l.completeEvent(word[:i], word[i+1:])
				return
			}
			found = l.completeRun(word)
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFirst lets the shell complete only the first argument.
func (c *cli) completeFirst(cmd *cobra.Command, complete func(*cobra.Command)) {
	complete(cmd)
	first := cmd.ValidArgsFunction
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return first(cmd, args, word)
	}
}

// completeRuns is completeRefs for a verb that takes runs only, the first as its nth
// argument from 0.
func (c *cli) completeRuns(cmd *cobra.Command, nth int) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) (found []string, _ cobra.ShellCompDirective) {
		if len(args) == nth {
			c.lookQuietly(cmd, func(l looker) { found = l.completeRun(word) })
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeNodes lets the shell complete a flag by the nodes of the run that stands on
// the line.
func (c *cli) completeNodes(cmd *cobra.Command, flag string) {
	cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, word string) (found []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			c.lookQuietly(cmd, func(l looker) { found = l.completeNode(args[len(args)-1], word) })
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	})
}

// completeFrom lets the shell complete a flag by something that the newest runs have.
func (c *cli) completeFrom(cmd *cobra.Command, flag string, of func(looker, checkpoint.Run) []string) {
	cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		var found []string
		c.lookQuietly(cmd, func(l looker) {
			for run, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{Limit: maxCompletions}) {
				if err == nil {
					found = append(found, of(l, run)...)
				}
			}
		})
		found = slices.DeleteFunc(found, func(s string) bool { return s == "" || !strings.HasPrefix(s, word) })
		slices.Sort(found)
		return slices.Compact(found), cobra.ShellCompDirectiveNoFileComp
	})
}

// graphOf and labelsOf are for completeFrom: a run's graph, and the labels that were given
// to it and its events.
func graphOf(_ looker, run checkpoint.Run) []string { return []string{run.GraphID} }

func labelsOf(l looker, run checkpoint.Run) (found []string) {
	marks, err := l.store.Marks(l.ctx, run.ID)
	if err != nil {
		return nil
	}
	for _, m := range append(slices.Collect(maps.Values(marks.Events)), marks.Run) {
		for key, value := range m.Labels {
			found = append(found, key+"="+value)
		}
	}
	return found
}

// lookQuietly lets look at the store if there is one: nobody wants to read an error
// in the middle of a line.
func (c *cli) lookQuietly(cmd *cobra.Command, look func(looker)) {
	at, err := c.place()
	if err != nil {
		return
	}
	c.wait = min(c.wait, 200*time.Millisecond)
	store, err := c.openToLook(at)
	if err != nil {
		return
	}
	defer store.Close()
	look(looker{store: store, ctx: cmd.Context()})
}

func (l looker) completeRun(word string) (found []string) {
	if strings.HasPrefix(lastRun, word) && word != "" {
		found = append(found, lastRun+"\tthe newest run")
	}
	for run, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{Prefix: word, Limit: maxCompletions}) {
		if err == nil && isPlain(run.ID) {
			found = append(found, run.ID+"\t"+count(run.Events(), "event")+", at "+printable(run.NodeID))
		}
	}
	return found
}

// isPlain reports whether a name can be completed: a line break or a tab would make it
// another, and a terminal obeys other control characters.
func isPlain(name string) bool { return printable(name) == name }

// completeEvent completes what stands behind RUN@.
func (l looker) completeEvent(run, word string) (found []string) {
	if strings.HasPrefix(headEvent, word) {
		found = append(found, run+"@"+headEvent)
	}
	for _, name := range l.completeNode(run, word) {
		found = append(found, run+"@"+name)
	}
	return found
}

// completionEvents is how many of a run's newest events are looked at for its nodes.
const completionEvents = 2000

// completeNode returns the nodes of a run that begin with a word.
func (l looker) completeNode(name, word string) (found []string) {
	run, _, err := l.event(name)
	if err != nil {
		return nil
	}
	for _, node := range l.nodes(run) {
		if strings.HasPrefix(node, word) && isPlain(node) {
			found = append(found, node)
		}
	}
	return found
}
