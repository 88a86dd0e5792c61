package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// A slot is stored under its run's key and its own as
//
//	0     4         12    20        28
//	+-----+---------+-----+---------+-------+
//	| CRC | version | set | expires | value |
//	+-----+---------+-----+---------+-------+
//
// with two times in nanoseconds since 1970: when the slot was set, and when it expires, 0
// for never. A slot whose set time is later than now has also expired: the clock was set
// back. Versions are from a counter of the whole file.
const slotSize = 28

func slotSum(rk uint64, key string, v []byte) uint32 {
	return checksum(kindSlot, rk, uint64(len(key)), []byte(key), v[4:])
}

func encodeSlot(rk uint64, key string, s driver.Slot, now int64) []byte {
	v := make([]byte, slotSize, slotSize+len(s.Value))
	order := binary.LittleEndian
	order.PutUint64(v[4:], s.Version)
	order.PutUint64(v[12:], uint64(now))
	if s.TTL > 0 {
		order.PutUint64(v[20:], uint64(now+min(int64(s.TTL), math.MaxInt64-now)))
	}
	v = append(v, s.Value...)
	order.PutUint32(v, slotSum(rk, key, v))
	return v
}

// decodeSlot returns a copy of a slot, and whether it exists and has not expired.
func decodeSlot(run string, rk uint64, key string, v []byte, now int64) (s driver.Slot, ok bool, err error) {
	if v == nil {
		return driver.Slot{}, false, nil
	}
	if len(v) < slotSize || binary.LittleEndian.Uint32(v) != slotSum(rk, key, v) {
		return driver.Slot{}, false, corrupt(run, 0, fmt.Sprintf("slot %q doesn't match its checksum", key))
	}
	order := binary.LittleEndian
	set, expires := int64(order.Uint64(v[12:])), int64(order.Uint64(v[20:]))
	s = driver.Slot{Version: order.Uint64(v[4:]), Value: append([]byte{}, v[slotSize:]...)}
	if expires != 0 {
		if now < set || now >= expires {
			return driver.Slot{}, false, nil
		}
		s.TTL = time.Duration(expires - now)
	}
	return s, true, nil
}

// steady returns the clock that slots expire by. It does not jump while the file is open.
// From one opening to the next it follows the system's clock.
func steady(opened time.Time) func() int64 {
	return func() int64 { return opened.Add(time.Since(opened)).UnixNano() }
}

// slotsOf returns the bucket of slots, and the number of a run or of the storage. Nothing
// is written to a run whose row is damaged.
func slotsOf(tx *transaction, id string) (slots *tree, rk uint64, err error) {
	if slots, err = bucket(tx, slotsBucket); err != nil || id == "" {
		return slots, 0, err
	}
	r, err := find(tx, id)
	if err != nil {
		return nil, 0, err
	}
	if r == nil {
		return nil, 0, driver.ErrNotFound
	}
	if tx.Writable() && r.damage != nil {
		return nil, 0, r.damage
	}
	return slots, r.rk, nil
}

// Slot implements [driver.Backend].
func (b *Backend) Slot(ctx context.Context, req driver.SlotRequest) (s driver.Slot, err error) {
	err = b.view(ctx, func(tx *transaction) error {
		slots, rk, err := slotsOf(tx, req.Run)
		if err != nil {
			return err
		}
		var ok bool
		s, ok, err = decodeSlot(req.Run, rk, req.Key, slots.Get(entryKey(rk, []byte(req.Key))), b.clock())
		if err == nil && !ok {
			return driver.ErrNotFound
		}
		return err
	})
	if err != nil {
		return driver.Slot{}, err
	}
	return s, nil
}

// SetSlot implements [driver.Backend], as durably as Apply: a failed sync ends all writing
// until the file is opened again. A damaged slot counts as expired, since otherwise it
// could never be set again.
func (b *Backend) SetSlot(ctx context.Context, c driver.SlotChange) (s driver.Slot, err error) {
	if c.TTL < 0 {
		return driver.Slot{}, &driver.NotAppliedError{Err: fmt.Errorf("%w time to live of slot %q: %v is negative", driver.ErrInvalid, c.Key, c.TTL)}
	}
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return driver.Slot{}, &driver.NotAppliedError{Err: err}
	}
	defer leave()
	err = b.commit(ctx, func(tx *transaction) (err error) {
		s, err = setSlot(tx, c, b.clock())
		return err
	})
	if errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrNotFound) {
		err = causeOf(err)
	}
	if err != nil {
		return driver.Slot{}, err
	}
	return s, nil
}

func setSlot(tx *transaction, c driver.SlotChange, now int64) (driver.Slot, error) {
	slots, rk, err := slotsOf(tx, c.Run)
	if err != nil {
		return driver.Slot{}, err
	}
	k := entryKey(rk, []byte(c.Key))
	had, _, _ := decodeSlot(c.Run, rk, c.Key, slots.Get(k), now)
	if had.Version != c.Version {
		return driver.Slot{}, driver.ErrConflict
	}
	if c.Value == nil {
		return driver.Slot{}, slots.Delete(k)
	}
	n, err := getCounters(tx)
	if err != nil {
		return driver.Slot{}, err
	}
	n.slot++
	if err := n.put(tx); err != nil {
		return driver.Slot{}, err
	}
	s := driver.Slot{Value: append([]byte{}, c.Value...), Version: n.slot, TTL: c.TTL}
	return s, slots.Put(k, encodeSlot(rk, c.Key, s, now))
}
