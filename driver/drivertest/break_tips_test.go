package drivertest_test

import (
	"context"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// tipBreakages break what is returned of tips.
func tipBreakages() []breakage {
	return []breakage{
		{"takes the newest record for the tip", "Head.Tip is the record that Last.Tip names, as soon as it was written", showingTip(func(ctx context.Context, b driver.Backend, h *driver.Head) {
			recs, _ := b.Records(ctx, driver.RecordsRequest{Run: h.Run, From: 1, To: driver.MaxSeq, Reverse: true, Limit: 1})
			if len(recs) > 0 {
				h.Tip = &recs[0]
			}
		})},
		{"shows the tip of the last change of the row", "Head.Tip is the record that Last.Tip names, as soon as it was written", showsTipLate},
		{"returns a tip without its state", "Head.Tip comes with its state", showingTip(func(_ context.Context, _ driver.Backend, h *driver.Head) {
			if h.Tip != nil {
				h.Tip.State = nil
			}
		})},
		{"takes the oldest record for a tip that is sealed", "Head.Tip is nil if the record is not in the tail", showingTip(func(ctx context.Context, b driver.Backend, h *driver.Head) {
			recs, _ := b.Records(ctx, driver.RecordsRequest{Run: h.Run, From: 1, To: driver.MaxSeq, Limit: 1})
			if len(recs) > 0 && h.Tip == nil {
				h.Tip = &recs[0]
			}
		})},
		{"returns a tip that nobody asked for", "Head.Tip is nil unless it was asked for, and Last comes without its state", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, head: func(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
				req.Tip = true
				return b.Head(ctx, req)
			}}
		}},
		{"reads the tip after the head", "a head and its tip are of one snapshot, also while others append and seal", readsTipLater(new(waiter))},
	}
}

// showingTip makes a driver that changes the heads that it returns with a tip.
func showingTip(edit func(ctx context.Context, b driver.Backend, h *driver.Head)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, head: func(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
			h, err := b.Head(ctx, req)
			if err == nil && req.Tip {
				edit(ctx, b, &h)
			}
			return h, err
		}}
	}
}

// showsTipLate keeps the tip beside the row.
func showsTipLate(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	tips := map[uint64]*driver.Record{} // by revision
	return showingTip(func(_ context.Context, _ driver.Backend, h *driver.Head) {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := tips[h.Revision]; !ok {
			tips[h.Revision] = h.Tip
		}
		h.Tip = tips[h.Revision]
	})(b)
}

// readsTipLater makes drivers that look for the newest recoverable record some time
// after they read the head.
func readsTipLater(w *waiter) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		x := &broken{Backend: b}
		x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
			defer w.writes.Add(1)
			return all(ctx, b, changes)
		}
		x.head = func(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
			h, err := headOf(ctx, b, req.Run)
			if err != nil || !req.Tip {
				return h, err
			}
			wait(&w.writes)
			later, err := b.Head(ctx, req)
			h.Tip = later.Tip
			return h, err
		}
		return x
	}
}
