package main

import (
	"context"
	"errors"
	"fmt"
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

// seq returns the event of a run that a text names: a seq, head, a node for its
// newest visit, or NODE#N.
func (l looker) seq(run checkpoint.Run, text string) (uint64, error) {
	if text == headEvent {
		return run.Last, nil
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
	if seq, visits, err := l.visit(run, text, 0); err != nil || visits > 0 {
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
	seq, visits, err := l.visit(run, node, int(n))
	switch {
	case err != nil || seq > 0:
		return seq, err
	case visits == 0:
		return 0, l.noNode(run, node)
	}
	return 0, notFound("run %q has no %s#%d; the newest is %s#%d", run.ID, node, n, node, visits)
}

// visit returns the seq of a node's nth visit, of the newest for n 0, and how many
// it has seen.
func (l looker) visit(run checkpoint.Run, node string, n int) (seq uint64, visits int, err error) {
	if n > 0 {
		dropped, err := l.dropped(run.ID)
		if visits = dropped[node]; err == nil && n <= visits {
			_, err = l.store.LoadVisit(l.ctx, run.ID, node, n) // says when it was dropped
		}
		if err != nil {
			return 0, visits, err
		}
	}
	opts := checkpoint.HistoryOptions{To: run.Last, Node: node, HeadersOnly: true, Backward: n == 0}
	for ev, err := range l.store.History(l.ctx, run.ID, opts) {
		if err != nil {
			return 0, visits, err
		}
		if visits++; n == 0 || visits == n {
			return ev.Seq, visits, nil
		}
	}
	return 0, visits, nil
}
