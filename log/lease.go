package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// leaseKey is the key of the storage's slot that names the compacting process.
const leaseKey = "compaction"

// Lease keeps others, in this process and in others, from doing the same work on the
// storage. One holder at a time has the lease, until it returns it or the given time has
// passed by the storage's clock. Lease reports whether holder has it from now on; another
// call extends it. A time of 0 or less returns it.
//
// It only saves work: working without it does no harm.
func (l *Log) Lease(ctx context.Context, holder string, d time.Duration) (bool, error) {
	if err := l.writable(ctx); err != nil {
		return false, err
	}
	slot, err := l.backend.Slot(ctx, driver.SlotRequest{Key: leaseKey})
	switch {
	case errors.Is(err, ErrNotFound):
		if d <= 0 {
			return true, nil
		}
	case err != nil:
		return false, fmt.Errorf("read the lease: %w", err)
	case string(slot.Value) != holder:
		return false, nil
	}
	change := driver.SlotChange{Key: leaseKey, Version: slot.Version, Value: []byte(holder), TTL: d}
	if d <= 0 {
		change.Value, change.TTL = nil, 0
	}
	_, err = l.backend.SetSlot(ctx, change)
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("set the lease: %w", l.outcome(err))
	}
	return true, nil
}
