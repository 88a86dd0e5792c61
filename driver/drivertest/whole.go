package drivertest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// wholeChanges appends three records by each change, and by every other one
// rewrites the first three, while others read through another handle.
func wholeChanges(t *tester, writer, reader driver.Backend) {
	const changes = 40
	revision := t.create("a", 0)
	row := head(1, 0)
	write := func(i int) error {
		n := uint64(3 * i)
		tag := fmt.Sprint("change ", i)
		c := driver.Change{Run: "a", Revision: revision, Append: records(n+1, n+3, tag)}
		if i > 0 && i%2 == 0 {
			row = head(1, n+3)
			c.Head, c.Rewrite = row, records(1, 3, tag)
		}
		res, err := applyOne(t, writer, c)
		revision = res.Revision
		return err
	}
	n := 3 * uint64(t.watch(changes, write, func() error { return readWhole(t, reader) }))
	t.on(reader).wantHead("a", revision, row, records(1, n, fmt.Sprint("change ", n/3-1)))
}

// readWhole expects what a head promises, and no part of a change.
func readWhole(t *tester, b driver.Backend) error {
	h, err := b.Head(t.ctx, driver.HeadRequest{Run: "a"})
	if err != nil {
		return failed("Head", err)
	}
	recs, err := b.Records(t.ctx, whole("a"))
	if err != nil {
		return failed("Records", err)
	}
	last := lastOf(h)
	if uint64(len(recs)) < last {
		return fmt.Errorf("the head said that the last seq is %d, then there was %s", last, seqs(recs))
	}
	for i, r := range recs {
		if r.Seq != uint64(i+1) {
			return fmt.Errorf("seq %d is missing in %s", i+1, seqs(recs))
		}
	}
	if len(recs)%3 != 0 || last%3 != 0 {
		return fmt.Errorf("every change appends 3 records, but the head said that the last is %d, and there was %s", last, seqs(recs))
	}
	// The last change but for an append has rewritten the first three.
	if n := len(recs)/3 - 1; n >= 0 {
		if !sameTag(recs[:3], fmt.Sprint("change ", n-n%2)) || !sameTag(recs[len(recs)-3:], fmt.Sprint("change ", n)) {
			return fmt.Errorf("there were records of change %d beside some that it should have rewritten", n)
		}
	}
	return nil
}

// wholeMerges seals two events by each change, and now and then puts one segment
// in the place of all, while others read through another handle.
func wholeMerges(t *tester, writer, reader driver.Backend) {
	const changes = 40
	var revision, last uint64
	var live []driver.Segment
	write := func(i int) error {
		c := driver.Change{Run: "a", Revision: revision}
		if i%4 == 3 {
			c.Add, c.Retire = []driver.Segment{segment(1, last, "a")}, live
			live = nil
		} else {
			c.Add = []driver.Segment{segment(last+1, last+2, "a")}
			last += 2
		}
		c.Head = head(last+1, last)
		res, err := applyOne(t, writer, c)
		revision, live = res.Revision, append(live, retiring(numbered(c.Add, res.Added)...)...)
		if err == nil && i%8 == 7 {
			_, err = purge(t.ctx, writer)
		}
		return err
	}
	t.watch(changes, write, func() error { return readSegments(t, reader) })
	if n := len(t.on(reader).segments("a")); n != len(live) {
		t.errorf("there are %d segments, must be %d", n, len(live))
	}
}

// readSegments expects segments that follow each other, up to where the head said.
func readSegments(t *tester, b driver.Backend) error {
	h, err := b.Head(t.ctx, driver.HeadRequest{Run: "a"})
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return failed("Head", err)
	}
	last := lastOf(h)
	segs, err := b.Segments(t.ctx, allSegments("a"))
	if err != nil {
		return failed("Segments", err)
	}
	next := uint64(1)
	for _, s := range segs {
		if s.First != next {
			return fmt.Errorf("%s follows one that ends at %d", describeSegment(s), next-1)
		}
		next = s.Last + 1
		if err := readSegment(t, b, s, false); err != nil {
			return err
		}
	}
	if next <= last {
		return fmt.Errorf("the head said that %d events are sealed, then the segments ended at %d", last, next-1)
	}
	return nil
}

// wholeLists moves runs to the front while others list them through another
// handle.
func wholeLists(t *tester, writer, reader driver.Backend) {
	const runs, changes = 8, 40
	recency := uint64(1)
	revisions, last := make([]uint64, runs), make([]uint64, runs)
	name := func(i int) string { return fmt.Sprint("run-", i) }
	touch := func(i int) error {
		i = i * 5 % runs
		last[i]++
		recency += 30e9
		c := driver.Change{Run: name(i), Revision: revisions[i], Append: records(last[i], last[i], name(i))}
		c.Append[0].Recency = recency
		if last[i] == 1 {
			c.Head = &driver.Head{Recency: 1, Tail: 1, Data: []byte(`{}`)}
		}
		res, err := applyOne(t, writer, c)
		revisions[i] = res.Revision
		return err
	}
	for i := range runs {
		if err := touch(i); err != nil {
			t.fatalf("%w", err)
		}
	}
	t.watch(changes, touch, func() error {
		for _, newest := range []bool{false, true} {
			req := driver.HeadsRequest{Newest: newest, Limit: 100}
			heads, err := reader.Heads(t.ctx, req)
			if err != nil {
				return failed("Heads", err)
			}
			seen := map[string]bool{}
			for _, h := range heads {
				seen[h.Run] = strings.HasPrefix(h.Run, "run-")
			}
			if len(heads) != runs || len(seen) != runs {
				return fmt.Errorf("a page of Heads %s was %s", listing(req), ids(heads))
			}
		}
		return nil
	})
}

// wholeEntries appends a record by each change, and sets two entries to its seq, while
// others read through another handle.
func wholeEntries(t *tester, writer, reader driver.Backend) {
	const changes = 40
	revision, last := t.create("a", 0), uint64(0)
	write := func(int) error {
		last++
		value := fmt.Sprint(last)
		c := driver.Change{Run: "a", Revision: revision, Append: records(last, last, "a"), Put: []driver.Entry{entry("x", value), entry("y", value)}}
		if last%4 == 0 {
			c.Head, c.Remove = head(1, last), []driver.EntryRange{{}}
		}
		res, err := applyOne(t, writer, c)
		revision = res.Revision
		return err
	}
	t.watch(changes, write, func() error {
		before, err := reader.Head(t.ctx, driver.HeadRequest{Run: "a"})
		if err != nil {
			return failed("Head", err)
		}
		entries, err := reader.Entries(t.ctx, allEntries("a"))
		if err != nil {
			return failed("Entries", err)
		}
		after, err := reader.Head(t.ctx, driver.HeadRequest{Run: "a"})
		if err != nil {
			return failed("Head", err)
		}
		return fitting(lastOf(before), entries, lastOf(after))
	})
}

// fitting expects the entries of one change, which was made when a head said that the
// run had come to before, or later, and had been made when another said after.
func fitting(before uint64, entries []driver.Entry, after uint64) error {
	if len(entries) == 0 && before == 0 {
		return nil
	}
	if len(entries) != 2 || string(entries[0].Value) != string(entries[1].Value) {
		return fmt.Errorf("there were %s, which are not those of one change", keys(entries))
	}
	var seq uint64
	if _, err := fmt.Sscan(string(entries[0].Value), &seq); err != nil {
		return fmt.Errorf("an entry has the value %q", entries[0].Value)
	}
	if seq < before || seq > after {
		return fmt.Errorf("the head said that the last seq is %d, then there were the entries of seq %d, then the last seq was %d", before, seq, after)
	}
	return nil
}

// wholeTips appends records, of which some name themselves as the tip and others an
// earlier one, and now and then seals, while others read through another handle.
func wholeTips(t *tester, writer, reader driver.Backend) {
	const changes = 60
	revision, last, tip, tail := t.create("a", 0), uint64(0), uint64(0), uint64(1)
	write := func(i int) error {
		c := driver.Change{Run: "a", Revision: revision}
		if i%6 == 5 {
			c.Head, c.Add = head(last, last), []driver.Segment{segment(tail, last-1, "a")}
			tail = last
		} else {
			for range 2 {
				if last++; last%3 != 0 {
					tip = last
				}
				c.Append = append(c.Append, tipped(last, tip, "a"))
			}
		}
		res, err := applyOne(t, writer, c)
		revision = res.Revision
		return err
	}
	t.watch(changes, write, func() error {
		h, err := reader.Head(t.ctx, driver.HeadRequest{Run: "a", Tip: true})
		switch {
		case err != nil:
			return failed("Head", err)
		case h.Last == nil && h.Tip == nil:
			return nil
		case h.Last == nil:
			return fmt.Errorf("a head without a newest record had the tip %d", h.Tip.Seq)
		case h.Tip == nil && h.Last.Tip >= h.Tail:
			return fmt.Errorf("a head whose tail begins at %d, and whose newest record names %d, had no tip", h.Tail, h.Last.Tip)
		case h.Tip == nil:
			return nil
		case h.Tip.Seq != h.Last.Tip:
			return fmt.Errorf("a head whose newest record names %d had the tip %d", h.Last.Tip, h.Tip.Seq)
		}
		if d := diffRecord(tipped(h.Tip.Seq, h.Tip.Tip, "a"), *h.Tip, false); d != "" {
			return fmt.Errorf("tip, seq %d: %s", h.Tip.Seq, d)
		}
		return nil
	})
}
