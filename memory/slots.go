package memory

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// slots is the slots of a run, or of the storage, by key.
type slots map[string]slot

type slot struct {
	value   []byte
	version uint64
	end     time.Time // by the monotonic clock; zero for a slot that does not expire
}

// get returns a slot with what is left of its time, unless it has expired.
func (s slots) get(key string) (driver.Slot, bool) {
	have, ok := s[key]
	if !ok {
		return driver.Slot{}, false
	}
	out := driver.Slot{Value: have.value, Version: have.version}
	if have.end.IsZero() {
		return out, true
	}
	out.TTL = time.Until(have.end)
	return out, out.TTL > 0
}

// slotsOf returns the slots of a run, or those of the storage. It wants the lock held.
func (b *Backend) slotsOf(id string) (slots, bool) {
	if id == "" {
		return b.slots, true
	}
	r, ok := b.runs.Get(id)
	if !ok {
		return nil, false
	}
	return r.slots, true
}

// Slot implements [driver.Backend].
func (b *Backend) Slot(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
	if err := b.enter(ctx); err != nil {
		return driver.Slot{}, err
	}
	defer b.mu.RUnlock()
	all, _ := b.slotsOf(req.Run)
	s, ok := all.get(req.Key)
	if !ok {
		return driver.Slot{}, driver.ErrNotFound
	}
	s.Value = append([]byte{}, s.Value...)
	return s, nil
}

// SetSlot implements [driver.Backend].
func (b *Backend) SetSlot(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
	err := ctx.Err()
	if c.TTL < 0 {
		err = fmt.Errorf("%w time to live %v of slot %q: it must not be negative", driver.ErrInvalid, c.TTL, c.Key)
	}
	if err != nil {
		return driver.Slot{}, &driver.NotAppliedError{Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return driver.Slot{}, driver.ErrClosed
	}
	all, ok := b.slotsOf(c.Run)
	if !ok {
		return driver.Slot{}, driver.ErrNotFound
	}
	have, ok := all.get(c.Key)
	if !ok {
		have.Version = 0
	}
	if have.Version != c.Version {
		return driver.Slot{}, driver.ErrConflict
	}
	if c.Value == nil {
		delete(all, c.Key)
		return driver.Slot{}, nil
	}
	b.slot++
	s := slot{value: bytes.Clone(c.Value), version: b.slot}
	if c.TTL != 0 {
		s.end = time.Now().Add(c.TTL)
	}
	all[c.Key] = s
	return driver.Slot{Value: bytes.Clone(c.Value), Version: s.version, TTL: c.TTL}, nil
}
