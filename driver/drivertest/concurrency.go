package drivertest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/flowlog/checkpoint/driver"
)

func concurrencyCases() []Case {
	return []Case{
		{Name: "concurrency/one-winner", Rule: "of several changes that expect the same revision exactly one is made", run: func(t *tester) { oneWinner(t, t.b) }},
		{Name: "concurrency/one-append", Rule: "of several appends after the same seq exactly one is made", run: func(t *tester) { oneAppend(t, t.b) }},
		{Name: "concurrency/none-lost", Rule: "an acknowledged change is visible at once and stays, also while others write", run: func(t *tester) { noneLost(t, t.b) }},
		{Name: "concurrency/whole-changes", Rule: "readers see a change whole or not at all", run: func(t *tester) { wholeChanges(t, t.b, t.b) }},
		{Name: "concurrency/whole-merges", Rule: "readers see segments replaced all at once: the list never has a gap or an overlap", run: func(t *tester) { wholeMerges(t, t.b, t.b) }},
		{Name: "concurrency/whole-lists", Rule: "a page of heads has every run once, however their recencies change meanwhile", run: func(t *tester) { wholeLists(t, t.b, t.b) }},
		{Name: "concurrency/whole-entries", Rule: "readers see the entries of a change together, and when they see its records", run: func(t *tester) { wholeEntries(t, t.b, t.b) }},
		{Name: "concurrency/whole-tips", Rule: "a head and its tip are of one snapshot, also while others append and seal", run: func(t *tester) { wholeTips(t, t.b, t.b) }},
		{Name: "concurrency/one-slot", Rule: "of several changes of a slot that expect the same version exactly one is made", run: func(t *tester) { oneSlot(t, t.b) }},
	}
}

// contest is what several writers do at once to the same runs.
type contest struct {
	t         *tester
	handles   []driver.Backend
	appends   bool // whether they append, or change the rows
	runs      []string
	revisions []uint64
	rows      []*driver.Head
	tails     [][]driver.Record
}

// oneWinner lets writers, spread over the handles, race for each revision.
func oneWinner(t *tester, handles ...driver.Backend) { (&contest{t: t, handles: handles}).hold(8) }

// oneAppend lets them race for each seq, at a revision that stays the same.
func oneAppend(t *tester, handles ...driver.Backend) {
	(&contest{t: t, handles: handles, appends: true}).hold(8)
}

func (c *contest) hold(rounds uint64) {
	for _, id := range []string{"a", "a\x00notes", "b"} {
		c.runs, c.rows, c.tails = append(c.runs, id), append(c.rows, head(1, 1)), append(c.tails, records(1, 1, id))
		c.revisions = append(c.revisions, c.t.create(id, 1))
	}
	for round := range rounds {
		const writers = 6
		results := make([][]driver.Result, writers)
		c.t.together(writers, func(i int) (err error) {
			results[i], err = c.race(round, i)
			return err
		})
		for run := range c.runs {
			c.judge(round, run, results)
		}
	}
	for _, b := range c.handles {
		for i, id := range c.runs {
			c.t.on(b).wantHead(id, c.revisions[i], c.rows[i], c.tails[i])
			c.t.on(b).wantTail(id, c.tails[i])
		}
	}
}

// entry is what a writer wants of a run: a record, or a row that tells whose it is.
func (c *contest) entry(round uint64, run, writer int) driver.Change {
	change := driver.Change{Run: c.runs[run], Revision: c.revisions[run]}
	if c.appends {
		change.Append = []driver.Record{record(round+2, fmt.Sprint("writer ", writer))}
		return change
	}
	change.Head = head(1, 100*round+uint64(writer))
	return change
}

// race makes one writer's changes, in an order of its own, and returns their
// results in the order of the runs.
func (c *contest) race(round uint64, writer int) ([]driver.Result, error) {
	n := len(c.runs)
	changes := make([]driver.Change, n)
	for i := range n {
		changes[i] = c.entry(round, (i+writer)%n, writer)
	}
	results, err := c.handles[writer%len(c.handles)].Apply(c.t.ctx, driver.ApplyRequest{Changes: changes})
	if err != nil {
		return nil, failed(fmt.Sprint("Apply of writer ", writer), err)
	}
	if len(results) != n {
		return nil, fmt.Errorf("there are %d results for the %d changes of writer %d", len(results), n, writer)
	}
	byRun := make([]driver.Result, n)
	for i, res := range results {
		byRun[(i+writer)%n] = res
	}
	return byRun, nil
}

// judge expects one winner for a run and notes what it wrote.
func (c *contest) judge(round uint64, run int, results [][]driver.Result) {
	var winners []int
	for writer, byRun := range results {
		if byRun == nil {
			c.t.fatalf("writer %d has no result", writer)
		}
		switch res := byRun[run]; {
		case res.Err == nil:
			winners = append(winners, writer)
		case !errors.Is(res.Err, driver.ErrConflict):
			c.t.errorf("the change of writer %d has the result %w, must be none or ErrConflict", writer, res.Err)
		}
	}
	if len(winners) != 1 {
		c.t.fatalf("of %d changes of run %s at revision %d, after seq %d, %d were made",
			len(results), quote(c.runs[run]), c.revisions[run], len(c.tails[run]), len(winners))
	}
	won := c.entry(round, run, winners[0])
	if won.Head != nil {
		c.rows[run] = won.Head
	}
	c.revisions[run] = results[winners[0]][run].Revision
	c.tails[run] = append(c.tails[run], won.Append...)
}

// noneLost lets writers append to the same runs and now and then change their
// rows, trying again after a conflict, and look for what they wrote.
func noneLost(t *tester, handles ...driver.Backend) {
	const writers, each = 4, 8
	runs := []string{"a", "b"}
	for _, id := range runs {
		t.apply(driver.Change{Run: id, Head: counted(0)})
	}
	t.together(writers, func(i int) error {
		b := handles[i%len(handles)]
		for n := range each {
			id := runs[n%len(runs)]
			if err := appendOnce(t, b, id, fmt.Sprintf("writer %d, number %d", i, n)); err != nil {
				return err
			}
			if n%4 < len(runs) {
				if err := countOnce(t, b, id); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for _, b := range handles {
		for _, id := range runs {
			t.on(b).wantNoneLost(id, writers*each/len(runs), writers*each/4)
		}
	}
}

// wantNoneLost expects a run with so many records, all different, and a row that
// was changed so many times.
func (t *tester) wantNoneLost(id string, appends, changes int) {
	have := t.records(whole(id))
	if len(have) != appends {
		t.errorf("run %s has %s after %d appends", quote(id), seqs(have), appends)
	}
	tags := map[string]bool{}
	for i, r := range have {
		if r.Seq != uint64(i+1) || tags[string(r.State)] {
			t.errorf("run %s has gaps or repetitions: %s", quote(id), seqs(have))
		}
		tags[string(r.State)] = true
	}
	if h := t.head(id); int(h.Sum) != changes {
		t.errorf("the row of run %s says that it was changed %d times, not %d", quote(id), h.Sum, changes)
	}
}

// insist makes a change that is decided on anew after each conflict.
func insist(t *tester, b driver.Backend, id string, decide func(driver.Head) driver.Change) error {
	for range 10_000 {
		h, err := b.Head(t.ctx, driver.HeadRequest{Run: id})
		if err != nil {
			return failed("Head", err)
		}
		results, err := b.Apply(t.ctx, driver.ApplyRequest{Changes: []driver.Change{decide(h)}})
		switch {
		case err != nil:
			return failed("Apply", err)
		case len(results) != 1:
			return fmt.Errorf("there are %d results for 1 change", len(results))
		case results[0].Err == nil:
			return nil
		case !errors.Is(results[0].Err, driver.ErrConflict):
			return fmt.Errorf("a change has the result %w", results[0].Err)
		}
	}
	return fmt.Errorf("10000 conflicts in a row on run %s", quote(id))
}

// appendOnce appends a record to a run and expects to read it.
func appendOnce(t *tester, b driver.Backend, id, tag string) error {
	var rec driver.Record
	err := insist(t, b, id, func(h driver.Head) driver.Change {
		rec = record(lastOf(h)+1, tag)
		return driver.Change{Run: id, Revision: h.Revision, Append: []driver.Record{rec}}
	})
	if err != nil {
		return err
	}
	have, err := b.Records(t.ctx, driver.RecordsRequest{Run: id, From: rec.Seq, To: rec.Seq, Limit: 1})
	if err != nil {
		return failed("Records", err)
	}
	if d := diffRecords([]driver.Record{rec}, have, false); d != "" {
		return fmt.Errorf("run %s right after the append of seq %d: %s", quote(id), rec.Seq, d)
	}
	h, err := b.Head(t.ctx, driver.HeadRequest{Run: id})
	if err != nil {
		return failed("Head", err)
	}
	if lastOf(h) < rec.Seq {
		return fmt.Errorf("run %s right after the append of seq %d: the head says that the last is %d", quote(id), rec.Seq, lastOf(h))
	}
	return nil
}

// countOnce changes the row of a run, which counts how often that was done.
func countOnce(t *tester, b driver.Backend, id string) error {
	return insist(t, b, id, func(h driver.Head) driver.Change {
		return driver.Change{Run: id, Revision: h.Revision, Head: counted(h.Sum + 1)}
	})
}

func counted(n uint32) *driver.Head {
	row := head(1, 0)
	row.Sum = n
	return row
}

// watch lets one writer and some readers work at once: write is called at least n
// times and until the readers have read as often, as far as that ends; read until
// the writer is done. It returns how often write was called.
func (t *tester) watch(n int, write func(i int) error, read func() error) int {
	const readers = 3
	var reads atomic.Int64
	writes := 0
	written := make(chan struct{})
	t.together(1+readers, func(i int) error {
		if i == 0 {
			defer close(written)
			for ; writes < n || writes < 5*n && reads.Load() < int64(n); writes++ {
				if err := write(writes); err != nil {
					return err
				}
				runtime.Gosched()
			}
			return nil
		}
		defer reads.Add(int64(n)) // nobody waits for one that has found enough
		for {
			if err := read(); err != nil {
				return err
			}
			reads.Add(1)
			runtime.Gosched()
			select {
			case <-written:
				return nil
			default:
			}
		}
	})
	return writes
}

// failed says that a method returned an error where it must not.
func failed(method string, err error) error {
	return fmt.Errorf("%s returned the error %w", method, err)
}

// applyOne makes a change that must succeed, from any goroutine.
func applyOne(t *tester, b driver.Backend, c driver.Change) (driver.Result, error) {
	results, err := b.Apply(t.ctx, driver.ApplyRequest{Changes: []driver.Change{c}})
	switch {
	case err != nil:
		return driver.Result{}, failed("Apply", err)
	case len(results) != 1:
		return driver.Result{}, fmt.Errorf("there are %d results for 1 change", len(results))
	case results[0].Err != nil:
		return driver.Result{}, fmt.Errorf("a change has the result %w", results[0].Err)
	case len(results[0].Added) != len(c.Add):
		return driver.Result{}, fmt.Errorf("a change that adds %d segments has %d ids in its result", len(c.Add), len(results[0].Added))
	}
	return results[0], nil
}

// sameTag reports whether records were written by one change.
func sameTag(recs []driver.Record, tag string) bool {
	return !slices.ContainsFunc(recs, func(r driver.Record) bool { return diffRecord(record(r.Seq, tag), r, false) != "" })
}
