package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// noValue says what of a path is not in the state of an event, and what is.
func noValue(at ref, path string, state []byte, err error) string {
	why := err.Error()
	if missing, ok := errors.AsType[*statediff.LookupError](err); ok {
		why = missing.Problem
	}
	return fmt.Sprintf("event %d of run %q has nothing at %s: %s%s`flowlog show %s --paths` lists what it has",
		at.seq, at.run.ID, path, why, nearby(state, err), quote(fmt.Sprintf("%s@%d", at.run.ID, at.seq)))
}

// nothingAt stands in a message, as didYouMean does: it says what is near a path in the
// state of an event, if that has nothing there.
func (l looker) nothingAt(at ref, path statediff.Path) (string, error) {
	e, err := l.withState(at)
	if err != nil && exitCode(err) != codeNotFound { // that is a pruned one
		return "", err
	}
	if err == nil && e.Kind == checkpoint.KindJSON {
		_, err = path.In(e.State)
		return nearby(e.State, err), nil
	}
	return "; ", nil
}

// maxNearby is how many names are given where a path leads nowhere.
const maxNearby = 8

// nearby stands in a message, as didYouMean does: it names what a path that led nowhere
// may have been meant to be, else what there is where it ended.
func nearby(state []byte, err error) string {
	missing, ok := errors.AsType[*statediff.LookupError](err)
	if !ok {
		return "; "
	}
	tokens, kind := children(state, missing.At)
	switch {
	case len(tokens) == 0:
		return "; "
	case kind == statediff.Array:
		return fmt.Sprintf("; the last is %s; ", paths(missing.At, tokens[len(tokens)-1:])[0])
	}
	if near := nearest(missing.Token, tokens); len(near) > 0 {
		return didYouMean(paths(missing.At, near))
	}
	shown := paths(missing.At, tokens[:min(len(tokens), maxNearby)])
	for i, path := range shown {
		shown[i] = shorten(path)
	}
	if more := len(tokens) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	last := len(shown) - 1
	if last == 0 {
		return fmt.Sprintf("; there is %s; ", shown[0])
	}
	return fmt.Sprintf("; there are %s and %s; ", strings.Join(shown[:last], ", "), shown[last])
}

// children returns the names or indexes of what is right in a value of a state, and what
// type that is.
func children(state []byte, at statediff.Pointer) (tokens []string, kind statediff.Type) {
	value, err := statediff.Lookup(state, at)
	if err != nil {
		return nil, statediff.Null
	}
	doc, err := statediff.Parse(value)
	if err != nil {
		return nil, statediff.Null
	}
	for v := range doc.All() {
		switch v.Depth() {
		case 0:
			kind = v.Type()
		case 1:
			_, token := v.Pointer().Parent()
			tokens = append(tokens, token)
		}
	}
	return tokens, kind
}

// paths returns the paths of children as people write them.
func paths(at statediff.Pointer, tokens []string) (list []string) {
	for _, token := range tokens {
		list = append(list, at.Name(token).Dotted())
	}
	return list
}
