package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

func (c *cli) writeStats(s *statsJSON, f format) error {
	if f == formatText {
		c.statsText(s)
		return nil
	}
	return writeJSON(c.out, f, s)
}

func (c *cli) statsText(s *statsJSON) {
	r := s.Run
	c.nodeTimes(s)
	if r.Events > 1 {
		c.out.printf("\n%s\n", c.out.paint(bold, "growth of the state"))
		c.plot(s.Growth, r.Events)
	}
	if s.Largest != nil && size(s.Largest.Size) != size(r.Size) {
		c.largest(r.RunID, s.Largest)
	}
	if len(s.Paths) > 0 {
		c.out.printf("\n%s\n", c.out.paint(bold, "largest values of the newest state"))
		path, kind, items, bytes, share := &column{name: "path", long: true}, left("type"), right("items"), right("size"), right("share")
		for _, p := range s.Paths {
			path.add(printable(p.Path.Dotted()))
			kind.add(p.Type)
			items.add(itemCount(p))
			bytes.add(size(int64(p.Size)))
			share.add(percent(float64(p.Size), float64(s.newest)))
		}
		writeTable(c.out, "  ", bytes, share, kind, items, path)
	}
	less := ""
	if r.Bytes > r.Stored {
		less = " (" + ratio(r.Bytes, r.Stored) + ")"
	}
	c.out.printf("\n%s, %s of states, stored in %s%s\n", count(r.Events, "event"), size(r.Bytes), size(r.Stored), less)
}

// maxLargest is how many values of the largest state are named.
const maxLargest = 3

// largest says what is large in the largest state, which is not the newest.
func (c *cli) largest(run string, l *largestJSON) {
	c.out.printf("\n  the largest was %s, at @%d (%s)", size(l.Size), l.Seq, l.name())
	show := printable(c.withStore("flowlog show") + " " + quote(fmt.Sprintf("%s@%d", run, l.Seq)))
	switch {
	case l.gone != nil:
		c.out.printf("; what was in it was %s\n", printable(goneBriefly(l.gone)))
	case len(l.Paths) == 0:
		c.out.printf("; `%s` shows it\n", show)
	default:
		var values []string
		for _, p := range l.Paths[:min(len(l.Paths), maxLargest)] {
			values = append(values, printable(p.Path.Dotted())+" "+size(int64(p.Size)))
		}
		c.out.printf(": %s\n  `%s --paths` lists what it had\n", strings.Join(values, ", "), show)
	}
}

func (c *cli) nodeTimes(s *statsJSON) {
	node, visits, total, share := left("node").in(bold), right("visits"), right("time"), right("share")
	mean, slowest, at, bars := right("a visit"), right("longest"), right("at"), left("").in(blue)
	all, timed := 0, 0
	for _, n := range s.Nodes {
		all, timed = all+n.Visits, timed+n.Timed
		node.add(printable(n.NodeID))
		visits.add(humanize.Comma(int64(n.Visits)))
		cells := []string{"-", "-", "-", "-", ""}
		if n.Timed > 0 {
			part := n.total.Seconds() / max(s.total.Seconds(), 1e-9)
			cells = []string{took(n.total), percent(part, 1), took(n.total / time.Duration(n.Timed)), took(n.slowest), fmt.Sprint(n.SlowestSeq)}
			bars.add(bar(part, barWidth))
		} else {
			bars.add("")
		}
		for i, column := range []*column{total, share, mean, slowest, at} {
			column.add(cells[i])
		}
	}
	node.add(count(len(s.Nodes), "node"))
	visits.add(humanize.Comma(int64(all)))
	if timed > 0 {
		total.add(took(s.total))
		share.add("100%")
	} else {
		total.add("-")
		share.add("-")
	}
	for _, column := range []*column{mean, slowest, at, bars} {
		column.add("")
	}
	writeTable(c.out, "", node, visits, total, share, mean, slowest, at, bars)
	if timed > 0 {
		c.out.printf("times are waits for events; a pause before a resume counts\n")
	}
}

func percent(a, b float64) string { return fmt.Sprintf("%.0f%%", 100*a/max(b, 1e-9)) }

// How large the plot is, in characters.
const (
	plotWidth  = 60
	plotHeight = 6
)

// plot draws how large the states are, in columns of as many events each.
func (c *cli) plot(growth []growthJSON, events uint64) {
	largest := int64(0)
	for _, g := range growth {
		largest = max(largest, g.Size)
	}
	if largest == 0 {
		return
	}
	label := size(largest)
	for row := plotHeight - 1; row >= 0; row-- {
		var line strings.Builder
		for _, g := range growth {
			level := float64(g.Size)/float64(largest)*plotHeight - float64(row)
			line.WriteString(block(level))
		}
		name := ""
		switch row {
		case plotHeight - 1:
			name = label
		case 0:
			name = "0 B"
		}
		c.out.printf("  %s %s\n", c.out.paint(faint, fmt.Sprintf("%*s ┤", len(label), name)), c.out.paint(blue, strings.TrimRight(line.String(), " ")))
	}
	newest := growth[len(growth)-1].Seq
	first, last := fmt.Sprint(newest+1-events), fmt.Sprint(newest)
	gap := max(len(growth)-len(first)-len(last), 1)
	axis := first + strings.Repeat(" ", gap) + last
	c.out.printf("  %s%s\n", strings.Repeat(" ", len(label)+3), c.out.paint(faint, axis+"  event"))
}

// block draws what of a character is filled, in eighths from below.
func block(level float64) string {
	n := int(min(max(level, 0), 1)*8 + 0.5)
	return string([]rune(" ▁▂▃▄▅▆▇█")[n])
}
