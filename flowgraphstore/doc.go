// Package flowgraphstore lets flowgraph's engine keep its checkpoints in flowlog.
//
// flowgraph's own store overwrites what it saved before for the same node, and its
// interface differs from [checkpoint.Store] in every method, so moving over is one
// wrapped argument:
//
//	fg := flowgraphstore.New(store) // any store of package checkpoint
//	result, err := compiled.Run(ctx, state, flowgraph.WithCheckpointing(fg), flowgraph.WithRunID("run-123"))
//	result, err = compiled.Resume(ctx, fg, "run-123")
//	result, err = compiled.ResumeFrom(ctx, fg, "run-123", "node-id")
//
// # What is kept
//
// flowgraph hands its store an envelope, JSON with the user's state in it. The
// state becomes the event's state, the envelope's fields become the event's, and
// the bytes around the state are kept beside it, so that Load returns exactly what
// was saved while history and diffs show the user's data. Bytes that are no such
// envelope are kept as they are.
//
// Every pass of a loop is an event of its own, in [checkpoint.EventStore.History], as
// "node#n" and in [Store.At]. List keeps flowgraph's own contract, a row for each node:
// its newest checkpoint on the run's current line. So a resume costs the number of nodes,
// not of passes.
//
// # Going back
//
// [Store.At] is a view in which an event is the newest of its run: Resume and
// ResumeFrom on it go on from there, and what they save continues from that event.
// ResumeFrom with "review#2" goes back to the second visit of the node review,
// unless a node has that literal name; flowgraph can't replay a node under such a
// name, so with WithReplayNode use At.
//
// A run that [checkpoint.EventStore.Fork] made is resumed like any other. The envelope
// of its first event is that of its origin, with the run id of that: flowgraph goes
// by the one that it is asked to resume.
//
// # Which event continues from which
//
// flowgraph does not tell its store what a checkpoint continues from, so that is
// inferred. flowgraph numbers the checkpoints of a line. Sequence 1 is a new
// beginning: flowgraph restarts there when a run id is run again. Any other
// continues from one with the sequence before: from this Store's last save of the
// run if that was of the node that the checkpoint names as the previous one; else,
// after a resume, from the one of them that was loaded last; else from the last
// save after all, with a fork in between. Where failed saves are not fatal, what
// follows a lost one continues from what that would have continued from.
//
// Where this Store has not been at such a place, it is the newest event with a lower
// sequence on the run's current line, and in a view the view's end. A Store remembers its
// place in the 10,000 runs that it used last.
//
// If a run is deleted while an engine works on it, even through the same Store, it stays
// deleted: the engine's next save fails with checkpoint.ErrNotFound, or with
// checkpoint.ErrConflict if the run was begun anew meanwhile. A new beginning, sequence
// 1, is allowed, and bytes without an envelope go to the run as it is.
//
// Events with a role, such as a failure, are never taken: List, Load and Resume skip
// them, and no save continues from them.
//
// Do not run the same run id twice at the same time through one Store; use one
// Store each. A node may load what it likes through the Store that it runs on, but
// between a resume, or a fork, and the next save not an event of another line that
// has the sequence of the one before; use another Store, such as a view, for that.
package flowgraphstore
