package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/flowlog/checkpoint/statediff"
)

// text writes a difference for people.
func (d *difference) text() {
	d.side(red, "---", d.before)
	d.side(green, "+++", d.entry)
	d.c.out.printf("\n")
	switch {
	case d.diff == nil:
		d.c.out.printf("they differ; the %s state is not JSON\n", d.notJSON())
		return
	case len(d.shown) == 0:
		d.c.out.printf("no change\n")
		return
	case d.stat:
		d.statTable()
	default:
		for _, c := range d.masked(d.shown, d.redactor) {
			d.change(c)
		}
	}
	d.c.out.printf("\n%s\n", d.counts())
	for _, c := range d.diff.Coarse {
		d.c.say("at %s the difference is coarser than it could be: %s", c.Path.Dotted(), c.Reason)
	}
}

// side names one of the events.
func (d *difference) side(color text.Color, sign string, e entry) {
	at := d.c.when(e.CreatedAt, time.Now())
	d.c.out.printf("%s %s  %s  %s  %s\n", d.c.out.paint(color, sign), d.c.out.paint(bold, printable(fmt.Sprintf("%s@%d", e.RunID, e.Seq))),
		e.name(), d.c.out.paint(faint, at), size(e.Size))
}

// counts says how much changed, and what that did to the size of the state.
func (d *difference) counts() string {
	n := map[statediff.Kind]int{}
	for _, c := range d.shown {
		n[c.Kind]++
	}
	return fmt.Sprintf("%d added, %d removed, %d changed; the state: %s → %s (%s)",
		n[statediff.Added], n[statediff.Removed], n[statediff.Changed], size(d.before.Size), size(d.Size), more(d.Size-d.before.Size))
}

func (d *difference) statTable() {
	sigil, path, old, now := left(""), &column{name: "path", long: true}, right("before"), right("after")
	bytes := func(n int) string {
		if n == 0 {
			return "-"
		}
		return humanize.Comma(int64(n))
	}
	for _, c := range d.shown {
		sigil.add(d.c.out.paint(kindColor(c.Kind), sign(c.Kind)))
		path.add(printable(c.Path.Dotted()))
		old.add(bytes(len(c.Old)))
		now.add(bytes(len(c.New)))
	}
	writeTable(d.c.out, "", sigil, old, now, path)
}

// maxInline is how long values are that stand beside their path, in bytes.
const maxInline = 60

// change writes one change: short values beside the path, others below it.
func (d *difference) change(c statediff.Change) {
	sigil := d.c.out.paint(kindColor(c.Kind), sign(c.Kind))
	name := d.c.out.paint(bold, printable(c.Path.Dotted()))
	if c.Kind == statediff.Changed && c.OldPath != c.Path {
		name += d.c.out.paint(faint, printable(" (was "+c.OldPath.Dotted()+")"))
	}
	head := func(what string) { d.c.out.printf("%s %s  %s\n", sigil, name, what) }
	switch {
	case c.Kind != statediff.Changed:
		value, color := c.New, green
		if c.Kind == statediff.Removed {
			value, color = c.Old, red
		}
		if len(value) <= maxInline && !bytes.ContainsAny(value, "\n") {
			head(d.c.out.paint(color, printable(string(value))))
			return
		}
		head(d.c.out.paint(faint, count(len(value), "byte")))
		for line := range strings.SplitSeq(readable(value), "\n") {
			d.line(color, "", sign(c.Kind), line)
		}
	case len(c.Old)+len(c.New) <= maxInline:
		head(d.c.out.paint(red, printable(string(c.Old))) + " → " + d.c.out.paint(green, printable(string(c.New))))
	default:
		head(d.c.out.paint(faint, fmt.Sprintf("%s → %s", humanize.Comma(int64(len(c.Old))), count(len(c.New), "byte"))))
		d.texts(readable(c.Old), readable(c.New))
	}
}

// line writes a line of a value: its number, if it has one, and whether it came or
// went.
func (d *difference) line(color text.Color, number, sign, words string) {
	words = escape(words, func(r rune) bool { return r != '\t' && !isHarmless(r) })
	d.c.out.printf("%s %s\n", d.c.out.paint(faint, fmt.Sprintf("%6s", number)), d.c.out.paint(color, sign+" "+words))
}

// texts writes the lines in which two texts differ.
func (d *difference) texts(old, now string) {
	if old == now { // they differ in what can't be shown, such as half a surrogate pair
		d.line(blue, "", "~", "written otherwise")
		return
	}
	a, errA := json.Marshal(strings.Split(old, "\n"))
	b, errB := json.Marshal(strings.Split(now, "\n"))
	if errA != nil || errB != nil {
		return // strings can always be written
	}
	lines, err := statediff.Compare(a, b, statediff.Options{})
	if err != nil {
		return
	}
	for _, c := range lines.Changes {
		was, is := "", ""
		if c.Kind != statediff.Added {
			was = readable(c.Old)
		}
		if c.Kind != statediff.Removed {
			is = readable(c.New)
		}
		if c.Kind == statediff.Changed {
			was, is = apart(was, is)
		}
		if c.Kind != statediff.Added {
			d.line(red, lineNumber(c.OldPath), "-", was)
		}
		if c.Kind != statediff.Removed {
			d.line(green, lineNumber(c.Path), "+", is)
		}
	}
}

func lineNumber(p statediff.Pointer) string {
	_, index := p.Parent()
	n := 0
	fmt.Sscan(index, &n)
	return fmt.Sprint(n + 1)
}

// How much of what two lines have in common is shown beside what differs, and how
// much must be left out for it to be worth it, in bytes.
const (
	kept  = 30
	worth = 40
)

// apart leaves out what two long lines have in common at their ends, and says how
// much that is.
func apart(a, b string) (string, string) {
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	head, tail = max(head-kept, 0), max(tail-kept, 0)
	for head > 0 && !utf8.RuneStart(a[head]) { // a has more than head: it keeps its context
		head--
	}
	for tail > 0 && !utf8.RuneStart(a[len(a)-tail]) {
		tail--
	}
	cut := func(s string) string {
		middle := s
		if tail >= worth {
			middle = fmt.Sprintf("%s… (%s as before)", middle[:len(middle)-tail], count(tail, "byte"))
		}
		if head >= worth {
			middle = fmt.Sprintf("(%s as before) …%s", count(head, "byte"), middle[head:])
		}
		return middle
	}
	return cut(a), cut(b)
}
