package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// plan measures what it takes to plan over many runs, some with labels, as they were
// saved and sealed.
func plan(out io.Writer, _ float64) error {
	const runs, events = 1000, 100
	ctx := context.Background()
	t := newTable(out, fmt.Sprintf("plan: what three policies drop of %s events in %s runs", comma(runs*events), comma(runs)))
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		store, err := d.open(path, fast(), checkpoint.WithoutCompaction())
		if err != nil {
			return err
		}
		defer store.Close()
		small := smallStates(100)
		for i := range runs * events {
			cp := &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", i/events), NodeID: fmt.Sprint("node-", i%7), State: small[i%len(small)]}
			if err := store.Save(ctx, cp); err != nil {
				return err
			}
		}
		for _, how := range []string{"without notes", "a label in each run", "sealed, a label in each run"} {
			if how == "a label in each run" {
				for i := range runs {
					if err := store.Label(ctx, fmt.Sprint("run-", i), 50, "gold", "yes"); err != nil {
						return err
					}
				}
			}
			if how == "sealed, a label in each run" {
				if _, err := store.Compact(ctx, checkpoint.CompactOptions{}); err != nil {
					return err
				}
			}
			start := time.Now()
			p, err := store.Plan(ctx, compaction.KeepLast(5), compaction.KeepNewestPerNode(), compaction.KeepLabelled("gold", "yes"))
			if err != nil {
				return err
			}
			took := time.Since(start)
			start = time.Now()
			for i := range runs {
				if _, err := store.Marks(ctx, fmt.Sprint("run-", i)); err != nil {
					return err
				}
			}
			t.timing(d.name, "plan, "+how, fmt.Sprintf("%.2f s, %s events to be pruned", took.Seconds(), comma(int64(p.Total().Events))), "below 2 s")
			t.note(d.name, "labels and pins of all runs, "+how, ms(time.Since(start)))
		}
		return nil
	})
}

// prune measures how fast a plan is run, by how much the file gets smaller, and how long
// who saves meanwhile waits, when nine states of ten go which neither compress nor
// resemble each other.
func prune(out io.Writer, _ float64) error {
	const runs, events, size = 300, 20, 50 << 10
	ctx := context.Background()
	t := newTable(out, fmt.Sprintf("prune: of %d runs of %d events of %s B the last 2 are kept, store open, every transaction durable", runs, events, comma(size)))
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		for _, sealed := range []bool{false, true} {
			store, err := d.open(path, fast(), checkpoint.WithoutCompaction())
			if err != nil {
				return err
			}
			how := "as they were saved"
			group := fmt.Sprint(sealed)
			for i := range runs * events {
				cp := &checkpoint.Checkpoint{RunID: fmt.Sprint(group, " ", i/events), NodeID: "node", State: noise(uint64(i), size)}
				if err := store.Save(ctx, cp); err != nil {
					return err
				}
			}
			if sealed {
				how = "sealed"
				if _, err := store.Compact(ctx, checkpoint.CompactOptions{}); err != nil {
					return err
				}
			}
			if err := store.Close(); err != nil {
				return err
			}
			if store, err = d.open(path, checkpoint.WithoutCompaction()); err != nil {
				return err
			}
			before := onDisk(path)
			p, err := store.Plan(ctx, compaction.KeepLast(2))
			if err != nil {
				return err
			}
			stop, waited := make(chan struct{}), make(chan []time.Duration)
			go func() {
				var times []time.Duration
				defer func() { waited <- times }()
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					start := time.Now()
					if store.Save(ctx, &checkpoint.Checkpoint{RunID: "writer", NodeID: "node", State: []byte(`{"small":true}`)}) != nil {
						return
					}
					times = append(times, time.Since(start))
				}
			}()
			start, reclaiming := time.Now(), time.Time{}
			res, err := store.RunPlan(ctx, p, checkpoint.PlanOptions{Reclaim: true, Progress: func(p checkpoint.CompactProgress) {
				if p.Step == checkpoint.CompactReclaiming && reclaiming.IsZero() {
					reclaiming = time.Now()
				}
			}})
			end := time.Now()
			close(stop)
			times := <-waited
			if err != nil {
				return err
			}
			after, bytes := onDisk(path), p.Total().Bytes
			less := 1 - float64(after)/float64(before)
			t.judged(d.name, how+", events pruned, as planned", fmt.Sprintf("%s of %s", comma(int64(res.Events)), comma(int64(p.Total().Events))), "all", res.Events == p.Total().Events)
			t.judged(d.name, how+", on disk, before and after", fmt.Sprintf("%s B, %s B: %.1f %% less", comma(before), comma(after), less*100), "80 % less or more", less >= 0.8)
			t.timing(d.name, how+", without giving space back", speed(bytes, reclaiming.Sub(start)), "100 MB/s or more")
			t.note(d.name, how+", with it", speed(bytes, end.Sub(start)))
			t.timing(d.name, how+", a save meanwhile, median / max", fmt.Sprintf("%s / %s", ms(median(times)), ms(slices.Max(times))), "sqlite: at most 250 ms")
			for i := range runs {
				rep, err := store.Verify(ctx, fmt.Sprint(group, " ", i))
				if err != nil {
					return err
				}
				if !rep.Intact() {
					return fmt.Errorf("run %d: %v", i, rep)
				}
				if err := store.Delete(ctx, rep.RunID); err != nil { // for the next round
					return err
				}
			}
			if err := store.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}
