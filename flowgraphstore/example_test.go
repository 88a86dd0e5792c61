package flowgraphstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// Order is the state of the graphs below.
type Order struct {
	Items  []string `json:"items"`
	Status string   `json:"status"`
}

func step(status string) flowgraph.NodeFunc[Order] {
	return func(_ flowgraph.Context, o Order) (Order, error) {
		o.Status = status
		return o, nil
	}
}

// A graph runs on a flowlog store, fails, and is resumed after what it had done.
// Without New the store would be flowgraph's own; nothing else differs.
func Example() {
	store := checkpoint.NewMemoryStore() // or NewSQLiteStore("runs.db")
	defer store.Close()
	fg := flowgraphstore.New(store) // any store of package checkpoint

	bankIsDown := true
	compiled, err := flowgraph.NewGraph[Order]().
		AddNode("pack", step("packed")).
		AddNode("pay", func(_ flowgraph.Context, o Order) (Order, error) {
			if bankIsDown {
				return o, errors.New("the bank is down")
			}
			o.Status = "paid"
			return o, nil
		}).
		AddNode("ship", step("shipped")).
		SetEntry("pack").
		AddEdge("pack", "pay").AddEdge("pay", "ship").AddEdge("ship", flowgraph.END).
		Compile()
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := flowgraph.NewContext(context.Background())
	_, err = compiled.Run(ctx, Order{Items: []string{"tea"}}, flowgraph.WithCheckpointing(fg), flowgraph.WithRunID("order-1"))
	fmt.Println(err)

	bankIsDown = false
	order, err := compiled.Resume(ctx, fg, "order-1")
	fmt.Println(order.Status, err)

	events, err := store.List("order-1")
	for _, e := range events {
		fmt.Println(e.Seq, e.NodeID, string(e.State))
	}
	fmt.Println(err)
	// Output:
	// node pay: execute: the bank is down
	// shipped <nil>
	// 1 pack {"items":["tea"],"status":"packed"}
	// 2 pay {"items":["tea"],"status":"paid"}
	// 3 ship {"items":["tea"],"status":"shipped"}
	// <nil>
}

// A loop has gone wrong after its first pass: go back to that, change the state,
// and go on another way. Both ways stay.
func ExampleStore_At() {
	store := checkpoint.NewMemoryStore()
	defer store.Close()
	fg := flowgraphstore.New(store)

	compiled, err := flowgraph.NewGraph[Order]().
		AddNode("add", func(_ flowgraph.Context, o Order) (Order, error) {
			o.Items = append(o.Items, fmt.Sprint("tea ", len(o.Items)+1))
			return o, nil
		}).
		AddNode("ship", step("shipped")).
		SetEntry("add").
		AddConditionalEdge("add", func(_ flowgraph.Context, o Order) string {
			if len(o.Items) < 3 {
				return "add"
			}
			return "ship"
		}).
		AddEdge("ship", flowgraph.END).
		Compile()
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := flowgraph.NewContext(context.Background())
	order, err := compiled.Run(ctx, Order{}, flowgraph.WithCheckpointing(fg), flowgraph.WithRunID("order-2"))
	fmt.Println(order.Items, err)

	order, err = compiled.Resume(ctx, fg.At(1), "order-2", flowgraph.WithStateOverride(func(s any) any {
		o := s.(Order)
		o.Items = append(o.Items, "coffee")
		return o
	}))
	fmt.Println(order.Items, err)

	events, err := store.List("order-2")
	for _, e := range events {
		fmt.Println(e.Seq, "after", e.Parent, e.NodeID)
	}
	fmt.Println(err)
	// Output:
	// [tea 1 tea 2 tea 3] <nil>
	// [tea 1 coffee tea 3] <nil>
	// 1 after 0 add
	// 2 after 1 add
	// 3 after 2 add
	// 4 after 3 ship
	// 5 after 1 add
	// 6 after 5 ship
	// <nil>
}
