package drivertest

import (
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint/driver"
)

// company is runs that are changed together.
type company struct {
	t         *tester
	runs      []string
	revisions []uint64
	rows      []*driver.Head
	tails     [][]driver.Record
	segments  [][]driver.Segment
}

// applyCompany does the same to runs in companies of several sizes: each step as
// one Apply, then as one for each run.
func applyCompany(t *tester) {
	large := 64
	if raceEnabled {
		large = 12
	}
	for _, size := range []int{1, 3, 4, large} {
		c := newCompany(t, size)
		c.live()
		if size == 4 { // in their next life nothing is left of the last
			newCompany(t, size).live()
		}
	}
}

func newCompany(t *tester, size int) *company {
	c := &company{t: t, revisions: make([]uint64, size), rows: make([]*driver.Head, size), tails: make([][]driver.Record, size), segments: make([][]driver.Segment, size)}
	for i := range size {
		c.runs = append(c.runs, fmt.Sprintf("run-%d-%02d", size, i))
	}
	return c
}

// live makes the runs, does to them what can be done, and drops them.
func (c *company) live() {
	create := func(id string) driver.Change { return driver.Change{Head: head(1, 2), Append: records(1, 2, id)} }
	c.together(create)
	c.together(appending(3, 5))
	c.apart(appending(6, 6))
	c.together(rewriting(1, 5))
	c.apart(rewriting(2, 6))
	c.together(rewriting(2, 4))
	c.together(appending(7, 8))
	c.together(func(id string) driver.Change {
		return driver.Change{Head: head(4, 8), Add: []driver.Segment{segment(1, 3, id)}, Rewrite: records(8, 8, id+" sealed")}
	})
	c.t.purge()
	c.look()
	c.apart(appending(9, 9))
	c.apart(func(id string) driver.Change {
		return driver.Change{Head: head(10, 9), Add: []driver.Segment{segment(4, 9, id)}}
	})
	c.together(appending(10, 10))
	c.together(func(string) driver.Change { return driver.Change{Drop: true} })
	c.t.purge()
	c.look()
}

func appending(from, last uint64) func(string) driver.Change {
	return func(id string) driver.Change { return driver.Change{Append: records(from, last, id)} }
}

func rewriting(seqs ...uint64) func(string) driver.Change {
	return func(id string) driver.Change {
		c := driver.Change{Head: head(1, seqs[0])}
		for _, seq := range seqs {
			c.Rewrite = append(c.Rewrite, record(seq, fmt.Sprint(id, " rewritten with ", seqs)))
		}
		return c
	}
}

// together makes a change of each run, all in one Apply.
func (c *company) together(change func(id string) driver.Change) {
	c.apply(0, len(c.runs), change)
	c.look()
}

// apart makes a change of each run by itself, or, where that would be many, of a
// few at a time.
func (c *company) apart(change func(id string) driver.Change) {
	few := 1
	if c.large() {
		few = 3
	}
	for from := 0; from < len(c.runs); from += few {
		c.apply(from, min(from+few, len(c.runs)), change)
	}
	c.look()
}

// apply makes a change of each of some runs in one Apply.
func (c *company) apply(from, to int, change func(id string) driver.Change) {
	var changes []driver.Change
	for i := from; i < to; i++ {
		changes = append(changes, c.change(i, change))
	}
	for i, res := range c.t.applyAll(changes...) {
		c.made(from+i, changes[i], res)
	}
}

func (c *company) change(run int, change func(id string) driver.Change) driver.Change {
	made := change(c.runs[run])
	made.Run, made.Revision = c.runs[run], c.revisions[run]
	return made
}

// made notes what a change did.
func (c *company) made(run int, change driver.Change, res driver.Result) {
	if res.Err != nil {
		c.t.fatalf("a change of run %s, one of %d, has the result %w", quote(change.Run), len(c.runs), res.Err)
	}
	if change.Drop {
		c.revisions[run], c.rows[run] = 0, nil
		return
	}
	c.revisions[run] = res.Revision
	tail := append(c.tails[run], change.Append...)
	for _, r := range change.Rewrite {
		tail[slices.IndexFunc(tail, func(x driver.Record) bool { return x.Seq == r.Seq })] = r
	}
	if change.Head != nil {
		c.rows[run] = change.Head
		tail = slices.DeleteFunc(tail, func(x driver.Record) bool { return x.Seq < change.Head.Tail })
	}
	if len(res.Added) != len(change.Add) {
		c.t.fatalf("a change of run %s that adds %d segments has %d ids in its result", quote(change.Run), len(change.Add), len(res.Added))
	}
	c.tails[run] = tail
	c.segments[run] = append(c.segments[run], numbered(change.Add, res.Added)...)
}

// large reports whether it would take long to look at each run in every way.
func (c *company) large() bool { return len(c.runs) > 10 }

// look expects of each run what was done to it.
func (c *company) look() {
	for i, id := range c.runs {
		if c.rows[i] == nil {
			c.t.wantNoRun(id)
			continue
		}
		c.t.wantHead(id, c.revisions[i], c.rows[i], c.tails[i])
		c.t.wantTail(id, c.tails[i])
		if c.large() && i%8 != 0 {
			continue
		}
		req := driver.RecordsRequest{Run: id, From: 2, To: 7, Reverse: true, HeadersOnly: true, Limit: 4}
		c.t.wantRecords(req, page(c.tails[i], req))
		c.t.wantSegments(id, c.segments[i])
	}
}
