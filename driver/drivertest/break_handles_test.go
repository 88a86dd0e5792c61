package drivertest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
)

// storageBreakage is a storage that breaks a rule of several handles or of
// opening again.
type storageBreakage struct {
	name string
	rule string
	storage
}

func storageBreakages() []storageBreakage {
	return []storageBreakage{
		{"sees another handle's records late", "what one handle wrote every other sees once Apply returned", storage{cachesRecords, everything}},
		{"believes the heads it has seen", "compare-and-sets of several handles exclude each other", storage{believesHeads, everything}},
		{"believes the last event it has seen", "appends of several handles after the same event exclude each other", storage{believesLast, everything}},
		{"appends by several handles", "of several appends after the same seq exactly one is made, through any handles", storage{looksBefore, everything}},
		{"excludes handles that saw the run before an append", "an append through one handle and a change of the row through another don't exclude each other unless the revision differs", storage{countsAppends, everything}},
		{"sees late that another handle appended", "Heads with Newest follows the last event of each run, whichever handle wrote it", storage{cachesHeads, everything}},
		{"locks no other handle out", "of several changes that expect the same revision exactly one is made, through any handles", storage{comparesBefore, everything}},
		{"shows other handles half a change", "a handle sees the change of another whole or not at all", storage{showsHalf(new(waiter)), everything}},
		{"numbers segments by handle", "several handles never give out the same revision or the same segment id", storage{reusesIDs, everything}},
		{"shows other handles the last record late", "a change that one handle acknowledged is visible to all at once and stays, also while others write", storage{showsLate, everything}},
		{"shows other handles half a merge", "a handle sees another replace segments all at once", storage{mergesInSteps(new(waiter)), everything}},
		{"shows other handles half a move", "a page of heads has every run once, however another handle changes their recencies", storage{movesInSteps(new(waiter)), everything}},
		{"closes the other handles", "Close of one handle leaves the others as they are", storage{closesOthers, everything}},
		{"forgets the last change", "what was acknowledged is there after the storage was closed and opened again", storage{unchanged, func(journal []step) []step {
			return journal[:max(len(journal), 1)-1]
		}}},
		{"forgets drops", "what was dropped, retired or below the tail is still gone after the storage was opened again", storage{unchanged, forgetsDrops}},
		{"forgets its counters", "a revision never comes back, not even after the storage was opened again", storage{unchanged, forgetsCounters}},
		{"keeps slots for good", "a slot is there after the storage was opened again, for no longer than its time to live, and no version comes back", storage{unchanged, forgetsTTL}},
		{"loses slots", "a slot is there after the storage was opened again, for no longer than its time to live, and no version comes back", storage{unchanged, forgetsSlots}},
		{"shows other handles entries before their record", "a handle sees the entries of another's change together, and when it sees its records", storage{putsFirst(new(waiter)), everything}},
		{"reads the tip after the head", "a head and its tip are of one snapshot, also while another handle appends and seals", storage{readsTipLater(new(waiter)), everything}},
		{"believes the slots it has seen", "a slot that one handle set every other sees, and sets only at its version", storage{believesSlots, everything}},
		{"compares before it sets a slot", "of several changes of a slot that expect the same version exactly one is made, through any handles", storage{comparesSlotBefore, everything}},
		{"forgets which segment ids it gave", "the id of a segment is never given to another, not even after the storage was opened again", storage{unchanged, forgetsSegments}},
	}
}

// cachesRecords shows what a handle has read before until it writes itself.
func cachesRecords(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	cache := map[driver.RecordsRequest][]driver.Record{}
	x := &broken{Backend: b}
	x.records = func(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		if recs, ok := cache[req]; ok {
			return drivertest.CloneRecords(recs), ctx.Err()
		}
		recs, err := b.Records(ctx, req)
		if err == nil {
			cache[req] = drivertest.CloneRecords(recs)
		}
		return recs, err
	}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		clear(cache)
		return all(ctx, b, changes)
	}
	return x
}

// believesHeads compares with the revision that the handle itself saw last.
func believesHeads(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	seen := map[string]uint64{}
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if h, err := headOf(ctx, b, c.Run); err == nil && c.Revision == seen[c.Run] {
			c.Revision = h.Revision
		}
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil {
			seen[c.Run] = res.Revision
		}
		return res, err
	})}
}

// believesLast appends after the newest record if that to append would follow on
// what the handle itself saw last.
func believesLast(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	seen := map[string]uint64{}
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		n := len(c.Append)
		if h, err := headOf(ctx, b, c.Run); err == nil && h.Last != nil && n > 0 && c.Append[0].Seq == seen[c.Run]+1 {
			c.Append = slices.Clone(c.Append)
			for i := range c.Append {
				c.Append[i].Seq = h.Last.Seq + 1 + uint64(i)
			}
		}
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && n > 0 {
			seen[c.Run] = c.Append[n-1].Seq
		}
		return res, err
	})}
}

// cachesHeads lists what a handle has listed before until it writes itself.
func cachesHeads(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	cache := map[string][]driver.Head{}
	x := &broken{Backend: b}
	x.heads = func(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
		mu.Lock()
		defer mu.Unlock()
		key := fmt.Sprint(req)
		if heads, ok := cache[key]; ok {
			return slices.Clone(heads), ctx.Err()
		}
		heads, err := b.Heads(ctx, req)
		if err == nil {
			cache[key] = slices.Clone(heads)
		}
		return heads, err
	}
	x.apply = func(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		clear(cache)
		return all(ctx, b, changes)
	}
	return x
}

// believesSlots shows a slot as the handle itself saw it last.
func believesSlots(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	seen := map[driver.SlotRequest]driver.Slot{}
	x := &broken{Backend: b}
	x.slot = func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
		mu.Lock()
		defer mu.Unlock()
		if s, ok := seen[req]; ok {
			return s, ctx.Err()
		}
		s, err := b.Slot(ctx, req)
		if err == nil {
			seen[req] = s
		}
		return s, err
	}
	x.setSlot = func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		mu.Lock()
		defer mu.Unlock()
		delete(seen, driver.SlotRequest{Run: c.Run, Key: c.Key})
		return b.SetSlot(ctx, c)
	}
	return x
}

// closesOthers closes what its handle shares with others.
func closesOthers(b driver.Backend) driver.Backend {
	return &broken{Backend: b, close: func() error {
		b.(*broken).Backend.Close()
		return b.Close()
	}}
}

func forgetsDrops(journal []step) []step {
	return slices.DeleteFunc(slices.Clone(journal), func(s step) bool {
		return slices.ContainsFunc(s.changes, func(c driver.Change) bool { return c.Drop })
	})
}

// forgetsCounters begins anew when there is no run left.
func forgetsCounters(journal []step) []step {
	if heads, _ := replayed(journal).b.Heads(context.Background(), driver.HeadsRequest{Limit: 1}); len(heads) == 0 {
		return nil
	}
	return journal
}

// forgetsSegments counts segments anew when none is in force.
func forgetsSegments(journal []step) []step {
	b := replayed(journal).b
	heads, _ := b.Heads(context.Background(), driver.HeadsRequest{Limit: 1000})
	for _, h := range heads {
		if segs, _ := segmentsOf(context.Background(), b, h.Run); len(segs) > 0 {
			return journal
		}
	}
	var out []step
	for _, s := range journal {
		s.changes = slices.Clone(s.changes)
		for i := range s.changes {
			s.changes[i].Add = nil
		}
		out = append(out, s)
	}
	return out
}

// forgetsTTL keeps slots for good once the storage was opened again.
func forgetsTTL(journal []step) []step {
	out := slices.Clone(journal)
	for i := range out {
		out[i].slot.TTL = 0
	}
	return out
}

// forgetsSlots keeps the slots of runs only.
func forgetsSlots(journal []step) []step {
	return slices.DeleteFunc(slices.Clone(journal), func(s step) bool { return s.slot.Key != "" && s.slot.Run == "" })
}
