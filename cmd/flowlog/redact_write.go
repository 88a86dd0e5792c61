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
	Visit     int               `json:"visit"`
	CreatedAt time.Time         `json:"created_at"`
	Size      int64             `json:"size"` // of the state, in bytes
	SHA256    checkpoint.Digest `json:"sha256"`
	Pruned    bool              `json:"pruned"` // before
	Pinned    bool              `json:"pinned"`
}

// redactionJSON is what is to go as -o json gives it.
type redactionJSON struct {
	RunID     string         `json:"run_id"`
	Reason    string         `json:"reason"`
	Events    []redactedJSON `json:"events"`
	SameState []uint64       `json:"same_state"` // other events of the run that keep one of these states
	// result, a redactionResult, comes last, when it is done.
}

// redactionResult is how large the store was and is, in bytes.
type redactionResult struct {
	DiskBefore int64 `json:"disk_before"`
	DiskAfter  int64 `json:"disk_after"`
}

// list writes which states go; of a JSON document all but what is done.
func (r *redaction) list() error {
	out := r.c.out
	if *r.output != formatText {
		doc := redactionJSON{RunID: r.run.ID, Reason: r.reason, SameState: r.same}
		if doc.SameState == nil {
			doc.SameState = []uint64{}
		}
		for _, e := range r.events {
			doc.Events = append(doc.Events, redactedJSON{e.Seq, e.NodeID, e.Visit, e.CreatedAt.UTC(), e.Size, e.SHA256, e.Pruned, e.pinned})
		}
		r.doc = jsonObject{screen: out, format: *r.output}
		return r.doc.begin(doc)
	}
	seq, visit, at, states, kept, marks := right("seq").in(faint), left("visit").in(bold), left("time").in(faint), right("state"), left("as").in(faint), left("marks")
	clock := r.c.clockOf(r.run)
	var total int64
	for _, e := range r.events {
		seq.add(fmt.Sprint(e.Seq))
		visit.add(visitName(e.NodeID, e.Visit))
		at.add(clock(e.CreatedAt))
		states.add(size(e.Size))
		kept.add(e.Encoding.String())
		marks.add(marksText(e.pinned, e.labels))
		total += e.Size
	}
	columns := []*column{seq, visit, at, states, kept}
	if marks.hasCells() {
		columns = append(columns, marks)
	}
	writeTable(out, "", columns...)
	out.printf("\nto redact: the states of %s of run %s, %s: %s\n", count(len(r.events), "event"), printable(r.run.ID), size(total), printable(r.reason))
	return out.flush()
}

// redactedText says in a line what was done.
func redactedText(s *screen, events int, before, after int64) string {
	return fmt.Sprintf("redacted the states of %s, and no copy is left in the store; %s", count(events, "event"), diskText(s, before, after))
}
