package bolt_test

import (
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// TestSlotsExpire holds a slot to its time to live, by a clock that is set forward and
// back, and across an opening.
func TestSlotsExpire(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "x.db")
	const set = int64(1e18)
	at := func(b *bolt.Backend, now int64) *bolt.Backend {
		b.SetClock(func() int64 { return now })
		return b
	}
	b := at(open(t, path, bolt.Options{}), set)
	s, err := b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("mine"), TTL: time.Minute})
	require.NoError(t, err)
	forever, err := b.SetSlot(ctx, driver.SlotChange{Key: "forever", Value: []byte{}})
	require.NoError(t, err)
	_, err = b.SetSlot(ctx, driver.SlotChange{Key: "long", Value: []byte{}, TTL: math.MaxInt64})
	require.NoError(t, err)
	minute := int64(time.Minute)
	for range 2 { // the second time in a file that was opened again
		for now, left := range map[int64]time.Duration{
			set: time.Minute, set + 1: time.Minute - 1, set + minute - 1: 1,
			set + minute: 0, set + 100*minute: 0, set - 1: 0, set - 100*minute: 0,
		} {
			at(b, now)
			got, err := b.Slot(ctx, driver.SlotRequest{Key: "lease"})
			if left == 0 {
				require.ErrorIs(t, err, driver.ErrNotFound, "at %d", now-set)
			} else {
				require.NoError(t, err, "at %d", now-set)
				require.Equal(t, driver.Slot{Value: []byte("mine"), Version: s.Version, TTL: left}, got)
			}
			_, err = b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("theirs"), Version: map[bool]uint64{true: 0, false: s.Version + 9}[left != 0]})
			require.ErrorIs(t, err, driver.ErrConflict)
			got, err = b.Slot(ctx, driver.SlotRequest{Key: "forever"})
			require.NoError(t, err)
			require.Equal(t, driver.Slot{Value: []byte{}, Version: forever.Version}, got)
			got, err = b.Slot(ctx, driver.SlotRequest{Key: "long"})
			if now >= set {
				require.NoError(t, err)
				require.Greater(t, got.TTL, 200*365*24*time.Hour)
			} else {
				require.ErrorIs(t, err, driver.ErrNotFound)
			}
		}
		require.NoError(t, b.Close())
		b = open(t, path, bolt.Options{})
	}
	at(b, set+minute)
	next, err := b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("theirs"), TTL: time.Minute})
	require.NoError(t, err)
	require.Greater(t, next.Version, s.Version)
	_, err = b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("mine"), Version: s.Version})
	require.ErrorIs(t, err, driver.ErrConflict)
	_, err = b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("mine"), Version: next.Version, TTL: -1})
	require.ErrorIs(t, err, driver.ErrInvalid)
	_, notApplied := errors.AsType[*driver.NotAppliedError](err)
	require.True(t, notApplied)
}

// TestDamagedSlot holds that a damaged slot is not returned, and can be set again.
func TestDamagedSlot(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "x.db")
	b := open(t, path, bolt.Options{})
	s, err := b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("mine")})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	values(t, path, func(keys []string, v []byte) []byte {
		if keys[0] != "slots" {
			return nil
		}
		return append(v[:len(v)-1:len(v)-1], 'E')
	})
	b = open(t, path, bolt.Options{})
	_, err = b.Slot(ctx, driver.SlotRequest{Key: "lease"})
	require.ErrorIs(t, err, driver.ErrCorrupt)
	require.ErrorContains(t, err, path+`: corrupt: slot "lease" doesn't match its checksum`)
	_, err = b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("mine"), Version: s.Version})
	require.ErrorIs(t, err, driver.ErrConflict)
	again, err := b.SetSlot(ctx, driver.SlotChange{Key: "lease", Value: []byte("mine")})
	require.NoError(t, err)
	require.Greater(t, again.Version, s.Version)
}
