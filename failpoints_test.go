package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
)

// errCrashed is what a dead process would get if it still called.
var errCrashed = errors.New("crashed")

// failpoints is a backend whose user may crash before and after each step that
// changes the storage. Reading changes nothing, so there a crash is none of its own.
type failpoints struct {
	driver.Backend
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

func (f *failpoints) Apply(ctx context.Context, req driver.ApplyRequest) (results []driver.Result, err error) {
	c := req.Changes[0]
	name := fmt.Sprintf("apply to %q: %d appended, %d rewritten, %d sealed, %d retired, dropped %t, noted %t",
		c.Run, len(c.Append), len(c.Rewrite), len(c.Add), len(c.Retire), c.Drop, notes(c))
	if err = f.reach("before " + name); err == nil {
		if results, err = f.Backend.Apply(ctx, req); err == nil {
			err = f.reach("after " + name)
		}
	}
	return results, err
}

// notes reports whether a change makes a note: an entry whose key begins with an n.
func notes(c driver.Change) bool {
	return slices.ContainsFunc(c.Put, func(e driver.Entry) bool { return e.Key[0] == 'n' })
}

func (f *failpoints) SetSlot(ctx context.Context, c driver.SlotChange) (slot driver.Slot, err error) {
	name := fmt.Sprintf("slot %q: the lease", c.Key)
	if err = f.reach("before " + name); err == nil {
		if slot, err = f.Backend.SetSlot(ctx, c); err == nil {
			err = f.reach("after " + name)
		}
	}
	return slot, err
}

func (f *failpoints) Purge(ctx context.Context, req driver.PurgeRequest) (res driver.PurgeResult, err error) {
	if err = f.reach("before purge"); err == nil {
		if res, err = f.Backend.Purge(ctx, req); err == nil {
			err = f.reach("after purge")
		}
	}
	return res, err
}

// Reclaim implements [driver.Reclaimer] where the backend does; what it tells of its
// progress are failpoints, too.
func (f *failpoints) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	r, ok := f.Backend.(driver.Reclaimer)
	if !ok {
		return 0, nil
	}
	if err := f.reach("before reclaim"); err != nil {
		return 0, err
	}
	n, err := r.Reclaim(ctx, func(p driver.Reclaimed) {
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

// Erase implements [driver.Eraser].
func (f *failpoints) Erase(ctx context.Context) error {
	err := f.reach("before erase")
	if err == nil {
		if err = f.Backend.(driver.Eraser).Erase(ctx); err == nil {
			err = f.reach("after erase")
		}
	}
	return err
}

// Space implements [driver.Sizer] where the backend does.
func (f *failpoints) Space(ctx context.Context) (size, free int64, err error) {
	if s, ok := f.Backend.(driver.Sizer); ok && !f.dead.Load() {
		return s.Space(ctx)
	}
	return 0, 0, nil
}

// read reads unless it is dead.
func read[T any](f *failpoints, from func() (T, error)) (T, error) {
	if f.dead.Load() {
		var none T
		return none, errCrashed
	}
	return from()
}

func (f *failpoints) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	return read(f, func() (driver.Head, error) { return f.Backend.Head(ctx, req) })
}

func (f *failpoints) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	return read(f, func() ([]driver.Head, error) { return f.Backend.Heads(ctx, req) })
}

func (f *failpoints) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	return read(f, func() ([]driver.Record, error) { return f.Backend.Records(ctx, req) })
}

func (f *failpoints) Segments(ctx context.Context, req driver.SegmentsRequest) ([]driver.Segment, error) {
	return read(f, func() ([]driver.Segment, error) { return f.Backend.Segments(ctx, req) })
}

func (f *failpoints) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	return read(f, func() (driver.Segment, error) { return f.Backend.Segment(ctx, req) })
}

func (f *failpoints) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	return read(f, func() ([]driver.Entry, error) { return f.Backend.Entries(ctx, req) })
}

func (f *failpoints) Slot(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
	return read(f, func() (driver.Slot, error) { return f.Backend.Slot(ctx, req) })
}

// expireLease does what half a minute does to the lease of a process that was
// killed.
func expireLease(t *testing.T, b driver.Backend) {
	t.Helper()
	const key = "compaction"
	slot, err := b.Slot(context.Background(), driver.SlotRequest{Key: key})
	if errors.Is(err, driver.ErrNotFound) {
		return
	}
	require.NoError(t, err)
	_, err = b.SetSlot(context.Background(), driver.SlotChange{Key: key, Version: slot.Version})
	require.NoError(t, err)
}
