package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
)

// longResult is what a child says that saved a long transcript.
type longResult struct {
	Last, Total   int64
	Peak, Final   int64 // of the store on disk
	Memory        int64 // at most, in bytes
	Sums          [][32]byte
	P50, P99, Max time.Duration // of Save
	Saving        time.Duration
	Compacting    time.Duration
	Sealed        int64 // bytes of states that were sealed at the end
}

// longChild saves a transcript and compacts, and does nothing else.
func longChild(args []string) (any, error) {
	ctx := context.Background()
	d, err := driverNamed(args[0])
	if err != nil {
		return nil, err
	}
	path := args[1]
	steps, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	store, err := d.open(path)
	if err != nil {
		return nil, err
	}
	peak := watchSize(path)
	var r longResult
	times := make([]time.Duration, 0, steps)
	for i, state := range workload.Transcript(steps, 1) {
		r.Sums = append(r.Sums, sha256.Sum256(state))
		r.Last = int64(len(state))
		r.Total += r.Last
		start := time.Now()
		if err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "agent", State: state}); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
		r.Saving += times[i-1]
		if i%200 == 0 {
			progress("%s: saved %d of %d steps", d.name, i, steps)
		}
	}
	start := time.Now()
	rep, err := store.Compact(ctx, checkpoint.CompactOptions{})
	if err != nil {
		return nil, err
	}
	r.Compacting, r.Sealed = time.Since(start), rep.Sealed.States
	if err := store.Close(); err != nil {
		return nil, err
	}
	r.Peak, r.Final = peak(), onDisk(path)
	r.P50, r.P99, r.Max = median(times), percentile(times, 99), slices.Max(times)
	r.Memory, err = peakMemory()
	return r, err
}

// watchSize samples what a store takes on disk until the function that it returns
// is called, which returns the largest.
func watchSize(path string) (stop func() int64) {
	quit, peak := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var most int64
		for {
			most = max(most, onDisk(path))
			select {
			case <-tick.C:
			case <-quit:
				peak <- most
				return
			}
		}
	}()
	return func() int64 { close(quit); return <-peak }
}

// peakMemory returns the most memory that this process had resident, in bytes.
// Linux only.
func peakMemory() (int64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if rest, ok := strings.CutPrefix(sc.Text(), "VmHWM:"); ok {
			var kb int64
			_, err := fmt.Sscan(rest, &kb)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in %s", f.Name())
}

// longTranscript measures a transcript that takes gigabytes, saved as by default,
// every acknowledged save durable, with what is sealed in the background.
func longTranscript(out io.Writer, _ float64) error {
	const steps = 2000
	t := newTable(out, fmt.Sprintf("long transcript, %d steps", steps))
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		empty, err := emptySize(d)
		if err != nil {
			return err
		}
		var r longResult
		if err := startChild(&r, nil, "long", d.name, path, strconv.Itoa(steps)); err != nil {
			return err
		}
		t.note(d.name, "states", fmt.Sprintf("%s B, the last %s B", comma(r.Total), comma(r.Last)))
		t.ratio(d.name, "on disk at the end, on top of an empty store's, as a multiple of the last state", r.Final-empty, r.Last, 1.5)
		t.ratio(d.name, "on disk on the way at most, as a multiple of the end's", r.Peak, r.Final, 4)
		t.judged(d.name, "memory of the process that saved at most", comma(r.Memory)+" B", "below 300,000,000 B", r.Memory < 300e6)
		t.note(d.name, "save, median / 99 % / max", fmt.Sprintf("%s / %s / %s", ms(r.P50), ms(r.P99), ms(r.Max)))
		t.note(d.name, "saving, in all", fmt.Sprintf("%.1f s", r.Saving.Seconds()))
		t.note(d.name, "compact at the end", fmt.Sprintf("%s B of states in %s", comma(r.Sealed), ms(r.Compacting)))
		return longLoads(t, d, path, &r)
	})
}

// longLoads loads single states and then all of them.
func longLoads(t *table, d driver, path string, r *longResult) error {
	ctx := context.Background()
	store, err := d.open(path)
	if err != nil {
		return err
	}
	defer store.Close()
	var times []time.Duration
	steps, same := len(r.Sums), 0
	for i := range 300 {
		seq := i*617%steps + 1 // all over the run, none twice
		start := time.Now()
		cp, err := store.LoadSeq(ctx, "run", uint64(seq))
		if err != nil {
			return err
		}
		times = append(times, time.Since(start))
		if sha256.Sum256(cp.State) == r.Sums[seq-1] {
			same++
		}
	}
	t.timing(d.name, "load of any one state, median / 99 %", fmt.Sprintf("%s / %s", ms(median(times)), ms(percentile(times, 99))), "99 % below 150 ms")
	loaded := len(times)
	start := time.Now()
	for ev, err := range store.History(ctx, "run", checkpoint.HistoryOptions{}) {
		if err != nil {
			return err
		}
		if loaded++; ev.SHA256 == r.Sums[ev.Seq-1] && len(ev.State) == int(ev.Size) { // the log held it to that hash
			same++
		}
	}
	t.timing(d.name, "streaming all states", speed(r.Total, time.Since(start)), "")
	t.judged(d.name, "states as they were given", fmt.Sprintf("%d of %d", same, loaded), "all", same == loaded)
	return nil
}
