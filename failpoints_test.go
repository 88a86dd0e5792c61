package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// errCrashed is what a dead process would get if it still called.
var errCrashed = errors.New("crashed")

// failpoints is a backend whose user may crash before and after each step that
// changes the storage. Reading changes nothing, so there a crash is none of its own.
type failpoints struct {
	log.Backend
	// point is told of each failpoint; an error of it is the crash. From then on
	// every call fails, and none reaches the storage.
	point func(name string) error
	dead  atomic.Bool
}

func (f *failpoints) reach(name string) error {
	if f.dead.Load() {
		return errCrashed
	}
	if err := f.point(name); err != nil {
		f.dead.Store(true)
		return err
	}
	return nil
}

func (f *failpoints) Apply(ctx context.Context, changes []log.Change) (results []log.Result, err error) {
	c := changes[0]
	name := fmt.Sprintf("apply to %q: %d appended, %d rewritten, %d sealed, %d retired, dropped %t",
		c.Run, len(c.Append), len(c.Rewrite), len(c.Add), len(c.Retire), c.Drop)
	if err = f.reach("before " + name); err == nil {
		if results, err = f.Backend.Apply(ctx, changes); err == nil {
			err = f.reach("after " + name)
		}
	}
	return results, err
}

func (f *failpoints) Purge(ctx context.Context) (more bool, err error) {
	if err = f.reach("before purge"); err == nil {
		if more, err = f.Backend.Purge(ctx); err == nil {
			err = f.reach("after purge")
		}
	}
	return more, err
}

// Reclaim implements [log.Reclaimer] where the backend does; what it tells of its
// progress are failpoints, too.
func (f *failpoints) Reclaim(ctx context.Context, progress func(log.Reclaimed)) (int64, error) {
	r, ok := f.Backend.(log.Reclaimer)
	if !ok {
		return 0, nil
	}
	if err := f.reach("before reclaim"); err != nil {
		return 0, err
	}
	n, err := r.Reclaim(ctx, func(p log.Reclaimed) {
		f.reach("within reclaim")
		if progress != nil {
			progress(p)
		}
	})
	if err == nil {
		err = f.reach("after reclaim")
	}
	return n, err
}

// Erase implements [log.Eraser].
func (f *failpoints) Erase(ctx context.Context) error {
	err := f.reach("before erase")
	if err == nil {
		if err = f.Backend.(log.Eraser).Erase(ctx); err == nil {
			err = f.reach("after erase")
		}
	}
	return err
}

// Space implements [log.Sizer] where the backend does.
func (f *failpoints) Space(ctx context.Context) (size, free int64, err error) {
	if s, ok := f.Backend.(log.Sizer); ok && !f.dead.Load() {
		return s.Space(ctx)
	}
	return 0, 0, nil
}

func (f *failpoints) Head(ctx context.Context, run string) (log.Head, error) {
	if f.dead.Load() {
		return log.Head{}, errCrashed
	}
	return f.Backend.Head(ctx, run)
}

func (f *failpoints) Heads(ctx context.Context, req log.HeadsRequest) ([]log.Head, error) {
	if f.dead.Load() {
		return nil, errCrashed
	}
	return f.Backend.Heads(ctx, req)
}

func (f *failpoints) Records(ctx context.Context, req log.RecordsRequest) ([]log.Record, error) {
	if f.dead.Load() {
		return nil, errCrashed
	}
	return f.Backend.Records(ctx, req)
}

func (f *failpoints) Segments(ctx context.Context, run string) ([]log.Segment, error) {
	if f.dead.Load() {
		return nil, errCrashed
	}
	return f.Backend.Segments(ctx, run)
}

func (f *failpoints) Segment(ctx context.Context, req log.SegmentRequest) (log.Segment, error) {
	if f.dead.Load() {
		return log.Segment{}, errCrashed
	}
	return f.Backend.Segment(ctx, req)
}

// expireLease does what half a minute does to the lease of a process that was
// killed.
func expireLease(t *testing.T, b log.Backend) {
	t.Helper()
	h, err := b.Head(context.Background(), "\x00lease")
	if errors.Is(err, log.ErrNotFound) {
		return
	}
	require.NoError(t, err)
	results, err := b.Apply(context.Background(), []log.Change{{Run: h.Run, Revision: h.Revision,
		Head: &log.Head{Recency: 1, Tail: 1, Data: []byte(`{"version":1}`)}}})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
}
