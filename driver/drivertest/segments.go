package drivertest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

func segmentCases() []Case {
	return []Case{
		{Name: "segments/none", Rule: "a run without segments has none, and Segment is then ErrNotFound", run: segmentsNone},
		{Name: "segments/given", Rule: "a segment reads back as it was given, under the id of the result", run: segmentsGiven},
		{Name: "segments/list", Rule: "Segments lists in ascending order of First, without contents", run: segmentsList},
		{Name: "segments/range", Rule: "Segments lists the segments whose First is from From to To, both included", run: func(t *tester) { segmentsRange(t, false) }},
		{Name: "segments/reverse", Rule: "Segments with Reverse lists in descending order of First", run: func(t *tester) { segmentsRange(t, true) }},
		{Name: "segments/paging", Rule: "paging through Segments lists every segment once, Limit at a time", run: segmentsPaging},
		{Name: "segments/seq", Rule: "Segment returns the segment that holds the event, and ErrNotFound if none does", run: segmentsSeq},
		{Name: "segments/have", Rule: "a segment that the caller has comes without contents, and any other with them", run: segmentsHave},
		{Name: "segments/index", Rule: "with IndexOnly a segment comes without its data", run: segmentsIndex},
		{Name: "segments/own", Rule: "Segment returns segments of its own run only", run: segmentsOwn},
		{Name: "segments/retire", Rule: "Retire takes the segments that it names out of force, and no others", run: segmentsRetire},
		{Name: "segments/retire-own", Rule: "a change leaves the segments of other runs as they are", run: segmentsRetireOwn},
		{Name: "segments/ids", Rule: "the id of a segment is never given to another", run: segmentsIDs},
	}
}

func segmentsNone(t *tester) {
	t.create("a", 3)
	for _, id := range []string{"a", "no such run"} {
		t.wantSegments(id, nil)
		t.wantNoSegment(id, 1, 2, 3, 4, driver.MaxSeq)
	}
}

func segmentsGiven(t *tester) {
	var given []driver.Segment
	for i, data := range [][]byte{{0}, []byte("\xff\xfe"), []byte("text"), noise(100_000), noise(1 << 20)} {
		first := uint64(10*i + 1)
		given = append(given, driver.Segment{First: first, Last: first + 9, Size: int64(len(data) + len(data)/2 + 1), Index: data[:len(data)/2+1], Data: data})
	}
	given[4].Last = driver.MaxSeq - 1
	ignored := slices.Clone(given)
	for i := range ignored {
		ignored[i].ID, ignored[i].Size = 7, 0 // these are the backend's
	}
	res := t.apply(driver.Change{Run: "a", Head: head(driver.MaxSeq, driver.MaxSeq-1), Add: ignored})
	t.wantSegments("a", numbered(given, res.Added))
}

// several gives the run "a" segments in two changes, in no order, and returns them in
// ascending order. The events 1 to 3 and 500 to 599 are in none.
func several(t *tester) []driver.Segment {
	given := []driver.Segment{segment(9, 11, "a"), segment(4, 4, "a"), segment(12, 255, "a"), segment(5, 8, "a")}
	res := t.apply(driver.Change{Run: "a", Head: head(1<<31+1, 1<<31), Add: given})
	segs := numbered(given, res.Added)
	more := []driver.Segment{segment(600, 1<<31, "a"), segment(256, 256, "a"), segment(257, 499, "a")}
	res = t.apply(driver.Change{Run: "a", Revision: res.Revision, Head: head(1<<31+1, 1<<31), Add: more})
	segs = append(segs, numbered(more, res.Added)...)
	slices.SortFunc(segs, func(x, y driver.Segment) int { return cmp.Compare(x.First, y.First) })
	for _, id := range []string{"A", "a\x00", "aa", "b"} { // others, with events that a has not
		t.apply(driver.Change{Run: id, Head: head(1<<31+10, 1<<31+9), Add: []driver.Segment{segment(1, 3, id), segment(500, 599, id), segment(1<<31+1, 1<<31+9, id)}})
	}
	return segs
}

func segmentsList(t *tester) { t.wantSegments("a", several(t)) }

// listed is what a request must list of a run's segments.
func listed(segs []driver.Segment, req driver.SegmentsRequest) []driver.Segment {
	segs = slices.Clone(segs)
	if req.Reverse {
		slices.Reverse(segs)
	}
	segs = slices.DeleteFunc(segs, func(s driver.Segment) bool { return s.First < req.From || s.First > req.To })
	segs = segs[:min(len(segs), req.Limit)]
	for i := range segs {
		segs[i].Index, segs[i].Data = nil, nil
	}
	return segs
}

func (t *tester) wantSegmentPage(req driver.SegmentsRequest, want []driver.Segment) {
	have, err := t.b.Segments(t.ctx, req)
	if err != nil {
		t.fatalf("Segments %s returned the error %w", segmentListing(req), err)
	}
	if d := diffSegments(want, have); d != "" {
		t.errorf("Segments %s: %s", segmentListing(req), d)
	}
}

func segmentsRange(t *tester, reverse bool) {
	segs := several(t)
	ends := []uint64{1, 4, 5, 8, 9, 12, 100, 257, 600, 601, driver.MaxSeq}
	for _, from := range ends {
		for _, to := range ends {
			for _, limit := range []int{2, 100} {
				req := driver.SegmentsRequest{Run: "a", From: from, To: to, Reverse: reverse, Limit: limit}
				t.wantSegmentPage(req, listed(segs, req))
			}
		}
	}
}

func segmentsPaging(t *tester) {
	segs := several(t)
	for _, reverse := range []bool{false, true} {
		for _, limit := range []int{1, 3, 7, 8} {
			req := driver.SegmentsRequest{Run: "a", From: 1, To: driver.MaxSeq, Reverse: reverse, Limit: limit}
			for range len(segs) + 1 {
				want := listed(segs, req)
				t.wantSegmentPage(req, want)
				if len(want) == 0 {
					break
				}
				if last := want[len(want)-1].First; reverse {
					req.To = last - 1
				} else {
					req.From = last + 1
				}
			}
		}
	}
}

// segmentsSeq asks for events at the ends of segments, between, below and above them.
func segmentsSeq(t *tester) {
	segs := several(t)
	for range 2 {
		for _, s := range segs {
			for _, seq := range []uint64{s.First, s.First + (s.Last-s.First)/2, s.Last} {
				t.wantSegment("a", seq, s)
			}
		}
		t.wantNoSegment("a", 1, 2, 3, 500, 599, 1<<31+1, 1<<32-2, driver.MaxSeq)
		t.purge()
	}
	// Without those around it a segment holds no more than before.
	retire := retiring(segs[1], segs[3], segs[6])
	t.apply(driver.Change{Run: "a", Revision: t.revision("a"), Head: head(1<<31+1, 1<<31), Retire: retire})
	for range 2 {
		t.wantSegments("a", []driver.Segment{segs[0], segs[2], segs[4], segs[5]})
		t.wantNoSegment("a", 5, 8, 12, 100, 255, 600, 1<<31)
		t.purge()
	}
}

func segmentsHave(t *tester) {
	segs := several(t)
	for i, s := range segs {
		for _, indexOnly := range []bool{false, true} {
			for _, have := range []uint64{s.ID, segs[(i+1)%len(segs)].ID, 1 << 40} {
				want := s
				if indexOnly {
					want.Data = nil
				}
				if have == s.ID {
					want.Index, want.Data = nil, nil
				}
				req := driver.SegmentRequest{Run: "a", Seq: s.Last, Have: have, IndexOnly: indexOnly}
				got, err := t.b.Segment(t.ctx, req)
				if err != nil {
					t.errorf("Segment with seq %d for one that has %d returned the error %w", req.Seq, have, err)
				} else if d := diffSegment(want, got); d != "" {
					t.errorf("Segment with seq %d for one that has %d: %s", req.Seq, have, d)
				}
			}
		}
	}
	// Whoever has a segment does not get it when it no longer holds the event.
	for _, seq := range []uint64{3, 500} {
		_, err := t.b.Segment(t.ctx, driver.SegmentRequest{Run: "a", Seq: seq, Have: segs[0].ID})
		if !errors.Is(err, driver.ErrNotFound) {
			t.errorf("Segment with seq %d, which no segment holds, must be ErrNotFound, got error %v", seq, err)
		}
	}
}

func segmentsIndex(t *tester) {
	given := []driver.Segment{segment(1, 2, "a"), segment(3, 3, "a")}
	res := t.apply(driver.Change{Run: "a", Head: head(4, 3), Add: given})
	for _, want := range numbered(given, res.Added) {
		want.Data = nil
		have, err := t.b.Segment(t.ctx, driver.SegmentRequest{Run: "a", Seq: want.First, IndexOnly: true})
		if err != nil {
			t.errorf("Segment with seq %d returned the error %w", want.First, err)
		} else if d := diffSegment(want, have); d != "" {
			t.errorf("Segment with seq %d: %s", want.First, d)
		}
	}
}

func segmentsOwn(t *tester) {
	runs := []string{"a", "a\x00notes", "b"}
	var want [][]driver.Segment
	for i, id := range runs {
		first := uint64(4*i + 1)
		given := []driver.Segment{segment(first, first+1, id), segment(first+2, first+3, id)}
		want = append(want, numbered(given, t.apply(driver.Change{Run: id, Head: head(first+4, first+3), Add: given}).Added))
	}
	for i, id := range runs {
		t.wantSegments(id, want[i])
		for j := range runs {
			if i != j {
				t.wantNoSegment(id, uint64(4*j+1), uint64(4*j+4))
			}
		}
	}
}

func segmentsRetire(t *tester) {
	given := []driver.Segment{segment(1, 1, "a"), segment(2, 2, "a"), segment(3, 3, "a"), segment(4, 4, "a"), segment(5, 5, "a")}
	res := t.apply(driver.Change{Run: "a", Head: head(6, 5), Add: given})
	segs := numbered(given, res.Added)
	// Without another in their place, then with one, then all.
	merged := []driver.Segment{segment(1, 3, "a")}
	res = t.apply(driver.Change{Run: "a", Revision: res.Revision, Head: head(6, 5), Retire: retiring(segs[3])})
	t.wantInForce([]driver.Segment{segs[0], segs[1], segs[2], segs[4]}, 4)
	res = t.apply(driver.Change{Run: "a", Revision: res.Revision, Head: head(6, 5), Retire: retiring(segs[2], segs[0], segs[1]), Add: merged})
	merged = numbered(merged, res.Added)
	t.wantInForce([]driver.Segment{merged[0], segs[4]}, 4)
	t.apply(driver.Change{Run: "a", Revision: res.Revision, Head: head(6, 5), Retire: retiring(segs[4], merged[0])})
	t.wantInForce(nil, 1, 2, 3, 4, 5)
}

// wantInForce expects some segments of the run "a", and none that holds certain events,
// before and after the dead are erased.
func (t *tester) wantInForce(segs []driver.Segment, without ...uint64) {
	for range 2 {
		t.wantSegments("a", segs)
		t.wantNoSegment("a", without...)
		t.purge()
	}
}

func segmentsRetireOwn(t *tester) {
	mine := []driver.Segment{segment(1, 1, "a"), segment(2, 3, "a")}
	theirs := []driver.Segment{segment(1, 1, "b"), segment(2, 3, "b")}
	res := t.apply(driver.Change{Run: "a", Head: head(4, 3), Add: mine})
	mine = numbered(mine, res.Added)
	theirs = numbered(theirs, t.apply(driver.Change{Run: "b", Head: head(4, 3), Add: theirs}).Added)
	// Names of other runs' segments, or of none, are passed over.
	wrong := append(retiring(theirs...), driver.Segment{ID: theirs[1].ID + 100, First: 1}, driver.Segment{ID: theirs[1].ID + 101, First: 50})
	t.apply(driver.Change{Run: "a", Revision: res.Revision, Head: head(4, 3), Retire: wrong})
	for range 2 {
		t.wantSegments("a", mine)
		t.wantSegments("b", theirs)
		t.purge()
	}
}

func segmentsIDs(t *tester) {
	seen := map[uint64]string{}
	for round := range 6 {
		for _, id := range []string{"a", "b"} {
			t.newIDs(seen, id, fmt.Sprint("round ", round))
		}
		switch { // the largest ids are gone before the next round
		case round%2 == 0:
			t.retireAll("a")
			t.retireAll("b")
		default:
			t.drop("a")
			t.drop("b")
		}
		if round%3 != 0 {
			t.purge()
		}
	}
}

// newIDs adds segments to a run, which is made if it must be, in the place of those it
// has, and expects ids that nothing had before.
func (t *tester) newIDs(seen map[uint64]string, id, when string) {
	c := driver.Change{Run: id, Revision: t.revision(id), Head: head(3, 2), Add: []driver.Segment{segment(1, 1, id), segment(2, 2, id)}}
	c.Retire = retiring(t.segments(id)...)
	for _, segment := range t.apply(c).Added {
		if before, ok := seen[segment]; ok {
			t.errorf("run %s got id %d in %s, which was given out in %s", quote(id), segment, when, before)
		}
		seen[segment] = when
	}
}

func (t *tester) retireAll(id string) {
	t.apply(driver.Change{Run: id, Revision: t.head(id).Revision, Head: head(3, 2), Retire: retiring(t.segments(id)...)})
}
