// Package checkpoint keeps the checkpoints of workflow runs in append-only logs.
//
// Every [EventStore.Save] appends one immutable JSON event to its run's log;
// nothing is ever overwritten. [EventStore.Load] reads the newest event,
// [EventStore.List] and [EventStore.History] replay the whole history, and
// [EventStore.LoadSeq], [EventStore.LoadNode] and [ResumeFrom] go back to any of
// it. A large state is stored as what differs from the one it grew from, so the
// whole history costs about what its last state costs.
//
//	store, err := checkpoint.NewSQLiteStore("./data/checkpoints.db")
//	...
//	defer store.Close()
//	err = store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: "process", State: json.RawMessage(`{"n":1}`)})
//
// # Where things are
//
//   - [NewSQLiteStore] and [NewMemoryStore] open a store, [Open] one on a driver
//     of yours: package log says what a driver must do, log/logtest proves it.
//   - [Store] is the small interface that an engine needs; [EventStore] is the
//     type behind it, with all else.
//   - [Checkpoint] is what is saved and loaded, [Event] the same as it lies in a
//     history, [Run] the summary of a run.
//   - [Resume] and [ResumeFrom] give any engine the decoded state and the node to
//     go on with. Package flowgraphstore is a drop-in store for flowgraph.
//   - [EventStore.Verify] checks a run against its hash chain.
//
// # A run is a tree
//
// Every event has a seq, its position in the run, and a parent, the event that it
// continues from. Going back to an early event and on from there another way makes
// a branch; both lines stay. An event's parent is what its writer meant: two
// writers of one run make two visible branches, never a forged line.
//
// # Cost
//
// Importing this package links SQLite into the program, about 7 MB. A program that
// wants only another driver imports package log and that driver.
package checkpoint
