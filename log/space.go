package log

import (
	"context"

	"github.com/flowlog/checkpoint/driver"
)

// Purge erases a slice of what is dead, which nobody sees any more: records that
// were sealed, and what deleted runs and replaced segments took. It reports whether
// more is left. Appends wait for the slice at most.
func (l *Log) Purge(ctx context.Context) (more bool, err error) {
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	res, err := l.backend.Purge(ctx, driver.PurgeRequest{})
	return res.More, err
}

// Reclaim gives disk space that is free for use again back to the file system, and
// returns by how many bytes the storage became smaller; see [driver.Reclaimer]. Where
// there is nothing to give back, as in memory, it does nothing.
func (l *Log) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	if err := l.writable(ctx); err != nil {
		return 0, err
	}
	if r, ok := l.backend.(driver.Reclaimer); ok {
		return r.Reclaim(ctx, progress)
	}
	return 0, nil
}

// Check looks whether the storage itself is whole; see [driver.Checker].
func (l *Log) Check(ctx context.Context) error {
	if err := l.readable(ctx); err != nil {
		return err
	}
	if c, ok := l.backend.(driver.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Space returns what the storage takes on disk and how much of it is free for use
// again, in bytes; zeros where it takes none.
func (l *Log) Space(ctx context.Context) (size, free int64, err error) {
	if err := l.readable(ctx); err != nil {
		return 0, 0, err
	}
	if s, ok := l.backend.(driver.Sizer); ok {
		return s.Space(ctx)
	}
	return 0, 0, nil
}
