package drivertest

import (
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

func tipCases() []Case {
	return []Case{
		{Name: "tip/record", Rule: "Head.Tip is the record that Last.Tip names, as soon as it was written", run: tipRecord},
		{Name: "tip/state", Rule: "Head.Tip comes with its state", run: tipState},
		{Name: "tip/none", Rule: "Head.Tip is nil if the record is not in the tail", run: tipNone},
		{Name: "tip/asked", Rule: "Head.Tip is nil unless it was asked for, and Last comes without its state", run: tipAsked},
	}
}

// tipped makes the record of a seq that names another as the tip.
func tipped(seq, tip uint64, tag string) driver.Record {
	r := record(seq, tag)
	r.Tip = tip
	return r
}

// wantTip expects a run's head with its tip.
func (t *tester) wantTip(id string, want driver.Head) {
	have, err := t.b.Head(t.ctx, driver.HeadRequest{Run: id, Tip: true})
	if err != nil {
		t.fatalf("Head of run %s with Tip returned the error %w", quote(id), err)
	}
	if d := diffHead(want, have); d != "" {
		t.errorf("Head of run %s with Tip: %s", quote(id), d)
	}
}

// withTip is headOf with the tip that the newest record names.
func withTip(id string, revision uint64, row *driver.Head, tail []driver.Record) driver.Head {
	h := headOf(id, revision, row, tail)
	for _, r := range tail {
		if r.Seq == h.Last.Tip {
			h.Tip = &r
		}
	}
	return h
}

// tipRecord appends records that name the newest, an earlier or no record.
func tipRecord(t *tester) {
	t.create("a\x00", 9) // its records are not those of a
	row := head(1, 1)
	tail := []driver.Record{tipped(1, 1, "a")}
	revision := t.apply(driver.Change{Run: "a", Head: row, Append: tail}).Revision
	t.wantTip("a", withTip("a", revision, row, tail))
	for i, tip := range []uint64{1, 3, 3, 3, 2, 0, 8, 1} {
		seq := uint64(i + 2)
		next := tipped(seq, tip, "a")
		t.apply(driver.Change{Run: "a", Revision: revision, Append: []driver.Record{next}})
		tail = append(tail, next)
		t.wantTip("a", withTip("a", revision, row, tail))
	}
	// Several at once, and with a new row.
	more := []driver.Record{tipped(10, 10, "a"), tipped(11, 10, "a"), tipped(12, 10, "a")}
	row, tail = head(1, 12), append(tail, more...)
	revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: row, Append: more}).Revision
	t.wantTip("a", withTip("a", revision, row, tail))
}

// tipState has tips with states of all sizes, which are written anew.
func tipState(t *tester) {
	for i, state := range [][]byte{nil, {0}, []byte(`{"a":1}`), noise(5000), noise(1 << 20)} {
		id := fmt.Sprint("run-", i)
		row := head(1, 3)
		tail := []driver.Record{tipped(1, 0, id), tipped(2, 2, id), tipped(3, 2, id)}
		tail[1].State = state
		revision := t.apply(driver.Change{Run: id, Head: row, Append: tail}).Revision
		t.wantTip(id, withTip(id, revision, row, tail))
		tail[1] = tipped(2, 2, "rewritten")
		tail[1].Encoding = driver.Pruned
		revision = t.apply(driver.Change{Run: id, Revision: revision, Head: row, Rewrite: tail[1:2]}).Revision
		t.wantTip(id, withTip(id, revision, row, tail))
	}
}

// tipNone seals the tip away, then all that there is.
func tipNone(t *tester) {
	row, tail := head(1, 0), []driver.Record(nil)
	revision := t.create("a", 0)
	t.wantTip("a", headOf("a", revision, row, nil))
	for seq := uint64(1); seq <= 6; seq++ {
		tail = append(tail, tipped(seq, min(seq, 3), "a"))
	}
	t.apply(driver.Change{Run: "a", Revision: revision, Append: tail})
	t.wantTip("a", withTip("a", revision, row, tail))
	before := uint64(1)
	for _, begin := range []uint64{3, 4, 6, 7} {
		row = head(begin, 6)
		sealed := []driver.Segment{segment(before, begin-1, "a")}
		revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: row, Add: sealed}).Revision
		left := tail[begin-1:]
		want := headOf("a", revision, row, left)
		if begin == 3 {
			want.Tip = &tail[2]
		}
		for range 2 { // before and after the dead are erased
			t.wantTip("a", want)
			t.purge()
		}
		before = begin
	}
	t.extend("a", revision, 7, 8)
	t.apply(driver.Change{Run: "a", Revision: revision, Append: []driver.Record{tipped(9, 3, "a")}})
	t.wantTip("a", headOf("a", revision, row, []driver.Record{tipped(9, 3, "a")}))
}

func tipAsked(t *tester) {
	row := head(1, 2)
	tail := []driver.Record{tipped(1, 1, "a"), tipped(2, 1, "a")}
	revision := t.apply(driver.Change{Run: "a", Head: row, Append: tail}).Revision
	t.wantHeads("a", revision, row, tail)
	t.wantTip("a", withTip("a", revision, row, tail))
	t.wantHeads("a", revision, row, tail)
	_, err := t.b.Head(t.ctx, driver.HeadRequest{Run: "b", Tip: true})
	t.wantNotFound("Head with Tip of a run that doesn't exist", err)
}
