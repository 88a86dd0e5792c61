package logtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/flowlog/checkpoint/log"
)

func segmentCases() []Case {
	return []Case{
		{Name: "segments/none", Rule: "a run without segments has none, and Segment is then ErrNotFound", run: segmentsNone},
		{Name: "segments/given", Rule: "a segment reads back as it was given, under the id of the result", run: segmentsGiven},
		{Name: "segments/list", Rule: "Segments lists in ascending order of First, without contents", run: segmentsList},
		{Name: "segments/index", Rule: "with IndexOnly a segment comes without its data", run: segmentsIndex},
		{Name: "segments/own", Rule: "Segment is ErrNotFound for an id of another run's segment", run: segmentsOwn},
		{Name: "segments/retire", Rule: "Retire takes the segments with these ids out of force, and no others", run: segmentsRetire},
		{Name: "segments/retire-own", Rule: "a change leaves the segments of other runs as they are", run: segmentsRetireOwn},
		{Name: "segments/ids", Rule: "the id of a segment is never given to another", run: segmentsIDs},
	}
}

func segmentsNone(t *tester) {
	t.create("a", 3)
	for _, id := range []string{"a", "no such run"} {
		t.wantSegments(id, nil)
		for _, segment := range []uint64{0, 1, 2, math.MaxInt64, math.MaxUint64} {
			t.wantNoSegment(id, segment)
		}
	}
}

func segmentsGiven(t *tester) {
	var given []log.Segment
	for i, data := range [][]byte{{0}, []byte("\xff\xfe"), []byte("text"), noise(100_000), noise(1 << 20)} {
		first := uint64(10*i + 1)
		given = append(given, log.Segment{First: first, Last: first + 9, Size: int64(len(data) + len(data)/2 + 1), Index: data[:len(data)/2+1], Data: data})
	}
	given[4].Last = log.MaxSeq - 1
	ignored := slices.Clone(given)
	for i := range ignored {
		ignored[i].ID, ignored[i].Size = 7, 0 // these are the backend's
	}
	res := t.apply(log.Change{Run: "a", Head: head(log.MaxSeq, log.MaxSeq-1), Add: ignored})
	t.wantSegments("a", numbered(given, res.Added))
}

func segmentsList(t *tester) {
	given := []log.Segment{segment(7, 9, "a"), segment(1, 2, "a"), segment(10, 255, "a"), segment(3, 6, "a")}
	res := t.apply(log.Change{Run: "a", Head: head(1000, 999), Add: given})
	want := numbered(given, res.Added)
	more := []log.Segment{segment(257, 999, "a"), segment(256, 256, "a")}
	res = t.apply(log.Change{Run: "a", Revision: res.Revision, Head: head(1000, 999), Add: more})
	want = append(want, numbered(more, res.Added)...)
	slices.SortFunc(want, func(x, y log.Segment) int { return int(x.First) - int(y.First) })
	t.wantSegments("a", want)
}

func segmentsIndex(t *tester) {
	given := []log.Segment{segment(1, 2, "a"), segment(3, 3, "a")}
	res := t.apply(log.Change{Run: "a", Head: head(4, 3), Add: given})
	for _, want := range numbered(given, res.Added) {
		want.Data = nil
		have, err := t.b.Segment(t.ctx, log.SegmentRequest{Run: "a", ID: want.ID, IndexOnly: true})
		if err != nil {
			t.errorf("Segment %d returned the error %w", want.ID, err)
		} else if d := diffSegment(want, have); d != "" {
			t.errorf("Segment %d: %s", want.ID, d)
		}
	}
}

func segmentsOwn(t *tester) {
	added := map[string][]uint64{}
	runs := []string{"a", "a\x00notes", "b"}
	for _, id := range runs {
		added[id] = t.apply(log.Change{Run: id, Head: head(5, 4), Add: []log.Segment{segment(1, 2, id), segment(3, 4, id)}}).Added
	}
	for _, id := range runs {
		t.wantSegments(id, numbered([]log.Segment{segment(1, 2, id), segment(3, 4, id)}, added[id]))
		for _, other := range runs {
			for _, segment := range added[other] {
				if other != id {
					t.wantNoSegment(id, segment)
				}
			}
		}
	}
}

func segmentsRetire(t *tester) {
	given := []log.Segment{segment(1, 1, "a"), segment(2, 2, "a"), segment(3, 3, "a"), segment(4, 4, "a"), segment(5, 5, "a")}
	res := t.apply(log.Change{Run: "a", Head: head(6, 5), Add: given})
	segs := numbered(given, res.Added)
	// Without another in their place, then with one, then all.
	merged := []log.Segment{segment(1, 3, "a")}
	res = t.apply(log.Change{Run: "a", Revision: res.Revision, Head: head(6, 5), Retire: []uint64{segs[3].ID}})
	t.wantRetired(segs[3:4], []log.Segment{segs[0], segs[1], segs[2], segs[4]})
	res = t.apply(log.Change{Run: "a", Revision: res.Revision, Head: head(6, 5), Retire: []uint64{segs[2].ID, segs[0].ID, segs[1].ID}, Add: merged})
	merged = numbered(merged, res.Added)
	t.wantRetired(segs[:4], []log.Segment{merged[0], segs[4]})
	t.apply(log.Change{Run: "a", Revision: res.Revision, Head: head(6, 5), Retire: []uint64{segs[4].ID, merged[0].ID}})
	t.wantRetired(append(merged, segs...), nil)
}

// wantRetired expects some segments of the run "a" to be out of force and the
// others to be in force, before and after the dead are erased.
func (t *tester) wantRetired(retired, others []log.Segment) {
	for range 2 {
		t.wantSegments("a", others)
		for _, s := range retired {
			t.wantNoSegment("a", s.ID)
		}
		t.purge()
	}
}

func segmentsRetireOwn(t *tester) {
	mine := t.apply(log.Change{Run: "a", Head: head(2, 1), Add: []log.Segment{segment(1, 1, "a")}})
	theirs := t.apply(log.Change{Run: "b", Head: head(2, 1), Add: []log.Segment{segment(1, 1, "b")}})
	// Wrong ids do no harm: neither another's nor one that never was.
	t.apply(log.Change{Run: "a", Revision: mine.Revision, Head: head(2, 1), Retire: []uint64{theirs.Added[0], theirs.Added[0] + 100}})
	for range 2 {
		t.wantSegments("a", numbered([]log.Segment{segment(1, 1, "a")}, mine.Added))
		t.wantSegments("b", numbered([]log.Segment{segment(1, 1, "b")}, theirs.Added))
		t.purge()
	}
}

func segmentsIDs(t *tester) {
	seen := map[uint64]string{}
	for round := range 6 {
		for _, id := range []string{"a", "b"} {
			t.newIDs(seen, id, fmt.Sprint("round ", round))
		}
		switch { // whatever has the largest ids is gone before the next round
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

// newIDs adds segments to a run, which is made if it must be, and expects ids
// that nothing had before.
func (t *tester) newIDs(seen map[uint64]string, id, when string) {
	c := log.Change{Run: id, Head: head(3, 2), Add: []log.Segment{segment(1, 1, id), segment(2, 2, id)}}
	if h, err := t.b.Head(t.ctx, id); err == nil {
		c.Revision = h.Revision
	}
	for _, segment := range t.apply(c).Added {
		if before, ok := seen[segment]; ok {
			t.errorf("run %s got id %d in %s, which was given out in %s", quote(id), segment, when, before)
		}
		seen[segment] = when
	}
}

func (t *tester) retireAll(id string) {
	var retire []uint64
	for _, s := range t.segments(id) {
		retire = append(retire, s.ID)
	}
	t.apply(log.Change{Run: id, Revision: t.head(id).Revision, Head: head(3, 2), Retire: retire})
}
