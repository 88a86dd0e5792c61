package delta_test

import (
	"fmt"

	"github.com/flowlog/checkpoint/log/delta"
)

// A run's states, each stored as what differs from the one before, and the newest one rebuilt from the first.
func Example() {
	states := []string{
		`{"step":1,"system":"You are a careful assistant.","messages":["What is a delta?"]}`,
		`{"step":2,"system":"You are a careful assistant.","messages":["What is a delta?","The mouth of a river."]}`,
		`{"step":3,"system":"You are a careful assistant.","messages":["What is a delta?","The mouth of a river.","Oh."]}`,
	}
	var whole *delta.Delta
	for k := 1; k < len(states); k++ {
		stored := delta.Encode(nil, []byte(states[k-1]), []byte(states[k]))
		d, err := delta.Parse(stored, 1<<20)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("state of %d bytes stored as %d\n", d.TargetLen(), len(stored))
		if whole == nil {
			whole = d
		} else if whole, err = delta.Compose(whole, d); err != nil {
			fmt.Println(err)
			return
		}
	}
	last, err := whole.Apply(nil, []byte(states[0]))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(last) == states[2])
	// Output:
	// state of 106 bytes stored as 42
	// state of 112 bytes stored as 24
	// true
}
