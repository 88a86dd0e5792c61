package main

import (
	"fmt"
	"time"

	"github.com/flowlog/checkpoint"
)

// redactedJSON is an event whose state goes as -o json gives it.
type redactedJSON struct {
	Seq       uint64            `json:"seq"`
	NodeID    string            `json:"node_id"`
	Visit     uint64            `json:"visit"`
	CreatedAt time.Time         `json:"created_at"`
	Size      int64             `json:"size"` // of the state, in bytes
	SHA256    checkpoint.Digest `json:"sha256"`
	goneJSON                    // before
	Pinned    bool              `json:"pinned"`
}

// redactionJSON is what is to go as -o json gives it.
type redactionJSON struct {
	RunID     string         `json:"run_id"`
	Reason    string         `json:"reason"`
	Events    []redactedJSON `json:"events"`
	Again     int            `json:"redacted_before"` // of the events: they keep the reason that they have
	SameState []uint64       `json:"same_state"`      // other events of the run that keep one of these states
	// result, a redactionResult, comes last, when it is done.
}

// redactionResult is what was done, and how large the store was and is, in bytes.
type redactionResult struct {
	Redacted   int   `json:"redacted"` // events that were not before
	DiskBefore int64 `json:"disk_before"`
	DiskAfter  int64 `json:"disk_after"`
}

// list writes which states go; of a JSON document all but what is done.
func (r *redaction) list() error {
	out := r.c.out
	if *r.output != formatText {
		doc := redactionJSON{RunID: r.run.ID, Reason: r.reason, Again: r.again, SameState: r.same}
		if doc.SameState == nil {
			doc.SameState = []uint64{}
		}
		for _, e := range r.events {
			doc.Events = append(doc.Events, redactedJSON{e.Seq, e.NodeID, e.Visit, e.CreatedAt.UTC(), e.Size, e.SHA256, goneFacts(e.Event), e.pinned})
		}
		r.doc = jsonObject{screen: out, format: *r.output}
		return r.doc.begin(doc)
	}
	seq, visit, at, states, kept, marks := right("seq").in(faint), left("visit").in(bold), left("time").in(faint), right("state"), left("as").in(faint), left("marks")
	gone := &column{name: "gone since", long: true}
	clock := r.c.clockOf(r.run)
	var total int64
	for _, e := range r.events {
		seq.add(fmt.Sprint(e.Seq))
		visit.add(e.visit())
		at.add(clock(e.CreatedAt))
		states.add(size(e.Size))
		kept.add(keptAs(e.Event))
		marks.add(marksText(e.pinned, e.labels))
		since := ""
		if by := e.PrunedBy; by != nil {
			since = printable(by.At.UTC().Format(time.RFC3339) + ": " + whyGone(by))
		}
		gone.add(since)
		if e.PrunedBy == nil || !e.PrunedBy.Redacted {
			total += e.Size
		}
	}
	columns := []*column{seq, visit, at, states, kept}
	for _, c := range []*column{marks, gone} {
		if c.hasCells() {
			columns = append(columns, c)
		}
	}
	writeTable(out, "", columns...)
	out.printf("\n")
	for _, line := range r.before() {
		out.printf("%s\n", printable(line))
	}
	if fresh := len(r.events) - r.again; fresh > 0 {
		out.printf("to redact: the states of %s of run %s, %s: %s\n", count(fresh, "event"), printable(r.run.ID), size(total), printable(r.reason))
	} else {
		out.printf("to redact: nothing; %s of run %s, all of them redacted before\n", count(r.again, "event"), printable(r.run.ID))
	}
	return out.flush()
}

// before says of which events the states had gone before, by what, and which reason
// is told of them from now on.
func (r *redaction) before() []string {
	type group struct {
		redacted bool
		why      string
	}
	seqs := map[group][]uint64{}
	var order []group
	for _, e := range r.events {
		if e.PrunedBy == nil {
			continue
		}
		g := group{e.PrunedBy.Redacted, whyGone(e.PrunedBy)}
		if seqs[g] == nil {
			order = append(order, g)
		}
		seqs[g] = append(seqs[g], e.Seq)
	}
	var lines []string
	for _, g := range order {
		how, then := "pruned", "the new reason is told from then on"
		if g.redacted {
			how, then = "redacted", "that reason stays"
		}
		lines = append(lines, fmt.Sprintf("%s before: %s (%s), %q; %s", how, count(len(seqs[g]), "event"), seqsText(seqs[g]), g.why, then))
	}
	return lines
}

// doneText says in a line what was done.
func (r *redaction) doneText(before, after int64) string {
	disk := diskText(r.c.out, before, after)
	fresh := len(r.events) - r.again
	switch {
	case fresh == 0:
		return fmt.Sprintf("redacted nothing more, and no copy of %s is left in the store, which was written anew; %s", count(r.again, "state"), disk)
	case r.again > 0:
		return fmt.Sprintf("redacted the states of %s, and no copy is left in the store of these and of the %d that were redacted before; %s", count(fresh, "event"), r.again, disk)
	}
	return fmt.Sprintf("redacted the states of %s, and no copy is left in the store; %s", count(fresh, "event"), disk)
}
