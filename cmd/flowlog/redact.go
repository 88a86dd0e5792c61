package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// redactStates returns the verb redact, which drops states for good.
func (c *cli) redactStates() *cobra.Command {
	r := &redaction{c: c}
	cmd := &cobra.Command{
		Use: "redact REF[..REF] --reason TEXT",
		Example: `  flowlog grep --all 'sk-live-'                                        every state that has the secret
  flowlog redact 'essay-x7kq@review#2' --reason 'an API key' -n
  flowlog redact essay-x7kq@5..9 --reason 'an API key, ticket 4711'     5, 9 and all between
  flowlog redact essay-x7kq@1.. --reason 'asked to be forgotten' --yes  all so far`,
		Short: "Drop states for good, leaving no copy in the store's files.",
		Long: `Redact lists the events whose states would go; then it asks, and drops them, so that
no copy is left in any file of the store: not in free space, not in a write-ahead log
and not in what neighbouring events are stored as differences from. Without a
terminal to ask on it needs --yes; with -n the list is all.

A..B is both events and all that lie between them by seq, on all branches. All other
states stay as they are, the run verifies, and asking for a redacted state says when
it went and why. It drops what it is told to, pinned or not.

What was pruned can be redacted too: copies of it go, and from then on this reason is
told. What was redacted keeps the reason that it has; the list says which, and for what
events the new one is. If all of it was redacted before, the file is written anew and
nothing else changes; the exit code is 0.

What it does not do. It knows events and not values: the same secret in the state of
another event, a fork, another run, an export or a backup stays there, so look with
grep --all first. Headers stay: node ids, times, labels and the reason itself. So does the
hash of the state, by which who guesses a whole state can tell that it is right. The
flag --redact, which all verbs have, is something else: it masks what is shown.

The whole file is written anew, which takes the longer the larger it is: A..B names
all events from one to another of a run in one call. Writers wait meanwhile; a bbolt
store must not be open elsewhere. If it is stopped or fails in the middle, the same
command again finishes the work.

` + refHelp,
		Args: arguments("REF"),
	}
	r.output = outputFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.reason, "reason", "", "why, for all who ask for such a state later; required")
	flags.BoolVarP(&r.dry, "dry-run", "n", false, "only list what would go")
	flags.BoolVarP(&r.yes, "yes", "y", false, "don't ask")
	c.completeRefs(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case r.dry && r.yes:
			return usage("-n only lists, and --yes drops: say one of them")
		case strings.TrimSpace(r.reason) == "":
			return usage("redact needs a --reason: who asks for such a state later is told it, as in --reason 'an API key'")
		case !r.dry && !r.yes:
			if err := c.mayAsk("redact"); err != nil {
				return err
			}
		}
		return r.redact(cmd.Context(), args[0])
	}
	return cmd
}

// redaction drops the states of some events for good.
type redaction struct {
	c        *cli
	reason   string
	dry, yes bool
	output   *format

	run    checkpoint.Run
	events []row
	again  int      // how many of them were redacted before
	same   []uint64 // other events with the state of one of these
	doc    jsonObject
}

func (r *redaction) redact(ctx context.Context, text string) error {
	r.c.noPager = r.c.noPager || r.yes // nobody is there to leave it
	err := r.c.look(ctx, func(l looker) error {
		first, last, err := l.betweenEvents(text)
		if err == nil {
			r.run = first.run
			err = r.find(l, min(first.seq, last.seq), max(first.seq, last.seq))
		}
		if err != nil {
			return err
		}
		return r.list()
	})
	if err != nil {
		return err
	}
	defer func() { r.doc.end() }()
	if len(r.same) > 0 {
		r.c.say("these events of the run have the same state as one that goes, and keep it: %s", seqsText(r.same))
	}
	if r.dry {
		return nil
	}
	if !r.yes {
		question := "Redact that for good?"
		if r.again == len(r.events) {
			question = "Write the store anew all the same, so that no copy can be left?"
		}
		if err := r.c.confirm(ctx, question); err != nil {
			return err
		}
	}
	return r.drop(ctx)
}

// betweenEvents returns the events that A..B names, or one twice.
func (l looker) betweenEvents(text string) (first, last ref, err error) {
	first, last, ok, err := l.span(text)
	switch {
	case err != nil:
		return first, last, err
	case ok && first.run.ID != last.run.ID:
		return first, last, usage("%q and %q are two runs: redact them one after the other", first.run.ID, last.run.ID)
	case ok:
		return first, last, nil
	}
	if run, ok, err := l.findRun(text); err == nil && ok {
		return first, last, usage("redact takes events: %s is the newest of run %q, and %s are all", quote(run.ID+"@head"), run.ID, quote(run.ID+"@1.."))
	}
	run, seq, err := l.event(text)
	return ref{run, seq}, ref{run, seq}, err
}

// find looks for the events, and for others that have the same states.
func (r *redaction) find(l looker, first, last uint64) error {
	marks, err := l.store.Marks(l.ctx, r.run.ID)
	if err != nil {
		return err
	}
	goes, others := map[checkpoint.Digest]bool{}, map[uint64]checkpoint.Digest{}
	for e, err := range l.entries(r.run, listing{}) {
		switch {
		case err != nil:
			return err
		case e.Seq >= first && e.Seq <= last:
			to := row{entry: e}
			to.mark(marks)
			r.events = append(r.events, to)
			goes[e.SHA256] = true
			if e.Pruned && e.PrunedBy.Redacted {
				r.again++
			}
		case !e.Pruned:
			others[e.Seq] = e.SHA256
		}
	}
	for seq, sha := range others {
		if goes[sha] {
			r.same = append(r.same, seq)
		}
	}
	slices.Sort(r.same)
	return nil
}

// drop redacts, and reports.
func (r *redaction) drop(ctx context.Context) error {
	store, err := r.c.openToWrite()
	if err != nil {
		return err
	}
	defer store.Close()
	if now, err := store.Run(ctx, r.run.ID); err != nil {
		return err
	} else if now.Life != r.run.Life {
		return notFound("run %q was deleted since it was listed, and its id used again; nothing was dropped", r.run.ID)
	}
	meter, err := r.c.meter()
	if err != nil {
		return err
	}
	before, _, err := store.Space(ctx)
	if err != nil {
		return err
	}
	seqs := make([]uint64, len(r.events))
	for i, e := range r.events {
		seqs[i] = e.Seq
	}
	meter.show(checkpoint.CompactProgress{Step: "redacting, and writing the file anew"})
	_, err = store.RedactOf(ctx, r.run, seqs, r.reason)
	meter.clear()
	if errors.Is(err, checkpoint.ErrNotErased) {
		r.c.say("the same command again finishes the work")
	}
	if err != nil {
		return err
	}
	after, _, err := store.Space(ctx)
	if err != nil {
		return err
	}
	if *r.output == formatText {
		r.c.out.printf("%s\n", r.doneText(before, after))
	} else if err := r.doc.add("result", redactionResult{len(r.events) - r.again, before, after}); err != nil {
		return err
	}
	return store.Close()
}

// seqsText lists seqs, the first ones if there are many.
func seqsText(seqs []uint64) string {
	const most = 10
	var words []string
	for i, seq := range seqs {
		if i == most {
			words = append(words, "…")
			break
		}
		words = append(words, fmt.Sprint(seq))
	}
	return strings.Join(words, ", ")
}
