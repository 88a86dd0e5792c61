package memory

import (
	"bytes"
	"slices"

	"github.com/tidwall/btree"

	"github.com/flowlog/checkpoint/driver"
)

// run holds everything about a run.
type run struct {
	row      driver.Head     // as given, with Run, Revision, Place and Class
	records  []driver.Record // the tail, by seq - records[0].Seq
	segments *btree.BTreeG[driver.Segment]
	entries  btree.Map[string, []byte]
	slots    slots
}

// newRun returns a run without a place: its row has Place 0, which is never a recency.
func newRun(id string) *run {
	return &run{row: driver.Head{Run: id}, segments: newSegments(), slots: slots{}}
}

// last returns the seq of the run's last event.
func (r *run) last() uint64 {
	if n := len(r.records); n > 0 {
		return r.records[n-1].Seq
	}
	return max(r.row.Tail, 1) - 1
}

// recency returns Head.Recency.
func (r *run) recency() uint64 {
	if n := len(r.records); n > 0 {
		return max(r.row.Recency, r.records[n-1].Recency)
	}
	return r.row.Recency
}

// record returns the record of a seq, nil if it is not in the tail. The caller must copy
// what it points to.
func (r *run) record(seq uint64) *driver.Record {
	if len(r.records) == 0 || seq < r.records[0].Seq || seq > r.last() {
		return nil
	}
	return &r.records[seq-r.records[0].Seq]
}

// head returns a copy of the run's head without Tip.
func (r *run) head() driver.Head {
	h := r.row
	h.Data, h.Recency = bytes.Clone(h.Data), r.recency()
	if last := r.record(r.last()); last != nil {
		c := cloneRecord(*last, true)
		h.Last = &c
	}
	return h
}

// tip returns a copy of the record that the newest one names, nil if it is not in the
// tail.
func (r *run) tip() *driver.Record {
	last := r.record(r.last())
	if last == nil {
		return nil
	}
	tip := r.record(last.Tip)
	if tip == nil {
		return nil
	}
	c := cloneRecord(*tip, false)
	return &c
}

// setRow replaces the engine's part of the row.
func (r *run) setRow(h driver.Head) {
	old := r.row
	r.row = h
	r.row.Run, r.row.Revision, r.row.Place, r.row.Class = old.Run, old.Revision, old.Place, old.Class
	r.row.Data, r.row.Last, r.row.Tip = bytes.Clone(h.Data), nil, nil
}

// seal frees the records below the tail. Nobody else holds them.
func (r *run) seal() {
	if n := len(r.records); n > 0 && r.row.Tail > r.records[0].Seq {
		dead := min(r.row.Tail-r.records[0].Seq, uint64(n))
		r.records = slices.Clone(r.records[dead:])
	}
}

func cloneRecord(r driver.Record, headerOnly bool) driver.Record {
	r.Header = bytes.Clone(r.Header)
	if headerOnly {
		r.State = nil
	} else {
		r.State = append([]byte{}, r.State...) // never nil: it was asked for
	}
	return r
}
