package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/statediff"
)

// changeJSON is a change as -o json gives it: paths are JSON Pointers, sizes are in
// bytes.
type changeJSON struct {
	Kind    string            `json:"kind"` // added, removed or changed
	Path    statediff.Pointer `json:"path"`
	OldPath statediff.Pointer `json:"old_path,omitempty"` // if it is another
	Old     json.RawMessage   `json:"old,omitempty"`
	New     json.RawMessage   `json:"new,omitempty"`
	OldSize int               `json:"old_size"`
	NewSize int               `json:"new_size"`
}

// coarseJSON says where the changes are coarser than they could be, and why.
type coarseJSON struct {
	Path   statediff.Pointer `json:"path"`
	Reason string            `json:"reason"`
}

// masked returns changes whose values are fit to be shown.
func (st step) masked(changes []statediff.Change, r redactor) []statediff.Change {
	if len(r.paths) == 0 {
		return changes
	}
	old, now := r.in(st.old), r.in(st.new)
	list := slices.Clone(changes)
	for i, c := range list {
		list[i].Old, list[i].New = old.value(c.Old, c.OldPath), now.value(c.New, c.Path)
	}
	return list
}

// changesJSON returns changes as -o json gives them. The sizes are those of the
// values that were compared.
func (st step) changesJSON(changes []statediff.Change, r redactor) []changeJSON {
	list := make([]changeJSON, len(changes))
	for i, c := range st.masked(changes, r) {
		list[i] = changeJSON{Kind: c.Kind.String(), Path: c.Path, Old: c.Old, New: c.New, OldSize: len(changes[i].Old), NewSize: len(changes[i].New)}
		if c.Kind == statediff.Changed && c.OldPath != c.Path {
			list[i].OldPath = c.OldPath
		}
	}
	return list
}

func coarseFacts(list []statediff.Coarse) []coarseJSON {
	facts := make([]coarseJSON, len(list))
	for i, c := range list {
		facts[i] = coarseJSON{c.Path, c.Reason.String()}
	}
	return facts
}

// brief is what a step changed in few words: the elements of an array that came and
// went are counted, all else is named.
type brief struct {
	text   string
	weight int // bytes that came or went
	kind   statediff.Kind
}

// maxBriefs is how many changes a line names.
const maxBriefs = 6

// inBrief says in a line what changed, what is largest first, and where a fork began.
func (st step) inBrief(s *screen, changes []statediff.Change, r redactor) string {
	what := st.changesInBrief(s, changes, r)
	if st.Event != nil && st.Failure != nil {
		failed := s.paint(red, printable(failureText(st.Failure)))
		if what = failed + ", " + what; st.why == whyNoState {
			what = failed
		}
	}
	if of := st.ForkedFrom(); of != nil {
		what = s.paint(faint, printable("forked from "+originName(of)+", ")) + what
	}
	return what
}

func (st step) changesInBrief(s *screen, changes []statediff.Change, r redactor) string {
	if st.diff == nil {
		return s.paint(faint, printable(st.why))
	}
	if len(changes) == 0 {
		what := "no change"
		if st.Event != nil && st.PrunedBy != nil {
			what += ", and its state was " + goneBriefly(st.PrunedBy)
		}
		return s.paint(faint, printable(what))
	}
	list := briefs(st.masked(changes, r), st.isElement())
	slices.SortStableFunc(list, func(a, b brief) int { return cmp.Compare(b.weight, a.weight) })
	words := []string{}
	for i, b := range list {
		if i == maxBriefs && len(list) > maxBriefs+1 {
			words = append(words, s.paint(faint, fmt.Sprintf("and %d more", len(list)-i)))
			break
		}
		words = append(words, s.paint(kindColor(b.kind), b.text))
	}
	return strings.Join(words, ", ")
}

func briefs(changes []statediff.Change, isElement func(statediff.Change) bool) (list []brief) {
	came := map[string]int{} // in list, by the array and the kind
	counts := map[string]int{}
	for _, c := range changes {
		b := brief{weight: len(c.Old) + len(c.New), kind: c.Kind}
		name := printable(c.Path.Dotted())
		switch {
		case c.Kind == statediff.Changed:
			b.weight = max(len(c.Old)-len(c.New), len(c.New)-len(c.Old), 1)
			b.text = name + " " + fromTo(c.Old, c.New)
		case isElement(c):
			array, _ := c.Path.Parent()
			key := c.Kind.String() + string(array)
			if counts[key]++; counts[key] > 1 {
				at := came[key]
				list[at].weight += b.weight
				list[at].text = elements(array, c.Kind, counts[key])
				continue
			}
			came[key] = len(list)
			b.text = elements(array, c.Kind, 1)
		default:
			value := c.New
			if c.Kind == statediff.Removed {
				value = c.Old
			}
			b.text = sign(c.Kind) + name
			if isShort(value) {
				b.text += " " + printable(string(value))
			}
		}
		list = append(list, b)
	}
	return list
}

// elements says how many elements of an array came or went.
func elements(array statediff.Pointer, kind statediff.Kind, n int) string {
	return fmt.Sprintf("%s%d %s", sign(kind), n, printable(array.Dotted()))
}

// isElement returns what reports whether a value that came or went was in an array.
func (st step) isElement() func(statediff.Change) bool {
	known := map[string]bool{} // of the arrays of either state
	return func(c statediff.Change) bool {
		parent, last := c.Path.Parent()
		if last == "" || strings.Trim(last, "0123456789") != "" {
			return false
		}
		doc, key := st.new, sign(c.Kind)+string(parent)
		if c.Kind == statediff.Removed {
			doc = st.old
		}
		is, ok := known[key]
		if !ok {
			array, err := statediff.Lookup(doc, parent)
			is = err == nil && array[0] == '['
			known[key] = is
		}
		return is
	}
}

// fromTo says how one value became another: by the values if they are short, else by
// their sizes.
func fromTo(old, new []byte) string {
	switch {
	case isShort(old) && isShort(new):
		return printable(string(old) + " → " + string(new))
	case len(old) != len(new):
		return more(int64(len(new) - len(old)))
	}
	return "changed"
}

// more says by how many bytes something grew or shrank.
func more(bytes int64) string {
	if bytes < 0 {
		return "-" + size(-bytes)
	}
	return "+" + size(bytes)
}

// isShort reports whether a value fits in a line with others.
func isShort(value []byte) bool {
	return len(value) > 0 && len(value) <= 24 && value[0] != '{' && value[0] != '['
}

// sign marks what came and what went.
func sign(kind statediff.Kind) string {
	switch kind {
	case statediff.Added:
		return "+"
	case statediff.Removed:
		return "-"
	}
	return "~"
}
