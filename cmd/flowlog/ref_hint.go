package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint"
)

// errNoRun says that a text names no run.
var errNoRun = &exitError{codeNotFound, "there is no such run"}

// noRun says that there is no run of that name, and which may have been meant.
func (l looker) noRun(text string) error {
	ids := []string{lastRun}
	for run, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{Limit: maxCompletions}) {
		if err == nil {
			ids = append(ids, run.ID)
		}
	}
	return notFound("there is no run %q%s`flowlog runs` lists those there are", text, didYouMean(nearest(text, ids)))
}

// noEvent is noRun where an event is asked for, which may be written otherwise.
func (l looker) noEvent(text string) error {
	for child, _, ok := cutUp(text); ok; child, _, ok = cutUp(child) {
		text = child
	}
	if n := strings.TrimPrefix(text, "@"); n != "" && strings.Trim(n, "0123456789") == "" {
		return notFound("%q names no run; an event is RUN@%s, as in %s@%s", text, n, lastRun, n)
	}
	const most = 9 // separators that are tried, from the last on
	for end, n := len(text), 0; n < most; n++ {
		if end = strings.LastIndexAny(text[:end], ":#/. "); end <= 0 {
			break
		}
		run, ok, err := l.findRun(text[:end])
		if err != nil || !ok {
			continue
		}
		if _, err := l.seq(run, text[end+1:]); err == nil {
			return notFound("there is no run %q; an event is RUN@EVENT: did you mean %s?", text, quote(run.ID+"@"+text[end+1:]))
		}
	}
	if at := strings.LastIndexByte(text, '@'); at > 0 {
		text = text[:at]
	}
	return l.noRun(text)
}

// wholeRun is run for a verb that takes no events, and says so where one is named.
func (l looker) wholeRun(verb, text string) (checkpoint.Run, error) {
	run, err := l.run(text)
	if exit := (*exitError)(nil); err == nil || !errors.As(err, &exit) || exit.code != codeNotFound {
		return run, err
	}
	for end := strings.LastIndexAny(text, "@~"); end > 0; end = strings.LastIndexAny(text[:end], "@~") {
		if of, ok, e := l.findRun(text[:end]); ok && e == nil {
			return run, usage("%s takes a run and no event of it: flowlog %s %s", verb, verb, quote(of.ID))
		}
	}
	return run, err
}

// noNode says that a run has no such node, and which may have been meant.
func (l looker) noNode(run checkpoint.Run, node string) error {
	return notFound("run %q has no node %q%s`flowlog history %s` shows those it has", run.ID, node, didYouMean(nearest(node, l.nodes(run))), quote(run.ID))
}

// nodes returns those of the newest events of a run.
func (l looker) nodes(run checkpoint.Run) (nodes []string) {
	known := map[string]bool{}
	for ev, err := range l.headers(run, listing{backward: true, limit: completionEvents}) {
		if err == nil && ev.Role == "" && !known[ev.NodeID] {
			known[ev.NodeID] = true
			nodes = append(nodes, ev.NodeID)
		}
	}
	return nodes
}

// someNodes returns the nodes of the newest runs.
func (l looker) someNodes() (nodes []string) {
	const most = 20 // runs: those of a graph have the same ones
	for run, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{Limit: most}) {
		if err == nil {
			nodes = append(nodes, l.nodes(run)...)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// noMatchOf says that what --node left is nothing, because a run has no such node; nil if
// it has, or none was asked for.
func (l looker) noMatchOf(run checkpoint.Run, node string) error {
	if node == "" {
		return nil
	}
	_, ok, err := l.visit(run, node, 1)
	if ok || errors.Is(err, checkpoint.ErrDropped) {
		return nil
	}
	if err != nil {
		return err
	}
	return noMatch("%v", l.noNode(run, node))
}
