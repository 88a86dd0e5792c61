package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowlog/checkpoint"
)

// refHelp says in the help of a verb how events are named.
const refHelp = `RUN is a run's id, the beginning of it if no other begins so, or @last.
RUN@EVENT is one of its events: a seq, head for the newest checkpoint (as without
one), a node for its newest visit on the run's line, or NODE#N for its Nth on any; ~
behind it is the event that it continues from, ~3 the third one up, also out of a
fork. Quote what holds a # or a ~.`

// ref is an event of a run.
type ref struct {
	run checkpoint.Run
	seq uint64
}

// cutUp cuts ~ or ~N off the end of a text.
func cutUp(text string) (rest string, up uint64, ok bool) {
	i := strings.LastIndexByte(text, '~')
	if i <= 0 {
		return text, 0, false
	}
	if text[i+1:] == "" {
		return text[:i], 1, true
	}
	up, err := strconv.ParseUint(text[i+1:], 10, 32)
	return text[:i], up, err == nil
}

// ancestor returns the event that is so many up from one, in the line that led to it:
// before a fork's first event comes the one that was forked.
func (l looker) ancestor(run checkpoint.Run, seq, up uint64) (ref, error) {
	left, first := up, ""
	for ev, err := range l.store.Lineage(l.ctx, run.ID, seq, checkpoint.LineageOptions{HeadersOnly: true}) {
		if gone, ok := errors.AsType[*checkpoint.OriginError](err); ok {
			return ref{}, notFound("run %q has nothing %d up from event %d: it was forked from %s, which is no longer there", run.ID, up, seq, originName(&gone.Origin))
		}
		if err != nil {
			return ref{}, err
		}
		if left == 0 {
			if ev.RunID != run.ID {
				run, err = l.store.Run(l.ctx, ev.RunID)
			}
			return ref{run, ev.Seq}, err
		}
		if left--; ev.RunID == run.ID {
			first = fmt.Sprint(ev.Seq)
		} else {
			first = event(ev)
		}
	}
	return ref{}, notFound("run %q has nothing %d up from event %d: its line begins at %s", run.ID, up, seq, first)
}

// span returns the events that A..B names. It is not ok if the text is no such pair;
// a run whose id looks like one goes first.
func (l looker) span(text string) (old, new ref, ok bool, err error) {
	if !strings.Contains(text, "..") {
		return ref{}, ref{}, false, nil
	}
	if _, _, err := l.named(text, l.literal); err == nil {
		return ref{}, ref{}, false, nil
	}
	var failed error
	first := strings.Index(text, "..")
	for i := first; i >= 0; {
		old, new, err := l.findPair(text[:i], text[i+2:])
		if err == nil || !isAnswer(err) {
			return old, new, true, err
		}
		if failed == nil {
			failed = err
		}
		next := strings.Index(text[i+1:], "..")
		if next < 0 {
			break
		}
		i += 1 + next
	}
	if errors.Is(failed, errNoRun) {
		_, _, failed = l.pair(text[:first], text[first+2:])
	}
	return ref{}, ref{}, true, failed
}

// pair returns the events that two texts name. The second may leave its run out if it
// is the same, as in 8, @8 or @review#2; empty it is the head.
func (l looker) pair(first, second string) (old, new ref, err error) {
	old, new, err = l.findPair(first, second)
	if errors.Is(err, errNoRun) {
		if _, _, err = l.event(first); err == nil {
			_, _, err = l.event(second)
		}
	}
	return old, new, err
}

// findPair is pair, and errNoRun if one of them names no run.
func (l looker) findPair(first, second string) (old, new ref, err error) {
	if first == "" {
		return old, new, usage("%q: name the event before the dots too, as in RUN@5..8", ".."+second)
	}
	if old.run, old.seq, err = l.findEvent(first); err != nil {
		return old, new, err
	}
	short := strings.TrimPrefix(second, "@")
	if short == "" {
		short = headEvent
	}
	if new.run = old.run; second != lastRun {
		if new, err = l.eventIn(old.run, short); err == nil || !isAnswer(err) {
			return old, new, err
		}
	}
	inRun := err
	if new.run, new.seq, err = l.findEvent(second); err != nil && inRun != nil && !strings.Contains(strings.TrimPrefix(second, "@"), "@") {
		err = inRun // it was meant to be of the same run
	}
	return old, new, err
}

// eventIn is event in a run that is known.
func (l looker) eventIn(run checkpoint.Run, text string) (ref, error) {
	seq, err := l.seq(run, text)
	child, up, ok := cutUp(text)
	if err == nil || !isAnswer(err) || !ok {
		return ref{run, seq}, err
	}
	at, err := l.eventIn(run, child)
	if err == nil {
		at, err = l.ancestor(at.run, at.seq, up)
	}
	return at, err
}

// emptyRange says why A..B has no events.
func (l looker) emptyRange(text string) error {
	old, now, _, err := l.span(text)
	switch {
	case err != nil:
		return err
	case now.seq == old.seq:
		return noMatch("the range is empty: it is what came after event %d of run %q, up to itself", old.seq, old.run.ID)
	}
	return noMatch("the range is empty: event %d of run %q came before event %d; the other way round it is %s",
		now.seq, now.run.ID, old.seq, quote(fmt.Sprintf("%s@%d..%d", now.run.ID, now.seq, old.seq)))
}
