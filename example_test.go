package checkpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/flowlog/checkpoint"
)

// The whole of the small interface: save, load, list.
func Example() {
	ctx := context.Background()
	defer os.RemoveAll("./data")

	store, err := checkpoint.NewSQLiteStore("./data/checkpoints.db") // makes the folder if it is missing
	if err != nil {
		slog.Error("open the store", "error", err)
		return
	}
	defer store.Close()

	err = store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: "process", State: json.RawMessage(`{"n":1}`),
		Metadata: checkpoint.Metadata{GraphID: "my-workflow", Version: 1}})
	if err != nil {
		slog.Error("save", "error", err) // nothing was saved
		return
	}

	checkpoints, err := store.List("run-123")
	if err != nil {
		slog.Error("list", "error", err)
		return
	}
	for _, cp := range checkpoints {
		fmt.Printf("Node: %s, State: %s\n", cp.NodeID, cp.State)
	}
	// Output:
	// Node: process, State: {"n":1}
}

// A file of bbolt, which one process at a time may have open.
func ExampleNewBoltStore() {
	ctx := context.Background()
	defer os.RemoveAll("./data")

	store, err := checkpoint.NewBoltStore("./data/checkpoints.bolt")
	if errors.Is(err, checkpoint.ErrLocked) {
		slog.Error("another process has the store open", "error", err)
		return
	}
	if err != nil {
		panic(err)
	}
	defer store.Close()

	fmt.Println(store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: "process", State: json.RawMessage(`{"n":1}`)}))
	// Output:
	// <nil>
}

// Making a store smaller now, rather than in the background.
func ExampleEventStore_Compact() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
	defer store.Close()
	for i := range 300 {
		cp, err := checkpoint.New("run-123", "count", map[string]int{"n": i})
		if err != nil {
			panic(err)
		}
		if err := store.Save(ctx, cp); err != nil {
			panic(err)
		}
	}

	report, err := store.Compact(ctx, checkpoint.CompactOptions{}) // all runs: Idle is 0
	if err != nil {
		panic(err) // what was done is kept; call it again to go on
	}
	fmt.Println("sealed", report.Sealed.Events, "events, skipped", len(report.Skipped), "damaged runs")
	// Output:
	// sealed 300 events, skipped 0 damaged runs
}

// A run died. What was its state, and which node comes next?
func ExampleResume() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	type State struct {
		Draft string `json:"draft"`
		Done  int    `json:"done"`
	}
	cp, err := checkpoint.New("run-123", "write", State{Draft: "Dear reader", Done: 1})
	if err != nil {
		panic(err)
	}
	cp.NextNode = "review"
	if err := store.Save(ctx, cp); err != nil {
		panic(err)
	}

	at, err := checkpoint.Resume[State](ctx, store, "run-123")
	if errors.Is(err, checkpoint.ErrNotFound) {
		return // this run never saved anything: start it from the beginning
	}
	if err != nil {
		panic(err)
	}
	fmt.Println("go on with", at.NextNode, "and", at.State.Draft)
	// Output:
	// go on with review and Dear reader
}

// Going back to an early event and on from there another way makes a branch; both
// lines stay.
func ExampleEventStore_LoadSeq() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	for _, node := range []string{"plan", "write", "review"} {
		err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: node, State: json.RawMessage(`{}`)})
		if err != nil {
			panic(err)
		}
	}

	cp, err := store.LoadSeq(ctx, "run-123", 1) // back to the first event
	if err != nil {
		panic(err)
	}
	again := &checkpoint.Checkpoint{RunID: "run-123", Seq: cp.Seq, // continues from there
		NodeID: "write", State: json.RawMessage(`{"another":"way"}`), NextNode: "review"}
	if err := store.Save(ctx, again); err != nil {
		panic(err)
	}

	for ev, err := range store.History(ctx, "run-123", checkpoint.HistoryOptions{HeadersOnly: true}) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d %s, after %d\n", ev.Seq, ev.NodeID, ev.Parent)
	}
	// Output:
	// 1 plan, after 0
	// 2 write, after 1
	// 3 review, after 2
	// 4 write, after 1
}

// Saving only if nobody else has saved meanwhile.
func ExampleAfter() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	cp := &checkpoint.Checkpoint{RunID: "run-123", NodeID: "plan", State: json.RawMessage(`{}`)}
	saved, err := store.Append(ctx, cp, checkpoint.BeginRun()) // the run must not exist
	if err != nil {
		panic(err)
	}
	next := &checkpoint.Checkpoint{RunID: "run-123", NodeID: "write", State: json.RawMessage(`{}`)}
	_, err = store.Append(ctx, next, checkpoint.After(saved.Position))
	fmt.Println(err, next.Seq)

	late := &checkpoint.Checkpoint{RunID: "run-123", NodeID: "other", State: json.RawMessage(`{}`)}
	_, err = store.Append(ctx, late, checkpoint.After(saved.Position))
	fmt.Println(errors.Is(err, checkpoint.ErrConflict))
	// Output:
	// <nil> 2
	// true
}

// Which runs are there, newest first?
func ExampleEventStore_Runs() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	for _, run := range []string{"monday", "tuesday"} {
		err := store.Save(ctx, &checkpoint.Checkpoint{RunID: run, NodeID: "plan", State: json.RawMessage(`{}`), NextNode: "write"})
		if err != nil {
			panic(err)
		}
	}

	for run, err := range store.Runs(ctx, checkpoint.RunsOptions{Limit: 10}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(run.ID, "is at", run.NodeID, "and goes on with", run.NextNode)
	}
	// Output:
	// tuesday is at plan and goes on with write
	// monday is at plan and goes on with write
}

// Can the trail be believed?
func ExampleEventStore_Verify() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: "plan", State: json.RawMessage(`{}`)})
	if err != nil {
		panic(err)
	}

	report, err := store.Verify(ctx, "run-123")
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Intact(), report.Events)
	// Output:
	// true 1
}

// A run as a file, and the same run in another store.
func ExampleEventStore_Export() {
	ctx := context.Background()
	if err := os.MkdirAll("./data", 0o755); err != nil {
		panic(err)
	}
	defer os.RemoveAll("./data")
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	err := store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: "plan", State: json.RawMessage(`{"n":1}`)})
	if err != nil {
		panic(err)
	}

	file, err := os.Create("./data/run-123.flowlog")
	if err != nil {
		panic(err)
	}
	manifest, err := store.Export(ctx, "run-123", file) // the store may be open for reading only
	if err = errors.Join(err, file.Close()); err != nil {
		panic(err)
	}
	slog.Debug("keep the head's hash", "events", manifest.Events, "head", manifest.Head)

	other := checkpoint.NewMemoryStore()
	defer other.Close()
	if file, err = os.Open("./data/run-123.flowlog"); err != nil {
		panic(err)
	}
	defer file.Close()
	done, err := other.Import(ctx, file, checkpoint.ImportOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println(done.Runs[0].ID, done.Runs[0].Hash == manifest.Head)
	// Output:
	// run-123 true
}
