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
)

var fields = []string{nodeField, graphField, labelField}

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
			labels, err := l.labels(run)
			if err != nil {
				return false, err
			}
			name, value, valued := strings.Cut(t.text, "=")
			have, labelled := labels[name]
			ok = labelled && (!valued || have == value)
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

// labels returns those of the newest event of a run.
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
