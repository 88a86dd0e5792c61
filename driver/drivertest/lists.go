package drivertest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

func listCases() []Case {
	return []Case{
		{Name: "heads/none", Rule: "Heads of a storage without runs is empty and no error", run: headsNone},
		{Name: "heads/by-id", Rule: "Heads without Newest lists every run once, by ascending id as bytes", run: headsByID},
		{Name: "heads/newest", Rule: "Heads with Newest lists every run once, newest first, by their place, runs of equal place by descending id", run: headsNewest},
		{Name: "heads/moves", Rule: "Heads with Newest places each run by its last event, less than Lag behind it, at once", run: func(t *tester) { headsMove(t, t) }},
		{Name: "heads/limit", Rule: "Heads returns Limit heads, fewer only at the end", run: headsLimit},
		{Name: "heads/after", Rule: "Heads continues after the place that After names, whether or not that run is still there", run: headsAfter},
		{Name: "heads/prefix", Rule: "Prefix restricts Heads to runs whose id begins with those bytes", run: headsPrefix},
		{Name: "heads/recency", Rule: "Recency may be anything from 1 to 2⁶³-1", run: headsRecency},
	}
}

// fill makes a run for each odd id, with few and often equal recencies, and
// returns the heads.
func fill(t *tester) []driver.Head {
	var heads []driver.Head
	var changes []driver.Change
	for i, id := range oddIDs() {
		recs := records(1, 1, id)
		recs[0].Recency = apart + uint64(i*7%5)*25e9
		changes = append(changes, driver.Change{Run: id, Head: head(1, 0), Append: recs})
	}
	for i, res := range t.applyAll(changes...) {
		if res.Err != nil {
			t.fatalf("run %s can't be made: %w", quote(changes[i].Run), res.Err)
		}
		h := headOf(changes[i].Run, res.Revision, changes[i].Head, changes[i].Append)
		h.Place = t.head(h.Run).Place
		heads = append(heads, h)
	}
	return heads
}

// ordered returns what a request without a cursor and a limit must list.
func ordered(heads []driver.Head, req driver.HeadsRequest) []driver.Head {
	heads = slices.DeleteFunc(slices.Clone(heads), func(h driver.Head) bool {
		return !strings.HasPrefix(h.Run, req.Prefix) || req.Class != nil && *req.Class != h.Class
	})
	slices.SortFunc(heads, func(x, y driver.Head) int {
		switch {
		case req.Newest && x.Place > y.Place:
			return -1
		case req.Newest && x.Place < y.Place:
			return 1
		case req.Newest:
			return strings.Compare(y.Run, x.Run)
		}
		return strings.Compare(x.Run, y.Run)
	})
	return heads
}

// wantListing pages through a listing and expects each page as it must be, and
// nothing after the last.
func (t *tester) wantListing(req driver.HeadsRequest, want []driver.Head) {
	for page := range slices.Chunk(want, req.Limit) {
		t.wantPage(req, page)
		last := page[len(page)-1]
		req.After = driver.Head{Run: last.Run, Place: last.Place}
	}
	t.wantPage(req, nil)
}

func (t *tester) wantPage(req driver.HeadsRequest, want []driver.Head) {
	have := t.heads(req)
	same := slices.EqualFunc(want, have, func(x, y driver.Head) bool { return x.Run == y.Run })
	if !same {
		t.errorf("Heads %s: got %s, must be %s", listing(req), ids(have), ids(want))
		return
	}
	for i := range want {
		if d := diffHead(want[i], have[i]); d != "" {
			t.errorf("Heads %s: run %s: %s", listing(req), quote(want[i].Run), d)
		}
	}
}

func headsNone(t *tester) {
	for _, newest := range []bool{false, true} {
		for _, prefix := range []string{"", "a"} {
			t.wantPage(driver.HeadsRequest{Newest: newest, Prefix: prefix, Limit: 10}, nil)
		}
	}
	t.create("a", 1)
	t.drop("a")
	t.wantPage(driver.HeadsRequest{Limit: 10}, nil)
	t.wantPage(driver.HeadsRequest{Newest: true, Limit: 10}, nil)
}

func headsByID(t *tester) { everyOnce(t, driver.HeadsRequest{}) }

func headsNewest(t *tester) { everyOnce(t, driver.HeadsRequest{Newest: true}) }

func everyOnce(t *tester, req driver.HeadsRequest) {
	want := ordered(fill(t), req)
	for _, req.Limit = range []int{1, 7, 1000} {
		t.wantListing(req, want)
	}
}

func headsLimit(t *tester) {
	heads := fill(t)
	for _, newest := range []bool{false, true} {
		req := driver.HeadsRequest{Newest: newest}
		want := ordered(heads, req)
		for _, req.Limit = range []int{1, 2, len(want) - 1, len(want), len(want) + 1, math.MaxInt32} {
			if have, n := t.heads(req), min(req.Limit, len(want)); len(have) != n {
				t.errorf("Heads %s of %d runs returned %d", listing(req), len(want), len(have))
			}
		}
	}
}

func headsAfter(t *tester) {
	heads := fill(t)
	for _, req := range []driver.HeadsRequest{{Limit: 5}, {Newest: true, Limit: 5}} {
		want := ordered(heads, req)
		for i, h := range want {
			if raceEnabled && i%3 != 0 {
				continue
			}
			// Only these two count; the others are what they may be.
			req.After = driver.Head{Run: h.Run, Place: h.Place, Recency: 1 << 60, Revision: 1 << 50, Class: 7, Tail: 3, Data: []byte("x")}
			t.wantPage(req, want[i+1:min(i+6, len(want))])
		}
	}
	gone := driver.Head{Run: "a'", Place: apart + 25e9} // was never there
	for _, req := range []driver.HeadsRequest{{After: gone, Limit: 1000}, {Newest: true, After: gone, Limit: 1000}} {
		want := ordered(append(slices.Clone(heads), gone), req)
		i := slices.IndexFunc(want, func(h driver.Head) bool { return h.Run == gone.Run })
		t.wantPage(req, want[i+1:])
	}
}

func headsPrefix(t *tester) {
	heads := fill(t)
	prefixes := append(oddIDs(), "a\x00note", "a\x00notesx", "\x00", "\xc3", "\xf0\x9f", "x", strings.Repeat("x", 1000), "nothing", "__", "%%", "'%")
	limits := []int{3, 1000} // each for every other prefix
	for i, prefix := range prefixes {
		if raceEnabled && i%3 != 0 {
			continue
		}
		for j, newest := range []bool{false, true} {
			req := driver.HeadsRequest{Prefix: prefix, Newest: newest, Limit: limits[(i+j)%2]}
			t.wantListing(req, ordered(heads, req))
		}
	}
}

func headsRecency(t *tester) {
	var heads []driver.Head
	for i, recency := range []uint64{math.MaxInt64, 1, math.MaxInt64 - 1, 1 << 62, 60e9, 60e9 - 1, math.MaxInt64, 1} {
		for _, ofRow := range []bool{true, false} {
			id := fmt.Sprint(i, ofRow)
			row := &driver.Head{Recency: 1, Tail: 1, Data: []byte(`{}`)}
			var recs []driver.Record
			if ofRow {
				row.Recency = recency
			} else {
				recs = records(1, 1, id)
				recs[0].Recency = recency
			}
			revision := t.apply(driver.Change{Run: id, Head: row, Append: recs}).Revision
			h := headOf(id, revision, row, recs)
			h.Place = t.head(id).Place
			heads = append(heads, h)
		}
	}
	for _, limit := range []int{1, 3, 100} {
		req := driver.HeadsRequest{Newest: true, Limit: limit}
		t.wantListing(req, ordered(heads, req))
	}
}

// moves is runs that get events, one after the other, and what is known of them.
type moves struct {
	rows  map[string]*driver.Head
	heads map[string]driver.Head
	now   uint64
}

// headsMove gives many runs events, some alone and some together, that lie in one
// minute, some less than Lag apart, minutes apart, or at the very limits of a minute, and
// expects to see each run where it belongs. Writes and reads take turns.
func headsMove(writer, reader *tester) {
	const runs, steps = 25, 60
	m := &moves{rows: map[string]*driver.Head{}, heads: map[string]driver.Head{}, now: 1_700_000_000_000_000_000}
	for step := range steps {
		// A few in one minute, then a leap, then the last moment of a minute, and the
		// first of the next.
		switch minute := uint64(60e9); step % 6 {
		case 1, 4:
			m.now += driver.Lag * 2 / 5
		case 2:
			m.now += 5*minute + 1
		case 3:
			m.now = (m.now/minute+2)*minute - 2
		}
		together := 1
		if step%5 == 4 {
			together = 6
		}
		var changes []driver.Change
		for i := range together {
			changes = append(changes, m.next(fmt.Sprint("run-", (step*7+i*3)%runs), step))
		}
		m.apply(writer, changes)
		reader.wantMoved(m, 10)
		if step%15 == 14 {
			reader.wantMoved(m, 3)
			reader.wantMoved(m, 1000)
		}
		if step%2 == 1 {
			writer, reader = reader, writer
		}
	}
}

// next is a run's next event, and sometimes the sealing of all that it has.
func (m *moves) next(id string, step int) driver.Change {
	h, known := m.heads[id]
	c := driver.Change{Run: id, Revision: h.Revision}
	if known && step%7 == 6 { // nothing happens that would move it
		row := *m.rows[id]
		row.Tail, row.Recency = lastOf(h)+1, h.Recency
		c.Head, c.Add = &row, []driver.Segment{segment(h.Tail, lastOf(h), id)}
		if h.Last == nil { // sealed before
			c.Head, c.Add = m.rows[id], nil
		}
		return c
	}
	if !known {
		c.Head = &driver.Head{Recency: 1, Tail: 1, Data: []byte(`{}`)}
	}
	c.Append = []driver.Record{record(lastOf(h)+1, id)}
	m.now++
	c.Append[0].Recency = m.now
	return c
}

// apply makes the changes and notes what must be seen then.
func (m *moves) apply(t *tester, changes []driver.Change) {
	for i, res := range t.applyAll(changes...) {
		c := changes[i]
		if res.Err != nil {
			t.fatalf("change %d of %d has the result %w", i+1, len(changes), res.Err)
		}
		if c.Head != nil {
			m.rows[c.Run] = c.Head
		}
		m.heads[c.Run] = headOf(c.Run, res.Revision, m.rows[c.Run], c.Append)
	}
}

// placed returns heads, each in the place that the list by id gives it. What else is
// listed of them must be right, the bounds of the place included.
func (t *tester) placed(heads map[string]driver.Head) []driver.Head {
	req := driver.HeadsRequest{Limit: 1000}
	have := t.heads(req)
	if len(have) != len(heads) {
		t.fatalf("Heads %s: got %s, must be %d runs", listing(req), ids(have), len(heads))
	}
	for _, h := range have {
		if d := diffHead(heads[h.Run], h); d != "" {
			t.errorf("Heads %s: run %s: %s", listing(req), quote(h.Run), d)
		}
	}
	return have
}

// wantMoved expects the first pages of the newest, or all if that is less.
func (t *tester) wantMoved(m *moves, limit int) {
	req := driver.HeadsRequest{Newest: true, Limit: limit}
	want := ordered(t.placed(m.heads), req)
	if limit == 10 {
		t.wantPage(req, want[:min(limit, len(want))])
		return
	}
	t.wantListing(req, want)
}
