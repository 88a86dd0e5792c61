package logtest_test

import (
	"context"
	"fmt"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/log/logtest"
	"github.com/flowlog/checkpoint/memory"
)

func ExampleTest() {
	d := logtest.Driver{Open: func() (log.Backend, error) { return memory.New(), nil }}
	fmt.Println(logtest.Test(context.Background(), d))
	// Output: <nil>
}
