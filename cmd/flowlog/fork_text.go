package main

import (
	"fmt"
	"strings"
)

// text says what a fork keeps, changes and goes on with, and what ran there before.
func (f *forker) text() {
	out, e := f.c.out, f.of
	begins, would := "begins", ""
	if f.dry {
		begins, would = "would begin", "would be "
	}
	out.printf("%s %s where %s stood, after %s\n\n", out.paint(bold, printable(f.newID)), begins, printable(event(e.Event)), e.visit())
	fact := func(name, words string) {
		out.printf("%s %s\n", out.paint(faint, fmt.Sprintf("%-8s", name)), printable(words))
	}
	changes := f.changes()
	if len(changes) == 0 {
		fact("kept", would+fmt.Sprintf("the state, all %s of it", size(int64(len(f.new)))))
	} else {
		fact("kept", would+fmt.Sprintf("the state of %s, but for %s", size(e.Size), count(len(changes), "change")))
	}
	fact("next", f.next(would))
	for i, line := range f.before() {
		name := "earlier"
		if i > 0 {
			name = ""
		}
		fact(name, line)
	}
	if len(changes) > 0 {
		out.printf("\n")
		d := &difference{c: f.c}
		for _, change := range f.masked(changes, f.redactor) {
			d.change(change)
		}
	}
	if len(f.notes) > 0 {
		out.printf("\n")
		for _, note := range f.notes {
			fact("note", note)
		}
	}
	if f.dry {
		f.c.say("nothing was written: this is what fork would do without -n")
		return
	}
	out.printf("\n")
	id := printable(fmt.Sprintf("%q", f.newID))
	fact("resume", fmt.Sprintf("checkpoint.Resume[State](ctx, store, %s)", id))
	if f.of.Envelope != nil { // it is flowgraph's
		fact("", fmt.Sprintf("compiled.Resume(ctx, flowgraphstore.New(store), %s)", id))
	}
	look := f.c.withStore("flowlog history") + " " + quote(f.newID)
	if len(changes) > 0 {
		look = f.c.withStore("flowlog diff") + " " + quote(f.newID+"@1")
	}
	fact("look", look)
}

// next says which node the new run begins with.
func (f *forker) next(would string) string {
	e := f.of
	switch name := next(e.NextNode); {
	case e.NextNode == "":
		return fmt.Sprintf("not said by the event: what your engine runs after %s", e.NodeID)
	case name != e.NextNode:
		return fmt.Sprintf("nothing, %s was the last node; fork %s to run it again", e.NodeID, quote(event(e.Event)+"~1"))
	default:
		return would + name
	}
}

// How many lines, and events of each, are named that came after the one that is forked.
const (
	maxLines  = 8
	maxEvents = 8
)

// before says in lines what came after the event before.
func (f *forker) before() []string {
	of := event(f.of.Event)
	switch len(f.ran) {
	case 0:
		return []string{fmt.Sprintf("nothing came after %s", of)}
	case 1:
		return []string{fmt.Sprintf("after %s came %s", of, f.ran[0].names())}
	}
	lines := []string{fmt.Sprintf("what came after %s, on %d branches:", of, len(f.ran))}
	for i, line := range f.ran {
		if i == maxLines && len(f.ran) > maxLines+1 {
			return append(lines, fmt.Sprintf("and %d branches more: %s %s", len(f.ran)-i, f.c.withStore("flowlog branches"), quote(f.of.RunID)))
		}
		names := line.names()
		if line.From.Seq != f.of.Seq {
			names = fmt.Sprintf("from %s: %s", line.From.name(), names)
		}
		lines = append(lines, names)
	}
	return lines
}

// names lists the events of a line.
func (l *lineJSON) names() string {
	names := []string{}
	for _, spot := range l.Events[:min(len(l.Events), maxEvents)] {
		names = append(names, spot.name())
	}
	if more := len(l.Events) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
