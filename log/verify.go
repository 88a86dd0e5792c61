package log

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// maxProblems bounds the problems that a report lists.
const maxProblems = 100

// Report is what Verify found out about a run.
type Report struct {
	RunID string `json:"run_id"`
	// Anchor is the seq of the last event that was dropped with its header, which
	// the first that was looked at follows on; 0 if the run is there from seq 1.
	Anchor uint64 `json:"anchor,omitempty"`
	// Events and Pruned count the events that were looked at, and those of them
	// whose state was dropped; Redacted counts those of the latter that were redacted.
	Events   uint64 `json:"events"`
	Pruned   uint64 `json:"pruned"`
	Redacted uint64 `json:"redacted"`
	// Head is the hash of the newest event. Who kept it from an earlier look can
	// tell that no event before it was changed or cut off since.
	Head Digest `json:"head"`
	// Known is the seq of the event that has the hash of VerifyOptions.Known, 0 if
	// none was asked for or no event has it.
	Known uint64 `json:"known,omitempty"`
	// BrokenAt is the seq of the first event with a problem, 0 if there is none.
	BrokenAt uint64 `json:"broken_at,omitempty"`
	// Problems says what is wrong, in order, at most 100.
	Problems []error `json:"-"`
}

// Intact reports whether nothing was found wrong.
func (r *Report) Intact() bool { return len(r.Problems) == 0 }

// String says it in a line.
func (r *Report) String() string {
	if r.Intact() && r.Anchor > 0 {
		return fmt.Sprintf("intact from anchor %d: %d events, head %s", r.Anchor, r.Events, r.Head)
	}
	if r.Intact() {
		return fmt.Sprintf("intact: %d events, head %s", r.Events, r.Head)
	}
	return fmt.Sprintf("broken at seq %d: %v", r.BrokenAt, r.Problems[0])
}

func (r *Report) problem(seq uint64, err error) {
	if len(r.Problems) == 0 {
		r.BrokenAt = seq
	}
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, err)
	}
}

// Verify reads a run from its first event to its last and checks every header
// and state against its hash, the hash chain from event to event up to the head,
// and every pruned event against the note that must speak of it. A run whose oldest
// events were dropped is followed from its anchor, which is held to the note that must
// speak of that; what came before it can't be told any more. What it finds
// wrong is in the report; the error says that it could not look.
func (l *Log) Verify(ctx context.Context, id string) (*Report, error) {
	return l.VerifyWith(ctx, id, VerifyOptions{})
}

// VerifyOptions say more about a verification.
type VerifyOptions struct {
	// Known is a hash that the run's head had at an earlier look, zero for none. An
	// event must have it: else what came up to it was changed, or the run's newest
	// events were cut off, which the hash chain alone does not tell.
	Known Digest
	// Progress, if not nil, is called with how many events have been looked at.
	Progress func(events uint64)
}

// VerifyWith is Verify with options.
func (l *Log) VerifyWith(ctx context.Context, id string, opts VerifyOptions) (*Report, error) {
	for {
		run, err := l.look(ctx, id)
		if err != nil {
			return nil, err
		}
		rep, err := l.verify(ctx, run, opts)
		if errors.Is(err, ErrDropped) { // meanwhile
			continue
		}
		if err != nil || rep.Intact() {
			return rep, err
		}
		// States that were pruned meanwhile, and new notes, look like damage: look again.
		now, err := l.run(ctx, id)
		if err != nil {
			return nil, err
		}
		if now.Life == run.Life && now.row.Rewrites == run.row.Rewrites && now.row.Notes == run.row.Notes {
			return rep, nil
		}
	}
}

func (l *Log) verify(ctx context.Context, run Run, opts VerifyOptions) (*Report, error) {
	rep := &Report{RunID: run.ID, Anchor: run.Anchor, Head: run.Hash}
	v := verifier{l: l, r: l.reader(run), rep: rep, inherited: run.row.Common.frames()}
	defer v.r.close()
	if err := v.verifyNotes(ctx, run); err != nil {
		return nil, err
	}
	if err := v.anchor(ctx, &run); err != nil {
		return nil, err
	}
	limit := pageStates
	for from := run.first(); from <= run.Last; {
		recs, err := v.r.records(ctx, driver.RecordsRequest{From: from, To: run.Last, Limit: limit, MaxBytes: pageBytes})
		if errors.Is(err, ErrCorrupt) && limit > 1 {
			limit = 1 // it is somewhere on the page: go up to it
			continue
		}
		if unreadable(err) {
			rep.problem(from, err)
			if len(rep.Problems) == maxProblems {
				return rep, nil // more would say nothing new
			}
			if from, err = v.skip(ctx, from); err != nil {
				return nil, err
			}
			limit = pageStates
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range recs {
			if err := v.check(ctx, &recs[i]); err != nil {
				return nil, err
			}
			if recs[i].Hash == opts.Known {
				rep.Known = recs[i].Seq
			}
		}
		if opts.Progress != nil {
			opts.Progress(rep.Events)
		}
		from = recs[len(recs)-1].Seq + 1
	}
	if err := run.damage(); err != nil && rep.Intact() {
		rep.problem(run.Last, err)
	}
	if err := v.finish(ctx, run); err != nil {
		return nil, err
	}
	if opts.Known != (Digest{}) && rep.Known == 0 {
		rep.problem(run.Last+1, &Error{Run: run.ID, Reason: fmt.Sprintf("no event has the hash %s: it was that of an event after seq %d which was cut off, or of one that was changed, or of another run", opts.Known, run.Last), Err: ErrCorrupt})
	}
	return rep, nil
}

// verifier goes through a run in order.
type verifier struct {
	l         *Log
	r         *reader
	rep       *Report
	prev      Digest
	gap       bool   // the event before could not be read: prev and total are not known
	inherited []byte // see chainAfter
	total     int64  // bytes of all states, the pruned included
	bytes     int64  // without the pruned
	lines     lineVerifier
	index     indexVerifier
}

// skip returns the seq to go on with behind what can't be read at seq: a record, a
// group of a segment, or a segment.
func (v *verifier) skip(ctx context.Context, seq uint64) (uint64, error) {
	v.gap = true
	if seq >= v.r.run.tail {
		return seq + 1, nil
	}
	if s, err := v.r.segment(ctx, seq, true); err == nil && s != nil {
		if s.prove(seq) != nil {
			return s.groupEnd(seq) + 1, nil
		}
		return seq + 1, nil
	}
	segs, err := v.r.segmentsFrom(ctx, seq+1, 1)
	if err != nil {
		return 0, err
	}
	if len(segs) > 0 {
		return min(segs[0].First, v.r.run.tail), nil
	}
	return v.r.run.tail, nil
}

// check looks at one event. Its error says that it could not.
func (v *verifier) check(ctx context.Context, rec *record) error {
	v.rep.Events++
	gap := v.gap
	defer func() { v.prev, v.gap = rec.Hash, false }()
	s, err := v.r.event(ctx, rec)
	if unreadable(err) {
		v.rep.problem(rec.Seq, err)
		v.total = rec.Bytes
		v.lines.unknown, v.index.unknown = true, true
		return nil
	}
	if err != nil {
		return err
	}
	ev := &s.event
	if gap {
		v.total = rec.Bytes - ev.Size
	}
	if hash := chainAfter(rec.Seq-1, v.prev, v.inherited, rec.Header, ev.SHA256); hash != rec.Hash && !gap {
		v.rep.problem(rec.Seq, &Error{Run: v.rep.RunID, Seq: rec.Seq, Reason: "the hash chain is broken",
			Want: rec.Hash.String(), Have: hash.String(), Err: ErrCorrupt})
	}
	if run := &v.r.run; rec.Seq == 1 {
		switch {
		case ev.Life != run.Life:
			v.rep.problem(1, corrupt(run.ID, 1, "the run's first event is of another incarnation of the run"))
		case ev.common() != run.row.Common, !ev.CreatedAt.Equal(run.CreatedAt):
			v.rep.problem(1, &Error{Run: run.ID, Seq: 1, Reason: "the head does not agree with the run's first event: time, graph, version, attempt and writer",
				Want: fmt.Sprint(run.CreatedAt, run.row.Common), Have: fmt.Sprint(ev.CreatedAt, ev.common()), Err: ErrCorrupt})
		}
	}
	if likeVisit(ev.NodeID) && !v.r.run.row.LikeVisits && v.r.run.headErr == nil {
		v.rep.problem(rec.Seq, corrupt(v.rep.RunID, rec.Seq, fmt.Sprintf("its node %q could also name a visit, and the head does not say that there is such a node", ev.NodeID)))
	}
	for _, err := range []error{v.lines.check(v.r.run.ID, rec, &ev.Header, gap), v.index.check(v.r.run.ID, rec, &ev.Header, gap)} {
		if err != nil {
			v.rep.problem(rec.Seq, err)
		}
	}
	if v.total += ev.Size; v.total != rec.Bytes {
		v.rep.problem(rec.Seq, &Error{Run: v.rep.RunID, Seq: rec.Seq, Reason: "running total of the states' bytes",
			Want: fmt.Sprint(v.total), Have: fmt.Sprint(rec.Bytes), Err: ErrCorrupt})
		v.total = rec.Bytes
	}
	if !ev.Pruned {
		v.bytes += ev.Size
		return nil
	}
	v.rep.Pruned++
	n, err := v.r.noteAt(ctx, rec.note)
	if err != nil {
		return err
	}
	if n == nil || !drops(n, rec.Seq) {
		v.rep.problem(rec.Seq, corrupt(v.rep.RunID, rec.Seq, fmt.Sprintf("its state is marked as pruned, and note %d does not say that it was", rec.note)))
	} else if n.Kind == noteKindRedact {
		v.rep.Redacted++
	}
	return nil
}

// finish compares the whole with the head.
func (v *verifier) finish(ctx context.Context, run Run) error {
	for _, c := range []struct {
		what       string
		want, have any
	}{
		{"hash of the newest", run.Hash, v.prev},
		{"number of pruned events", run.Pruned, v.rep.Pruned},
		{"bytes of states", run.Bytes, v.bytes},
	} {
		if c.want != c.have && v.rep.Intact() {
			v.rep.problem(run.Last, &Error{Run: run.ID, Reason: "the head does not agree with the events: " + c.what,
				Want: fmt.Sprint(c.want), Have: fmt.Sprint(c.have), Err: ErrCorrupt})
		}
	}
	return v.index.compare(ctx, v.r, v.rep)
}
