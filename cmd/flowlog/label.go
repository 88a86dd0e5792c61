package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// markHelp says in the help of a verb what it takes.
const markHelp = `With RUN alone it is about the run as a whole; RUN@head is its newest event.

` + refHelp

// label returns the verb that gives labels to runs and events.
func (c *cli) label() *cobra.Command {
	var remove []string
	cmd := &cobra.Command{
		Use: "label REF [NAME=VALUE]...",
		Example: `  flowlog label essay-x7kq team=search         the run
  flowlog label '@last@review#2' gold=yes      one event of it
  flowlog label @last@5 --remove gold
  flowlog label @last                          what the run and its events have
  flowlog runs label:team=search`,
		Short: "Label a run or an event, or show its labels.",
		Long: `Label gives labels to a run or an event that is there already. A label of the same
name has the new value from then on; the event itself, its hash and the labels that
it was saved with stay as they are, and what is said later goes before. --remove
takes a label away, also one that was saved. Without either it shows what there is.

prune --keep-label keeps what is labelled; history, show and runs show labels, and
runs label:NAME=VALUE finds runs by them.

` + markHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return arguments("REF")(cmd, args)
			}
			return nil
		},
	}
	output := outputFlag(cmd)
	cmd.Flags().StringArrayVar(&remove, "remove", nil, "NAME: take this label away; may be given several times")
	c.completeFirst(cmd, c.completeRefs)
	cmd.RegisterFlagCompletionFunc("remove", func(cmd *cobra.Command, args []string, word string) (found []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			c.lookQuietly(cmd, func(l looker) { found = l.completeLabel(args[0], word) })
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		labels, err := parseLabels(args[1:], remove)
		if err != nil {
			return err
		}
		if len(labels) == 0 {
			return c.look(cmd.Context(), func(l looker) error { return c.listMarks(l, args[0], *output) })
		}
		return c.mark(cmd.Context(), args[0], *output, func(l looker, m marked) error { return c.setLabels(l, m, labels) })
	}
	return cmd
}

// newLabel is a label to be given or taken away.
type newLabel struct {
	key, value string
	remove     bool
}

// parseLabels reads what label is to do, in that order.
func parseLabels(set, remove []string) (list []newLabel, err error) {
	for _, text := range set {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usage("%q is no label: it is NAME=VALUE, as in gold=yes; `--remove %s` takes one away", text, quote(text))
		}
		list = append(list, newLabel{key: key, value: value})
	}
	for _, key := range remove {
		if key == "" || strings.Contains(key, "=") {
			return nil, usage("--remove %q: it is the name of a label, without its value", key)
		}
		list = append(list, newLabel{key: key, remove: true})
	}
	for i, a := range list {
		if slices.ContainsFunc(list[:i], func(b newLabel) bool { return b.key == a.key }) {
			return nil, usage("the label %q is given twice; say once what it is to be", a.key)
		}
	}
	return list, nil
}

// setLabels gives and takes the labels that are not yet as they are to be.
func (c *cli) setLabels(l looker, m marked, labels []newLabel) error {
	for _, n := range labels {
		value, has := m.labels[n.key]
		var err error
		switch {
		case n.remove && has:
			err = l.store.Unlabel(l.ctx, m.run.ID, m.seq, n.key)
		case n.remove:
			c.say("%s has no label %q", m.thing(), n.key)
		case !has || value != n.value:
			err = l.store.Label(l.ctx, m.run.ID, m.seq, n.key, n.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pin returns the verb that keeps runs and events from being pruned.
func (c *cli) pin() *cobra.Command {
	return c.pinning(true, &cobra.Command{
		Use: "pin REF",
		Example: `  flowlog pin essay-x7kq              the run and all its states
  flowlog pin '@last@review#2'        one event
  flowlog runs is:pinned`,
		Short: "Keep a run or an event from being pruned.",
		Long: `Pin keeps the state of an event, or a run with all its states, from prune, whatever
that is told, also if it is at work at that moment. unpin takes the pin away. redact,
which names what it drops, does not ask for pins.

` + markHelp,
	})
}

// unpin returns the verb that takes pins away.
func (c *cli) unpin() *cobra.Command {
	return c.pinning(false, &cobra.Command{
		Use: "unpin REF",
		Example: `  flowlog unpin essay-x7kq
  flowlog unpin '@last@review#2'`,
		Short: "Let a run or an event be pruned again.",
		Long: `Unpin takes the pin of a run or an event away. Events of a run have pins of their
own: they stay when the run's goes.

` + markHelp,
	})
}

func (c *cli) pinning(pin bool, cmd *cobra.Command) *cobra.Command {
	cmd.Args = arguments("REF")
	output := outputFlag(cmd)
	c.completeRefs(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.mark(cmd.Context(), args[0], *output, func(l looker, m marked) error {
			switch {
			case pin && m.event != nil && m.event.Pruned:
				return m.event.PrunedBy
			case pin && !m.pinned:
				return l.store.Pin(l.ctx, m.run.ID, m.seq)
			case !pin && m.pinned:
				return l.store.Unpin(l.ctx, m.run.ID, m.seq)
			case !pin:
				c.say("%s is not pinned", m.thing())
			}
			return nil
		})
	}
	return cmd
}

// mark lets a verb change the marks of what a text names, and shows them as they are
// then.
func (c *cli) mark(ctx context.Context, text string, f format, change func(looker, marked) error) error {
	store, err := c.openToWrite()
	if err != nil {
		return err
	}
	defer store.Close()
	l := looker{store: store, ctx: ctx}
	at, err := l.target(text)
	if err != nil {
		return err
	}
	m, err := l.marked(at)
	if err == nil {
		err = change(l, m)
	}
	if err == nil {
		m, err = l.marked(at)
	}
	if err != nil {
		return err
	}
	if err := c.writeMarked([]marked{m}, f); err != nil {
		return err
	}
	return store.Close()
}

// listMarks shows the marks of what a text names, of a run those of its events too.
func (c *cli) listMarks(l looker, text string, f format) error {
	at, err := l.target(text)
	if err != nil {
		return err
	}
	m, err := l.marked(at)
	if err != nil {
		return err
	}
	list := []marked{m}
	if at.seq == 0 {
		events, err := l.markedEvents(at.run)
		if err != nil {
			return err
		}
		list = append(list, events...)
	}
	return c.writeMarked(list, f)
}

// completeLabel returns the names of the labels of what a text names that begin with a word.
func (l looker) completeLabel(text, word string) (found []string) {
	at, err := l.target(text)
	if err != nil {
		return nil
	}
	m, err := l.marked(at)
	if err != nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m.labels)) {
		if strings.HasPrefix(key, word) {
			found = append(found, key)
		}
	}
	return found
}
