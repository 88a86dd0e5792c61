package logtest

import (
	"math"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/log"
)

func listCases() []Case {
	return []Case{
		{Name: "heads/none", Rule: "Heads of a storage without runs is empty and no error", run: headsNone},
		{Name: "heads/by-id", Rule: "Heads without Newest lists every run once, by ascending id as bytes", run: headsByID},
		{Name: "heads/newest", Rule: "Heads with Newest lists every run once, newest first, runs of equal recency by descending id", run: headsNewest},
		{Name: "heads/limit", Rule: "Heads returns Limit heads, fewer only at the end", run: headsLimit},
		{Name: "heads/after", Rule: "Heads goes on after the place that After names, whether or not that run is still there", run: headsAfter},
		{Name: "heads/prefix", Rule: "Prefix restricts Heads to runs whose id begins with those very bytes", run: headsPrefix},
		{Name: "heads/recency", Rule: "Recency may be anything from 1 to 2⁶³-1", run: headsRecency},
	}
}

// fill makes a run for each odd id, with few and often equal recencies, and
// returns the heads.
func fill(t *tester) []log.Head {
	var heads []log.Head
	var changes []log.Change
	for i, id := range oddIDs() {
		h := head(1, 1)
		h.Recency = 1 + uint64(i*7%5)*25e9
		changes = append(changes, log.Change{Run: id, Head: h, Append: records(1, 1, id)})
	}
	for i, res := range t.applyAll(changes...) {
		if res.Err != nil {
			t.fatalf("run %s can't be made: %w", quote(changes[i].Run), res.Err)
		}
		h := changes[i].Head
		h.Run, h.Revision = changes[i].Run, res.Revision
		heads = append(heads, h)
	}
	return heads
}

// ordered returns what a request without a cursor and a limit must list.
func ordered(heads []log.Head, req log.HeadsRequest) []log.Head {
	heads = slices.DeleteFunc(slices.Clone(heads), func(h log.Head) bool { return !strings.HasPrefix(h.Run, req.Prefix) })
	slices.SortFunc(heads, func(x, y log.Head) int {
		switch {
		case req.Newest && x.Recency > y.Recency:
			return -1
		case req.Newest && x.Recency < y.Recency:
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
func (t *tester) wantListing(req log.HeadsRequest, want []log.Head) {
	for page := range slices.Chunk(want, req.Limit) {
		t.wantPage(req, page)
		last := page[len(page)-1]
		req.After = log.Head{Run: last.Run, Recency: last.Recency}
	}
	t.wantPage(req, nil)
}

func (t *tester) wantPage(req log.HeadsRequest, want []log.Head) {
	have := t.heads(req)
	same := slices.EqualFunc(want, have, func(x, y log.Head) bool { return x.Run == y.Run })
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
			t.wantPage(log.HeadsRequest{Newest: newest, Prefix: prefix, Limit: 10}, nil)
		}
	}
	t.create("a", 1)
	t.drop("a")
	t.wantPage(log.HeadsRequest{Limit: 10}, nil)
	t.wantPage(log.HeadsRequest{Newest: true, Limit: 10}, nil)
}

func headsByID(t *tester) { everyOnce(t, log.HeadsRequest{}) }

func headsNewest(t *tester) { everyOnce(t, log.HeadsRequest{Newest: true}) }

func everyOnce(t *tester, req log.HeadsRequest) {
	want := ordered(fill(t), req)
	for _, req.Limit = range []int{1, 2, 7, 1000} {
		t.wantListing(req, want)
	}
}

func headsLimit(t *tester) {
	heads := fill(t)
	for _, newest := range []bool{false, true} {
		req := log.HeadsRequest{Newest: newest}
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
	for _, req := range []log.HeadsRequest{{Limit: 5}, {Newest: true, Limit: 5}} {
		want := ordered(heads, req)
		for i, h := range want {
			// Only these two count; the others are what they may be.
			req.After = log.Head{Run: h.Run, Recency: h.Recency, Revision: 1 << 50, Tail: 3, Data: []byte("x")}
			t.wantPage(req, want[i+1:min(i+6, len(want))])
		}
	}
	gone := log.Head{Run: "a'", Recency: 1 + 25e9} // was never there
	for _, req := range []log.HeadsRequest{{After: gone, Limit: 1000}, {Newest: true, After: gone, Limit: 1000}} {
		want := ordered(append(slices.Clone(heads), gone), req)
		i := slices.IndexFunc(want, func(h log.Head) bool { return h.Run == gone.Run })
		t.wantPage(req, want[i+1:])
	}
}

func headsPrefix(t *tester) {
	heads := fill(t)
	prefixes := append(oddIDs(), "a\x00note", "a\x00notesx", "\x00", "\xc3", "\xf0\x9f", "x", strings.Repeat("x", 1000), "nothing", "__", "%%", "'%")
	for _, prefix := range prefixes {
		for _, newest := range []bool{false, true} {
			for _, limit := range []int{3, 1000} {
				req := log.HeadsRequest{Prefix: prefix, Newest: newest, Limit: limit}
				t.wantListing(req, ordered(heads, req))
			}
		}
	}
}

func headsRecency(t *tester) {
	var heads []log.Head
	for i, recency := range []uint64{math.MaxInt64, 1, math.MaxInt64 - 1, 1 << 62, 60e9, 60e9 - 1, math.MaxInt64, 1} {
		h := head(1, 1)
		h.Recency = recency
		h.Run = string(rune('a' + i))
		h.Revision = t.apply(log.Change{Run: h.Run, Head: h}).Revision
		heads = append(heads, h)
	}
	for _, limit := range []int{1, 100} {
		req := log.HeadsRequest{Newest: true, Limit: limit}
		t.wantListing(req, ordered(heads, req))
	}
}
