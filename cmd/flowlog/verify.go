package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

func damaged(format string, args ...any) error {
	return &exitError{codeDamaged, fmt.Sprintf(format, args...)}
}

// verify returns the verb that checks runs against their hashes.
func (c *cli) verify() *cobra.Command {
	var head string
	cmd := &cobra.Command{
		Use: "verify [RUN]",
		Example: `  flowlog verify
  flowlog verify @last
  flowlog verify essay-x7kq --head 5f1c0a…
  flowlog verify -o json | jq -r '.[] | select(.intact | not) | .run_id'`,
		Short: "Check runs against their hashes.",
		Long: `Verify reads each event of a run, or of all runs, and checks it and its state against
its hash, and the chain that links the hashes. It says for each run whether it is
intact or at which seq it is broken, and the hash of its newest event.

A chain alone does not tell when the newest events were cut off. Keep the hash that
verify prints elsewhere, and give it with --head later: the run is intact only if
that event is still there, whatever came after it.

Of a run whose oldest events were dropped with their headers it says from which
anchor, the last of these, it is intact.

The exit code is 1 if a run is damaged, or if a bbolt file shows that its last commit may
be missing, which it does until the next write. What is wrong is said on stderr.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return arguments("RUN")(cmd, args)
		},
	}
	output := outputFlag(cmd)
	cmd.Flags().StringVar(&head, "head", "", "the hash that the newest event of the run had once")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var opts checkpoint.VerifyOptions
		switch err := opts.Known.UnmarshalText([]byte(head)); {
		case head == "":
		case err != nil:
			return usage("--head %q: %v; give the hash that verify printed", head, err)
		case opts.Known == checkpoint.Digest{}:
			return usage("--head: no event has the hash %s", head)
		case len(args) == 0:
			return usage("--head is the hash of one run's event; name the run: flowlog verify RUN --head %s", head)
		}
		return c.look(cmd.Context(), func(l looker) error {
			v := verifier{c: c, looker: l, opts: opts, format: *output}
			if len(args) == 1 {
				return v.one(args[0])
			}
			return v.all()
		})
	}
	return cmd
}

// verifier verifies runs.
type verifier struct {
	c *cli
	looker
	opts   checkpoint.VerifyOptions
	format format
	facts  []verifyJSON // of the runs so far
	broken int
}

// verifyJSON is what was found of a run as -o json gives it.
type verifyJSON struct {
	RunID    string   `json:"run_id"`
	Intact   bool     `json:"intact"`
	Anchor   uint64   `json:"anchor,omitempty"` // the last seq that was dropped with its header
	Events   uint64   `json:"events"`
	Pruned   uint64   `json:"pruned"`   // whose state is gone
	Redacted uint64   `json:"redacted"` // of these, by redact
	Head     string   `json:"head"`
	Known    uint64   `json:"known,omitempty"` // the seq that --head is of
	BrokenAt uint64   `json:"broken_at,omitempty"`
	Problems []string `json:"problems,omitempty"`
}

// one verifies the run that a text names.
func (v *verifier) one(text string) error {
	// The summary of a damaged run can't be had, so its own name goes first.
	id := text
	if _, err := v.store.Run(v.ctx, text); errors.Is(err, checkpoint.ErrNotFound) || errors.Is(err, checkpoint.ErrInvalid) {
		run, err := v.wholeRun("verify", text)
		if err != nil {
			return err
		}
		id = run.ID
	}
	if err := v.look(id); err != nil {
		return err
	}
	if v.format != formatText {
		if err := writeJSON(v.c.out, v.format, v.facts[0]); err != nil {
			return err
		}
	}
	if v.broken > 0 {
		return damaged("run %s is damaged", id)
	}
	return v.warned()
}

// all verifies all runs.
func (v *verifier) all() error {
	for run, err := range v.store.Runs(v.ctx, checkpoint.RunsOptions{ByID: true}) {
		if err != nil && run.ID == "" {
			return err
		}
		if err := v.look(run.ID); errors.Is(err, checkpoint.ErrNotFound) {
			continue // it was deleted meanwhile
		} else if err != nil {
			return err
		}
		if v.format == formatJSONL {
			if err := writeJSON(v.c.out, v.format, v.facts[len(v.facts)-1]); err != nil {
				return err
			}
		}
	}
	if v.format == formatJSON {
		if v.facts == nil {
			v.facts = []verifyJSON{}
		}
		if err := writeJSON(v.c.out, v.format, v.facts); err != nil {
			return err
		}
	}
	switch {
	case v.broken > 0:
		return damaged("%d of %s damaged", v.broken, count(len(v.facts), "run"))
	case len(v.facts) == 0:
		v.c.say("the store has no runs yet")
	}
	return v.warned()
}

// warned is the outcome if nothing is damaged of what is there.
func (v *verifier) warned() error {
	if v.store.Warning() != nil { // it was said when the store was opened
		return damaged("all runs are intact, but the last commit may be missing")
	}
	return nil
}

// look verifies a run and says what it found, but for JSON.
func (v *verifier) look(id string) error {
	meter, err := v.c.meter()
	if err != nil {
		return err
	}
	opts := v.opts
	opts.Progress = func(events uint64) { meter.tell("verifying "+id, events, 0, "events") }
	rep, err := v.store.VerifyWith(v.ctx, id, opts)
	meter.clear()
	var fact verifyJSON
	switch {
	case err == nil:
		fact = verifyJSON{RunID: id, Intact: rep.Intact(), Anchor: rep.Anchor, Events: rep.Events, Pruned: rep.Pruned, Redacted: rep.Redacted, Head: rep.Head.String(), Known: rep.Known, BrokenAt: rep.BrokenAt}
		for _, p := range rep.Problems {
			fact.Problems = append(fact.Problems, p.Error())
		}
	case errors.Is(err, checkpoint.ErrCorrupt): // so much that it could not look
		fact = verifyJSON{RunID: id, BrokenAt: 1, Problems: []string{err.Error()}}
	default:
		return err
	}
	if v.facts = append(v.facts, fact); !fact.Intact {
		v.broken++
	}
	if v.format == formatText {
		v.c.out.printf("%s  %s\n", printable(id), v.text(fact))
	}
	for _, p := range fact.Problems {
		v.c.say("%s", p)
	}
	return nil
}

// text says in a line what was found.
func (v *verifier) text(f verifyJSON) string {
	if newest := f.Anchor + f.Events; !f.Intact && f.BrokenAt > newest && f.Events > 0 {
		return v.c.out.paint(red, fmt.Sprintf("cut off after seq %d, or --head is of another run", newest))
	}
	if !f.Intact {
		return v.c.out.paint(red, fmt.Sprintf("broken at seq %d", f.BrokenAt))
	}
	text := v.c.out.paint(green, "intact")
	if f.Anchor > 0 {
		text += fmt.Sprintf(" from anchor %d", f.Anchor)
	}
	text += ": " + count(f.Events, "event")
	if f.Pruned > 0 {
		text += ", " + goneCounts(f.Pruned, f.Redacted)
	}
	if f.Known > 0 {
		text += fmt.Sprintf(", seq %d as it was", f.Known)
	}
	return text + ", head " + f.Head
}
