package statediff_test

import (
	"fmt"

	"github.com/flowlog/checkpoint/statediff"
)

func ExampleCompare() {
	old := []byte(`{"step":1,"messages":[{"role":"user","content":"hi"}]}`)
	new := []byte(`{"step":2,"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"}]}`)
	d, err := statediff.Compare(old, new, statediff.Options{})
	if err != nil {
		panic(err)
	}
	for _, c := range d.Changes {
		fmt.Printf("%s %s: %s -> %s\n", c.Kind, c.Path.Dotted(), c.Old, c.New)
	}
	fmt.Printf("%s\n", d.Patch())
	// Output:
	// changed step: 1 -> 2
	// added messages[0]:  -> {"role":"system","content":"be kind"}
	// [{"op":"replace","path":"/step","value":2},
	// {"op":"add","path":"/messages/0","value":{"role":"system","content":"be kind"}}]
}

func ExampleApply() {
	doc := []byte(`{"a": 1, "b": [1, 2]}`)
	out, err := statediff.Apply(doc, []byte(`[{"op":"remove","path":"/b/0"},{"op":"test","path":"/a","value":1.0}]`))
	fmt.Printf("%s %v\n", out, err)
	_, err = statediff.Apply(doc, []byte(`[{"op":"remove","path":"/b/7"}]`))
	fmt.Println(err)
	// Output:
	// {"a":1,"b":[2]} <nil>
	// patch, operation 0: "/b": no element 7
}

func ExampleTrace() {
	old, _ := statediff.Parse([]byte(`{"messages":[{"id":1,"text":"a"}]}`))
	new, _ := statediff.Parse([]byte(`{"messages":[{"id":0,"text":"first"},{"id":1,"text":"b"}]}`))
	tracer := statediff.Trace(old, new, statediff.Options{})
	for _, p := range []statediff.Pointer{"/messages/0", "/messages/1/text", "/messages/1/id"} {
		origin, err := tracer.Origin(p)
		fmt.Println(p, origin.Kind, origin.Old, err)
	}
	// Output:
	// /messages/0 added  <nil>
	// /messages/1/text changed /messages/0/text <nil>
	// /messages/1/id same /messages/0/id <nil>
}

func ExampleParsePath() {
	doc := []byte(`{"messages":[{"content":"a"},{"content":"b"}]}`)
	path, err := statediff.ParsePath("messages[-1].content")
	if err != nil {
		panic(err)
	}
	p, err := path.In(doc)
	if err != nil {
		panic(err)
	}
	v, err := statediff.Lookup(doc, p)
	fmt.Printf("%s %s %v\n", p, v, err)
	_, err = statediff.ParsePath("messages[one]")
	fmt.Println(err)
	// Output:
	// /messages/1/content "b" <nil>
	// path "messages[one]", at byte 9: want an index such as 0 or -1, or a name in double quotes
}
