package main

import (
	"errors"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// blame returns the verb that says where a value came from.
func (c *cli) blame() *cobra.Command {
	var all bool
	var at string
	cmd := &cobra.Command{
		Use: "blame REF [PATH]",
		Example: `  flowlog blame @last verdict                  which event set it, and what it was before
  flowlog blame @last                          the same of each member, last set first
  flowlog blame '@last@review#2' messages      the same of each element
  flowlog blame @last@12 'messages[-1].content'
  flowlog blame @last cost_usd --history       all that it ever was
  flowlog blame @last -o json | jq -r '.[] | [.path, .node_id] | @tsv'`,
		Short: "Show which event set a value, and what it was before.",
		Long: `Blame goes back from an event through those that it continues from, to the one that
made a value what it is, and shows what it was before. Of an object or an array it
says that of each value in it: what was set last stands first. An element of an
array is followed to where it stood before others came or went. --history shows all
that the value at PATH was, newest first.

A run that was forked is followed into the one that it came from; what fork --set
changed was set by the fork, and not by a node. Where a run went back, what was
changed in the state on the way is told of the event that came then: the two can't be
told apart, so blame says that it went back. Events that can't be read, because their
states were pruned or redacted or are not JSON, are passed over and named.

PATH is a JSON Pointer, as /messages/0/content, or as people write it:
messages[-1].content. Without it the whole state is meant.

` + refHelp,
		Args: between(1, 2, "REF"),
	}
	output := outputFlag(cmd)
	cmd.Flags().StringVar(&at, "path", "", "PATH, as other verbs take it")
	cmd.Flags().BoolVar(&all, "history", false, "all that the value was, newest first")
	c.completeFirst(cmd, c.completeRefs)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := at
		if len(args) == 2 {
			if path = args[1]; at != "" {
				return usage("the path is given twice: %s, and --path %s", path, at)
			}
		}
		if _, err := statediff.ParsePath(path); err != nil {
			return usage("%v", err)
		}
		r, err := c.redactor()
		if err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error {
			b := &blamer{c: c, redactor: r, l: l, path: path}
			var err error
			if b.asked.run, b.asked.seq, err = l.event(args[0]); err != nil {
				return err
			}
			ev, err := l.header(b.asked.run.ID, b.asked.seq)
			if err == nil && ev.Kind == checkpoint.KindNone {
				err = hasState(ev)
			}
			if err != nil {
				return err
			}
			return b.show(all, *output)
		})
	}
	return cmd
}

// blamer says where the values of a state came from.
type blamer struct {
	c *cli
	redactor
	l     looker
	asked ref
	path  string

	masks map[*checkpoint.Event]secrets
}

// set is one thing that a value was, fit to be shown.
type set struct {
	*checkpoint.Provenance
	change   statediff.Change // masked
	old, new int              // sizes of what is not
	backTo   *spotJSON        // where the run went back to before Event, and maybe changed the state; nil if it went on
}

func (b *blamer) show(all bool, f format) error {
	ctx, run, seq := b.l.ctx, b.asked.run.ID, b.asked.seq
	sets := b.l.store.BlameChildren(ctx, run, seq, b.path)
	several := true
	if all {
		sets = b.l.store.BlameHistory(ctx, run, seq, b.path)
	} else {
		// What has no values in it is blamed itself.
		next, stop := iter.Pull2(sets)
		defer stop()
		first, err, ok := next()
		if !ok {
			p, err := b.l.store.Blame(ctx, run, seq, b.path)
			several, sets = false, one(p, err)
		} else {
			sets = resumed(first, err, next)
		}
	}
	if f == formatText {
		return b.text(sets, several, all)
	}
	list := jsonList{screen: b.c.out, format: f}
	for p, err := range sets {
		if err != nil {
			return b.explain(err)
		}
		s, err := b.set(p)
		if err != nil {
			return err
		}
		if err := list.add(s.json()); err != nil {
			return err
		}
	}
	list.end()
	return nil
}

func one[A, B any](a A, b B) iter.Seq2[A, B] {
	return func(yield func(A, B) bool) { yield(a, b) }
}

// resumed is an iteration of which the first values were taken already.
func resumed[A, B any](a A, b B, next func() (A, B, bool)) iter.Seq2[A, B] {
	return func(yield func(A, B) bool) {
		for ok := true; ok && yield(a, b); {
			a, b, ok = next()
		}
	}
}

// explain makes what is wrong with the path an answer.
func (b *blamer) explain(err error) error {
	if !errors.Is(err, statediff.ErrNotFound) {
		return err
	}
	e, failed := b.l.withState(b.asked)
	if failed != nil {
		return failed
	}
	return notFound("%s, `flowlog history %s --changed %s` tells whether it was there before",
		noValue(b.asked, b.path, e.State, err), quote(event(e)), quote(b.path))
}

// set makes what the library says fit to be shown.
func (b *blamer) set(p *checkpoint.Provenance) (s set, err error) {
	s = set{Provenance: p, old: len(p.Before), new: len(p.Value)}
	s.change = statediff.Change{Kind: p.Kind, Path: p.Path, OldPath: p.PriorPath, Old: p.Before, New: p.Value}
	if p.Kind == statediff.Removed { // as diff has it
		s.change.Path = p.PriorPath
	}
	if s.backTo, err = b.backTo(p); err != nil {
		return s, err
	}
	if p.Prior == nil {
		s.change.New, err = b.masked(p.Event, p.Value, p.Path)
		return s, err
	}
	if s.change.New, err = b.masked(p.Event, p.Value, p.Path); err == nil {
		s.change.Old, err = b.masked(p.Prior, p.Before, p.PriorPath)
	}
	return s, err
}

// backTo returns the event that the one that set a value continues from, if that is not
// the one before it: who goes back may change the state on the way.
func (b *blamer) backTo(p *checkpoint.Provenance) (*spotJSON, error) {
	e, parent := p.Event, p.Prior
	if e.Parent == 0 || e.Parent == e.Seq-1 || p.Kind == statediff.Same {
		return nil, nil
	}
	if parent == nil || parent.RunID != e.RunID || parent.Seq != e.Parent { // it can't be read
		parent = nil
		for ev, err := range b.l.store.History(b.l.ctx, e.RunID, checkpoint.HistoryOptions{From: e.Parent, To: e.Parent, HeadersOnly: true}) {
			if err != nil {
				return nil, err
			}
			parent = ev
		}
	}
	if parent == nil { // it was dropped
		return nil, nil
	}
	spot := spotOf(parent)
	return &spot, nil
}

// masked returns a value of an event's state with its secrets masked. Where they are
// only the whole state tells.
func (b *blamer) masked(e *checkpoint.Event, value []byte, at statediff.Pointer) ([]byte, error) {
	if len(b.paths) == 0 || value == nil {
		return value, nil
	}
	if len(b.masks) > 2 || b.masks == nil {
		b.masks = map[*checkpoint.Event]secrets{}
	}
	if _, ok := b.masks[e]; !ok {
		with, err := b.l.withState(ref{checkpoint.Run{ID: e.RunID}, e.Seq})
		if err != nil {
			return nil, err
		}
		b.masks[e] = b.in(with.State)
	}
	return b.masks[e].value(value, at), nil
}

// setJSON is what blame says of a value as -o json gives it: the event that set it,
// what it made of it, and the event before.
type setJSON struct {
	Asked statediff.Pointer `json:"asked"` // in the event that was asked about
	blamedJSON
	ByForkOf *checkpoint.Origin `json:"by_fork_of,omitempty"` // the fork set it, and not the node
	changeJSON
	Prior  *blamedJSON  `json:"prior,omitempty"`
	BackTo *spotJSON    `json:"went_back_to,omitempty"` // just before; the state may have been changed on the way, not by the node
	Coarse bool         `json:"coarse,omitempty"`
	Or     []unreadJSON `json:"or,omitempty"`     // any of these may have set it instead
	Unseen []unreadJSON `json:"unseen,omitempty"` // it may have been another there
}

// blamedJSON is an event that is blamed, or the one before.
type blamedJSON struct {
	RunID     string    `json:"run_id"`
	Seq       uint64    `json:"seq"`
	NodeID    string    `json:"node_id"`
	Visit     uint64    `json:"visit"`
	CreatedAt time.Time `json:"created_at"`
}

// unreadJSON are events that can't be read.
type unreadJSON struct {
	RunID  string                  `json:"run_id"`
	First  uint64                  `json:"first"`
	Last   uint64                  `json:"last"`
	Events int                     `json:"events"`
	Reason checkpoint.UnreadReason `json:"reason"`
}

func (s set) json() setJSON {
	blamed := func(e *checkpoint.Event) blamedJSON {
		return blamedJSON{e.RunID, e.Seq, e.NodeID, e.Visit, e.CreatedAt.UTC()}
	}
	j := setJSON{
		Asked: s.Asked, blamedJSON: blamed(s.Event), ByForkOf: s.ByForkOf, Coarse: s.Coarse, BackTo: s.backTo,
		changeJSON: changeJSON{Kind: s.change.Kind.String(), Path: s.change.Path, Old: s.change.Old, New: s.change.New, OldSize: s.old, NewSize: s.new},
	}
	if s.Kind == statediff.Changed && s.change.OldPath != s.change.Path {
		j.OldPath = s.change.OldPath
	}
	if s.Prior != nil {
		prior := blamed(s.Prior)
		j.Prior = &prior
	}
	for _, u := range s.Or {
		j.Or = append(j.Or, unreadJSON(u))
	}
	for _, u := range s.Unseen {
		j.Unseen = append(j.Unseen, unreadJSON(u))
	}
	return j
}
