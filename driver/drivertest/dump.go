package drivertest

import (
	"bytes"
	"errors"

	"github.com/flowlog/checkpoint/driver"
)

// slotKey is the key of the slot that a dump looks at.
const slotKey = "slot"

// runState is all that can be read of a run.
type runState struct {
	head     driver.Head
	records  []driver.Record
	segments []driver.Segment
	entries  []driver.Entry
	slot     driver.Slot // the one of slotKey; Version 0 is none
}

// dump reads the whole storage. It copies what is returned, in case that the storage
// keeps it. Places are left open: a storage may place a run anew at any time.
func (t *tester) dump() []runState {
	var all []runState
	for _, h := range t.heads(driver.HeadsRequest{Limit: 1000}) {
		r := runState{head: cloneHead(h), records: cloneRecords(t.records(whole(h.Run))), entries: cloneEntries(t.entries(allEntries(h.Run)))}
		r.head.Place = 0
		for _, s := range t.segments(h.Run) {
			s, err := t.b.Segment(t.ctx, driver.SegmentRequest{Run: h.Run, Seq: s.First})
			if err != nil {
				t.fatalf("Segment with seq %d of run %s, which is listed, returned the error %w", s.First, quote(h.Run), err)
			}
			r.segments = append(r.segments, cloneSegments([]driver.Segment{s})...)
		}
		slot, err := t.b.Slot(t.ctx, driver.SlotRequest{Run: h.Run, Key: slotKey})
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			t.fatalf("Slot of run %s returned the error %w", quote(h.Run), err)
		}
		r.slot = driver.Slot{Value: bytes.Clone(slot.Value), Version: slot.Version, TTL: slot.TTL}
		all = append(all, r)
	}
	return all
}

// diff says what differs between two states of a run, an item for each kind.
func (r runState) diff(have runState) []string {
	return []string{
		diffHead(r.head, have.head),
		diffRecords(r.records, have.records, false),
		diffSegments(r.segments, have.segments),
		diffEntries(r.entries, have.entries),
		diffSlot(r.slot, have.slot),
	}
}

// wantDump expects the storage as it was when it was dumped, and ends the case if it is
// not: what comes next would start from elsewhere.
func (t *tester) wantDump(want []runState, when string) {
	have := t.dump()
	if len(have) != len(want) {
		t.fatalf("%s there are %d runs, must be %d", when, len(have), len(want))
	}
	same := true
	for i := range want {
		for _, d := range want[i].diff(have[i]) {
			if d != "" {
				t.errorf("%s run %s differs: %s", when, quote(want[i].head.Run), d)
				same = false
			}
		}
	}
	if !same {
		panic(stop{})
	}
}
