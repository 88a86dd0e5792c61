package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// TestSlotsOfTwoHandles has two handles, as two processes, set a run's slot.
func TestSlotsOfTwoHandles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	one, two := open(t, path, sqlite.Options{}), open(t, path, sqlite.Options{})
	revision := apply(t, one, newRun("run", "1")).Revision
	lease := driver.SlotChange{Run: "run", Key: "lease", Value: []byte("one"), TTL: time.Minute}
	mine, err := one.SetSlot(t.Context(), lease)
	require.NoError(t, err)
	require.Equal(t, driver.Slot{Value: []byte("one"), Version: mine.Version, TTL: time.Minute}, mine)

	lease.Value = []byte("two")
	_, err = two.SetSlot(t.Context(), lease)
	require.ErrorIs(t, err, driver.ErrConflict)
	seen, err := two.Slot(t.Context(), driver.SlotRequest{Run: "run", Key: "lease"})
	require.NoError(t, err)
	require.Equal(t, mine.Version, seen.Version)
	require.Equal(t, "one", string(seen.Value))
	require.Positive(t, seen.TTL)
	require.LessOrEqual(t, seen.TTL, time.Minute)
	_, err = two.Slot(t.Context(), driver.SlotRequest{Key: "lease"})
	require.ErrorIs(t, err, driver.ErrNotFound, "the store's is another")

	lease.Version = seen.Version
	theirs, err := two.SetSlot(t.Context(), lease)
	require.NoError(t, err)
	require.Greater(t, theirs.Version, mine.Version)
	lease.Version = mine.Version
	_, err = one.SetSlot(t.Context(), lease)
	require.ErrorIs(t, err, driver.ErrConflict)

	h, err := one.Head(t.Context(), driver.HeadRequest{Run: "run"})
	require.NoError(t, err)
	require.Equal(t, revision, h.Revision)
	require.NoError(t, apply(t, one, driver.Change{Run: "run", Revision: revision, Append: events(2, 2)}).Err)
}

// TestSlotVersionsDontComeBack removes a slot, drops its run and opens the file again.
func TestSlotVersionsDontComeBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{})
	var last uint64
	put := func(run string) {
		s, err := b.SetSlot(t.Context(), driver.SlotChange{Run: run, Key: "k", Value: []byte{}})
		require.NoError(t, err)
		require.Greater(t, s.Version, last)
		last = s.Version
		s, err = b.Slot(t.Context(), driver.SlotRequest{Run: run, Key: "k"})
		require.NoError(t, err)
		require.Equal(t, driver.Slot{Value: []byte{}, Version: last}, s)
	}
	remove := func(run string) {
		s, err := b.SetSlot(t.Context(), driver.SlotChange{Run: run, Key: "k", Version: last})
		require.NoError(t, err)
		require.Equal(t, driver.Slot{}, s)
		_, err = b.Slot(t.Context(), driver.SlotRequest{Run: run, Key: "k"})
		require.ErrorIs(t, err, driver.ErrNotFound)
	}
	for range 3 {
		put("")
		remove("")
	}
	for range 3 {
		rev := apply(t, b, newRun("run", "1")).Revision
		put("run")
		require.NoError(t, b.Close())
		b = open(t, path, sqlite.Options{})
		require.NoError(t, apply(t, b, driver.Change{Run: "run", Revision: rev, Drop: true}).Err)
		_, err := b.Slot(t.Context(), driver.SlotRequest{Run: "run", Key: "k"})
		require.ErrorIs(t, err, driver.ErrNotFound)
		_, err = b.SetSlot(t.Context(), driver.SlotChange{Run: "run", Key: "k", Value: []byte("v")})
		require.ErrorIs(t, err, driver.ErrNotFound)
		purge(t, b)
		require.Zero(t, query[int](t, look(t, path), `SELECT count(*) FROM slots`))
	}
	check(t, path)
}

// TestSlotsExpire sets the times of a slot as if the clock had been moved.
func TestSlotsExpire(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{})
	for name, move := range map[string]string{
		"its time is over":         `UPDATE slots SET set_at = set_at - 60000000000, expires = expires - 60000000000`,
		"the clock was set back":   `UPDATE slots SET set_at = set_at + 60000000000, expires = expires + 60000000000`,
		"a second behind the time": `UPDATE slots SET set_at = set_at + 1000000000`,
	} {
		s, err := b.SetSlot(t.Context(), driver.SlotChange{Key: name, Value: []byte("v"), TTL: time.Minute})
		require.NoError(t, err)
		exec(t, path, move+fmt.Sprintf(` WHERE key = '%s'`, name))
		_, err = b.Slot(t.Context(), driver.SlotRequest{Key: name})
		require.ErrorIs(t, err, driver.ErrNotFound, name)
		_, err = b.SetSlot(t.Context(), driver.SlotChange{Key: name, Version: s.Version, Value: []byte("v")})
		require.ErrorIs(t, err, driver.ErrConflict, name)
		next, err := b.SetSlot(t.Context(), driver.SlotChange{Key: name, Value: []byte("w")})
		require.NoError(t, err, name)
		require.Greater(t, next.Version, s.Version)
	}
	// One without a time to live is there whatever the clock says.
	exec(t, path, `UPDATE slots SET set_at = set_at + 60000000000`)
	s, err := b.Slot(t.Context(), driver.SlotRequest{Key: "its time is over"})
	require.NoError(t, err)
	require.Equal(t, "w", string(s.Value))
	require.Zero(t, s.TTL)

	s, err = b.SetSlot(t.Context(), driver.SlotChange{Key: "long", Value: []byte("v"), TTL: 1<<63 - 1})
	require.NoError(t, err)
	_, err = b.Slot(t.Context(), driver.SlotRequest{Key: "long"})
	require.NoError(t, err)
	_, err = b.SetSlot(t.Context(), driver.SlotChange{Key: "long", Version: s.Version, Value: []byte("v"), TTL: -1})
	require.ErrorIs(t, err, driver.ErrInvalid)
}

// TestSlotIsWonOnce has many set a slot that nobody must have set.
func TestSlotIsWonOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	var handles []*sqlite.Backend
	for range 3 {
		handles = append(handles, open(t, path, sqlite.Options{}))
	}
	for round := range 10 {
		var all sync.WaitGroup
		won := make(chan int, 12)
		for n := range 12 {
			all.Go(func() {
				_, err := handles[n%3].SetSlot(context.Background(), driver.SlotChange{Key: fmt.Sprint(round), Value: []byte{byte(n)}})
				if err == nil {
					won <- n
				} else if err != driver.ErrConflict {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Len(t, won, 1)
		s, err := handles[0].Slot(t.Context(), driver.SlotRequest{Key: fmt.Sprint(round)})
		require.NoError(t, err)
		require.Equal(t, []byte{byte(<-won)}, s.Value)
	}
}

// TestSlotsAreNotSynced holds that events are synced after a slot, which isn't, was set
// or refused.
func TestSlotsAreNotSynced(t *testing.T) {
	t.Parallel()
	for durability, want := range map[driver.Durability]string{driver.Full: "2", driver.Normal: "1", driver.Off: "0"} {
		path := filepath.Join(t.TempDir(), "checkpoints.db")
		b := open(t, path, sqlite.Options{Durability: durability, BusyTimeout: time.Millisecond})
		synchronous := func() {
			t.Helper()
			have, err := b.Pragma(t.Context(), "synchronous")
			require.NoError(t, err)
			require.Equal(t, want, have, durability)
		}
		require.NoError(t, set(t.Context(), b, ""))
		synchronous()
		require.ErrorIs(t, set(t.Context(), b, ""), driver.ErrConflict)
		synchronous()
		require.ErrorIs(t, set(t.Context(), b, "none"), driver.ErrNotFound)
		synchronous()
		release := holdLock(t, path)
		require.ErrorIs(t, set(t.Context(), b, "run"), driver.ErrLocked)
		synchronous()
		release()
	}
}

func TestSlotsOfAReadOnlyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{})
	require.NoError(t, set(t.Context(), b, ""))
	r := open(t, path, sqlite.Options{ReadOnly: true})
	s, err := r.Slot(t.Context(), driver.SlotRequest{Key: "k"})
	require.NoError(t, err)
	require.Equal(t, "v", string(s.Value))
	require.ErrorIs(t, set(t.Context(), r, ""), driver.ErrReadOnly)
}
