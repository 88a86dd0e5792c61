package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// threeSteps is a run in which the model was chosen, changed and used.
func threeSteps(store *checkpoint.MemoryStore) {
	for _, step := range [][2]string{
		{"plan", `{"model":"small","messages":[{"role":"user","text":"Hello"}]}`},
		{"route", `{"model":"large","messages":[{"role":"user","text":"Hello"}]}`},
		{"answer", `{"model":"large","messages":[{"role":"system","text":"Be kind"},{"role":"user","text":"Hello"}]}`},
	} {
		err := store.Save(context.Background(), &checkpoint.Checkpoint{RunID: "run-123", NodeID: step[0], State: json.RawMessage(step[1])})
		if err != nil {
			panic(err)
		}
	}
}

// Which event set a value, and what was it before?
func ExampleEventStore_Blame() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	threeSteps(store)

	p, err := store.Blame(ctx, "run-123", 3, "model") // or messages[-1].text, or a JSON Pointer
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s is %s since event %d (node %s), before: %s\n", p.Asked, p.Value, p.Event.Seq, p.Event.NodeID, p.Before) // nothing if it was not there

	for p, err := range store.BlameChildren(ctx, "run-123", 3, "messages") {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s is of event %d, there as %s\n", p.Asked, p.Event.Seq, p.Path)
	}
	// Output:
	// /model is "large" since event 2 (node route), before: "small"
	// /messages/0 is of event 3, there as /messages/0
	// /messages/1 is of event 1, there as /messages/0
}

// All that a value ever was, newest first.
func ExampleEventStore_BlameHistory() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	threeSteps(store)

	for p, err := range store.BlameHistory(ctx, "run-123", 3, "model") {
		if err != nil {
			panic(err)
		}
		fmt.Println(p.Event.Seq, p.Kind, string(p.Value))
	}
	// Output:
	// 2 changed "large"
	// 1 added "small"
}

// Trying again from an early event, in a run of its own.
func ExampleEventStore_Fork() {
	ctx := context.Background()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	threeSteps(store)

	cp, err := store.Fork(ctx, "run-123", 2, "run-124", checkpoint.EditState(func(state []byte) ([]byte, error) {
		return statediff.Apply(state, []byte(`[{"op":"replace","path":"/model","value":"tiny"}]`))
	}))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s goes on from %s, event %d: %s\n", cp.RunID, cp.Origin.RunID, cp.Origin.Seq, cp.State)

	for ev, err := range store.Lineage(ctx, "run-124", 1, checkpoint.LineageOptions{HeadersOnly: true}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(ev.RunID, ev.Seq, ev.NodeID)
	}
	// Output:
	// run-124 goes on from run-123, event 2: {"model":"tiny","messages":[{"role":"user","text":"Hello"}]}
	// run-124 1 route
	// run-123 2 route
	// run-123 1 plan
}

// Following what is saved, here until there were three events.
func ExampleEventStore_Watch() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	go threeSteps(store) // or another process, on a SQLite file

	for ev, err := range store.Watch(ctx, checkpoint.WatchOptions{Run: "run-123", From: 1}) {
		if err != nil {
			panic(err) // also ctx.Err()
		}
		fmt.Println(ev.Seq, ev.NodeID)
		if ev.Seq == 3 {
			break
		}
	}
	// Output:
	// 1 plan
	// 2 route
	// 3 answer
}
