package drivertest_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// slotBreakages break what must hold of slots.
func slotBreakages() []breakage {
	return []breakage{
		{"returns an empty slot for an unknown key", "Slot is ErrNotFound if there is no such slot or run", func(b driver.Backend) driver.Backend {
			return &broken{Backend: b, slot: func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
				s, err := b.Slot(ctx, req)
				if errors.Is(err, driver.ErrNotFound) {
					err = nil
				}
				return s, err
			}}
		}},
		{"ends the value of a slot at a NUL", "the value of a slot reads back byte for byte, under the version that SetSlot returned", settingSlots(func(c *driver.SlotChange) {
			if i := strings.IndexByte(string(c.Value), 0); i >= 0 {
				c.Value = c.Value[:i]
			}
		})},
		{"ignores the version of a slot", "SetSlot is ErrConflict, and does nothing, unless the slot has the expected version", ignoresVersion},
		{"sets a slot in spite of a conflict", "SetSlot is ErrConflict, and does nothing, unless the slot has the expected version", setsOnConflict},
		{"removes a slot that is set to nothing", "SetSlot with a nil value removes the slot, and with an empty one does not", settingSlots(func(c *driver.SlotChange) {
			if len(c.Value) == 0 {
				c.Value = nil
			}
		})},
		{"ends the keys of slots at a NUL", "slots of different keys, of different runs and of the storage are apart", slotsByKey(func(run, key string) (string, string) {
			key, _, _ = strings.Cut(key+"\x00", "\x00")
			return run, "k" + key
		})},
		{"keeps slots without a run", "SetSlot is ErrNotFound for a run that doesn't exist, and makes none", slotsByKey(func(run, key string) (string, string) { return "", run + "/" + key })},
		{"keeps the slots of a dropped run", "a slot is gone with its run, and not there in the run's next life", slotsByKey(func(run, key string) (string, string) { return "", run + "/" + key })},
		{"counts the versions of a slot from 1", "a version of a slot never comes back for its key", countsVersions},
		{"shows a slot as a revision", "SetSlot changes nothing of the run but the slot, and a change of the run leaves its slots", slotsTouch},
		{"drops slots with entries", "SetSlot changes nothing of the run but the slot, and a change of the run leaves its slots", dropsSlots},
		{"does not say that no slot was set", "a SetSlot that was given a cancelled context or a negative time to live changes nothing and says so with a NotAppliedError", refusesSlots(func(b driver.Backend, ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
			_, err := b.SetSlot(ctx, c)
			return driver.Slot{}, errors.Unwrap(err)
		})},
		{"sets a slot in spite of the context", "a SetSlot that was given a cancelled context or a negative time to live changes nothing and says so with a NotAppliedError", refusesSlots(func(b driver.Backend, ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
			return b.SetSlot(context.WithoutCancel(ctx), c)
		})},
		{"takes a negative time to live for none", "a SetSlot that was given a cancelled context or a negative time to live changes nothing and says so with a NotAppliedError", refusesSlots(func(b driver.Backend, ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
			c.TTL = max(0, c.TTL)
			return b.SetSlot(ctx, c)
		})},
		{"keeps the value of a slot that it was given", "SetSlot and Slot keep no slice of the caller's, and return none that they keep", keepsSlotValue},
		{"shows the TTL that was given", "TTL is what is left of the time to live, and 0 for a slot that does not expire", showingSlots(func(s *driver.Slot) { s.TTL = time.Hour })},
		{"honours an expired slot", "a slot whose time to live is over is not there, and not before", settingSlots(func(c *driver.SlotChange) { c.TTL *= 10 })},
		{"expires slots early", "a slot whose time to live is over is not there, and not before", settingSlots(func(c *driver.SlotChange) { c.TTL /= 10 })},
		{"compares with the version of an expired slot", "an expired slot has no version: it is set at version 0, under a new version", comparesExpired},
		{"keeps the first TTL of a slot", "a slot that is set anew lives for its new time to live", keepsTTL},
		{"compares before it sets a slot", "of several changes of a slot that expect the same version exactly one is made", comparesSlotBefore},
	}
}

// refusesSlots makes a driver that refuses slots in a way of its own.
func refusesSlots(set func(driver.Backend, context.Context, driver.SlotChange) (driver.Slot, error)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
			if ctx.Err() == nil && c.TTL >= 0 {
				return b.SetSlot(ctx, c)
			}
			return set(b, ctx, c)
		}}
	}
}

// settingSlots makes a driver that changes what SetSlot is given.
func settingSlots(edit func(*driver.SlotChange)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
			ttl := c.TTL
			edit(&c)
			s, err := b.SetSlot(ctx, c)
			if s.TTL != 0 {
				s.TTL = ttl
			}
			return s, err
		}}
	}
}

// showingSlots makes a driver that changes each slot that it returns.
func showingSlots(edit func(*driver.Slot)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{Backend: b, slot: func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
			s, err := b.Slot(ctx, req)
			edit(&s)
			return s, err
		}}
	}
}

// slotsByKey makes a driver that keeps slots under other names.
func slotsByKey(name func(run, key string) (string, string)) func(driver.Backend) driver.Backend {
	return func(b driver.Backend) driver.Backend {
		return &broken{
			Backend: b,
			slot: func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
				req.Run, req.Key = name(req.Run, req.Key)
				return b.Slot(ctx, req)
			},
			setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
				c.Run, c.Key = name(c.Run, c.Key)
				return b.SetSlot(ctx, c)
			},
		}
	}
}

// current returns the version of a slot, 0 if it is not there.
func current(ctx context.Context, b driver.Backend, c driver.SlotChange) uint64 {
	s, _ := b.Slot(ctx, driver.SlotRequest{Run: c.Run, Key: c.Key})
	return s.Version
}

func ignoresVersion(b driver.Backend) driver.Backend {
	return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		c.Version = current(ctx, b, c)
		return b.SetSlot(ctx, c)
	}}
}

func setsOnConflict(b driver.Backend) driver.Backend {
	return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		s, err := b.SetSlot(ctx, c)
		if errors.Is(err, driver.ErrConflict) {
			c.Version = current(ctx, b, c)
			b.SetSlot(ctx, c)
		}
		return s, err
	}}
}

// countsVersions numbers the versions of each slot from 1, also after it was removed.
func countsVersions(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	type numbered struct{ shown, real uint64 }
	slots := map[driver.SlotRequest]numbered{}
	x := &broken{Backend: b}
	x.slot = func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
		mu.Lock()
		defer mu.Unlock()
		s, err := b.Slot(ctx, req)
		s.Version = slots[req].shown
		return s, err
	}
	x.setSlot = func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		mu.Lock()
		defer mu.Unlock()
		req := driver.SlotRequest{Run: c.Run, Key: c.Key}
		if _, err := b.Slot(ctx, req); err != nil {
			delete(slots, req)
		}
		now := slots[req]
		if c.Version != now.shown {
			return driver.Slot{}, driver.ErrConflict
		}
		c.Version = now.real
		s, err := b.SetSlot(ctx, c)
		if err == nil {
			slots[req] = numbered{now.shown + 1, s.Version}
			s.Version = now.shown + 1
		}
		return s, err
	}
	return x
}

// slotsTouch writes a run's row anew when a slot of it is set.
func slotsTouch(b driver.Backend) driver.Backend {
	return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		s, err := b.SetSlot(ctx, c)
		if h, herr := headOf(ctx, b, c.Run); err == nil && herr == nil {
			one(ctx, b, driver.Change{Run: c.Run, Revision: h.Revision, Head: &h})
		}
		return s, err
	}}
}

// dropsSlots removes a slot when all entries of its run are removed.
func dropsSlots(b driver.Backend) driver.Backend {
	return &broken{Backend: b, apply: applying(func(ctx context.Context, c driver.Change) (driver.Result, error) {
		res, err := one(ctx, b, c)
		if err == nil && res.Err == nil && len(c.Remove) > 0 {
			for _, key := range []string{"a", "slot"} {
				s := driver.SlotChange{Run: c.Run, Key: key}
				s.Version = current(ctx, b, s)
				b.SetSlot(ctx, s)
			}
		}
		return res, err
	})}
}

func keepsSlotValue(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	kept := map[uint64][]byte{} // by version
	x := &broken{Backend: b}
	x.slot = func(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
		mu.Lock()
		defer mu.Unlock()
		s, err := b.Slot(ctx, req)
		s.Value = kept[s.Version]
		return s, err
	}
	x.setSlot = func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		mu.Lock()
		defer mu.Unlock()
		s, err := b.SetSlot(ctx, c)
		kept[s.Version] = c.Value
		return s, err
	}
	return x
}

// comparesExpired takes the version of an expired slot for one that it has.
func comparesExpired(b driver.Backend) driver.Backend {
	var mu sync.Mutex
	last := map[driver.SlotRequest]uint64{}
	return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		mu.Lock()
		defer mu.Unlock()
		req := driver.SlotRequest{Run: c.Run, Key: c.Key}
		if _, err := b.Slot(ctx, req); errors.Is(err, driver.ErrNotFound) && c.Version != 0 && c.Version == last[req] {
			c.Version = 0
		}
		s, err := b.SetSlot(ctx, c)
		if err == nil {
			last[req] = s.Version
		}
		return s, err
	}}
}

func keepsTTL(b driver.Backend) driver.Backend {
	return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		if s, err := b.Slot(ctx, driver.SlotRequest{Run: c.Run, Key: c.Key}); err == nil {
			c.TTL = s.TTL
		}
		return b.SetSlot(ctx, c)
	}}
}

// comparesSlotBefore compares a slot's version some time before it sets the slot.
func comparesSlotBefore(b driver.Backend) driver.Backend {
	return &broken{Backend: b, setSlot: func(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
		for range 100 {
			if current(ctx, b, c) != c.Version {
				return b.SetSlot(ctx, c)
			}
			runtime.Gosched()
		}
		for {
			s, err := b.SetSlot(ctx, c)
			if !errors.Is(err, driver.ErrConflict) {
				return s, err
			}
			c.Version = current(ctx, b, c)
		}
	}}
}
