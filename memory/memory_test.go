package memory_test

import (
	"testing"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	d := drivertest.Driver{Open: func() (driver.Backend, error) { return memory.New(), nil }}
	for _, c := range drivertest.Cases(d) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if err := c.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
