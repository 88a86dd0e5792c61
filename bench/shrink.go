package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/flowlog/checkpoint"
)

// shrink measures by how much a store's file gets smaller, with the store open, when
// nine runs of ten are deleted whose states neither compress nor resemble each
// other.
func shrink(out io.Writer, _ float64) error {
	const runs, events, size = 400, 20, 50 << 10
	ctx := context.Background()
	t := newTable(out, fmt.Sprintf("shrink: %d of %d runs of %d events of %s B are deleted and the store compacted, store open", runs*9/10, runs, events, comma(size)))
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		store, err := d.open(path, fast())
		if err != nil {
			return err
		}
		for i := range runs * events {
			cp := &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", i/events), NodeID: "node", State: noise(uint64(i), size)}
			if err := store.Save(ctx, cp); err != nil {
				return err
			}
		}
		if err := compactAndClose(store); err != nil {
			return err
		}
		if store, err = d.open(path); err != nil {
			return err
		}
		defer store.Close()
		before, start := onDisk(path), time.Now()
		for i := range runs {
			if i%10 != 0 {
				if err := store.Delete(ctx, fmt.Sprint("run-", i)); err != nil {
					return err
				}
			}
		}
		deleted := time.Since(start)
		start = time.Now()
		if _, err := store.Compact(ctx, checkpoint.CompactOptions{}); err != nil {
			return err
		}
		compacted, after := time.Since(start), onDisk(path)
		less := 1 - float64(after)/float64(before)
		t.judged(d.name, "on disk, before and after", fmt.Sprintf("%s B, %s B: %.1f %% less", comma(before), comma(after), less*100), "80 % less or more", less >= 0.8)
		t.note(d.name, "delete, each, and compact, every transaction durable", fmt.Sprintf("%s, %.1f s", ms(deleted/(runs*9/10)), compacted.Seconds()))
		for i := 0; i < runs; i += 10 { // what is left is whole
			rep, err := store.Verify(ctx, fmt.Sprint("run-", i))
			if err != nil {
				return err
			}
			if !rep.Intact() {
				return fmt.Errorf("run-%d: %v", i, rep)
			}
		}
		return nil
	})
}
