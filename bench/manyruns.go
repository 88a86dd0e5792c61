package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/flowlog/checkpoint"
)

// The pages of many runs.
const (
	runsOfPage = 50
	farPage    = 100
)

// manyRuns measures listings of a store with many runs that were all saved at once.
func manyRuns(out io.Writer, rounds float64) error {
	t := newTable(out, fmt.Sprintf("many runs: %s runs of one event, saved at once; medians", comma(int64(sizes.runs))))
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		took, err := saveRuns(d, path, sizes.runs)
		if err != nil {
			return err
		}
		t.note(d.name, "saving them, durability off", took.Round(time.Second/10).String())
		store, err := d.open(path, checkpoint.WithoutCompaction())
		if err != nil {
			return err
		}
		defer store.Close()
		after := ""
		for page := 1; page < farPage; page++ {
			if after, err = pageOfRuns(store, checkpoint.RunsOptions{After: after, Limit: runsOfPage}, runsOfPage); err != nil {
				return err
			}
		}
		for _, list := range []struct {
			what string
			opts checkpoint.RunsOptions
			want int
			most time.Duration
		}{
			{"first page of 50, newest first", checkpoint.RunsOptions{Limit: runsOfPage}, runsOfPage, 5 * time.Millisecond},
			{"100th page of 50, newest first", checkpoint.RunsOptions{Limit: runsOfPage, After: after}, runsOfPage, 5 * time.Millisecond},
			{"a prefix that one run has, newest first", checkpoint.RunsOptions{Prefix: runName(sizes.runs / 2)}, 1, time.Millisecond},
			{"a prefix that one run has, by id", checkpoint.RunsOptions{Prefix: runName(sizes.runs / 2), ByID: true}, 1, time.Millisecond},
		} {
			var times []time.Duration
			for range max(5, int(41*rounds)) {
				start := time.Now()
				if _, err := pageOfRuns(store, list.opts, list.want); err != nil {
					return fmt.Errorf("%s: %w", list.what, err)
				}
				times = append(times, time.Since(start))
			}
			t.timing(d.name, list.what, ms(median(times)), "at most "+ms(list.most))
		}
		return nil
	})
}

func runName(i int) string { return fmt.Sprintf("run-%08d", i) }

// saveRuns makes a store of so many runs and returns how long that took.
func saveRuns(d driver, path string, n int) (time.Duration, error) {
	const writers = 256
	store, err := d.open(path, fast(), checkpoint.WithoutCompaction())
	if err != nil {
		return 0, err
	}
	defer store.Close()
	start := time.Now()
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for i := g; i < n && errs[g] == nil; i += writers {
				errs[g] = store.Save(context.Background(), &checkpoint.Checkpoint{RunID: runName(i), NodeID: "node", State: []byte(`{"small":true}`)})
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	return took, errors.Join(append(errs, store.Close())...)
}

// pageOfRuns lists a page and returns where the next begins.
func pageOfRuns(store *checkpoint.EventStore, opts checkpoint.RunsOptions, want int) (after string, err error) {
	n := 0
	for run, err := range store.Runs(context.Background(), opts) {
		if err != nil {
			return "", err
		}
		n, after = n+1, run.Cursor()
	}
	if n != want {
		err = fmt.Errorf("%d runs instead of %d", n, want)
	}
	return after, err
}
