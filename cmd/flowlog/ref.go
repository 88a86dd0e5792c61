package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/flowlog/checkpoint"
)

// How runs and events are named besides by their ids.
const (
	lastRun   = "@last"
	headEvent = "head"
)

// looker reads a store on behalf of a verb.
type looker struct {
	store *checkpoint.EventStore
	ctx   context.Context
	// damaged, if not nil, is called with the error of each state that can't be read, where
	// the verb goes on without that state.
	damaged func(error)
}

// report calls damaged.
func (l looker) report(err error) {
	if l.damaged != nil {
		l.damaged(err)
	}
}

// run returns the run that a text names: @last, else its id, else the beginning of
// its id and of no other's.
func (l looker) run(text string) (checkpoint.Run, error) {
	run, ok, err := l.findRun(text)
	if err == nil && !ok {
		err = l.noRun(text)
	}
	return run, err
}

// findRun is run without a word on why there is none.
func (l looker) findRun(text string) (run checkpoint.Run, ok bool, err error) {
	for _, name := range []func(string) (checkpoint.Run, bool, error){l.newest, l.literal, l.prefixed} {
		if run, ok, err = name(text); ok || err != nil {
			break
		}
	}
	return run, ok, err
}

// literal returns the run of that very id, if there is one.
func (l looker) literal(id string) (run checkpoint.Run, ok bool, err error) {
	run, err = l.store.Run(l.ctx, id)
	if errors.Is(err, checkpoint.ErrNotFound) || isNoID(err) {
		return checkpoint.Run{}, false, nil
	}
	return run, err == nil, err
}

// isNoID reports whether what was looked for can't be an id, or the beginning of one.
func isNoID(err error) bool {
	return errors.Is(err, checkpoint.ErrInvalid) || errors.Is(err, checkpoint.ErrTooLarge)
}

func (l looker) last() (checkpoint.Run, error) {
	for run, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{Limit: 1}) {
		return run, err
	}
	return checkpoint.Run{}, notFound("the store has no runs yet")
}

// prefixed returns the only run whose id begins with prefix, if there is one.
func (l looker) prefixed(prefix string) (run checkpoint.Run, ok bool, err error) {
	if prefix == "" {
		return checkpoint.Run{}, false, nil
	}
	const most = 9
	var ids []string
	for r, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{Prefix: prefix, ByID: true, Limit: most}) {
		if isNoID(err) {
			break
		}
		if err != nil {
			return checkpoint.Run{}, false, err
		}
		run, ids = r, append(ids, r.ID)
	}
	if len(ids) > 1 {
		if len(ids) == most {
			ids[most-1] = "…"
		}
		return checkpoint.Run{}, false, usage("%q begins the ids of several runs: %s; give more of the one you mean", prefix, strings.Join(ids, ", "))
	}
	return run, len(ids) == 1, nil
}

// event returns the event that a text names, as RUN, RUN@SEQ, RUN@head, RUN@NODE
// or RUN@NODE#N, and one further up its line with ~N behind. Run and node ids may
// hold @, # and ~ themselves, so what is there literally goes first, and of several
// the longest run id. @last is the newest run whatever others are called.
func (l looker) event(text string) (checkpoint.Run, uint64, error) {
	run, seq, err := l.findEvent(text)
	if err == nil || !isAnswer(err) {
		return run, seq, err
	}
	if _, now, ok, e := l.span(text); ok && e == nil {
		return run, seq, usage("%s is a range, and one event is asked for, such as %s", quote(text), quote(fmt.Sprintf("%s@%d", now.run.ID, now.seq)))
	}
	if errors.Is(err, errNoRun) {
		err = l.noEvent(text)
	}
	return run, seq, err
}

// findEvent is event, and errNoRun if no run is named.
func (l looker) findEvent(text string) (checkpoint.Run, uint64, error) {
	child, up, ok := cutUp(text)
	if !ok {
		return l.named(text, l.newest, l.literal, l.prefixed)
	}
	if run, seq, err := l.named(text, l.newest, l.literal); err == nil || !isAnswer(err) {
		return run, seq, err
	}
	run, seq, err := l.findEvent(child)
	if err != nil {
		return run, seq, err
	}
	at, err := l.ancestor(run, seq, up)
	return at.run, at.seq, err
}

// named returns the event that a text names without going up, if one of the ways to
// name its run finds that.
func (l looker) named(text string, ways ...func(string) (checkpoint.Run, bool, error)) (checkpoint.Run, uint64, error) {
	var failed error
	for _, name := range ways {
		for run, where := range splits(text) {
			r, ok, err := name(run)
			if err != nil && !isAnswer(err) {
				return checkpoint.Run{}, 0, err
			}
			if err == nil && ok {
				var seq uint64
				if seq, err = l.seq(r, where); err == nil {
					return r, seq, nil
				}
			}
			if failed == nil {
				failed = err
			}
		}
	}
	if failed == nil {
		failed = errNoRun
	}
	return checkpoint.Run{}, 0, failed
}

// newest returns the newest run for @last.
func (l looker) newest(text string) (checkpoint.Run, bool, error) {
	if text != lastRun {
		return checkpoint.Run{}, false, nil
	}
	run, err := l.last()
	return run, err == nil, err
}

// isAnswer reports whether an error is what the user is to be told, if no other way
// to read the text is better.
func isAnswer(err error) bool {
	var exit *exitError
	return errors.As(err, &exit)
}

// splits gives the ways to read a text as a run and an event of it, the longest
// run first.
func splits(text string) func(yield func(run, event string) bool) {
	return func(yield func(run, event string) bool) {
		if !yield(text, headEvent) {
			return
		}
		for i := len(text); ; {
			if i = strings.LastIndexByte(text[:i], '@'); i <= 0 {
				return
			}
			if !yield(text[:i], text[i+1:]) {
				return
			}
		}
	}
}

// head returns the run's newest checkpoint, which recovery takes if its state is there; of
// a run that has none its newest event.
func head(run checkpoint.Run) uint64 {
	if run.Tip == 0 {
		return run.Last
	}
	return run.Tip
}

// seq returns the event of a run that a text names: a seq, head, a node for its
// newest visit, or NODE#N.
func (l looker) seq(run checkpoint.Run, text string) (uint64, error) {
	if text == headEvent {
		return head(run), nil
	}
	if text == "" {
		return 0, usage("the event behind the @ is missing, as in %s@%d or %s@head", run.ID, run.Last, run.ID)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		if n == 0 || n > run.Last {
			return 0, notFound("run %q has no event %d; it has %d to %d", run.ID, n, run.Anchor+1, run.Last)
		}
		if n <= run.Anchor {
			_, err = l.store.LoadSeq(l.ctx, run.ID, n) // says when it was dropped
		}
		return n, err
	}
	if seq, ok, err := l.visit(run, text, 0); err != nil || ok {
		return seq, err
	}
	if i := strings.LastIndexByte(text, '#'); i > 0 {
		return l.nth(run, text[:i], text[i+1:])
	}
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return 0, notFound("run %q has no event %s; it has %d to %d, and the one before the newest is %s", run.ID, text, run.Anchor+1, run.Last, quote(run.ID+"~1"))
	}
	return 0, l.noNode(run, text)
}

// nth returns the visit of a node that a text counts.
func (l looker) nth(run checkpoint.Run, node, count string) (uint64, error) {
	n, err := strconv.ParseUint(count, 10, 31)
	if err != nil || n == 0 {
		return 0, usage("visit %q of node %q: visits count from 1, as in %s#1", count, node, node)
	}
	seq, ok, err := l.visit(run, node, int(n))
	if ok || err != nil {
		return seq, err
	}
	visits, err := l.visits(run, node, int(n))
	switch {
	case err != nil:
		return 0, err
	case visits == 0:
		return 0, l.noNode(run, node)
	}
	return 0, notFound("run %q has no %s#%d; the newest is %s#%d", run.ID, node, n, node, visits)
}

// visit returns the seq of a node's nth visit, and whether there is such a visit. With n 0
// it is the one that going back to the node takes: the newest whose state is there on the
// line that the run stands on, or if there is none the newest.
func (l looker) visit(run checkpoint.Run, node string, n int) (seq uint64, ok bool, err error) {
	c, err := l.store.LoadVisit(l.ctx, run.ID, node, n)
	gone, pruned := errors.AsType[*checkpoint.PrunedError](err)
	switch {
	case err == nil:
		return c.Seq, true, nil
	case pruned:
		return gone.Seq, true, nil
	case isNoID(err):
		return 0, false, nil
	case errors.Is(err, checkpoint.ErrDropped), !errors.Is(err, checkpoint.ErrNotFound):
		return 0, false, err
	case n > 0:
		return 0, false, nil
	}
	if n, err = l.visits(run, node, math.MaxInt32); n == 0 || err != nil {
		return 0, false, err
	}
	return l.visit(run, node, n) // on another line
}

// visits returns how many visits of a node there are, of which there is no nth.
func (l looker) visits(run checkpoint.Run, node string, n int) (int, error) {
	there, not := 0, n
	for step := 1; there+1 < not; { // first in ever larger steps, then between two of them
		at := there + (not-there)/2
		if step > 0 {
			at = min(there+step, at)
		}
		_, ok, err := l.visit(run, node, at)
		if err != nil && !errors.Is(err, checkpoint.ErrDropped) {
			return 0, err
		}
		if ok || err != nil {
			there, step = at, 2*step
		} else {
			not, step = at, 0
		}
	}
	return there, nil
}
