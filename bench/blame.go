package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/flowlog/checkpoint"
)

// blameResult is what a child says that blamed.
type blameResult struct {
	Answers int
	Memory  int64 // the most that it had, in bytes
}

// blameChild opens a store and asks where a value of the last state came from: for
// its setting alone, for all that it was, or for each child.
func blameChild(args []string) (any, error) {
	ctx := context.Background()
	d, err := driverNamed(args[0])
	if err != nil {
		return nil, err
	}
	store, err := d.open(args[1], checkpoint.WithReadOnly())
	if err != nil {
		return nil, err
	}
	defer store.Close()
	run, err := store.Run(ctx, "run")
	if err != nil {
		return nil, err
	}
	asked := map[string]func(context.Context, string, uint64, string) iter.Seq2[*checkpoint.Provenance, error]{
		"history": store.BlameHistory, "children": store.BlameChildren,
	}[args[2]]
	var r blameResult
	for _, err := range asked(ctx, "run", run.Last, args[3]) {
		if err != nil {
			return nil, err
		}
		r.Answers++
	}
	r.Memory, err = peakMemory()
	return r, err
}

// blame measures whole processes that ask where values came from.
func blame(out io.Writer, rounds float64) error {
	t := newTable(out, "blame in the 200-step transcript, by a process of its own, from its start to its end; median")
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		for _, how := range []string{"as saved", "sealed"} {
			store, err := d.open(path, fast(), checkpoint.WithoutCompaction())
			if err != nil {
				return err
			}
			if how == "as saved" {
				for _, state := range transcriptStates(200) {
					if err := store.Save(context.Background(), &checkpoint.Checkpoint{RunID: "run", NodeID: "agent", State: state}); err != nil {
						return err
					}
				}
				err = store.Close()
			} else {
				err = compactAndClose(store)
			}
			if err != nil {
				return err
			}
			for _, ask := range []struct{ what, child, path string }{
				{"a leaf that the first event set", "history", "messages[0].content"}, {"a leaf that each of 200 events set", "history", "step"},
				{"each of 200 messages", "children", "messages"},
			} {
				var r blameResult
				var took []time.Duration
				var memory int64
				for range max(3, int(9*rounds)) {
					start := time.Now()
					if err := startChild(&r, nil, "blame", d.name, path, ask.child, ask.path); err != nil {
						return err
					}
					took, memory = append(took, time.Since(start)), max(memory, r.Memory)
				}
				t.timing(d.name, fmt.Sprintf("%s, %s (%d answers)", ask.what, how, r.Answers), ms(median(took)), map[string]string{"sealed": "below 1 s"}[how])
				t.judged(d.name, "memory for it, at most", fmt.Sprintf("%d MB", memory>>20), "below 300 MB", memory < 300<<20)
			}
		}
		return nil
	})
}
