package log

import (
	"context"
	"fmt"
	"reflect"

	"github.com/flowlog/checkpoint/driver"
)

// Some data that follows from events and notes is stored a second time, to be found fast:
// lines in records, visits in the index, folded marks. Verify derives it again.

// verifyNotes follows the notes' hash chain and compares the folded notes with the marks.
func (v *verifier) verifyNotes(ctx context.Context, run Run) error {
	if run.headErr != nil {
		return nil // their number is unknown
	}
	var marks Marks
	for _, n := range v.l.notes(ctx, run) {
		err := n.err
		if err == nil {
			err = marks.take(&n.Note, &run)
		} else if !unreadable(err) {
			return err
		}
		if err != nil {
			v.rep.problem(run.first(), err)
		}
	}
	folded, err := v.l.marks(ctx, run)
	if unreadable(err) {
		v.rep.problem(run.first(), err)
		return nil
	}
	if err != nil {
		return err
	}
	for seq, m := range marks.Events {
		if m.empty() {
			delete(marks.Events, seq)
		}
	}
	if v.rep.Intact() && !sameMarks(marks, folded) {
		v.rep.problem(run.first(), corrupt(run.ID, 0, "the labels and pins are not what the notes say"))
	}
	return nil
}

func sameMarks(x, y Marks) bool {
	if !sameMark(x.Run, y.Run) || len(x.Events) != len(y.Events) {
		return false
	}
	for seq, m := range x.Events {
		if !sameMark(m, y.Events[seq]) {
			return false
		}
	}
	return true
}

func sameMark(x, y Mark) bool {
	return x.Pinned == y.Pinned && len(x.Labels) == len(y.Labels) && len(x.Unlabelled) == len(y.Unlabelled) &&
		(len(x.Labels) == 0 || reflect.DeepEqual(x.Labels, y.Labels)) && (len(x.Unlabelled) == 0 || reflect.DeepEqual(x.Unlabelled, y.Unlabelled))
}

// lineVerifier derives on which line each event is. It takes 8 bytes for each.
type lineVerifier struct {
	first   uint64
	lines   [][2]uint32 // Recoverable and Since, from first on
	tip     uint64
	unknown bool // not all events before were read
}

// check compares a record with the line derived from its header and the events before it.
func (v *lineVerifier) check(run string, rec *record, h *Header, gap bool) error {
	if v.first == 0 {
		v.first = rec.Seq
		v.unknown = rec.Seq > 1 // dropped events are unknown
	}
	for uint64(len(v.lines)) < rec.Seq-v.first {
		v.lines = append(v.lines, [2]uint32{})
	}
	v.lines = append(v.lines, [2]uint32{uint32(rec.Recoverable), uint32(rec.Since)})
	v.unknown = v.unknown || gap
	tip := v.tip
	v.tip = rec.Tip
	if v.unknown && h.Parent < v.first || gap {
		return nil
	}
	var from parent
	if from.seq = h.Parent; from.seq >= v.first {
		l := v.lines[from.seq-v.first]
		from.line = line{uint64(l[0]), uint64(l[1])}
		if v.unknown && l == [2]uint32{} {
			return nil
		}
	}
	want := driver.Record{Seq: rec.Seq}
	standOn(&want, &Run{Tip: tip}, from, h.Role)
	if lineOf(&want) != lineOf(&rec.Record) || want.Tip != rec.Tip {
		return &Error{Run: run, Seq: rec.Seq, Reason: "the line that it is on",
			Want: fmt.Sprint(want.Recoverable, want.Tip, want.Since), Have: fmt.Sprint(rec.Recoverable, rec.Tip, rec.Since), Err: ErrCorrupt}
	}
	return nil
}

// indexVerifier derives the index of visits. It keeps the entries until they are compared.
type indexVerifier struct {
	visits  []visit
	counts  map[visitKey]uint64
	entries map[string]string
	unknown bool
}

// begin takes the dropped visits from an anchor.
func (v *indexVerifier) begin(a *Anchor) {
	v.counts, v.entries = map[visitKey]uint64{}, map[string]string{}
	for node, n := range a.nodes() {
		key := keyOf(node.role, node.node)
		v.counts[key] = n
		e := droppedEntry(key, n)
		v.entries[string(e.Key)] = string(e.Value)
	}
}

// check takes the next event.
func (v *indexVerifier) check(run string, rec *record, h *Header, gap bool) error {
	if v.counts == nil {
		v.counts, v.entries = map[visitKey]uint64{}, map[string]string{}
	}
	v.unknown = v.unknown || gap
	at := visitOf(h, rec)
	before := v.counts[at.key]
	v.counts[at.key] = at.n
	v.visits = append(v.visits, at)
	if rec.Seq%visitBlock == 0 {
		for _, e := range indexVisits(v.visits) {
			stored := e.entry()
			v.entries[string(stored.Key)] = string(stored.Value)
		}
		v.visits = v.visits[:0]
	}
	if !v.unknown && at.n != before+1 {
		return &Error{Run: run, Seq: rec.Seq, Reason: fmt.Sprintf("visit of node %q", h.NodeID), Want: fmt.Sprint(before + 1), Have: fmt.Sprint(at.n), Err: ErrCorrupt}
	}
	return nil
}

// compare compares the index with the one derived from the events.
func (v *indexVerifier) compare(ctx context.Context, r *reader, rep *Report) error {
	if v.unknown || !rep.Intact() {
		return nil
	}
	found := 0
	for _, space := range []byte{spaceDropped, spaceTaken, spaceAnchor} {
		req := driver.EntriesRequest{Run: r.run.ID, EntryRange: driver.EntryRange{From: []byte{space}, To: []byte{space + 1}}, Limit: pageHeaders}
		for {
			page, err := r.l.entries(ctx, req)
			if unreadable(err) {
				rep.problem(r.run.first(), err)
				return nil
			}
			if err != nil {
				return fmt.Errorf("%sread the index of visits: %w", place(r.run.ID, 0), err)
			}
			for _, e := range page {
				if space == spaceDropped || space == spaceTaken {
					entry, err := parseVisitEntry(r.run.ID, e)
					if err == nil && entry.seqFirst > r.run.Last-r.run.Last%visitBlock {
						continue // it came meanwhile
					}
				}
				if want, ok := v.entries[string(e.Key)]; !ok || want != string(e.Value) {
					rep.problem(r.run.first(), corrupt(r.run.ID, 0, fmt.Sprintf("entry %x of the index of visits is not what the events say", e.Key)))
					return nil
				}
				found++
			}
			if len(page) < req.Limit {
				break
			}
			req.From = append(append([]byte{}, page[len(page)-1].Key...), 0)
		}
	}
	if found != len(v.entries) {
		rep.problem(r.run.first(), &Error{Run: r.run.ID, Reason: "entries of the index of visits", Want: fmt.Sprint(len(v.entries)), Have: fmt.Sprint(found), Err: ErrCorrupt})
	}
	return nil
}
