package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
)

// sealResult is what a child says that sealed.
type sealResult struct {
	States  int64           // bytes
	Elapsed []time.Duration // of each round
	CPU     []time.Duration
}

// sealChild seals agents' runs, round by round. What it costs to save them is not
// counted.
func sealChild(args []string) (any, error) {
	const runs = 4
	ctx := context.Background()
	d, err := driverNamed(args[0])
	if err != nil {
		return nil, err
	}
	rounds, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	var r sealResult
	for round := range rounds + 1 { // the first is for warming up
		path := filepath.Join(filepath.Dir(args[1]), fmt.Sprint("seal-", round))
		store, err := d.open(path, fast(), checkpoint.WithoutCompaction())
		if err != nil {
			return nil, err
		}
		for run := range runs {
			for _, state := range workload.Transcript(200, uint64(run)) {
				if err := store.Save(ctx, &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", run), NodeID: "agent", State: state}); err != nil {
					return nil, err
				}
			}
		}
		if err := store.Close(); err != nil {
			return nil, err
		}
		if store, err = d.open(path, checkpoint.WithoutCompaction()); err != nil {
			return nil, err
		}
		start, cpu := time.Now(), cpuTime()
		rep, err := store.Compact(ctx, checkpoint.CompactOptions{})
		if err != nil {
			return nil, err
		}
		if round > 0 {
			r.Elapsed, r.CPU = append(r.Elapsed, time.Since(start)), append(r.CPU, cpuTime()-cpu)
		}
		r.States = rep.Sealed.States
		if err := store.Close(); err != nil {
			return nil, err
		}
		os.Remove(path)
	}
	return r, nil
}

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it is asked for as documented
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sealSpeed measures what Compact takes for all its steps, on one processor.
func sealSpeed(out io.Writer, rounds float64) error {
	t := newTable(out, "seal: Compact of four 200-step transcripts by a process with GOMAXPROCS=1, every transaction durable")
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		var r sealResult
		if err := startChild(&r, []string{"GOMAXPROCS=1"}, "seal", d.name, path, strconv.Itoa(max(3, int(9*rounds)))); err != nil {
			return err
		}
		limit := "500 MB/s or more"
		if d.name != "sqlite" {
			limit = ""
		}
		t.timing(d.name, "states sealed in a second, median", speed(r.States, median(r.Elapsed)), limit)
		t.note(d.name, "states sealed in a second of processor time, median", speed(r.States, median(r.CPU)))
		return nil
	})
}
