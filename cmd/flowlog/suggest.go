package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// didYouMean stands in a message between what is not there and where to look: it asks
// for the names that may have been meant, if there are some.
func didYouMean(meant []string) string {
	if len(meant) == 0 {
		return "; "
	}
	return fmt.Sprintf("; did you mean %s? ", strings.Join(meant, " or "))
}

// suggested is a command of ours that a message tells to run.
var suggested = regexp.MustCompile(`\bflowlog ([a-z]+)\b( --help)?`)

// withStore returns a message with --store in the commands that it suggests, if that
// names the store: without it they would look for another.
func (c *cli) withStore(message string) string {
	if c.store == "" {
		return message
	}
	return suggested.ReplaceAllStringFunc(message, func(call string) string {
		words := strings.Fields(call)
		if len(words) > 2 || !slices.Contains(c.verbs, words[1]) {
			return call
		}
		return call + " --store " + quote(c.store)
	})
}

// nearest returns those of some names that a misspelt one may have been meant to be, at
// most three.
func nearest(name string, names []string) []string {
	type near struct {
		name string
		away int
	}
	var found []near
	far := (len([]rune(name)) + 1) / 3 // so many slips are too many for another word
	for _, n := range names {
		away := far + 1
		if d := len(n) - len(name); max(d, -d) <= 4*far { // else it is not worth the time
			away = slips(strings.ToLower(name), strings.ToLower(n))
		}
		if away > far && far > 0 && len(name) > 2 && strings.HasPrefix(n, name) {
			away = far // the rest of it is missing
		}
		if away <= far && n != name {
			found = append(found, near{n, away})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.away, b.away) })
	var words []string
	for _, n := range found[:min(len(found), 3)] {
		words = append(words, n.name)
	}
	return words
}

// slips counts what was done wrong to write one word for another: letters left out,
// put in, mistaken, or swapped with the next one (the optimal string alignment distance).
func slips(a, b string) int {
	x, y := []rune(a), []rune(b)
	var before, above []int
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		before, above, row = above, row, make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			wrong := 1
			if x[i] == y[j] {
				wrong = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+wrong)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(y)]
}
