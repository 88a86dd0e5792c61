package drivertest

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

func recordCases() []Case {
	return []Case{
		{Name: "records/none", Rule: "Records of a run that doesn't exist are none and no error", run: recordsNone},
		{Name: "records/given", Rule: "a record reads back as it was given", run: recordsGiven},
		{Name: "records/totals", Rule: "the running totals of a record read back as they were given", run: recordsTotals},
		{Name: "records/header", Rule: "the header of a record reads back byte for byte", run: recordsHeader},
		{Name: "records/state", Rule: "the state of a record reads back byte for byte", run: recordsState},
		{Name: "records/state-len", Rule: "StateLen is the length of the stored state, whatever Apply was given", run: recordsStateLen},
		{Name: "records/batch", Rule: "a change appends all its records", run: recordsBatch},
		{Name: "records/own", Rule: "Records returns records of its own run only", run: recordsOwn},
		{Name: "records/seq", Rule: "a seq may be anything from 1 to 2³²-1", run: recordsSeq},
		{Name: "records/rewrite", Rule: "Rewrite replaces the records that have the same seq, whole, and no others", run: recordsRewrite},
		{Name: "records/tail", Rule: "records below Head.Tail are never returned", run: recordsTail},
	}
}

func recordsNone(t *tester) {
	t.wantTail("a", nil)
	t.create("a\x00notes", 3)
	t.wantTail("a", nil)
	t.apply(driver.Change{Run: "empty", Head: head(1, 0)})
	t.wantTail("empty", nil)
}

func recordsGiven(t *tester) {
	recs := []driver.Record{
		{Seq: 1, Recency: 1, Encoding: driver.Plain, Flags: driver.Passed, Header: []byte(`{}`), State: []byte("x")},
		{Seq: 2, Recency: 2, Encoding: driver.Zstd, Base: 1, Links: 1, Bytes: 1, Stored: 1, Sum: 1, Recoverable: 1, Tip: 2, Since: 1, Hash: driver.Digest(bytes.Repeat([]byte{0xff}, 32)), StateHash: driver.Digest{15: 1}, Header: []byte(`{"n":1}`), State: []byte{0}},
		{Seq: 3, Recency: 1_800_000_000_123_456_789, Encoding: driver.Delta, Base: driver.MaxSeq, Links: math.MaxUint32, Recoverable: 3, Tip: 3, Since: 3, Sum: math.MaxUint32, Hash: driver.Digest{31: 1}, StateHash: driver.Digest(bytes.Repeat([]byte{0xff}, 32)), Header: []byte(`[]`), State: []byte{0xff}},
		{Seq: 4, Recency: 1 << 62, Encoding: driver.DeltaZstd, Base: 1 << 31, Links: 1 << 31, Bytes: 1 << 31, Stored: 1 << 31, Flags: 0xfe, Sum: 1 << 31, Hash: driver.Digest{0: 1}, StateHash: driver.Digest{31: 1}, Header: []byte(`0`), State: []byte("null")},
		{Seq: 5, Recency: math.MaxInt64, Flags: 0xff, Encoding: driver.Pruned, Base: 3, Recoverable: 4, Since: 2, Tip: 1, Header: []byte(`{"pruned":true}`)},
	}
	t.apply(driver.Change{Run: "a", Head: head(1, 5), Append: recs})
	t.wantTail("a", recs)
	req := whole("a")
	req.HeadersOnly = true
	t.wantRecords(req, recs)
}

func recordsTotals(t *tester) {
	recs := records(1, 8, "a")
	for i, n := range []int64{0, 1, 255, 1<<31 - 1, 1 << 31, 1 << 32, 1 << 53, math.MaxInt64} {
		recs[i].Bytes, recs[i].Stored = n, n/2
	}
	revision := t.apply(driver.Change{Run: "a", Head: head(1, 4), Append: recs[:4]}).Revision
	t.apply(driver.Change{Run: "a", Revision: revision, Append: recs[4:]})
	t.wantTail("a", recs)
	t.wantHead("a", revision, head(1, 4), recs)
	recs[7].Bytes, recs[7].Stored = 12, math.MaxInt64
	revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: head(1, 8), Rewrite: recs[7:]}).Revision
	t.wantTail("a", recs)
	t.wantHead("a", revision, head(1, 8), recs)
}

// recordsHeader gives JSON that changes when it is parsed and written again, and opaque
// headers.
func recordsHeader(t *tester) {
	var recs []driver.Record
	for i, header := range []string{
		" {\"b\" : 1,\n\t\"a\":2, \"a\":3 } ", `{"n":1.0e2,"big":12345678901234567890}`, `"\u00e9\u0000\/"`, `"é😀` + "\u2028" + `"`, `null`,
		`"` + strings.Repeat("h", 300_000) + `"`,
	} {
		r := record(uint64(i+1), "a")
		r.Flags, r.Header = 0, []byte(header)
		recs = append(recs, r)
	}
	for _, header := range []string{"\x00", "\xff\xfe\xc3(\x00", "not JSON"} {
		r := record(uint64(len(recs)+1), "a")
		r.Flags, r.Header = driver.Opaque, []byte(header)
		recs = append(recs, r)
	}
	t.apply(driver.Change{Run: "a", Head: head(1, uint64(len(recs))), Append: recs})
	t.wantTail("a", recs)
}

func recordsState(t *tester) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var recs []driver.Record
	for i, state := range [][]byte{
		nil, {}, {0}, []byte("a\x00b"), []byte("\x00\x00"), []byte("\xff\xfe\xc3("), []byte(`{"a":1}`), []byte("12"), []byte("1e400"), []byte(" x \r\n"),
		every, bytes.Repeat([]byte{0}, 5000), noise(4096), noise(1 << 20), []byte(strings.Repeat("é", 40_000)),
	} {
		r := record(uint64(i+1), "a")
		r.State = state
		recs = append(recs, r)
	}
	t.apply(driver.Change{Run: "a", Head: head(1, uint64(len(recs))), Append: recs})
	t.wantTail("a", recs)
	for _, r := range recs {
		t.wantRecords(driver.RecordsRequest{Run: "a", From: r.Seq, To: r.Seq, Limit: 1}, []driver.Record{r})
	}
}

func recordsStateLen(t *tester) {
	recs := records(1, 4, "a")
	for i, n := range []int64{0, -1, 1 << 40, 7} {
		recs[i].StateLen = n
	}
	res := t.apply(driver.Change{Run: "a", Head: head(1, 4), Append: recs})
	t.wantTail("a", recs)
	recs[1] = record(2, "longer than it was")
	recs[1].StateLen = 3
	t.apply(driver.Change{Run: "a", Revision: res.Revision, Head: head(1, 4), Rewrite: recs[1:2]})
	for _, headersOnly := range []bool{false, true} {
		req := whole("a")
		req.HeadersOnly = headersOnly
		t.wantRecords(req, recs)
	}
}

func recordsBatch(t *tester) {
	last := uint64(2)
	revision := t.create("a", last)
	for _, n := range []uint64{1, 2, 3, 300, 1} {
		t.extend("a", revision, last+1, last+n)
		last += n
		t.wantTail("a", records(1, last, "a"))
	}
	// The same with a change of the row.
	t.apply(driver.Change{Run: "a", Revision: revision, Head: head(1, last+3), Append: records(last+1, last+3, "a")})
	t.wantTail("a", records(1, last+3, "a"))
}

func recordsOwn(t *tester) {
	runs := []string{"a", "a\x00notes", "b", "A"}
	revisions := make([]uint64, len(runs))
	for round := range uint64(3) {
		var changes []driver.Change
		for i, id := range runs {
			c := driver.Change{Run: id, Revision: revisions[i], Append: records(round+1, round+1, id)}
			if round != 1 {
				c.Head = head(1, round+1)
			}
			changes = append(changes, c)
		}
		for i, res := range t.applyAll(changes...) {
			revisions[i] = res.Revision
		}
	}
	for _, id := range runs {
		t.wantTail(id, records(1, 3, id))
	}
}

func recordsSeq(t *tester) {
	for i, first := range []uint64{driver.MaxSeq - 1, 1<<31 - 1, 1<<16 - 1, 255} {
		id := fmt.Sprint("run-", i)
		recs := records(first, first+1, id)
		sealed := []driver.Segment{segment(1, first-1, id)}
		res := t.apply(driver.Change{Run: id, Head: head(first, first), Append: recs[:1], Add: sealed})
		t.extend(id, res.Revision, first+1, first+1)
		t.wantTail(id, recs)
		t.wantRecords(driver.RecordsRequest{Run: id, From: first + 1, To: first + 1, Limit: 1}, recs[1:])
		t.wantSegments(id, numbered(sealed, res.Added))
	}
}

func recordsRewrite(t *tester) {
	want := records(1, 8, "a")
	revision := t.apply(driver.Change{Run: "a", Head: head(1, 8), Append: want}).Revision
	t.create("b", 8)
	pruned := want[4]
	pruned.Encoding, pruned.State = driver.Pruned, nil
	large := record(2, "large")
	large.State = noise(100_000)
	for _, rewrite := range [][]driver.Record{{pruned, record(6, "new")}, {large}, {record(5, "back")}, {record(1, "first"), record(2, "x"), record(8, "last")}} {
		// Records may be appended by the same change.
		more := record(uint64(len(want)+1), "a")
		want = append(want, more)
		for _, r := range rewrite {
			want[r.Seq-1] = r
		}
		revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: head(1, more.Seq), Rewrite: rewrite, Append: []driver.Record{more}}).Revision
		t.wantTail("a", want)
	}
	t.wantTail("b", records(1, 8, "b"))
}

func recordsTail(t *tester) {
	recs := records(1, 12, "a")
	revision := t.apply(driver.Change{Run: "a", Head: head(1, 12), Append: recs}).Revision
	before := uint64(1)
	for _, tail := range []uint64{2, 7, 12, 13} {
		sealed := []driver.Segment{segment(before, tail-1, "a")}
		revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: head(tail, 12), Add: sealed}).Revision
		before = tail
		for range 2 { // before and after the dead are erased
			for _, reverse := range []bool{false, true} {
				for _, limit := range []int{1, 3, 100} {
					req := driver.RecordsRequest{Run: "a", From: 1, To: 12, Reverse: reverse, Limit: limit, MaxBytes: 1 << 20}
					t.wantRecords(req, page(recs[tail-1:], req))
					req.From, req.To = tail-1, tail // one of them is dead
					t.wantRecords(req, page(recs[tail-1:], req))
				}
			}
			t.purge()
		}
	}
	recs = append(recs, record(13, "a"))
	t.extend("a", revision, 13, 13)
	t.wantTail("a", recs[12:])
}
