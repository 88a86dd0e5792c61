package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint"
)

// marked is a run or an event with its pin and its labels.
type marked struct {
	ref           // seq 0 is the run as a whole
	name   string // of the event: its visit
	event  *checkpoint.Event
	pinned bool
	labels map[string]string // in effect
}

// target returns what a text names for a label or a pin: a run, else an event.
func (l looker) target(text string) (ref, error) {
	run, ok, err := l.findRun(text)
	if ok || err != nil && !isAnswer(err) {
		return ref{run: run}, err
	}
	run, seq, err := l.event(text)
	return ref{run, seq}, err
}

// marked returns the pin and the labels of a run or an event.
func (l looker) marked(at ref) (marked, error) {
	marks, err := l.store.Marks(l.ctx, at.run.ID)
	if err != nil {
		return marked{}, err
	}
	if at.seq == 0 {
		return marked{ref: at, pinned: marks.Run.Pinned, labels: marks.Run.Labels}, nil
	}
	return l.markedEvent(at, marks.Events[at.seq])
}

func (l looker) markedEvent(at ref, mark checkpoint.Mark) (marked, error) {
	ev, err := l.header(at.run.ID, at.seq)
	if err != nil {
		return marked{}, err
	}
	return marked{at, entry{ev}.visit(), ev, mark.Pinned, mark.On(ev.Metadata.Labels)}, nil
}

// markedEvents returns the events of a run that were pinned or labelled after they were
// saved, in order.
func (l looker) markedEvents(run checkpoint.Run) (list []marked, err error) {
	marks, err := l.store.Marks(l.ctx, run.ID)
	if err != nil {
		return nil, err
	}
	for _, seq := range slices.Sorted(maps.Keys(marks.Events)) {
		m, err := l.markedEvent(ref{run, seq}, marks.Events[seq])
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// String names what is marked as references do.
func (m marked) String() string {
	if m.seq == 0 {
		return m.run.ID
	}
	return fmt.Sprintf("%s@%d", m.run.ID, m.seq)
}

// thing says whether it is a run or an event, in a sentence.
func (m marked) thing() string {
	if m.seq == 0 {
		return fmt.Sprintf("run %q", m.run.ID)
	}
	return fmt.Sprintf("event %d of run %q", m.seq, m.run.ID)
}

// marksText says a pin and labels in a few words; nothing if there are none.
func marksText(pinned bool, labels map[string]string) string {
	var words []string
	if pinned {
		words = append(words, "pinned")
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, printable(key+"="+labels[key]))
	}
	return strings.Join(words, ", ")
}

// runMarks is marksText for a run, and how many of its events are marked.
func runMarks(m checkpoint.Marks) string {
	words := marksText(m.Run.Pinned, m.Run.Labels)
	pinned, labelled := markedCounts(m)
	for _, n := range []struct {
		n    int
		what string
	}{{pinned, "pinned"}, {labelled, "labelled"}} {
		if n.n == 0 {
			continue
		}
		if words != "" {
			words += ", "
		}
		words += count(n.n, "event") + " " + n.what
	}
	return words
}

// markedCounts returns how many events of a run are pinned, and how many were given
// labels after they were saved.
func markedCounts(m checkpoint.Marks) (pinned, labelled int) {
	for _, e := range m.Events {
		if e.Pinned {
			pinned++
		}
		if len(e.Labels) > 0 {
			labelled++
		}
	}
	return pinned, labelled
}

// markedJSON is a run or an event with its pin and labels as -o json gives it.
type markedJSON struct {
	RunID  string            `json:"run_id"`
	Seq    uint64            `json:"seq,omitempty"` // absent for the run
	Pinned bool              `json:"pinned"`
	Labels map[string]string `json:"labels"`
}

// writeMarked writes what marks there are.
func (c *cli) writeMarked(list []marked, f format) error {
	if f == formatText {
		for _, m := range list {
			text := marksText(m.pinned, m.labels)
			if text == "" {
				text = c.out.paint(faint, "neither labelled nor pinned")
			}
			name := c.out.paint(bold, printable(m.String()))
			if m.seq > 0 {
				name += " " + m.name
			}
			c.out.printf("%s  %s\n", name, text)
		}
		return nil
	}
	out := jsonList{screen: c.out, format: f}
	for _, m := range list {
		j := markedJSON{m.run.ID, m.seq, m.pinned, m.labels}
		if j.Labels == nil {
			j.Labels = map[string]string{}
		}
		if err := out.add(j); err != nil {
			return err
		}
	}
	out.end()
	return nil
}
