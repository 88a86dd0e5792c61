package drivertest_test

import (
	"context"

	"github.com/flowlog/checkpoint/driver"
)

// versioned is a Backend with a Version of its own.
type versioned struct {
	driver.Backend
	version func(ctx context.Context) (int64, error)
}

func (v *versioned) Version(ctx context.Context) (int64, error) { return v.version(ctx) }

// versionBreakages break what must hold of Version.
func versionBreakages() []breakage {
	return []breakage{
		{"counts runs only", "Version is another number once a change was made, through any handle", func(b driver.Backend) driver.Backend {
			return &versioned{b, func(ctx context.Context) (int64, error) {
				heads, err := b.Heads(ctx, driver.HeadsRequest{Limit: 100})
				return int64(len(heads)), err
			}}
		}},
		{"has a version after Close", "after Close, Version returns ErrClosed", func(b driver.Backend) driver.Backend {
			n := int64(0)
			return &versioned{b, func(context.Context) (int64, error) { n++; return n, nil }}
		}},
	}
}
