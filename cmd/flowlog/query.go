package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint"
)

// query is what runs must be like, all of it.
type query []criterion

// criterion is FIELD:TEXT, or TEXT.
type criterion struct{ field, text string }

const (
	nodeField  = "node"
	graphField = "graph"
	labelField = "label"
	isField    = "is" // pinned: nothing else so far
)

// pinnedRuns are those that are pinned, or have a pinned event.
const pinnedRuns = "pinned"

var fields = []string{nodeField, graphField, labelField, isField}

// parseQuery reads a query, in one word or several.
func parseQuery(args []string) (query, error) {
	var q query
	for _, word := range strings.Fields(strings.Join(args, " ")) {
		field, text, ok := strings.Cut(word, ":")
		switch {
		case !ok || !slices.Contains(fields, field):
			q = append(q, criterion{text: word}) // ids may hold colons
		case text == "":
			return nil, usage("%q: what is looked for is missing, as in %s:NAME", word, field)
		case field == isField && text != pinnedRuns:
			return nil, usage("%q: there is only %s:%s", word, isField, pinnedRuns)
		default:
			q = append(q, criterion{field, text})
		}
	}
	return q, nil
}

// hint stands in a message between what found nothing and where to look: a text with a
// colon may have been meant for a field.
func (q query) hint() string {
	for _, t := range q {
		field, text, ok := strings.Cut(t.text, ":")
		if t.field != "" || !ok {
			continue
		}
		var meant []string
		for _, name := range nearest(field, fields) {
			meant = append(meant, name+":"+text)
		}
		return fmt.Sprintf(", and there is no key %s: but %s:%s", field, strings.Join(fields, ":, "), didYouMean(meant))
	}
	return "; "
}

// finds reports whether a run is as the query says.
func (l looker) finds(q query, run checkpoint.Run) (bool, error) {
	for _, t := range q {
		ok := false
		switch t.field {
		case nodeField:
			ok = run.NodeID == t.text
		case graphField:
			ok = run.GraphID == t.text
		case labelField:
			marks, err := l.store.Marks(l.ctx, run.ID)
			if err == nil {
				ok, err = l.labelled(run, marks, t.text)
			}
			if err != nil {
				return false, err
			}
		case isField:
			marks, err := l.store.Marks(l.ctx, run.ID)
			if err != nil {
				return false, err
			}
			pinned, _ := markedCounts(marks)
			ok = marks.Run.Pinned || pinned > 0
		default:
			words := strings.ToLower(run.ID + "\x00" + run.GraphID + "\x00" + run.NodeID)
			ok = strings.Contains(words, strings.ToLower(t.text))
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// labelled reports whether a run has a label, given as NAME or NAME=VALUE: itself, or its
// newest event.
func (l looker) labelled(run checkpoint.Run, marks checkpoint.Marks, text string) (bool, error) {
	key, value, valued := strings.Cut(text, "=")
	has := func(labels map[string]string) bool {
		v, ok := labels[key]
		return ok && (!valued || v == value)
	}
	if has(marks.Run.Labels) {
		return true, nil
	}
	saved, err := l.labels(run)
	return err == nil && has(marks.Events[run.Last].On(saved)), err
}

// labels returns those that the newest event of a run was saved with.
func (l looker) labels(run checkpoint.Run) (map[string]string, error) {
	for ev, err := range l.store.History(l.ctx, run.ID, checkpoint.HistoryOptions{From: run.Last, To: run.Last, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		return ev.Metadata.Labels, nil
	}
	return nil, nil // it was deleted just now
}

// String returns the query as it was given.
func (q query) String() string {
	words := make([]string, len(q))
	for i, t := range q {
		if words[i] = t.text; t.field != "" {
			words[i] = t.field + ":" + t.text
		}
	}
	return `"` + strings.Join(words, " ") + `"`
}
