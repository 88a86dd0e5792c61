package main

import (
	"cmp"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/flowlog/checkpoint"
)

// runUse is what a run takes.
type runUse struct {
	RunID string `json:"run_id"`
	amount
	Unsealed uint64 `json:"unsealed"` // events
}

// storeUse is what a store takes, as -o json gives it. Sizes are in bytes.
type storeUse struct {
	Runs  []runUse `json:"runs"` // the largest
	Total struct {
		Runs int `json:"runs"`
		amount
		Unsealed uint64 `json:"unsealed"`
	} `json:"total"`
	Disk struct {
		Size int64 `json:"size"`
		Free int64 `json:"free"`
	} `json:"disk"`

	unsealed int64 // bytes that may not be sealed: no run says exactly
}

func (c *cli) duStore(l looker, limit int, f format) error {
	use, damaged, err := c.storeUse(l, limit)
	if err != nil {
		return err
	}
	switch f {
	case formatText:
		c.duTable(use)
	case formatJSON:
		err = writeJSON(c.out, f, use)
	case formatJSONL:
		for _, run := range use.Runs {
			if err := writeJSON(c.out, f, run); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return err
	}
	c.duHints(use)
	return damaged
}

// worthAHint is how large a store must be, in bytes, to be worth a hint that it can
// be made smaller. A bbolt file keeps what is free until it is as much.
const worthAHint = 1 << 20

// duHints says what else there is, and what to do about it.
func (c *cli) duHints(use *storeUse) {
	switch more := use.Total.Runs - len(use.Runs); {
	case use.Total.Runs == 0:
		c.say("the store has no runs yet")
	case more > 0:
		c.say("there are more; `flowlog du --limit 0` lists them all")
	}
	c.compactHint(use)
	if use.Disk.Size >= worthAHint {
		c.say("what is no longer needed can go: `flowlog prune --older-than 30d -n` lists what that would drop")
	}
}

// compactHint says so if compact is likely to make the store much smaller.
func (c *cli) compactHint(use *storeUse) {
	free := use.Disk.Free
	if use.Disk.Size >= worthAHint && use.unsealed+free > use.Disk.Size/4 {
		what := count(use.Total.Unsealed, "event") + " not sealed"
		if free > 0 {
			what += ", " + size(free) + " free"
		}
		c.say("%s: `flowlog compact` makes the store smaller", what)
	}
}

// storeUse adds up what the runs take. It says which are damaged, passes them over,
// and returns the last one's error.
func (c *cli) storeUse(l looker, limit int) (use *storeUse, damaged, err error) {
	use = &storeUse{Runs: []runUse{}}
	for run, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{ByID: true}) {
		switch {
		case err != nil && run.ID == "":
			return nil, nil, err
		case err != nil:
			c.say("%v", err)
			damaged = err
			continue
		}
		r := runUse{RunID: run.ID, amount: amount{run.Events(), run.Bytes, run.Stored}, Unsealed: run.Unsealed()}
		use.Total.Runs++
		use.Total.Unsealed += r.Unsealed
		use.unsealed += int64(float64(r.Stored) * float64(r.Unsealed) / float64(r.Events))
		use.Total.add(r.amount)
		if use.Runs = append(use.Runs, r); limit > 0 && len(use.Runs) > 2*limit {
			use.Runs = largest(use.Runs, limit)
		}
	}
	use.Runs = largest(use.Runs, limit)
	use.Disk.Size, use.Disk.Free, err = l.store.Space(l.ctx)
	return use, damaged, err
}

// largest returns the runs that take most, sorted.
func largest(runs []runUse, limit int) []runUse {
	slices.SortFunc(runs, func(a, b runUse) int {
		return cmp.Or(cmp.Compare(b.Stored, a.Stored), cmp.Compare(a.RunID, b.RunID))
	})
	if limit > 0 && len(runs) > limit {
		runs = runs[:limit]
	}
	return runs
}

func (c *cli) duTable(use *storeUse) {
	if use.Total.Runs > 0 {
		t := newDuTable("run", use.Total.Stored)
		unsealed := right("unsealed")
		rest, restUnsealed := use.Total.amount, use.Total.Unsealed
		for _, run := range use.Runs {
			t.add(printable(run.RunID), run.amount)
			unsealed.add(humanize.Comma(int64(run.Unsealed)))
			rest.sub(run.amount)
			restUnsealed -= run.Unsealed
		}
		if others := use.Total.Runs - len(use.Runs); others > 0 {
			t.add(count(others, "other"), rest)
			unsealed.add(humanize.Comma(int64(restUnsealed)))
		}
		t.add(count(use.Total.Runs, "run"), use.Total.amount)
		unsealed.add(humanize.Comma(int64(use.Total.Unsealed)))
		writeTable(c.out, "", t.name, t.events, unsealed, t.bytes, t.stored, t.ratio, t.share, t.bar)
		c.out.printf("\n")
	}
	c.out.printf("%s on disk, %s of it free\n", size(use.Disk.Size), size(use.Disk.Free))
}
