package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/flowlog/checkpoint"
)

// pressed is a store that is saved to, slice by slice.
type pressed struct {
	name  string
	opts  []checkpoint.Option
	loop  bool // Compact runs all the while
	times []time.Duration
}

// underPressure measures every Save of stores that are compacted, in the background
// or without a pause, and of one that isn't. They take turns, a slice each, and are
// open for their slice only: nobody's compaction works while another is measured.
func underPressure(out io.Writer, rounds float64) error {
	small := smallStates(1000)
	large := transcriptStates(200)
	for _, load := range []struct {
		name           string
		writers, saves int // saves of each writer in a slice
		rounds         int
		state          func(i int) []byte
	}{
		{"500 B by 8 goroutines, a run each", 8, 2000, 10, func(i int) []byte { return small[i%len(small)] }},
		{"the 200-step transcript over and over by one goroutine, in one run", 1, 800, 5, func(i int) []byte { return large[i%len(large)] }},
	} {
		t := newTable(out, "save while compaction works: "+load.name+"; every save durable")
		err := eachDriver(func(d driver, path string) error {
			sides := []*pressed{
				{name: "without", opts: []checkpoint.Option{checkpoint.WithoutCompaction()}},
				{name: "in the background"},
				{name: "Compact in a loop", opts: []checkpoint.Option{checkpoint.WithoutCompaction()}, loop: true},
			}
			n := max(3, int(float64(load.rounds)*rounds))
			for round := range n + 1 {
				progress("%s: save while compaction works: round %d of %d", d.name, round, n)
				for i := range sides {
					side := sides[(i+round)%len(sides)]
					at := filepath.Join(filepath.Dir(path), fmt.Sprint((i+round)%len(sides)))
					times, err := side.slice(d, at, round*load.saves, load.writers, load.saves, load.state)
					if err != nil {
						return fmt.Errorf("%s: %w", side.name, err)
					}
					if round > 0 { // the first is for warming up
						side.times = append(side.times, times...)
					}
				}
			}
			least := percentile(sides[0].times, 99)
			for _, s := range sides {
				p99, limit := percentile(s.times, 99), ""
				if s != sides[0] && !s.loop { // nobody compacts without a pause
					limit = "at most 2"
				}
				t.note(d.name+", "+s.name, "save, median / max", fmt.Sprintf("%s / %s", ms(median(s.times)), ms(slices.Max(s.times))))
				t.timing(d.name+", "+s.name, "save, 99 %, as a multiple of that without", fmt.Sprintf("%s: %.2f", ms(p99), float64(p99)/float64(least)), limit)
			}
			return nil
		})
		t.flush()
		if err != nil {
			return err
		}
	}
	return nil
}

// slice opens the store, saves by all writers and returns how long each Save took.
func (p *pressed) slice(d driver, path string, first, writers, saves int, state func(i int) []byte) ([]time.Duration, error) {
	store, err := d.open(path, p.opts...)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	ctx, stop := context.WithCancel(context.Background())
	var compacting sync.WaitGroup
	if p.loop {
		compacting.Go(func() {
			for ctx.Err() == nil {
				// Idle, so that what is sealed are tails, as while a run goes on.
				store.Compact(ctx, checkpoint.CompactOptions{Idle: time.Hour})
				time.Sleep(time.Millisecond)
			}
		})
	}
	times, errs := make([][]time.Duration, writers), make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range saves {
				cp := &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", w), NodeID: "node", State: state(first + w + i)}
				start := time.Now()
				if errs[w] = store.Save(context.Background(), cp); errs[w] != nil {
					return
				}
				times[w] = append(times[w], time.Since(start))
			}
		})
	}
	wg.Wait()
	stop()
	compacting.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(times...), nil
}
