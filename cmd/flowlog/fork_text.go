package main

import (
	"fmt"
	"strings"
)

// text says what a fork keeps, changes and runs again.
func (f *forker) text() {
	out, e := f.c.out, f.of
	begins := "begins"
	if f.dry {
		begins = "would begin"
	}
	out.printf("%s %s where %s stood, after %s\n\n", out.paint(bold, printable(f.newID)), begins, printable(event(e.Event)), visitName(e.NodeID, e.Visit))
	fact := func(name, words string) {
		out.printf("%s %s\n", out.paint(faint, fmt.Sprintf("%-8s", name)), printable(words))
	}
	if len(f.diff.Changes) == 0 {
		fact("kept", fmt.Sprintf("the state, all %s of it", size(int64(len(f.new)))))
	} else {
		fact("kept", fmt.Sprintf("the state of %s, but for %s", size(e.Size), count(len(f.diff.Changes), "change")))
	}
	fact("next", f.next())
	fact("again", f.before())
	if len(f.diff.Changes) > 0 {
		out.printf("\n")
		d := &difference{c: f.c}
		for _, change := range f.masked(f.diff.Changes, f.redactor) {
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
		f.c.say("nothing was written; without -n it is")
		return
	}
	out.printf("\n")
	id := printable(fmt.Sprintf("%q", f.newID))
	fact("resume", fmt.Sprintf("checkpoint.Resume[State](ctx, store, %s)", id))
	fact("", fmt.Sprintf("compiled.Resume(ctx, flowgraphstore.New(store), %s)", id))
	fact("look", "flowlog history "+quote(f.newID))
}

// next says which node the new run begins with.
func (f *forker) next() string {
	e := f.of
	switch name := next(e.NextNode); {
	case e.NextNode == "":
		return fmt.Sprintf("not said by the event: what your engine runs after %s", e.NodeID)
	case name != e.NextNode:
		return fmt.Sprintf("nothing, %s was the last node; fork %s to run it again", e.NodeID, quote(event(e.Event)+"~1"))
	default:
		return name
	}
}

// maxAgain is how many events are named that came after the one that is forked.
const maxAgain = 8

// before says what ran after the event before.
func (f *forker) before() string {
	if len(f.again) == 0 {
		return fmt.Sprintf("nothing: no event came after %s", event(f.of.Event))
	}
	names := []string{}
	for _, spot := range f.again[:min(len(f.again), maxAgain)] {
		names = append(names, spot.name())
	}
	if more := len(f.again) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("what came after it in %s: %s", f.of.RunID, strings.Join(names, ", "))
}
