package main

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/flowlog/checkpoint"
)

// nodeUse is what the events of a node take.
type nodeUse struct {
	NodeID string `json:"node_id"`
	amount
	Largest    int64  `json:"largest"`     // state
	LargestSeq uint64 `json:"largest_seq"` // the event that has it
	First      int64  `json:"first"`       // state, of the first visit
	Newest     int64  `json:"newest"`      // state, of the newest visit
}

func (n *nodeUse) see(e *checkpoint.Event) {
	a := amount{1, e.Size, e.Stored}
	if e.Pruned {
		a.Bytes = 0
	}
	if n.Events == 0 {
		n.First = e.Size
	}
	n.add(a)
	if n.Newest = e.Size; e.Size > n.Largest || n.LargestSeq == 0 {
		n.Largest, n.LargestSeq = e.Size, e.Seq
	}
}

// growth says by how much the state of a node grows from visit to visit.
func (n *nodeUse) growth() string {
	if n.Events < 2 {
		return "-"
	}
	switch g := (n.Newest - n.First) / int64(n.Events-1); {
	case g > 0:
		return "+" + size(g)
	case g < 0:
		return "-" + size(-g)
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
		c.duRunTable(shown, len(nodes), amount{run.Last, run.Bytes, run.Stored})
		c.out.printf("\n%s\n%s\n", summary(c.out, run), sealedText(run, unsealed))
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

// nodeUses adds up what the nodes of a run take, and returns the largest first.
func (l looker) nodeUses(run checkpoint.Run) (nodes []*nodeUse, err error) {
	known := map[string]*nodeUse{}
	for e, err := range l.headers(run, listing{}) {
		if err != nil {
			return nil, err
		}
		n := known[e.NodeID]
		if n == nil {
			n = &nodeUse{NodeID: e.NodeID}
			known[e.NodeID], nodes = n, append(nodes, n)
		}
		n.see(e)
	}
	slices.SortFunc(nodes, func(a, b *nodeUse) int {
		return cmp.Or(cmp.Compare(b.Stored, a.Stored), cmp.Compare(a.NodeID, b.NodeID))
	})
	return nodes, nil
}

func (c *cli) duRunTable(shown []*nodeUse, all int, total amount) {
	t := newDuTable("node", total.Stored)
	t.events.name = "visits"
	largest, at, growth := right("largest"), right("at"), right("a visit more")
	add := func(name string, a amount, cells ...string) {
		t.add(name, a)
		for i, c := range []*column{largest, at, growth} {
			c.add(cells[i])
		}
	}
	rest := total
	for _, n := range shown {
		add(printable(n.NodeID), n.amount, size(n.Largest), strconv.FormatUint(n.LargestSeq, 10), n.growth())
		rest.sub(n.amount)
	}
	if others := all - len(shown); others > 0 {
		add(count(others, "other"), rest, "", "", "")
	}
	add(count(all, "node"), total, "", "", "")
	writeTable(c.out, "", t.name, t.events, t.bytes, largest, at, growth, t.stored, t.ratio, t.share, t.bar)
}

func sealedText(run checkpoint.Run, unsealed uint64) string {
	switch unsealed {
	case 0:
		return "all events are sealed"
	case run.Last:
		return "no event is sealed yet"
	}
	return count(run.Last-unsealed, "event") + " are sealed, " + count(unsealed, "event") + " not yet"
}
