package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// fork returns the verb that begins a run where another one stood.
func (c *cli) fork() *cobra.Command {
	var sets []string
	var dry bool
	cmd := &cobra.Command{
		Use: "fork REF [NEWRUN]",
		Example: `  flowlog fork '@last@review#2' -n             what it would keep, and what would run next
  flowlog fork '@last@review#2'
  flowlog fork essay-x7kq@5 essay-shorter --set passes=3 --set 'task="The same, but shorter."'
  flowlog fork @last~1 --set 'messages[-1].content="Go on."'
  flowlog fork @last~1 --set '/messages/-={"role":"user","content":"Again."}'`,
		Short: "Begin a new run where another one stood, and say what runs next.",
		Long: `Fork begins the run NEWRUN with the state of an event of another run, which stays as
it is. The new run names the event that it came from, and stands on its own: the
other one may go on, be pruned or be deleted. Without NEWRUN it gets a new id, made
of the other's and the event. A name can't hold what names events: @, ~ or two dots.

--set changes a value of the state: PATH is a JSON Pointer or like
messages[-1].content, and JSON any value; a text has to be in quotes. A member that
an object has not is added, and /messages/- is the place behind an array's last
element. Fork shows what that changes, which node comes next, and what came after
the event earlier, on each branch that goes on from there. With -n that is
all, and nothing is written.

` + refHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			for i, name := range args {
				if i > 0 && looksLikeEdit(name) {
					return usage("%q looks like a change of the state and not like the name of a run: write --set %s", name, quote(name))
				}
			}
			return between(1, 2, "REF")(cmd, args)
		},
	}
	output := outputFlag(cmd)
	cmd.Flags().StringArrayVar(&sets, "set", nil, "PATH=JSON: a value of the new run's state; may be given\nseveral times, and is done in that order")
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "only say what would be")
	c.completeFirst(cmd, c.completeRefs)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f := &forker{c: c, dry: dry, format: *output}
		for _, text := range sets {
			e, err := parseEdit(text)
			if err != nil {
				return err
			}
			f.edits = append(f.edits, e)
		}
		var err error
		if f.redactor, err = c.redactor(); err != nil {
			return err
		}
		if dry {
			return c.look(cmd.Context(), func(l looker) error { return f.fork(l, args) })
		}
		store, err := c.openToWrite()
		if err != nil {
			return err
		}
		defer store.Close()
		if err := f.fork(looker{store: store, ctx: cmd.Context()}, args); err != nil {
			return err
		}
		return store.Close()
	}
	return cmd
}

// forker forks a run and says what that means.
type forker struct {
	c *cli
	redactor
	edits  []edit
	dry    bool
	format format

	of    entry       // the event that is forked
	newID string      // the new run
	notes []string    // what the edits do that may be a slip
	step              // what is changed in the state
	ran   []*lineJSON // what came after the event before
}

func (f *forker) fork(l looker, args []string) error {
	run, seq, err := l.event(args[0])
	if err != nil {
		return err
	}
	if f.of.Event, err = l.withState(ref{run, seq}); err != nil {
		return err
	}
	if f.ran, err = l.after(run, seq); err != nil {
		return err
	}
	if len(args) == 2 {
		f.newID = args[1]
		if err := checkName(f.newID); err != nil {
			return err
		}
		taken, err := l.taken(f.newID)
		if err != nil {
			return err
		}
		if taken {
			return usage("there is a run %q already; name another, or leave the name out for a new one", f.newID)
		}
	} else if f.newID, err = l.newID(f.of); err != nil {
		return err
	}
	edited, err := f.edit(f.of.State)
	if err != nil {
		return err
	}
	f.step = compare(stateOf(f.of.Event), &state{sha: checkpoint.Digest(sha256.Sum256(edited)), raw: edited, isJSON: true})
	if f.diff == nil { // only JSON can be edited
		return fmt.Errorf("event %d of run %q: the state %s", seq, run.ID, f.why)
	}
	if !f.dry {
		var opts []checkpoint.ForkOption
		if len(f.edits) > 0 {
			opts = append(opts, checkpoint.EditState(f.edit))
		}
		if _, err := l.store.Fork(l.ctx, run.ID, seq, f.newID, opts...); err != nil {
			return err
		}
	}
	if f.format != formatText {
		return writeJSON(f.c.out, f.format, f.facts())
	}
	f.text()
	return nil
}

// edit makes the edits in a state.
func (f *forker) edit(state []byte) ([]byte, error) {
	if len(f.edits) > 0 && f.of.Kind != checkpoint.KindJSON {
		return nil, usage("the state of event %d of run %q is not JSON, so there is nothing to --set in it", f.of.Seq, f.of.RunID)
	}
	f.notes = nil
	for _, e := range f.edits {
		edited, err := e.apply(state)
		if errors.Is(err, statediff.ErrNotFound) {
			return nil, notFound("--set %s: %s", e.text, noValue(ref{checkpoint.Run{ID: f.of.RunID}, f.of.Seq}, e.path.String(), state, err))
		}
		if err != nil {
			return nil, usage("--set %s: %v", e.text, err)
		}
		if note := e.note(state); note != "" {
			f.notes = append(f.notes, note)
		}
		state = edited
	}
	return state, nil
}

// checkName refuses names of new runs that are read as something else in references.
func checkName(name string) error {
	for _, syntax := range []string{"@", "~", ".."} {
		if strings.Contains(name, syntax) {
			return usage("%q can't be the name of a new run: %s in it would be read as a part of a reference, as in RUN@12, RUN~1 and RUN@5..8", name, syntax)
		}
	}
	switch {
	case name == "":
		return usage("the name of the new run is empty; leave it out for a new one")
	case name[0] == '-':
		return usage("%q can't be the name of a new run: with - in front it would be read as a flag", name)
	}
	return nil
}

// taken reports whether there is a run of an id.
func (l looker) taken(id string) (bool, error) {
	_, err := l.store.Run(l.ctx, id)
	if errors.Is(err, checkpoint.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// newID returns an id for a run that is forked from an event: RUN-at-SEQ, with a
// number behind it if there is such a run.
func (l looker) newID(e entry) (string, error) {
	id := fmt.Sprintf("%s-at-%d", e.RunID, e.Seq)
	for n := 2; ; n++ {
		taken, err := l.taken(id)
		if err != nil || !taken {
			return id, err
		}
		id = fmt.Sprintf("%s-at-%d-%d", e.RunID, e.Seq, n)
	}
}

// lineJSON is a line of events, each of which continues from the one before, as -o json
// gives it.
type lineJSON struct {
	From   spotJSON   `json:"from"` // the event that it continues from
	Events []spotJSON `json:"events"`
}

// after returns what came after an event: the line that went on from it, and each that
// left one of these later on, by their first events. Failures are left out.
func (l looker) after(run checkpoint.Run, seq uint64) ([]*lineJSON, error) {
	lines, spots := []*lineJSON{}, map[uint64]spotJSON{} // of the events that grew from it
	tips := map[uint64]*lineJSON{}
	for e, err := range l.entries(run, listing{from: seq}) {
		if err != nil {
			return nil, err
		}
		if isAside(e.Event) {
			continue
		}
		from, grew := spots[e.Parent]
		if !grew && e.Seq != seq {
			continue
		}
		spots[e.Seq] = spotOf(e.Event)
		if !grew {
			continue
		}
		line := tips[e.Parent]
		if delete(tips, e.Parent); line == nil {
			line = &lineJSON{From: from}
			lines = append(lines, line)
		}
		line.Events = append(line.Events, spots[e.Seq])
		tips[e.Seq] = line
	}
	return lines, nil
}

// forkJSON is a fork as -o json gives it.
type forkJSON struct {
	RunID    string            `json:"run_id"`
	Written  bool              `json:"written"` // false with -n
	Origin   checkpoint.Origin `json:"origin"`
	NodeID   string            `json:"node_id"`
	Visit    uint64            `json:"visit"` // in the origin
	NextNode string            `json:"next_node,omitempty"`
	Size     int               `json:"size"` // of the state
	Changes  []changeJSON      `json:"changes"`
	Notes    []string          `json:"notes,omitempty"` // what --set does that may be a slip
	Before   []*lineJSON       `json:"before"`          // what came after it in the origin
}

func (f *forker) facts() forkJSON {
	e := f.of
	j := forkJSON{
		RunID: f.newID, Written: !f.dry, Origin: checkpoint.Origin{RunID: e.RunID, Seq: e.Seq, Hash: e.Hash}, NodeID: e.NodeID, Visit: e.Visit,
		NextNode: e.NextNode, Size: len(f.new), Before: f.ran,
	}
	j.Changes, j.Notes = f.changesJSON(f.diff.Changes, f.redactor), f.notes
	return j
}
