package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

func slotCases() []Case {
	return []Case{
		{Name: "slots/none", Rule: "Slot is ErrNotFound if there is no such slot or run", run: slotsNone},
		{Name: "slots/given", Rule: "the value of a slot reads back byte for byte, under the version that SetSlot returned", run: slotsGiven},
		{Name: "slots/version", Rule: "SetSlot is ErrConflict, and does nothing, unless the slot has the expected version", run: slotsVersion},
		{Name: "slots/remove", Rule: "SetSlot with a nil value removes the slot, and with an empty one does not", run: slotsRemove},
		{Name: "slots/own", Rule: "slots of different keys, of different runs and of the storage are apart", run: slotsOwn},
		{Name: "slots/no-run", Rule: "SetSlot is ErrNotFound for a run that doesn't exist, and makes none", run: slotsNoRun},
		{Name: "slots/gone", Rule: "a slot is gone with its run, and not there in the run's next life", run: slotsGone},
		{Name: "slots/never-back", Rule: "a version of a slot never comes back for its key", run: slotsNeverBack},
		{Name: "slots/outside", Rule: "SetSlot changes nothing of the run but the slot, and a change of the run leaves its slots", run: slotsOutside},
		{Name: "slots/refused", Rule: "a SetSlot that was given a cancelled context or a negative time to live changes nothing and says so with a NotAppliedError", run: slotsRefused},
		{Name: "slots/bytes", Rule: "SetSlot and Slot keep no slice of the caller's, and return none that they keep", run: slotsBytes},
	}
}

// wantSlot expects a slot as it was returned when it was set.
func (t *tester) wantSlot(id, key string, want driver.Slot) {
	have, ok := t.slot(id, key)
	if !ok {
		t.errorf("Slot %s of run %s returned ErrNotFound, must have version %d", quote(key), quote(id), want.Version)
	} else if d := diffSlot(want, have); d != "" {
		t.errorf("Slot %s of run %s: %s", quote(key), quote(id), d)
	}
}

// wantSlotConflict expects that a slot doesn't have the version that a change expects.
func (t *tester) wantSlotConflict(what string, c driver.SlotChange) {
	if _, err := t.b.SetSlot(t.ctx, c); !errors.Is(err, driver.ErrConflict) {
		t.errorf("SetSlot %s of run %s at version %d, %s, must be ErrConflict, got error %v", quote(c.Key), quote(c.Run), c.Version, what, err)
	}
}

func slotsRefused(t *tester) {
	t.create("a", 1)
	want := t.dump()
	refused := func(ctx context.Context, c driver.SlotChange, why error) {
		var notApplied *driver.NotAppliedError
		if _, err := t.b.SetSlot(ctx, c); !errors.As(err, &notApplied) || !errors.Is(err, why) {
			t.errorf("SetSlot returned the error %v, must be a NotAppliedError that satisfies %v", err, why)
		}
		t.wantNoSlot(c.Run, c.Key)
		t.wantDump(want, "after a SetSlot that was refused")
	}
	for _, id := range []string{"a", ""} {
		c := driver.SlotChange{Run: id, Key: "k", Value: []byte("v")}
		for _, ctx := range cancelled(t) {
			refused(ctx, c, ctx.Err())
		}
		c.TTL = -1
		refused(t.ctx, c, driver.ErrInvalid)
	}
}

func slotsNone(t *tester) {
	t.create("a", 1)
	t.setSlot(driver.SlotChange{Run: "a", Key: "k", Value: []byte("v")})
	t.setSlot(driver.SlotChange{Key: "m", Value: []byte("v")})
	for _, id := range []string{"a", "", "no such run"} {
		for _, key := range []string{"K", "kk", "k\x00", "n", "a"} {
			_, err := t.b.Slot(t.ctx, driver.SlotRequest{Run: id, Key: key})
			t.wantNotFound(fmt.Sprintf("Slot %s of run %s", quote(key), quote(id)), err)
		}
	}
}

func slotsGiven(t *tester) {
	t.create("a", 1)
	values := [][]byte{{}, {0}, []byte("a\x00b"), []byte("\xff\xfe\xc3("), []byte(`{"a": 1}`), []byte("12"), []byte(" x \r\n"), noise(4096), noise(driver.MaxSlot)}
	for _, id := range []string{"a", ""} {
		for i, value := range values {
			key := oddKeys()[i*3]
			set := t.setSlot(driver.SlotChange{Run: id, Key: key, Value: value})
			if set.Version == 0 {
				t.errorf("SetSlot %s of run %s returned version 0", quote(key), quote(id))
			}
			if d := diffSlot(driver.Slot{Value: value, Version: set.Version}, set); d != "" {
				t.errorf("SetSlot %s of run %s returned another slot than it was given: %s", quote(key), quote(id), d)
			}
			t.wantSlot(id, key, driver.Slot{Value: value, Version: set.Version})
		}
	}
}

// slotsVersion tries to set and to remove at all versions but the right one.
func slotsVersion(t *tester) {
	t.create("a", 1)
	for _, id := range []string{"a", ""} {
		other := t.setSlot(driver.SlotChange{Run: id, Key: "other", Value: []byte("other")})
		var before driver.Slot
		for i := range 5 {
			now := t.setSlot(driver.SlotChange{Run: id, Key: "k", Version: before.Version, Value: fmt.Appendf(nil, "value %d", i)})
			for _, version := range []uint64{0, before.Version, now.Version + 1, now.Version - 1, other.Version, now.Version + 1<<32, 1<<64 - 1} {
				if version == now.Version {
					continue
				}
				what := fmt.Sprintf("while it has %d", now.Version)
				t.wantSlotConflict(what, driver.SlotChange{Run: id, Key: "k", Version: version, Value: []byte("wrong")})
				t.wantSlotConflict(what, driver.SlotChange{Run: id, Key: "k", Version: version})
				t.wantSlot(id, "k", now)
			}
			before = now
		}
		for _, version := range []uint64{1, before.Version, other.Version} {
			t.wantSlotConflict("while it isn't there", driver.SlotChange{Run: id, Key: "new", Version: version, Value: []byte("wrong")})
			t.wantNoSlot(id, "new")
		}
		t.wantSlot(id, "other", other)
	}
}

func slotsRemove(t *tester) {
	t.create("a", 1)
	for _, id := range []string{"a", ""} {
		for range 3 {
			set := t.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("v")})
			set = t.setSlot(driver.SlotChange{Run: id, Key: "k", Version: set.Version, Value: []byte{}})
			t.wantSlot(id, "k", set)
			if gone := t.setSlot(driver.SlotChange{Run: id, Key: "k", Version: set.Version}); len(gone.Value) > 0 {
				t.errorf("SetSlot %s of run %s, which removes it, returned a value of %d bytes", quote("k"), quote(id), len(gone.Value))
			}
			t.wantNoSlot(id, "k")
			t.wantSlotConflict("after it was removed", driver.SlotChange{Run: id, Key: "k", Version: set.Version, Value: []byte("wrong")})
			t.wantSlotConflict("after it was removed", driver.SlotChange{Run: id, Key: "k", Version: set.Version})
			t.wantNoSlot(id, "k")
		}
	}
}

// slotsOwn sets slots of the same and of similar names in several runs.
func slotsOwn(t *tester) {
	type name struct{ run, key string }
	var names []name
	for _, id := range []string{"", "a", "a\x00", "aa", "A"} {
		if id != "" {
			t.create(id, 1)
		}
		for _, key := range []string{"a", "A", "\x00a", "aa", "a\x00", strings.Repeat("\xff", driver.MaxKey)} {
			names = append(names, name{id, key})
		}
	}
	slots := map[name]driver.Slot{}
	for _, n := range names {
		slots[n] = t.setSlot(driver.SlotChange{Run: n.run, Key: n.key, Value: fmt.Appendf(nil, "%q", n)})
	}
	look := func() {
		for _, n := range names {
			if want, ok := slots[n]; ok {
				t.wantSlot(n.run, n.key, want)
			} else {
				t.wantNoSlot(n.run, n.key)
			}
		}
	}
	look()
	for i, n := range names {
		switch c := (driver.SlotChange{Run: n.run, Key: n.key, Version: slots[n].Version}); i % 3 {
		case 0:
			t.setSlot(c)
			delete(slots, n)
		case 1:
			c.Value = []byte("new")
			slots[n] = t.setSlot(c)
		}
	}
	look()
}

func slotsNoRun(t *tester) {
	t.create("gone", 1)
	t.drop("gone")
	for _, id := range []string{"new", "gone"} {
		for _, value := range [][]byte{[]byte("v"), {}} {
			_, err := t.b.SetSlot(t.ctx, driver.SlotChange{Run: id, Key: "k", Value: value})
			t.wantNotFound("SetSlot of run "+quote(id), err)
		}
		t.wantNoSlot(id, "k")
		t.wantNoRun(id)
		t.create(id, 1)
		t.wantNoSlot(id, "k")
	}
}

func slotsGone(t *tester) {
	mine := t.setSlot(driver.SlotChange{Key: "k", Value: []byte("of the storage")})
	t.create("b", 1)
	theirs := t.setSlot(driver.SlotChange{Run: "b", Key: "k", Value: []byte("of b")})
	for life := range 3 {
		t.create("a", 1)
		t.wantNoSlot("a", "k")
		set := t.setSlot(driver.SlotChange{Run: "a", Key: "k", Value: []byte("of a")})
		t.wantSlot("a", "k", set)
		t.drop("a")
		t.wantNoSlot("a", "k")
		if life%2 == 0 {
			t.purge()
		}
		t.create("a", 1)
		t.wantNoSlot("a", "k")
		t.wantSlotConflict("in another life of the run", driver.SlotChange{Run: "a", Key: "k", Version: set.Version, Value: []byte("wrong")})
		t.drop("a")
	}
	t.wantSlot("", "k", mine)
	t.wantSlot("b", "k", theirs)
}

// slotsNeverBack sets a slot again after it was changed, removed and dropped.
func slotsNeverBack(t *tester) {
	for _, id := range []string{"a", ""} {
		seen := map[uint64]bool{}
		for range 3 {
			if id != "" {
				t.create(id, 1)
			}
			for range 3 {
				var version uint64
				for range 3 {
					version = t.setSlot(driver.SlotChange{Run: id, Key: "k", Version: version, Value: []byte("v")}).Version
					if seen[version] {
						t.errorf("slot %s of run %s has version %d again", quote("k"), quote(id), version)
					}
					seen[version] = true
				}
				t.setSlot(driver.SlotChange{Run: id, Key: "k", Version: version})
			}
			if id != "" {
				t.setSlot(driver.SlotChange{Run: id, Key: "k", Value: []byte("v")})
				t.drop(id)
				t.purge()
			}
		}
	}
}

// slotsOutside sets slots between changes of a run.
func slotsOutside(t *tester) {
	rich(t, "a")
	before := t.dump()
	a := t.setSlot(driver.SlotChange{Run: "a", Key: "a", Value: []byte("1")})
	t.wantDump(before, "after another slot was set")
	h := t.head("a")
	t.extend("a", h.Revision, 7, 7) // at the same revision
	t.wantSlot("a", "a", a)
	rewrite := driver.Change{Run: "a", Revision: h.Revision, Last: 7, Head: head(6, 7), Rewrite: records(7, 7, "new"), Add: []driver.Segment{segment(5, 5, "a")}}
	rewrite.Remove = []driver.EntryRange{{}}
	t.apply(rewrite)
	t.purge()
	t.wantSlot("a", "a", a)
	after := t.dump()
	t.setSlot(driver.SlotChange{Run: "a", Key: "a", Version: a.Version})
	t.wantDump(after, "after another slot was removed")
}

func slotsBytes(t *tester) {
	value := []byte("value")
	set := t.setSlot(driver.SlotChange{Key: "k", Value: value})
	if string(value) != "value" {
		t.errorf("SetSlot changed the value that it was given")
	}
	scribble(value)
	want := driver.Slot{Value: []byte("value"), Version: set.Version}
	t.wantSlot("", "k", want)
	scribble(set.Value)
	t.wantSlot("", "k", want)
	if s, ok := t.slot("", "k"); ok {
		scribble(s.Value)
	}
	t.wantSlot("", "k", want)
}

// oneSlot lets writers, spread over the handles, race for each version of slots.
func oneSlot(t *tester, handles ...driver.Backend) {
	const rounds, writers = 8, 6
	t.create("a", 1)
	for _, id := range []string{"a", ""} {
		var now driver.Slot
		for round := range rounds {
			won := make([]driver.Slot, writers)
			t.together(writers, func(i int) (err error) {
				c := driver.SlotChange{Run: id, Key: "k", Version: now.Version, Value: fmt.Appendf(nil, "round %d, writer %d", round, i)}
				won[i], err = handles[i%len(handles)].SetSlot(t.ctx, c)
				switch {
				case err == nil && won[i].Version == 0:
					return fmt.Errorf("SetSlot returned version 0")
				case errors.Is(err, driver.ErrConflict):
					won[i] = driver.Slot{}
					return nil
				case err != nil:
					return failed("SetSlot", err)
				}
				return nil
			})
			made := 0
			for _, s := range won {
				if s.Version != 0 {
					now = s
					made++
				}
			}
			if made != 1 {
				t.fatalf("of %d changes of a slot of run %s at the same version, %d were made", writers, quote(id), made)
			}
			for _, b := range handles {
				t.on(b).wantSlot(id, "k", now)
			}
		}
	}
}
