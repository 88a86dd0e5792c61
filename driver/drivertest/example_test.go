package drivertest_test

import (
	"context"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

func ExampleTest() {
	d := drivertest.Driver{Open: func() (driver.Backend, error) { return memory.New(), nil }}
	fmt.Println(drivertest.Test(context.Background(), d))
	// Output: <nil>
}
