package drivertest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/flowlog/checkpoint/driver"
)

// reclaimCases are about [driver.Reclaimer] and [driver.Sizer]. For a Backend without
// them there is nothing to prove.
func reclaimCases() []Case {
	return []Case{
		{Name: "reclaim/keeps", Rule: "Reclaim changes nothing that can be read", run: reclaimKeeps},
		{Name: "reclaim/space", Rule: "after Drop, Purge and Reclaim the storage takes no more than before, and less by what Reclaim returned", run: reclaimSpace},
		{Name: "reclaim/stopped", Rule: "a done ctx ends Reclaim, and nothing is lost", run: reclaimStopped},
		{Name: "reclaim/company", Rule: "reads and writes work as usual while Reclaim does", run: reclaimCompany},
		{Name: "reclaim/closed", Rule: "after Close, Reclaim and Space return ErrClosed", run: reclaimClosed},
	}
}

// bulky makes runs and drops all but a small one. What it leaves is worth reclaiming.
func bulky(t *tester, tag string) {
	for i := range 4 {
		id := fmt.Sprint(tag, " ", i)
		recs := records(1, 3, id)
		recs[1].State = noise(700_000)
		t.apply(driver.Change{Run: id, Head: head(1, 3), Append: recs})
	}
	for i := range 3 {
		t.drop(fmt.Sprint(tag, " ", i))
	}
	t.purge()
}

func reclaimer(t *tester) (driver.Reclaimer, bool) {
	r, ok := t.b.(driver.Reclaimer)
	return r, ok
}

// reclaim calls Reclaim, and looks at what is said of its progress.
func (t *tester) reclaim(r driver.Reclaimer) int64 {
	n, err := r.Reclaim(t.ctx, func(p driver.Reclaimed) {
		if p.Done < 0 || p.Done > p.Total {
			t.errorf("Reclaim said that %d of %d bytes are done", p.Done, p.Total)
		}
	})
	if err != nil {
		t.fatalf("Reclaim returned the error %w", err)
	}
	if n < 0 {
		t.errorf("Reclaim returned %d bytes", n)
	}
	return n
}

func reclaimKeeps(t *tester) {
	r, ok := reclaimer(t)
	if !ok {
		return
	}
	rewriteKeeps(t, "after Reclaim", func() { t.reclaim(r) })
}

// rewriteKeeps holds that a storage reads as before when it was written anew, and can be written.
func rewriteKeeps(t *tester, when string, rewrite func()) {
	rewrite() // an empty storage
	rich(t, "a")
	bulky(t, "bulk")
	for round := range 2 {
		want := t.dump()
		rewrite()
		t.wantDump(want, when)
		// It can be written as before.
		h := t.head("a")
		t.extend("a", h.Revision, lastOf(h)+1, lastOf(h)+2)
		t.newIDs(map[uint64]string{}, fmt.Sprint("new ", round), "")
		bulky(t, fmt.Sprint("more ", round))
	}
}

func reclaimSpace(t *tester) {
	r, ok := reclaimer(t)
	s, sized := t.b.(driver.Sizer)
	if !ok || !sized {
		return
	}
	space := func() int64 {
		size, free, err := s.Space(t.ctx)
		if err != nil {
			t.fatalf("Space returned the error %w", err)
		}
		if free < 0 || size < free {
			t.errorf("Space returned %d bytes, of which %d are free", size, free)
		}
		return size
	}
	for round := range 2 {
		bulky(t, fmt.Sprint("round ", round))
		before := space()
		n := t.reclaim(r)
		after := space()
		if after > before || before-after != n {
			t.errorf("the storage took %d bytes, Reclaim returned %d, and it takes %d", before, n, after)
		}
	}
}

func reclaimStopped(t *tester) {
	r, ok := reclaimer(t)
	if !ok {
		return
	}
	rich(t, "a")
	bulky(t, "bulk")
	want := t.dump()
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	for range 2 { // stopped after its first step, and before it
		_, err := r.Reclaim(ctx, func(driver.Reclaimed) { cancel() })
		if err != nil && !errors.Is(err, context.Canceled) {
			t.errorf("Reclaim with a done ctx returned the error %w", err)
		}
		cancel()
		t.wantDump(want, "after Reclaim was stopped")
	}
	t.reclaim(r)
	t.wantDump(want, "after Reclaim")
}

// reclaimCompany writes and reads while space is given back.
func reclaimCompany(t *tester) {
	r, ok := reclaimer(t)
	if !ok {
		return
	}
	const each = 10
	bulky(t, "bulk")
	rich(t, "still")
	want := t.dump()
	t.apply(driver.Change{Run: "zz", Head: counted(0)})
	var written, done, reclaimed atomic.Int64
	write := func(i int) error {
		defer done.Add(1)
		for n := 0; n < each || reclaimed.Load() < 3 && n < 100*each; n++ {
			if err := appendOnce(t, t.b, "zz", fmt.Sprintf("writer %d, number %d", i, n)); err != nil {
				return err
			}
			written.Add(1)
		}
		return nil
	}
	t.together(4, func(i int) error {
		if i < 2 {
			return write(i)
		}
		for done.Load() < 2 {
			if i == 2 {
				if _, err := r.Reclaim(t.ctx, nil); err != nil {
					return failed("Reclaim", err)
				}
				reclaimed.Add(1)
				continue
			}
			for _, c := range reads() {
				if err := c.do(t.ctx, t.b); err != nil && !errors.Is(err, driver.ErrNotFound) { // no run "a" is there
					return failed(c.name, err)
				}
			}
		}
		return nil
	})
	t.wantNoneLost("zz", int(written.Load()), 0)
	t.drop("zz")
	t.wantDump(want, "after Reclaim, beside what was written meanwhile,")
}

func reclaimClosed(t *tester) {
	r, ok := reclaimer(t)
	s, sized := t.b.(driver.Sizer)
	rich(t, "a")
	if err := t.b.Close(); err != nil {
		t.errorf("Close returned %w", err)
	}
	if ok {
		if _, err := r.Reclaim(t.ctx, nil); !errors.Is(err, driver.ErrClosed) {
			t.errorf("Reclaim returned the error %v, must be ErrClosed", err)
		}
	}
	if sized {
		if _, _, err := s.Space(t.ctx); !errors.Is(err, driver.ErrClosed) {
			t.errorf("Space returned the error %v, must be ErrClosed", err)
		}
	}
}
