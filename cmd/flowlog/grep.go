package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// grepFlags are what grep is asked for.
type grepFlags struct {
	ignoreCase, fixed, all bool
	node, at               string
	limit                  int
	output                 *format
}

// grep returns the verb that finds a text in states.
func (c *cli) grep() *cobra.Command {
	var f grepFlags
	cmd := &cobra.Command{
		Use: "grep PATTERN [REF]",
		Example: `  flowlog grep 'rate limit'
  flowlog grep -i 'error|failed' @last
  flowlog grep -F '$HOME/.ssh' essay-x7kq --path messages
  flowlog grep timeout @last -o jsonl | jq -r .path`,
		Short: "Find where a text came into the states.",
		Long: `Grep finds the values of states in which a text matches PATTERN, a regular
expression as Go has them, and shows the lines that match: with the event and the
path at which they came in, not again in each later state that still has them. What
came into a run with its fork is shown so, and looking through all runs only where it
came into the origin.
Texts are matched as they read, unescaped; of other values what is written.

Without REF it looks through all runs, newest first; with a run through that, and
with an event through the line that led to it.

` + refHelp + `

The exit code is 1 if nothing matches.`,
		Args: between(1, 2, "PATTERN"),
	}
	f.output = outputFlag(cmd)
	cmd.Flags().BoolVarP(&f.ignoreCase, "ignore-case", "i", false, "take upper and lower case for the same")
	cmd.Flags().BoolVarP(&f.fixed, "fixed", "F", false, "PATTERN is the very text")
	cmd.Flags().BoolVar(&f.all, "all", false, "each state that has it, not only where it came in")
	cmd.Flags().StringVar(&f.node, "node", "", "only events of this node")
	cmd.Flags().StringVar(&f.at, "path", "", "only what is at this path of the states")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "the most lines to show; 0 for all")
	c.completeRefs(cmd)
	c.completeNodes(cmd, "node")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		g := &grepper{cli: c, grepFlags: f}
		if err := g.prepare(args[0]); err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error {
			g.l = l
			return g.search(args[1:])
		})
	}
	return cmd
}

// grepper looks for a text.
type grepper struct {
	*cli
	grepFlags
	redactor
	l       looker
	asked   string // the pattern as it was given
	pattern *regexp.Regexp
	path    statediff.Path
	list    *jsonList // nil for text
	whole   bool      // a fork's first state, not only what the fork changed in it
	found   int
	reached bool // a state had something at path
	missing ref  // the newest state of the first run that had not
	matched bool // an event was of the node
}

func (g *grepper) prepare(pattern string) (err error) {
	if g.limit < 0 {
		return usage("--limit %d: it is a number of lines, or 0 for all", g.limit)
	}
	if g.path, err = statediff.ParsePath(g.at); err != nil {
		return usage("--path: %v", err)
	}
	if g.redactor, err = g.cli.redactor(); err != nil {
		return err
	}
	g.asked = pattern
	expression := pattern
	if g.fixed {
		expression = regexp.QuoteMeta(expression)
	}
	if g.ignoreCase {
		expression = "(?i)" + expression
	}
	if g.pattern, err = regexp.Compile(expression); err != nil {
		return usage("%s is no regular expression: %v; -F takes it for the very text", asTyped(pattern), err)
	}
	if *g.output != formatText {
		g.list = &jsonList{screen: g.out, format: *g.output}
	}
	return nil
}

// search looks through the run that is named, or through all.
func (g *grepper) search(args []string) error {
	where, damaged := "no state", error(nil)
	var run checkpoint.Run
	var on *line
	if g.whole = len(args) > 0; g.whole {
		var err error
		if run, on, err = g.l.part(args[0]); err != nil {
			return err
		}
		where = "no state of run \"" + run.ID + "\""
		if err := g.run(run, on); err != nil {
			return err
		}
	} else {
		for run, err := range g.l.everyRun() {
			if err == nil {
				err = g.run(run, nil)
			}
			switch {
			case errors.Is(err, checkpoint.ErrNotFound): // it was deleted meanwhile
			case errors.Is(err, checkpoint.ErrCorrupt): // which is no reason to keep quiet about the others
				g.say("%v", err)
				damaged = err
			case err != nil:
				return err
			}
			if g.full() {
				break
			}
		}
	}
	if g.list != nil {
		g.list.end()
	}
	switch {
	case damaged != nil:
		return damaged
	case on != nil && on.isEmpty():
		return g.l.emptyRange(args[0])
	case g.found == 0:
		return g.nothing(where, run)
	case g.full():
		g.say("--limit %d: there may be more, this is as far as it was looked", g.limit)
	}
	return nil
}

// nothing says why nothing was found: in the run that was looked through, or in all.
func (g *grepper) nothing(where string, run checkpoint.Run) error {
	switch {
	case run.ID != "":
		if err := g.l.noMatchOf(run, g.node); err != nil {
			return err
		}
	case g.node != "" && !g.matched:
		return noMatch("no run has a node %q%s`flowlog runs` lists them", g.node, didYouMean(nearest(g.node, g.l.someNodes())))
	}
	if !g.reached && g.missing.seq > 0 {
		hint, err := g.l.nothingAt(g.missing, g.path)
		if err != nil {
			return err
		}
		return noMatch("%s has anything at %s%s`flowlog show %s --paths` lists what it has", where, g.at, hint, quote(fmt.Sprintf("%s@%d", g.missing.run.ID, g.missing.seq)))
	}
	return noMatch("%s has what matches %s", where, asTyped(g.asked))
}

// asTyped returns a text in quotes, without a change to what is within.
func asTyped(text string) string {
	if quoted := strconv.Quote(text); quoted == `"`+text+`"` {
		return quoted
	}
	return "'" + text + "'"
}

// full reports whether as much was found as was asked for.
func (g *grepper) full() bool { return g.limit > 0 && g.found == g.limit }

func (g *grepper) run(run checkpoint.Run, on *line) error {
	for page, err := range g.l.pages(run, listing{node: g.node, line: on}) {
		if err != nil {
			return err
		}
		g.matched = true
		for st, err := range g.l.steps(page) {
			if err == nil {
				err = g.step(st)
			}
			if err != nil || g.full() {
				return err
			}
		}
		if err := g.out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// step looks through what came into a state.
func (g *grepper) step(st step) error {
	hidden := g.in(st.new)
	switch {
	case st.new == nil:
		return nil
	case st.Kind == checkpoint.KindBytes:
		return g.bytes(st, hidden)
	case g.wantsAll(st):
		return g.values(st, "", st.new, nil, hidden)
	}
	for _, c := range st.diff.Changes {
		if c.Kind != statediff.Removed {
			if err := g.values(st, c.Path, c.New, c.Old, hidden); err != nil || g.full() {
				return err
			}
		}
	}
	return nil
}

// wantsAll reports whether all of a state is looked through, and not what came into it.
func (g *grepper) wantsAll(st step) bool {
	return g.all || st.diff == nil || st.old == nil || g.whole && st.ForkedFrom() != nil
}

// bytes looks through a state that is not JSON.
func (g *grepper) bytes(st step, hidden secrets) error {
	if g.at == "" && g.wantsAll(st) && g.pattern.Match(st.new) { // it is another than before
		return g.lines(st, "", string(st.new), nil, hidden)
	}
	return nil
}

// values looks through a value that came in the place of another, and what is in it.
func (g *grepper) values(st step, at statediff.Pointer, value, old []byte, hidden secrets) error {
	doc, err := statediff.Parse(value)
	if err != nil { // a state that only says it is JSON: see checkpoint.TrustState
		return g.bytes(st, hidden)
	}
	under := statediff.Pointer("")
	if g.at != "" {
		if under, err = g.path.In(st.new); err != nil {
			if g.missing.seq == 0 || g.missing.run.ID == st.RunID {
				g.missing = ref{checkpoint.Run{ID: st.RunID}, st.Seq}
			}
			return nil
		}
		g.reached = true
	}
	for v := range doc.All() {
		var words string
		switch v.Type() {
		case statediff.Array, statediff.Object:
			continue
		case statediff.String:
			words = string(v.Text())
		default:
			words = string(v.Raw())
		}
		if !g.pattern.MatchString(words) {
			continue
		}
		if p := at + v.Pointer(); under.Contains(p) {
			if err := g.lines(st, p, words, old, hidden); err != nil || g.full() {
				return err
			}
		}
	}
	return nil
}

// lines shows the lines of a text that match and were not in the text before.
func (g *grepper) lines(st step, at statediff.Pointer, words string, old []byte, hidden secrets) error {
	if hidden.hides(at) {
		return nil
	}
	was := ""
	if bytes.HasPrefix(old, []byte(`"`)) {
		was = readable(old)
	}
	before := strings.Split(was, "\n")
	n, inLine := 0, false
	for line := range strings.SplitSeq(words, "\n") {
		n++
		if !g.pattern.MatchString(line) {
			continue
		}
		if inLine = true; !slices.Contains(before, line) {
			if err := g.show(st, at, n, strings.Contains(words, "\n"), line); err != nil || g.full() {
				return err
			}
		}
	}
	found := g.pattern.FindStringIndex(words)
	if !inLine && !strings.Contains(was, words[found[0]:found[1]]) { // across lines
		return g.show(st, at, 1+strings.Count(words[:found[0]], "\n"), true, words)
	}
	return nil
}
