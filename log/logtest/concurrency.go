package logtest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/flowlog/checkpoint/log"
)

func concurrencyCases() []Case {
	return []Case{
		{Name: "concurrency/one-winner", Rule: "of several changes that expect the same revision exactly one is made", run: func(t *tester) { oneWinner(t, t.b) }},
		{Name: "concurrency/none-lost", Rule: "what was acknowledged is there at once and stays, whoever else writes", run: func(t *tester) { noneLost(t, t.b) }},
		{Name: "concurrency/whole-changes", Rule: "readers see a change whole or not at all", run: func(t *tester) { wholeChanges(t, t.b, t.b) }},
		{Name: "concurrency/whole-merges", Rule: "readers see segments replaced all at once: the list never has a gap or an overlap", run: func(t *tester) { wholeMerges(t, t.b, t.b) }},
		{Name: "concurrency/whole-lists", Rule: "a page of heads has every run once, however their recencies change meanwhile", run: func(t *tester) { wholeLists(t, t.b, t.b) }},
	}
}

// contest is what several writers do at once to the same runs.
type contest struct {
	t         *tester
	handles   []log.Backend
	runs      []string
	revisions []uint64
	want      [][]log.Record // by run
}

// oneWinner lets writers, spread over the handles, race for each revision.
func oneWinner(t *tester, handles ...log.Backend) {
	const rounds, writers = 12, 6
	c := &contest{t: t, handles: handles, runs: []string{"a", "a\x00notes", "b"}}
	c.revisions, c.want = make([]uint64, len(c.runs)), make([][]log.Record, len(c.runs))
	for round := range rounds {
		seq := uint64(round + 1)
		results := make([][]log.Result, writers)
		t.together(writers, func(i int) (err error) {
			results[i], err = c.race(seq, i)
			return err
		})
		for run := range c.runs {
			c.judge(seq, run, results)
		}
	}
	for _, b := range handles {
		for i, id := range c.runs {
			t.on(b).wantHead(id, c.revisions[i], head(1, rounds))
			t.on(b).wantTail(id, c.want[i])
		}
	}
}

func entry(seq uint64, writer int) log.Record { return record(seq, fmt.Sprint("writer ", writer)) }

// race makes one writer's changes, in an order of its own, and returns their
// results in the order of the runs.
func (c *contest) race(seq uint64, writer int) ([]log.Result, error) {
	n := len(c.runs)
	changes := make([]log.Change, n)
	for i := range n {
		run := (i + writer) % n
		changes[i] = log.Change{Run: c.runs[run], Revision: c.revisions[run], Head: head(1, seq), Append: []log.Record{entry(seq, writer)}}
	}
	results, err := c.handles[writer%len(c.handles)].Apply(c.t.ctx, changes)
	if err != nil {
		return nil, failed(fmt.Sprint("Apply of writer ", writer), err)
	}
	if len(results) != n {
		return nil, fmt.Errorf("there are %d results for the %d changes of writer %d", len(results), n, writer)
	}
	byRun := make([]log.Result, n)
	for i, res := range results {
		byRun[(i+writer)%n] = res
	}
	return byRun, nil
}

// judge expects one winner for a run and notes it.
func (c *contest) judge(seq uint64, run int, results [][]log.Result) {
	var winners []int
	for writer, byRun := range results {
		if byRun == nil {
			c.t.fatalf("writer %d has no result", writer)
		}
		switch res := byRun[run]; {
		case res.Err == nil:
			winners = append(winners, writer)
		case !errors.Is(res.Err, log.ErrConflict):
			c.t.errorf("the change of writer %d has the result %w, must be none or ErrConflict", writer, res.Err)
		}
	}
	if len(winners) != 1 {
		c.t.fatalf("of %d changes of run %s at revision %d, %d were made", len(results), quote(c.runs[run]), c.revisions[run], len(winners))
	}
	c.revisions[run] = results[winners[0]][run].Revision
	c.want[run] = append(c.want[run], entry(seq, winners[0]))
}

// noneLost lets writers append to the same runs, trying again after a conflict,
// and look for what they wrote.
func noneLost(t *tester, handles ...log.Backend) {
	const writers, each = 4, 12
	runs := []string{"a", "b"}
	t.together(writers, func(i int) error {
		for n := range each {
			if err := appendOnce(t, handles[i%len(handles)], runs[n%len(runs)], fmt.Sprintf("writer %d, number %d", i, n)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, b := range handles {
		for _, id := range runs {
			have := t.on(b).records(whole(id))
			if len(have) != writers*each/len(runs) {
				t.errorf("run %s has %s after %d appends", quote(id), seqs(have), writers*each/len(runs))
			}
			tags := map[string]bool{}
			for i, r := range have {
				if r.Seq != uint64(i+1) || tags[string(r.State)] {
					t.errorf("run %s has gaps or repetitions: %s", quote(id), seqs(have))
				}
				tags[string(r.State)] = true
			}
		}
	}
}

// appendOnce appends a record to a run and expects to read it.
func appendOnce(t *tester, b log.Backend, id, tag string) error {
	for range 10_000 {
		var seq uint64
		h, err := b.Head(t.ctx, id)
		if err == nil {
			seq, err = lastOf(h)
		}
		if err != nil && !errors.Is(err, log.ErrNotFound) {
			return failed("Head", err)
		}
		rec := record(seq+1, tag)
		results, err := b.Apply(t.ctx, []log.Change{{Run: id, Revision: h.Revision, Head: head(1, seq+1), Append: []log.Record{rec}}})
		if err != nil {
			return failed("Apply", err)
		}
		if len(results) != 1 {
			return fmt.Errorf("there are %d results for 1 change", len(results))
		}
		if errors.Is(results[0].Err, log.ErrConflict) {
			continue
		}
		if results[0].Err != nil {
			return fmt.Errorf("a change has the result %w", results[0].Err)
		}
		have, err := b.Records(t.ctx, log.RecordsRequest{Run: id, From: rec.Seq, To: rec.Seq, Limit: 1})
		if err != nil {
			return failed("Records", err)
		}
		if d := diffRecords([]log.Record{rec}, have, false); d != "" {
			return fmt.Errorf("run %s right after the append of seq %d: %s", quote(id), rec.Seq, d)
		}
		return nil
	}
	return fmt.Errorf("10000 conflicts in a row on run %s", quote(id))
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
func applyOne(t *tester, b log.Backend, c log.Change) (log.Result, error) {
	results, err := b.Apply(t.ctx, []log.Change{c})
	switch {
	case err != nil:
		return log.Result{}, failed("Apply", err)
	case len(results) != 1:
		return log.Result{}, fmt.Errorf("there are %d results for 1 change", len(results))
	case results[0].Err != nil:
		return log.Result{}, fmt.Errorf("a change has the result %w", results[0].Err)
	case len(results[0].Added) != len(c.Add):
		return log.Result{}, fmt.Errorf("a change that adds %d segments has %d ids in its result", len(c.Add), len(results[0].Added))
	}
	return results[0], nil
}

// sameTag reports whether records were written by one change.
func sameTag(recs []log.Record, tag string) bool {
	return !slices.ContainsFunc(recs, func(r log.Record) bool { return diffRecord(record(r.Seq, tag), r, false) != "" })
}
