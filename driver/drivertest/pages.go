package drivertest

import (
	"github.com/flowlog/checkpoint/driver"
)

func pageCases() []Case {
	return []Case{
		{Name: "records/range", Rule: "Records returns the records From to To, both included, in ascending order", run: recordsRange},
		{Name: "records/reverse", Rule: "Records with Reverse returns the records To down to From", run: recordsReverse},
		{Name: "records/limit", Rule: "Records returns at most Limit records, and fewer only at the end of the range", run: recordsLimit},
		{Name: "records/max-bytes", Rule: "a page ends before it would hold more than MaxBytes bytes of headers and states", run: recordsMaxBytes},
		{Name: "records/first", Rule: "the first record is returned whatever its size", run: recordsFirst},
		{Name: "records/headers-only", Rule: "HeadersOnly leaves out the states and nothing else", run: recordsHeadersOnly},
		{Name: "records/paging", Rule: "continuing after the last record of each page gives every record once", run: recordsPaging},
	}
}

// ten makes the run "a" with ten records in three changes, and another around it.
func ten(t *tester) []driver.Record {
	recs := records(1, 10, "a")
	revision, other := uint64(0), uint64(0)
	row := head(1, 1)
	for _, part := range [][]driver.Record{recs[:1], recs[1:6], recs[6:]} {
		first, last := part[0].Seq, part[len(part)-1].Seq
		results := t.applyAll(
			driver.Change{Run: "a", Revision: revision, Head: row, Append: part},
			driver.Change{Run: "a\x00notes", Revision: other, Head: row, Append: records(first, last, "notes")},
		)
		revision, other = results[0].Revision, results[1].Revision
		row = nil
	}
	return recs
}

func recordsRange(t *tester) { everyRange(t, false) }

func recordsReverse(t *tester) { everyRange(t, true) }

func everyRange(t *tester, reverse bool) {
	recs := ten(t)
	ends := []uint64{1, 2, 5, 9, 10, 11, 1000, driver.MaxSeq}
	for _, from := range ends {
		for _, to := range ends { // also where there is nothing between them
			req := driver.RecordsRequest{Run: "a", From: from, To: to, Reverse: reverse, Limit: 100}
			t.wantRecords(req, page(recs, req))
		}
	}
}

func recordsLimit(t *tester) {
	recs := ten(t)
	for _, limit := range []int{1, 2, 3, 9, 10, 11} {
		for _, reverse := range []bool{false, true} {
			for _, headersOnly := range []bool{false, true} {
				req := driver.RecordsRequest{Run: "a", From: 1, To: driver.MaxSeq, Reverse: reverse, HeadersOnly: headersOnly, Limit: limit}
				t.wantRecords(req, page(recs, req))
				req.From, req.To = 4, 6
				t.wantRecords(req, page(recs, req))
			}
		}
	}
}

func recordsMaxBytes(t *tester) {
	recs := ten(t)
	// Bounds at which a page just holds its last record, and one byte less.
	for n := 1; n <= len(recs); n++ {
		for _, req := range []driver.RecordsRequest{{}, {Reverse: true}, {HeadersOnly: true}, {Reverse: true, HeadersOnly: true}} {
			req.Run, req.From, req.To, req.Limit = "a", 1, driver.MaxSeq, n
			var size int64
			for _, r := range page(recs, req) {
				size += int64(len(r.Header))
				if !req.HeadersOnly {
					size += int64(len(r.State))
				}
			}
			for _, req.MaxBytes = range []int64{size - 1, size, size + 1} {
				req.Limit = 100
				t.wantRecords(req, page(recs, req))
			}
		}
	}
}

func recordsFirst(t *tester) {
	recs := records(1, 3, "a")
	for i := range recs {
		recs[i].State = noise(10_000)
	}
	t.apply(driver.Change{Run: "a", Head: head(1, 3), Append: recs})
	for _, maxBytes := range []int64{1, 100, 9_999} {
		for _, reverse := range []bool{false, true} {
			req := driver.RecordsRequest{Run: "a", From: 1, To: 3, Reverse: reverse, Limit: 3, MaxBytes: maxBytes}
			t.wantRecords(req, page(recs, req))
		}
	}
}

func recordsHeadersOnly(t *tester) {
	recs := ten(t)
	for _, reverse := range []bool{false, true} {
		req := driver.RecordsRequest{Run: "a", From: 1, To: 10, Reverse: reverse, HeadersOnly: true, Limit: 100}
		t.wantRecords(req, page(recs, req))
		req.HeadersOnly = false
		t.wantRecords(req, page(recs, req))
	}
}

func recordsPaging(t *tester) {
	recs := ten(t)
	for _, req := range []driver.RecordsRequest{{Limit: 1}, {Limit: 3}, {Limit: 100, MaxBytes: 200}, {Limit: 4, MaxBytes: 1, HeadersOnly: true}} {
		for _, req.Reverse = range []bool{false, true} {
			req.Run, req.From, req.To = "a", 1, driver.MaxSeq
			for range len(recs) + 1 {
				want := page(recs, req)
				t.wantRecords(req, want)
				if len(want) == 0 {
					break
				}
				if last := want[len(want)-1].Seq; req.Reverse {
					req.To = last - 1
				} else {
					req.From = last + 1
				}
			}
		}
	}
}
