package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

const (
	slotSQL      = `SELECT value, version, set_at, expires FROM slots WHERE rk = ? AND key = ?`
	runSlotSQL   = `SELECT s.value, s.version, s.set_at, s.expires FROM runs r CROSS JOIN slots s ON s.rk = r.rk WHERE r.run = ? AND s.key = ?`
	runKeySQL    = `SELECT rk FROM runs WHERE run = ?`
	setSlotSQL   = `INSERT OR REPLACE INTO slots (rk, key, version, set_at, expires, value) VALUES (?, ?, ?, ?, ?, ?)`
	dropSlotSQL  = `DELETE FROM slots WHERE rk = ? AND key = ?`
	dropSlotsSQL = `DELETE FROM slots WHERE rk = ?`
	// One counter assigns the versions of all slots, so that a removed slot never gets
	// an old version again.
	nextVersionSQL = `UPDATE slot_version SET last = last + 1`
	slotVersionSQL = `SELECT last FROM slot_version`
)

// storeSlots is the key of slots of the storage itself, which no run has.
const storeSlots = int64(0)

// Slot implements [driver.Backend]. The machine's clock, which all processes using the
// file share, decides whether a slot has expired.
func (b *Backend) Slot(ctx context.Context, req driver.SlotRequest) (driver.Slot, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return driver.Slot{}, err
	}
	defer leave()
	var s driver.Slot
	if req.Run == "" {
		s, err = scanSlot(b.reads.queryRow(ctx, b.readers, slotSQL, storeSlots, req.Key))
	} else {
		s, err = scanSlot(b.reads.queryRow(ctx, b.readers, runSlotSQL, req.Run, req.Key))
	}
	if errors.Is(err, driver.ErrNotFound) {
		return driver.Slot{}, driver.ErrNotFound
	}
	return s, b.unread(ctx, err)
}

// scanSlot reads a slot; ErrNotFound if there is none, or it has expired.
func scanSlot(row interface{ Scan(...any) error }) (driver.Slot, error) {
	var value []byte
	var version, setAt, expires int64
	err := row.Scan(&value, &version, &setAt, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return driver.Slot{}, driver.ErrNotFound
	}
	if err != nil {
		return driver.Slot{}, err
	}
	s := driver.Slot{Value: blob(value), Version: uint64(version)}
	if expires != 0 {
		now := time.Now().UnixNano()
		if now >= expires || now < setAt { // the clock was set back
			return driver.Slot{}, driver.ErrNotFound
		}
		s.TTL = time.Duration(expires - now)
	}
	return s, nil
}

// SetSlot implements [driver.Backend]. It does not wait for a sync.
func (b *Backend) SetSlot(ctx context.Context, c driver.SlotChange) (driver.Slot, error) {
	if c.TTL < 0 {
		return driver.Slot{}, &driver.NotAppliedError{Err: fmt.Errorf("%w time to live %v of slot %q: it must not be negative", driver.ErrInvalid, c.TTL, c.Key)}
	}
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return driver.Slot{}, &driver.NotAppliedError{Err: err}
	}
	defer leave()
	if b.opts.Durability == driver.Full {
		if err := b.setSynchronous(driver.Normal); err != nil {
			return driver.Slot{}, &driver.NotAppliedError{Err: b.explain(err)}
		}
		defer b.syncAgain()
	}
	if err := b.begin(ctx); err != nil {
		return driver.Slot{}, b.undo(err, false)
	}
	s, err := b.setSlot(c)
	if errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict) {
		_, rollback := b.exec(rollbackSQL)
		if rollback != nil {
			return driver.Slot{}, b.undo(rollback, false)
		}
		return driver.Slot{}, err
	}
	if err != nil {
		return driver.Slot{}, b.undo(err, false)
	}
	if err := b.commit(); err != nil {
		return driver.Slot{}, b.undo(err, true)
	}
	b.writeBackLater(0)
	return s, nil
}

// setSlot makes a change within a transaction.
func (b *Backend) setSlot(c driver.SlotChange) (driver.Slot, error) {
	rk := storeSlots
	if c.Run != "" {
		err := b.ask(runKeySQL, c.Run).Scan(&rk)
		if errors.Is(err, sql.ErrNoRows) {
			return driver.Slot{}, driver.ErrNotFound
		}
		if err != nil {
			return driver.Slot{}, err
		}
	}
	have, err := scanSlot(b.ask(slotSQL, rk, c.Key))
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return driver.Slot{}, err
	}
	if have.Version != c.Version {
		return driver.Slot{}, driver.ErrConflict
	}
	if c.Value == nil {
		_, err := b.exec(dropSlotSQL, rk, c.Key)
		return driver.Slot{}, err
	}
	if _, err := b.exec(nextVersionSQL); err != nil {
		return driver.Slot{}, err
	}
	var version int64
	if err := b.ask(slotVersionSQL).Scan(&version); err != nil {
		return driver.Slot{}, err
	}
	now := time.Now().UnixNano()
	expires := int64(0)
	if c.TTL > 0 {
		expires = now + min(int64(c.TTL), math.MaxInt64-now)
	}
	if _, err := b.exec(setSlotSQL, rk, c.Key, version, now, expires, c.Value); err != nil {
		return driver.Slot{}, err
	}
	return driver.Slot{Value: append([]byte{}, c.Value...), Version: uint64(version), TTL: c.TTL}, nil
}

// setSynchronous sets whether a commit waits for a sync. No transaction may be open. The
// next commit that does wait syncs what those before it have written.
func (b *Backend) setSynchronous(d driver.Durability) error {
	return b.pragma(`synchronous = ` + string(d))
}

// syncAgain makes commits wait for a sync again. If that fails, all writing ends.
func (b *Backend) syncAgain() {
	err := b.lock(context.Background(), func() error { return b.setSynchronous(b.opts.Durability) })
	if err != nil {
		b.failed = fmt.Errorf("%s: %w: synchronous writing could not be turned on again; close the store and open it again: %w", b.path, driver.ErrReadOnly, err)
	}
}
