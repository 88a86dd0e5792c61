package log

import (
	"context"

	"github.com/flowlog/checkpoint/driver"
)

// Purge erases a slice of the dead data, which is already invisible: sealed records,
// deleted runs and replaced segments. It reports whether more is left. Appends wait for
// one slice at most.
func (l *Log) Purge(ctx context.Context) (more bool, err error) {
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	res, err := l.backend.Purge(ctx, driver.PurgeRequest{})
	return res.More, err
}

// Reclaim returns free disk space to the file system, and returns by how many bytes the
// storage shrank; see [driver.Reclaimer]. In memory it does nothing.
func (l *Log) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	if err := l.writable(ctx); err != nil {
		return 0, err
	}
	if r, ok := l.backend.(driver.Reclaimer); ok {
		return r.Reclaim(ctx, progress)
	}
	return 0, nil
}

// Warning returns what the backend found when it was opened, if it is a [driver.Warner].
func (l *Log) Warning() error {
	if w, ok := l.backend.(driver.Warner); ok {
		return w.Warning()
	}
	return nil
}

// Check checks the structure of the storage; see [driver.Checker].
func (l *Log) Check(ctx context.Context) error {
	if err := l.readable(ctx); err != nil {
		return err
	}
	if c, ok := l.backend.(driver.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Space returns the storage's size on disk and how much of it is free for reuse, in
// bytes. Both are zero for a storage in memory.
func (l *Log) Space(ctx context.Context) (size, free int64, err error) {
	if err := l.readable(ctx); err != nil {
		return 0, 0, err
	}
	if s, ok := l.backend.(driver.Sizer); ok {
		return s.Space(ctx)
	}
	return 0, 0, nil
}
