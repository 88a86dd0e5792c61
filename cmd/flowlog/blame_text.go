package main

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// text writes what blame found for people: of one value the change that made it what
// it is, of several a row each.
func (b *blamer) text(sets iter.Seq2[*checkpoint.Provenance, error], several, all bool) error {
	table := newBlameTable()
	notes := &blameNotes{b: b, several: several}
	for p, err := range sets {
		if err != nil {
			return b.explain(err)
		}
		s, err := b.set(p)
		if err != nil {
			return err
		}
		notes.see(s)
		if several {
			table.add(b, s, all)
			continue
		}
		b.one(s)
	}
	if several {
		table.write(b.c.out, all)
	}
	return notes.write()
}

// event names an event of a lineage.
func event(e *checkpoint.Event) string { return fmt.Sprintf("%s@%d", e.RunID, e.Seq) }

// one writes all of what is known of one value.
func (b *blamer) one(s set) {
	d := &difference{c: b.c}
	verb := map[statediff.Kind]string{
		statediff.Added: "was added by", statediff.Changed: "was set by", statediff.Same: "was the same already at",
	}[s.Kind]
	path := s.Asked.Dotted()
	if s.Asked == "" {
		path = "the state"
	}
	by := entry{s.Event}.visit() + printable(", "+event(s.Event))
	if of := s.ByForkOf; of != nil {
		by = printable(fmt.Sprintf("the fork %s, made from %s", s.Event.RunID, originName(of)))
	}
	b.c.out.printf("%s %s %s\n", b.c.out.paint(bold, printable(path)), verb, b.c.out.paint(bold, by))
	if s.backTo != nil {
		b.c.out.printf("%s\n", s.wentBack("this"))
	}
	b.c.out.printf("\n")
	if s.Prior != nil {
		d.side(red, "---", entry{s.Prior})
	}
	d.side(green, "+++", entry{s.Event})
	b.c.out.printf("\n")
	d.change(s.change)
}

// wentBack says that the run went back before an event, so that it may be no node that
// set the value.
func (s set) wentBack(before string) string {
	return fmt.Sprintf("the run went back to %s (@%d) before %s, and its state may have been changed on the way", s.backTo.name(), s.backTo.Seq, before)
}

// blameTable has a row for each child of a value, or for each value that one was.
type blameTable struct{ seq, visit, at, sign, before, size, path, value *column }

func newBlameTable() *blameTable {
	return &blameTable{
		seq: right("seq").in(faint), visit: left("set by").in(bold), at: left("time").in(faint), sign: left(""), before: right("before"), size: right("size"),
		path: &column{name: "path", long: true}, value: &column{name: "value", long: true},
	}
}

func (t *blameTable) add(b *blamer, s set, all bool) {
	seq := fmt.Sprint(s.Event.Seq)
	if s.Event.RunID != b.asked.run.ID {
		seq = printable(event(s.Event))
	}
	t.seq.add(seq)
	t.visit.add(entry{s.Event}.name())
	t.at.add(b.c.when(s.Event.CreatedAt, time.Now()))
	t.sign.add(b.c.out.paint(kindColor(s.Kind), sign(s.Kind)))
	path := s.Asked
	if all {
		path = s.change.Path
	}
	t.path.add(printable(path.Dotted()))
	t.before.add(before(s))
	if s.Kind == statediff.Removed {
		t.size.add("-")
		t.value.add(b.c.out.paint(faint, "taken out"))
		return
	}
	t.size.add(size(int64(s.new)))
	t.value.add(printable(preview(s.change.New)))
}

func (t *blameTable) write(s *screen, all bool) {
	columns := []*column{t.seq, t.visit, t.at, t.sign}
	if !all { // else the row below says it
		columns = append(columns, t.before)
	}
	columns = append(columns, t.size)
	moved := func(cell string) bool { return cell != t.path.cells[0] }
	if !all || slices.ContainsFunc(t.path.cells, moved) {
		columns = append(columns, t.path)
	}
	writeTable(s, "", append(columns, t.value)...)
}

// before says what a value was before: itself if it is short, else its size.
func before(s set) string {
	switch {
	case s.Before == nil:
		return "-"
	case isShort(s.change.Old):
		return printable(string(s.change.Old))
	}
	return size(int64(s.old))
}

// preview returns the beginning of a value, on one line.
func preview(value []byte) string {
	shown := string(value[:min(len(value), 4*maxInline)])
	if strings.Contains(shown, "\n") {
		shown = strings.Join(strings.Fields(shown), " ")
	}
	if len(shown) == len(value) && len(shown) <= maxInline {
		return shown
	}
	end := min(len(shown), maxInline)
	for end > 0 && end < len(shown) && !utf8.RuneStart(shown[end]) {
		end--
	}
	return shown[:end] + "…"
}

// blameNotes are what is to be said below: which events could not be read, and which
// runs the lineage came through.
type blameNotes struct {
	b       *blamer
	several bool // else what is said of the only one stands above
	unread  []checkpoint.Unread
	lines   []string
	foreign string // the oldest run that was come to
}

func (n *blameNotes) see(s set) {
	if s.Event.RunID != n.b.asked.run.ID {
		n.foreign = s.Event.RunID
	}
	if n.several && s.backTo != nil {
		n.add(s.wentBack(event(s.Event)))
	}
	for _, u := range s.Or {
		n.add(fmt.Sprintf("%s: so it may be that %s was not set by %s but there", unreadable(u), s.Asked.Dotted(), event(s.Event)))
	}
	for _, u := range s.Unseen {
		if !slices.Contains(n.unread, u) {
			n.unread = append(n.unread, u)
			n.add(fmt.Sprintf("%s: what is the same before and after may have been another there", unreadable(u)))
		}
	}
	if s.Kind == statediff.Same {
		n.add(fmt.Sprintf("nothing before %s can be read, so what set %s is not known", event(s.Event), s.Asked.Dotted()))
	}
	if s.Coarse {
		n.add(fmt.Sprintf("at %s the states are too different for a closer look, which might have told more", s.Asked.Dotted()))
	}
}

func (n *blameNotes) add(line string) {
	if !slices.Contains(n.lines, line) {
		n.lines = append(n.lines, line)
	}
}

// unreadable says which events can't be read, and why.
func unreadable(u checkpoint.Unread) string {
	which := fmt.Sprintf("%s@%d", u.RunID, u.First)
	switch {
	case u.Reason == checkpoint.UnreadGone:
		return which + " is no longer there"
	case u.Events > 1:
		return fmt.Sprintf("%s..%d can't be read (%d events, %s)", which, u.Last, u.Events, u.Reason)
	}
	return fmt.Sprintf("%s can't be read (%s)", which, u.Reason)
}

func (n *blameNotes) write() error {
	for run := n.b.asked.run.ID; n.foreign != "" && run != n.foreign; {
		origin, err := n.b.l.origin(run)
		if err != nil {
			return err
		}
		if origin == nil {
			break
		}
		n.lines = append(n.lines, fmt.Sprintf("%s was forked from %s@%d", run, origin.RunID, origin.Seq))
		run = origin.RunID
	}
	for i, line := range n.lines {
		if i == 0 {
			n.b.c.out.printf("\n")
		}
		n.b.c.out.printf("%s\n", printable(line))
	}
	return nil
}

// origin returns what a run was forked from, nil if it was not.
func (l looker) origin(run string) (*checkpoint.Origin, error) {
	for ev, err := range l.store.History(l.ctx, run, checkpoint.HistoryOptions{To: 1, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		return ev.Origin, nil
	}
	return nil, nil
}
