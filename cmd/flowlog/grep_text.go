package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// matchJSON is a line that matches, as -o json gives it.
type matchJSON struct {
	RunID     string             `json:"run_id"`
	Seq       uint64             `json:"seq"`
	NodeID    string             `json:"node_id"`
	Visit     uint64             `json:"visit"`
	CreatedAt time.Time          `json:"created_at"`
	ByForkOf  *checkpoint.Origin `json:"by_fork_of,omitempty"` // it came with the fork, and of no node
	Path      statediff.Pointer  `json:"path"`
	Line      int                `json:"line"` // of the text, from 1
	Text      string             `json:"text"`
}

// show writes a line that matches.
func (g *grepper) show(st step, at statediff.Pointer, line int, many bool, words string) error {
	g.found++
	if g.list != nil {
		return g.list.add(matchJSON{st.RunID, st.Seq, st.NodeID, st.Visit, st.CreatedAt.UTC(), st.ForkedFrom(), at, line, words})
	}
	path := printable(at.Dotted())
	if many {
		path += fmt.Sprintf(":%d", line)
	}
	g.out.printf("%s %s %s %s\n", g.out.paint(faint, printable(fmt.Sprintf("%s@%d", st.RunID, st.Seq))),
		g.out.paint(bold, st.name()), g.out.paint(blue, path+":"), g.excerpt(words))
	return nil
}

// around is how much of a long line is shown before and behind what matches, in bytes.
const around = 60

// excerpt returns what matches in a line and what stands around it.
func (g *grepper) excerpt(line string) string {
	at := g.pattern.FindStringIndex(line)
	from, to := max(at[0]-around, 0), min(at[1]+around, len(line))
	for from > 0 && !utf8.RuneStart(line[from]) {
		from--
	}
	for to < len(line) && !utf8.RuneStart(line[to]) {
		to++
	}
	b := strings.Builder{}
	if from > 0 {
		b.WriteString("…")
	}
	b.WriteString(printable(line[from:at[0]]) + g.out.paint(red, printable(line[at[0]:at[1]])) + printable(line[at[1]:to]))
	if to < len(line) {
		b.WriteString("…")
	}
	return b.String()
}
