package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/flowlog/checkpoint"
)

// nodeUse is what the events of a node take.
type nodeUse struct {
	NodeID string `json:"node_id"`
	amount
	Largest    int64  `json:"largest"`     // state
	LargestSeq uint64 `json:"largest_seq"` // the event that has it
	// Growth is by how much its visits made the state larger than the one that each
	// continued from, less by how much smaller.
	Growth int64 `json:"growth"`
}

// see adds an event that continues from a state of before bytes.
func (n *nodeUse) see(e *checkpoint.Event, before int64) {
	a := amount{1, e.Size, e.Stored}
	if e.Pruned {
		a.Bytes = 0
	}
	n.add(a)
	n.Growth += e.Size - before
	if e.Size > n.Largest || n.LargestSeq == 0 {
		n.Largest, n.LargestSeq = e.Size, e.Seq
	}
}

// grown says by how much a state grew.
func grown(by int64) string {
	switch {
	case by > 0:
		return "+" + size(by)
	case by < 0:
		return "-" + size(-by)
	}
	return "0 B"
}

func (c *cli) duRun(l looker, run checkpoint.Run, limit int, f format) error {
	nodes, err := l.nodeUses(run)
	if err != nil {
		return err
	}
	unsealed := run.Unsealed()
	shown := nodes
	if limit > 0 {
		shown = nodes[:min(limit, len(nodes))]
	}
	switch f {
	case formatText:
		// A little of what a run takes is no event's.
		c.duRunTable(shown, nodes, amount{run.Events(), run.Bytes, run.Stored})
		c.out.printf("\n%s\n%s\n", summary(c.out, run), sealedText(run, unsealed))
		if unsealed < run.Events() {
			c.out.printf("of sealed events the newest is stored whole and the others as what differs from it, whoever made them large\n")
		}
	case formatJSON:
		err = writeJSON(c.out, f, struct {
			Run      runJSON    `json:"run"`
			Unsealed uint64     `json:"unsealed"`
			Nodes    []*nodeUse `json:"nodes"`
		}{runFacts(run), unsealed, shown})
	case formatJSONL:
		for _, n := range shown {
			if err := writeJSON(c.out, f, n); err != nil {
				return err
			}
		}
	}
	if err == nil && len(shown) < len(nodes) {
		c.say("there are more; `flowlog du %s --limit 0` lists them all", quote(run.ID))
	}
	return err
}

// nodeUses adds up what the nodes of a run take, and returns first the one that made
// the states grow most.
func (l looker) nodeUses(run checkpoint.Run) (nodes []*nodeUse, err error) {
	known := map[string]*nodeUse{}
	sizes := map[uint64]int64{}
	for e, err := range l.headers(run, listing{}) {
		if err != nil {
			return nil, err
		}
		n := known[e.NodeID]
		if n == nil {
			n = &nodeUse{NodeID: e.NodeID}
			known[e.NodeID], nodes = n, append(nodes, n)
		}
		before, known := sizes[e.Parent]
		if !known && e.Parent > 0 { // it was dropped
			before = e.Size
		}
		n.see(e, before)
		sizes[e.Seq] = e.Size
	}
	slices.SortFunc(nodes, func(a, b *nodeUse) int {
		return cmp.Or(cmp.Compare(b.Growth, a.Growth), cmp.Compare(b.Stored, a.Stored), cmp.Compare(a.NodeID, b.NodeID))
	})
	return nodes, nil
}

func (c *cli) duRunTable(shown, all []*nodeUse, total amount) {
	name, visits, bytes, stored := left("node").in(bold), right("visits"), right("states"), right("stored")
	largest, at := right("largest"), right("at")
	growth, each, share, bars := right("grew by"), right("a visit"), right("share"), left("").in(blue)
	sum := nodeUse{amount: total}
	larger := int64(0) // by all nodes that made it so
	for _, n := range all {
		sum.Growth += n.Growth
		larger += max(n.Growth, 0)
	}
	add := func(title string, n *nodeUse) {
		name.add(title)
		if n.LargestSeq > 0 {
			largest.add(size(n.Largest))
			at.add(strconv.FormatUint(n.LargestSeq, 10))
		} else { // of several
			largest.add("")
			at.add("")
		}
		visits.add(humanize.Comma(int64(n.Events)))
		bytes.add(size(n.Bytes))
		stored.add(size(n.Stored))
		growth.add(grown(n.Growth))
		each.add(grown(n.Growth / int64(max(n.Events, 1))))
		part := float64(max(n.Growth, 0)) / float64(max(larger, 1))
		share.add(fmt.Sprintf("%.0f%%", part*100))
		bars.add(bar(part, barWidth))
	}
	rest := sum
	for _, n := range shown {
		add(printable(n.NodeID), n)
		rest.sub(n.amount)
		rest.Growth -= n.Growth
	}
	if others := len(all) - len(shown); others > 0 {
		add(count(others, "other"), &rest)
	}
	add(count(len(all), "node"), &sum)
	writeTable(c.out, "", name, visits, bytes, largest, at, stored, growth, each, share, bars)
}

func sealedText(run checkpoint.Run, unsealed uint64) string {
	switch unsealed {
	case 0:
		return "all events are sealed"
	case run.Events():
		return "no event is sealed yet"
	}
	return count(run.Events()-unsealed, "event") + " are sealed, " + count(unsealed, "event") + " not yet"
}
