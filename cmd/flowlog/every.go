package main

import (
	"hash/maphash"
	"iter"

	"github.com/flowlog/checkpoint"
)

// everyRun streams all runs, each once: newest first, and then those that were saved to
// meanwhile, so that they came to stand where the listing had already been. It takes some 16
// bytes for each.
func (l looker) everyRun() iter.Seq2[checkpoint.Run, error] {
	return func(yield func(checkpoint.Run, error) bool) {
		seed, seen := maphash.MakeSeed(), map[uint64]struct{}{}
		for _, byID := range []bool{false, true} {
			for run, err := range l.store.Runs(l.ctx, checkpoint.RunsOptions{ByID: byID}) {
				key := maphash.String(seed, run.ID)
				if _, ok := seen[key]; ok && run.ID != "" {
					continue
				}
				seen[key] = struct{}{}
				if !yield(run, err) {
					return
				}
			}
		}
	}
}
