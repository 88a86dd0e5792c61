package drivertest

import (
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

func reopenCases() []Case {
	return []Case{
		{Name: "reopen/all", Rule: "what was acknowledged is there after the storage was closed and opened again", run: reopenAll},
		{Name: "reopen/dead", Rule: "what was dropped, retired or below the tail is still gone after the storage was opened again", run: reopenDead},
		{Name: "reopen/revision", Rule: "a revision never comes back, not even after the storage was opened again", run: reopenRevision},
		{Name: "reopen/segment-ids", Rule: "the id of a segment is never given to another, not even after the storage was opened again", run: reopenIDs},
		{Name: "reopen/slots", Rule: "a slot is there after the storage was opened again, for no longer than its time to live, and no version comes back", run: reopenSlots},
	}
}

// reopenAll opens anew after each of several changes.
func reopenAll(t *tester) {
	t = t.reopen()
	t.wantDump(nil, "in a new storage that was opened again")
	for i, id := range []string{"a", "a\x00notes", "é", "b"} {
		rich(t, id)
		large := record(7, id)
		large.State = noise(1 << uint(5*i))
		t.apply(driver.Change{Run: id, Revision: t.head(id).Revision, Append: []driver.Record{large}})
		want := t.dump()
		t = t.reopen()
		t.wantDump(want, "after opening again")
	}
	// It can be written as before.
	t.apply(driver.Change{Run: "a", Revision: t.head("a").Revision, Head: head(5, 8), Append: records(8, 8, "a"), Rewrite: records(7, 7, "a")})
	t.wantTail("a", records(5, 8, "a"))
	t.reopen().wantTail("a", records(5, 8, "a"))
}

func reopenDead(t *tester) {
	rich(t, "a")
	rich(t, "b")
	t.drop("a")
	want := t.dump()
	for range 2 {
		t = t.reopen()
		t.wantDump(want, "after opening again")
		t.wantNoRun("a")
		t.wantNoSlot("a", slotKey)
		t.purge()
		t.wantDump(want, "after opening again and Purge")
	}
}

func reopenRevision(t *tester) {
	seen := map[uint64]bool{}
	for life := range 4 {
		for range 2 {
			var revision uint64
			for old := range seen {
				t.wantConflict("a change at a revision of a dropped run", t.applyAll(driver.Change{Run: "a", Revision: old, Head: head(1, 1)})[0])
			}
			for range 3 {
				revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: head(1, 0)}).Revision
				if seen[revision] {
					t.errorf("run %q got revision %d, which it had in an earlier life", "a", revision)
				}
				seen[revision] = true
			}
			t.drop("a")
		}
		if life%2 == 0 {
			t.purge()
		}
		t = t.reopen()
	}
}

func reopenIDs(t *tester) {
	seen := map[uint64]string{}
	for round := range 4 {
		t.newIDs(seen, "a", fmt.Sprint("round ", round))
		t.retireAll("a")
		t.newIDs(seen, "b", fmt.Sprint("round ", round))
		t.drop("b")
		if round%2 == 0 {
			t.purge()
		}
		t = t.reopen()
	}
}

func reopenSlots(t *tester) {
	seen := map[string]bool{}
	t.create("a", 1)
	for range 3 {
		slots := map[string]driver.Slot{}
		for _, id := range []string{"a", ""} {
			for _, key := range []string{"kept", "removed", "expired"} {
				c := driver.SlotChange{Run: id, Key: key, Value: []byte(key)}
				if s, ok := t.slot(id, key); ok {
					c.Version = s.Version
				}
				if key == "expired" {
					c.TTL = shortTTL
				}
				s := t.setSlot(c)
				if name := fmt.Sprintf("slot %s of run %s has version %d", quote(key), quote(id), s.Version); seen[name] {
					t.errorf("%s again", name)
				} else {
					seen[name] = true
				}
				slots[id+"/"+key] = s
			}
			t.setSlot(driver.SlotChange{Run: id, Key: "removed", Version: slots[id+"/removed"].Version})
		}
		t = t.reopen()
		t.lapse()
		for _, id := range []string{"a", ""} {
			t.wantSlot(id, "kept", slots[id+"/kept"])
			t.wantNoSlot(id, "removed")
			t.wantNoSlot(id, "expired")
			for _, key := range []string{"removed", "expired"} {
				t.wantSlotConflict("after it was gone", driver.SlotChange{Run: id, Key: key, Version: slots[id+"/"+key].Version, Value: []byte("wrong")})
			}
		}
	}
}
