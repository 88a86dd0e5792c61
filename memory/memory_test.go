package memory_test

import (
	"testing"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/log/logtest"
	"github.com/flowlog/checkpoint/memory"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	d := logtest.Driver{Open: func() (log.Backend, error) { return memory.New(), nil }}
	for _, c := range logtest.Cases(d) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if err := c.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
