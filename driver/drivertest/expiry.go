package drivertest

import (
	"fmt"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

func expiryCases() []Case {
	return []Case{
		{Name: "expiry/ttl", Rule: "TTL is what is left of the time to live, and 0 for a slot that does not expire", run: expiryTTL},
		{Name: "expiry/over", Rule: "a slot whose time to live is over is not there, and not before", run: expiryOver},
		{Name: "expiry/expired", Rule: "an expired slot has no version: it is set at version 0, under a new version", run: expiryExpired},
		{Name: "expiry/renewed", Rule: "a slot that is set anew lives for its new time to live", run: expiryRenewed},
	}
}

// How long slots live, and by how much a storage's clock may be off.
const (
	shortTTL = 60 * time.Millisecond
	clockOff = 20 * time.Millisecond
)

// lapse waits until what was just set for shortTTL has certainly expired.
func (t *tester) lapse() {
	select {
	case <-time.After(shortTTL + clockOff):
	case <-t.ctx.Done():
		t.fatalf("%w", t.ctx.Err())
	}
}

func expiryTTL(t *tester) {
	t.create("a", 1)
	for _, id := range []string{"a", ""} {
		forever := t.setSlot(driver.SlotChange{Run: id, Key: "forever", Value: []byte("v")})
		if forever.TTL != 0 {
			t.errorf("SetSlot without TTL returned a TTL of %v", forever.TTL)
		}
		t.wantSlot(id, "forever", forever)
		for _, ttl := range []time.Duration{time.Second * 30, time.Hour, 24 * 365 * time.Hour} {
			key := ttl.String()
			set := t.setSlot(driver.SlotChange{Run: id, Key: key, Value: []byte("v"), TTL: ttl})
			for range 2 {
				s, _ := t.slot(id, key)
				if s.TTL > ttl || s.TTL < ttl-20*time.Second {
					t.errorf("Slot %s of run %s, set a moment before with a TTL of %v, has %v", quote(key), quote(id), ttl, s.TTL)
				}
				if s.Version != set.Version {
					t.errorf("Slot %s of run %s has version %d, must be %d", quote(key), quote(id), s.Version, set.Version)
				}
				time.Sleep(2 * time.Millisecond)
			}
		}
	}
}

// expiryOver looks at slots until they are gone, and notes when that was.
func expiryOver(t *tester) {
	t.create("a", 1)
	for _, id := range []string{"a", ""} {
		begin := time.Now()
		t.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("v"), TTL: shortTTL})
		end := time.Now()
		for {
			asked := time.Now()
			s, ok := t.slot(id, "k")
			if age := time.Since(begin); !ok && age < shortTTL-clockOff {
				t.errorf("a slot of run %s with a TTL of %v was gone after at most %v", quote(id), shortTTL, age)
			}
			if !ok {
				break
			}
			if s.TTL <= 0 || s.TTL > shortTTL {
				t.errorf("a slot of run %s with a TTL of %v, which is there, has %v left", quote(id), shortTTL, s.TTL)
			}
			if age := asked.Sub(end); age > shortTTL+clockOff {
				t.errorf("a slot of run %s with a TTL of %v is there after %v", quote(id), shortTTL, age)
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.wantNoSlot(id, "k")
	}
}

// expiryExpired sets slots again that expired, with and without a look at them between.
func expiryExpired(t *tester) {
	t.create("a", 1)
	seen := map[string]bool{}
	for round := range 2 {
		for _, id := range []string{"a", ""} {
			set := t.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("v"), TTL: shortTTL})
			t.lapse()
			if round == 0 {
				t.wantNoSlot(id, "k")
				t.wantSlotConflict("after it expired", driver.SlotChange{Run: id, Key: "k", Version: set.Version, Value: []byte("wrong")})
				t.wantSlotConflict("after it expired", driver.SlotChange{Run: id, Key: "k", Version: set.Version})
				t.purge()
			}
			again := t.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("again"), TTL: time.Hour})
			t.wantSlot(id, "k", again)
			for _, version := range []uint64{set.Version, again.Version} {
				name := fmt.Sprintf("slot %s of run %s has version %d", quote("k"), quote(id), version)
				if seen[name] {
					t.errorf("%s again", name)
				}
				seen[name] = true
			}
			t.setSlot(driver.SlotChange{Run: id, Key: "k", Version: again.Version})
		}
	}
}

func expiryRenewed(t *tester) {
	t.create("a", 1)
	for _, id := range []string{"a", ""} {
		longer := t.setSlot(driver.SlotChange{Run: id, Key: "longer", Value: []byte("v"), TTL: shortTTL})
		forever := t.setSlot(driver.SlotChange{Run: id, Key: "forever", Value: []byte("v"), TTL: shortTTL})
		shorter := t.setSlot(driver.SlotChange{Run: id, Key: "shorter", Value: []byte("v"), TTL: time.Hour})
		limited := t.setSlot(driver.SlotChange{Run: id, Key: "limited", Value: []byte("v")})
		longer = t.renew(id, "longer", longer.Version, time.Hour)
		forever = t.renew(id, "forever", forever.Version, 0)
		t.renew(id, "shorter", shorter.Version, shortTTL)
		t.renew(id, "limited", limited.Version, shortTTL)
		t.lapse()
		t.wantSlot(id, "longer", longer)
		t.wantSlot(id, "forever", forever)
		t.wantNoSlot(id, "shorter")
		t.wantNoSlot(id, "limited")
	}
}

// renew sets a slot anew for a time. A slow machine may have let it expire.
func (t *tester) renew(id, key string, version uint64, ttl time.Duration) driver.Slot {
	c := driver.SlotChange{Run: id, Key: key, Version: version, Value: []byte("renewed"), TTL: ttl}
	s, err := t.b.SetSlot(t.ctx, c)
	if err == nil {
		return s
	}
	if _, ok := t.slot(id, key); ok {
		t.fatalf("SetSlot %s of run %s at version %d, which it has, returned the error %w", quote(key), quote(id), version, err)
	}
	c.Version = 0
	return t.setSlot(c)
}
