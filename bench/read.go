package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/flowlog/checkpoint"
)

// readSealed measures reading a run that is sealed whole: single states, the newest
// by a store that has just been opened, and the history.
func readSealed(out io.Writer, rounds float64) error {
	ctx := context.Background()
	states := transcriptStates(200)
	var total int64
	for _, s := range states {
		total += int64(len(s))
	}
	t := newTable(out, "read the sealed 200-step transcript; every state is held to its SHA-256")
	defer t.flush()
	passes := max(3, int(20*rounds))
	return eachDriver(func(d driver, path string) error {
		store, err := d.open(path, fast())
		if err != nil {
			return err
		}
		for _, s := range states {
			if err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "agent", State: s}); err != nil {
				return err
			}
		}
		if err := compactAndClose(store); err != nil {
			return err
		}
		var single, newest, again, stream []time.Duration
		for pass := range passes + 1 {
			one, some, all, err := readPass(ctx, d, path, len(states))
			if err != nil {
				return err
			}
			more, err := newestPass(ctx, d, path)
			if err != nil {
				return err
			}
			if pass > 0 { // the first is for warming up
				again = append(again, more...)
				single, newest, stream = append(single, some...), append(newest, one...), append(stream, all)
			}
		}
		t.timing(d.name, "load of any one state, median / 99 %", fmt.Sprintf("%s / %s", ms(median(single)), ms(percentile(single, 99))), "99 % below 10 ms")
		t.timing(d.name, "load of the newest by an open store without its cache, median / 99 %", fmt.Sprintf("%s / %s", ms(median(again)), ms(percentile(again, 99))), "99 % below 3 ms")
		t.timing(d.name, "load of the newest by a fresh store, median / 99 %", fmt.Sprintf("%s / %s", ms(median(newest)), ms(percentile(newest, 99))), "below 3 ms")
		t.timing(d.name, "streaming all states, median", speed(total, median(stream)), "1,000 MB/s or more")
		return nil
	})
}

// readPass opens the store ten times and loads the newest state, then with the last
// of these each one, then all in a stream.
func readPass(ctx context.Context, d driver, path string, states int) (newest, single []time.Duration, stream time.Duration, err error) {
	var store *checkpoint.EventStore
	for range 10 {
		if store != nil {
			store.Close()
		}
		if store, err = d.open(path); err != nil {
			return nil, nil, 0, err
		}
		start := time.Now()
		if _, err := store.Load(ctx, "run"); err != nil {
			return nil, nil, 0, err
		}
		newest = append(newest, time.Since(start))
	}
	defer store.Close()
	for seq := range states - 1 { // the newest is in memory now
		start := time.Now()
		if _, err := store.LoadSeq(ctx, "run", uint64(seq+1)); err != nil {
			return nil, nil, 0, err
		}
		single = append(single, time.Since(start))
	}
	start := time.Now()
	for _, err := range store.History(ctx, "run", checkpoint.HistoryOptions{}) {
		if err != nil {
			return nil, nil, 0, err
		}
	}
	return newest, single, time.Since(start), nil
}

// newestPass loads the newest state again and again, as the states before it are loaded:
// from the file each time.
func newestPass(ctx context.Context, d driver, path string) (took []time.Duration, err error) {
	store, err := d.open(path, checkpoint.WithCacheBytes(1))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	for range 50 {
		start := time.Now()
		if _, err := store.Load(ctx, "run"); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}
