package segment_test

import (
	"fmt"

	"github.com/flowlog/checkpoint/log/segment"
)

func Example() {
	c, err := segment.NewCodec(segment.Options{})
	if err != nil {
		panic(err)
	}
	w := c.NewWriter()
	for _, e := range []struct {
		segment.Entry
		payload string
	}{
		{segment.Entry{Seq: 2, Header: []byte(`{"seq":2,"node":"review"}`)}, `{"draft":"a better one"}`},
		{segment.Entry{Seq: 1, Header: []byte(`{"seq":1,"node":"write"}`), Base: 2}, `the state before, as a delta`},
	} {
		if err := w.Add(e.Entry, []byte(e.payload)); err != nil {
			panic(err)
		}
	}
	index, data, err := w.Finish(segment.Info{Run: "run-1", First: 1, Last: 2})
	if err != nil {
		panic(err)
	}

	x, err := c.ParseIndex(index)
	if err != nil {
		panic(err)
	}
	for _, e := range x.Entries() {
		fmt.Printf("%d: %s, %d bytes on %d\n", e.Seq, e.Header, e.Len, e.Base)
	}
	r, err := c.NewReader(x, data)
	if err != nil {
		panic(err)
	}
	payload, err := r.Payload(2)
	fmt.Printf("%s %v\n", payload, err)
	// Output:
	// 1: {"seq":1,"node":"write"}, 28 bytes on 2
	// 2: {"seq":2,"node":"review"}, 24 bytes on 0
	// {"draft":"a better one"} <nil>
}
