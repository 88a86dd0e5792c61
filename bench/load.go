package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
)

// loadNewest compares the load of the newest event of a short run and a long one.
func loadNewest(dir string) ([]side, func(), error) {
	ctx := context.Background()
	store, err := checkpoint.NewSQLiteStore(filepath.Join(dir, "flowlog.db"))
	if err != nil {
		return nil, nil, err
	}
	var sides []side
	for _, events := range []int{10, 100_000} {
		run := fmt.Sprint("run-", events)
		if err := fill(store.EventStore, run, events); err != nil {
			return nil, nil, err
		}
		sides = append(sides, side{fmt.Sprintf("%d events", events), func() (time.Duration, error) {
			return timed(200, func(int) error { _, err := store.Load(ctx, run); return err })
		}})
	}
	return sides, func() { store.Close() }, nil
}

// loadFresh measures how long a new process needs for an agent's newest state:
// the load alone, and with opening the store.
func loadFresh(dir string) ([]side, func(), error) {
	ctx := context.Background()
	path := filepath.Join(dir, "flowlog.db")
	store, err := checkpoint.NewSQLiteStore(path)
	if err != nil {
		return nil, nil, err
	}
	for _, state := range workload.Transcript(200, 1) {
		if err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: state}); err != nil {
			return nil, nil, err
		}
	}
	if err := store.Close(); err != nil {
		return nil, nil, err
	}
	load := func(opening bool) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			start := time.Now()
			store, err := checkpoint.NewSQLiteStore(path)
			if err != nil {
				return 0, err
			}
			defer store.Close()
			if !opening {
				start = time.Now()
			}
			_, err = store.Load(ctx, "run")
			return time.Since(start), err
		}
	}
	return []side{{"load", load(false)}, {"open and load", load(true)}}, func() {}, nil
}

// listHeaders shows that listing headers reads no state: 1,000 events with states
// of 100 KB that do not compress, listed by a fresh store.
func listHeaders(out io.Writer, _ float64) error {
	ctx := context.Background()
	path, done, err := tempFile()
	if err != nil {
		return err
	}
	defer done()
	store, err := checkpoint.NewSQLiteStore(path, checkpoint.WithDurability(checkpoint.DurabilityOff))
	if err != nil {
		return err
	}
	total := 0
	for i := range 1000 {
		state := noise(uint64(i), 100<<10)
		total += len(state)
		if err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: state}); err != nil {
			return err
		}
	}
	if err := store.Close(); err != nil {
		return err
	}
	if store, err = checkpoint.NewSQLiteStore(path); err != nil {
		return err
	}
	defer store.Close()
	before, err := readIO()
	if err != nil {
		return err
	}
	start, n := time.Now(), 0
	for _, err := range store.History(ctx, "run", checkpoint.HistoryOptions{HeadersOnly: true}) {
		if err != nil {
			return err
		}
		n++
	}
	after, err := readIO()
	fmt.Fprintf(out, "list %d headers of a run whose states take %d bytes: %d bytes read from files, in %v\n",
		n, total, after.rchar-before.rchar, time.Since(start).Round(time.Microsecond))
	return err
}
