package checkpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// Most states of a run are dropped, by a plan that says first what goes and why the rest
// stays.
func ExampleEventStore_Plan() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	for i := range 8 {
		err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: []string{"write", "review"}[i%2], State: json.RawMessage(fmt.Sprintf(`{"pass":%d}`, i))})
		if err != nil {
			panic(err)
		}
	}

	if err := store.Pin(ctx, "run-123", 2); err != nil { // seq 2; 0 is the run itself
		panic(err)
	}
	if err := store.Label(ctx, "run-123", 3, "audit", "2025"); err != nil {
		panic(err)
	}

	plan, err := store.Plan(ctx, compaction.KeepLast(2), compaction.KeepLabelled("audit", ""), compaction.DropRunsIdle(90*24*time.Hour))
	if err != nil {
		panic(err)
	}
	for _, r := range plan.Runs {
		fmt.Printf("%s: %d states go, %d bytes: %v\n", r.Run, r.Events, r.Bytes, r.Prune)
		for _, k := range r.Kept {
			fmt.Printf("%d to %d stay: %s\n", k.First, k.Last, k.Why)
		}
	}
	result, err := store.RunPlan(ctx, plan, checkpoint.PlanOptions{Reclaim: true}) // and gives the disk space back
	if err != nil {
		panic(err)
	}
	fmt.Println("dropped", result.Events, "states, skipped", len(result.Skipped), "runs that somebody protected meanwhile")

	_, err = store.LoadSeq(ctx, "run-123", 1)
	fmt.Println(errors.Is(err, checkpoint.ErrPruned))
	// Output:
	// run-123: 4 states go, 40 bytes: [{1 1} {4 6}]
	// 2 to 2 stay: pinned
	// 3 to 3 stay: labelled audit
	// 7 to 8 stay: among the last 2 of its branch
	// dropped 4 states, skipped 0 runs that somebody protected meanwhile
	// true
}

// Old states go in the background while the store is open.
func ExampleWithRetention() {
	store, err := checkpoint.NewSQLiteStore(":memory:", checkpoint.WithRetention(time.Hour,
		compaction.KeepFor(30*24*time.Hour), compaction.KeepNewestPerNode(), compaction.DropRunsIdle(365*24*time.Hour)))
	if err != nil {
		panic(err)
	}
	defer store.Close()
	// Output:
}
