package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/flowlog/checkpoint"
)

// sizes are how large the stores are that show what grows and what does not.
var sizes struct{ events, runs int }

// fewEvents is what a run has that a long one is compared with.
const fewEvents = 1000

// manyEvents returns how many events a long run has, so that it ends at the same place of
// a segment, and of a block of the index of visits, as the short one.
func manyEvents() int {
	const segment = 256 // events
	return sizes.events + ((fewEvents-sizes.events)%segment+segment)%segment
}

// flat measures what must cost the same in a run of any length, in a short run and in a
// long one that take turns: by an open store, again and again, and by a process of its own,
// once, whose opening of the store is told apart.
func flat(out io.Writer, rounds float64) error {
	t := newTable(out, fmt.Sprintf("flat: a run of %s events beside one of %s, both a loop of %d nodes; medians", comma(int64(manyEvents())), comma(fewEvents), loopNodes))
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		pair := [2]loopStore{{d, path + "-few", fewEvents}, {d, path + "-many", manyEvents()}}
		for _, s := range pair {
			if err := s.build(); err != nil {
				return err
			}
		}
		for _, how := range []string{"as saved", "sealed"} {
			if how == "sealed" {
				for _, s := range pair {
					if err := s.seal(); err != nil {
						return err
					}
				}
			}
			progress("%s, %s: %s bytes on disk; measuring", d.name, how, comma(onDisk(pair[1].path)))
			if err := t.flatWarm(pair, how, rounds); err != nil {
				return err
			}
			if err := t.flatFresh(pair, how, rounds); err != nil {
				return err
			}
			if err := t.flatExport(pair, how, rounds); err != nil {
				return err
			}
			t.flush()
		}
		return nil
	})
}

// flatWarm measures open stores.
func (t *table) flatWarm(pair [2]loopStore, how string, rounds float64) error {
	const perSlice = 10
	var open [2]*openLoop
	for i, s := range pair {
		var err error
		if open[i], err = s.open(); err != nil {
			return err
		}
		defer open[i].store.Close()
	}
	for _, op := range loopOps {
		var times [2][]time.Duration
		for round := range max(5, int(41*rounds)) + 1 {
			for i := range open {
				i = (i + round) % len(open) // neither is always first
				d, err := timed(perSlice, func(n int) error { return op.do(open[i], round*perSlice+n) })
				if err != nil {
					return fmt.Errorf("%s: %w", op.name, err)
				}
				if round > 0 { // the first is for warming up
					times[i] = append(times[i], d)
				}
			}
		}
		t.flatness(pair[0].driver.name, fmt.Sprintf("%s, %s, warm", op.name, how), times, op)
	}
	return nil
}

// flatFresh measures processes of their own.
func (t *table) flatFresh(pair [2]loopStore, how string, rounds float64) error {
	var memory int64
	var opening [2][]time.Duration
	for _, op := range loopOps {
		if op.scattered { // the first is like any
			continue
		}
		var times [2][]time.Duration
		for round := range max(3, int(15*rounds)) {
			for i := range pair {
				i = (i + round) % len(pair)
				r, err := pair[i].child(op.name)
				if err != nil {
					return err
				}
				times[i], opening[i] = append(times[i], r.Took), append(opening[i], r.Opening)
				if i == 1 {
					memory = max(memory, r.Memory)
				}
			}
		}
		t.flatness(pair[0].driver.name, fmt.Sprintf("%s, %s, fresh process", op.name, how), times, op)
	}
	t.flatness(pair[0].driver.name, fmt.Sprintf("open, %s, fresh process", how), opening, loopOp{})
	t.judged(pair[0].driver.name, fmt.Sprintf("memory of any of these, %s, at most", how), comma(memory)+" B", "below 100,000,000 B", memory < 100e6)
	return nil
}

// flatExport measures what an event takes to be exported.
func (t *table) flatExport(pair [2]loopStore, how string, rounds float64) error {
	var perEvent [2][]time.Duration
	var memory int64
	for round := range max(1, int(3*rounds)) {
		for i := range pair {
			i = (i + round) % len(pair)
			r, err := pair[i].child(exportOp)
			if err != nil {
				return err
			}
			perEvent[i] = append(perEvent[i], r.Took/time.Duration(pair[i].events))
			memory = max(memory, r.Memory)
		}
	}
	t.flatness(pair[0].driver.name, fmt.Sprintf("export, %s, for each event", how), perEvent, loopOp{limit: 1.5})
	// Of a file that is mapped, as bbolt's is, the pages that were read count as well.
	t.note(pair[0].driver.name, fmt.Sprintf("memory of the export, %s, at most", how), comma(memory)+" B")
	return nil
}

// flatness is a line about a time in a short run and in a long one.
func (t *table) flatness(side, what string, times [2][]time.Duration, op loopOp) {
	few, many := median(times[0]), median(times[1])
	ratio := float64(many) / float64(few)
	measured := fmt.Sprintf("%s → %s: %.2f", short(few), short(many), ratio)
	if op.limit == 0 {
		t.note(side, what, measured)
		return
	}
	limit, ok := fmt.Sprintf("at most %.3g", op.limit), ratio <= op.limit
	if op.most > 0 {
		limit, ok = fmt.Sprintf("%s and %s", limit, ms(op.most)), ok && many <= op.most
	}
	t.judged(side, what, measured, limit, ok)
}

// short says a time in three digits or so.
func short(d time.Duration) string {
	switch {
	case d < 100*time.Microsecond:
		return d.Round(100 * time.Nanosecond).String()
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// flatResult is what a child says that did one thing.
type flatResult struct {
	Took, Opening time.Duration
	Memory        int64 // the most that it had, in bytes
}

// exportOp is what a child is asked besides the loopOps.
const exportOp = "export"

// child does one thing in a process of its own.
func (s loopStore) child(op string) (r flatResult, err error) {
	err = startChild(&r, nil, "flat", s.driver.name, s.path, strconv.Itoa(s.events), op)
	return r, err
}

func flatChild(args []string) (any, error) {
	d, err := driverNamed(args[0])
	if err != nil {
		return nil, err
	}
	events, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	do := func(o *openLoop, _ int) error { return o.export() }
	if i := slices.IndexFunc(loopOps, func(op loopOp) bool { return op.name == args[3] }); i >= 0 {
		do = loopOps[i].do
	} else if args[3] != exportOp {
		return nil, fmt.Errorf("there is nothing like %q to be done", args[3])
	}
	start := time.Now()
	o, err := loopStore{d, args[1], events}.open(checkpoint.WithReadOnly())
	if err != nil {
		return nil, err
	}
	defer o.store.Close()
	r := flatResult{Opening: time.Since(start)}
	start = time.Now()
	if err := do(o, 0); err != nil {
		return nil, err
	}
	r.Took = time.Since(start)
	r.Memory, err = peakMemory()
	return r, err
}
