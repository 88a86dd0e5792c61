// Package checkpoint keeps the checkpoints of workflow runs in append-only logs.
//
// Every [EventStore.Save] appends one immutable JSON event to its run's log;
// nothing is ever overwritten. [EventStore.Load] reads the newest event,
// [EventStore.List] and [EventStore.History] replay the whole history, and
// [EventStore.LoadSeq], [EventStore.LoadNode] and [ResumeFrom] go back to any of
// it. A large state is stored as what differs from the one it grew from, and older
// events are sealed into compressed blocks, so the whole history of states that
// grow costs less than the last of them.
//
//	store, err := checkpoint.NewSQLiteStore("./data/checkpoints.db")
//	...
//	defer store.Close()
//	err = store.Save(ctx, &checkpoint.Checkpoint{RunID: "run-123", NodeID: "process", State: json.RawMessage(`{"n":1}`)})
//
// # Where things are
//
//   - [NewSQLiteStore], [NewBoltStore] and [NewMemoryStore] open a store, [Open] opens
//     one on your own driver: package driver says what a driver must do, and
//     driver/drivertest checks it.
//   - [Store] is the small interface that an engine needs; [EventStore] is the
//     type behind it, with all else.
//   - [Checkpoint] is what is saved and loaded, [Event] the same as it lies in a
//     history, [Run] the summary of a run.
//   - [Resume] and [ResumeFrom] give any engine the decoded state and the node to
//     go on with. Package flowgraphstore is a drop-in store for flowgraph.
//   - [EventStore.Blame] says which event or fork set a value, [EventStore.Lineage] what
//     an event grew from. [EventStore.Fork] begins a run of its own with the state of
//     an event, and [EventStore.Watch] follows runs while they are written.
//   - [EventStore.Plan] says what policies of package compaction would drop and why all
//     else stays, [EventStore.RunPlan] does it, and [WithRetention] does both in the
//     background. [EventStore.Label] and [EventStore.Pin] say what is worth keeping.
//   - [EventStore.Verify] checks a run against its hash chain.
//   - [EventStore.Export] writes a run to a file with its hashes, and
//     [EventStore.Import] makes the same run of it in any store;
//     [EventStore.ExportLines] and [EventStore.ImportLines] do so with JSON Lines.
//   - [EventStore.Compact] makes a store smaller now, [EventStore.Space] says how
//     large it is.
//
// # A run is a tree
//
// Every event has a seq, its place in the run, and a parent, the event that it continues
// from. If you go back to an early event and continue from there, you make a branch;
// flowlog keeps both. A run's current line leads from its newest recoverable event back
// through the parents: [EventStore.Load], Resume and ResumeFrom follow it. Events with a
// role, such as a failure, are in [EventStore.History]; recovery never takes them.
//
// A save with Seq 0 continues from the run's newest recoverable event; a save with a Seq
// continues from that event. Writers that pass Seq 0 interleave on one line, and each
// event names its writer. Writers that pass a Seq branch visibly. A loaded checkpoint
// carries its hash, so a save from it is refused once its run was deleted and begun anew.
//
// # Sealing
//
// While a store is open, what fills a block of a run, up to 256 events, is sealed in
// the background, and so are whole runs without an event for 10 minutes: see
// [WithIdle], [WithoutCompaction] and [WithLogger]. Nothing is lost by it, and every
// event answers as before. A block is read back and held to its hashes before it
// takes the place of what it holds. A damaged one takes its 256 states with it at
// most, and the newest state of a run that was sealed whole rests on no other.
// Disk space that becomes free is used again; only [EventStore.Compact] gives it
// back.
//
// # Cost
//
// Importing this package links SQLite into the program, about 7 MB, and bbolt. A program that
// wants only another driver imports package log and that driver.
package checkpoint
