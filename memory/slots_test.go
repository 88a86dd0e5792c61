package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

func TestSlotExpiresAtItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		const ttl = time.Minute
		set, err := b.SetSlot(t.Context(), driver.SlotChange{Key: "k", Value: []byte("v"), TTL: ttl})
		require.NoError(t, err)
		require.Equal(t, ttl, set.TTL)

		time.Sleep(ttl - time.Nanosecond)
		have, err := b.Slot(t.Context(), driver.SlotRequest{Key: "k"})
		require.NoError(t, err)
		require.Equal(t, driver.Slot{Value: []byte("v"), Version: set.Version, TTL: time.Nanosecond}, have)

		time.Sleep(time.Nanosecond)
		_, err = b.Slot(t.Context(), driver.SlotRequest{Key: "k"})
		require.ErrorIs(t, err, driver.ErrNotFound)
		_, err = b.SetSlot(t.Context(), driver.SlotChange{Key: "k", Version: set.Version})
		require.ErrorIs(t, err, driver.ErrConflict)
		again, err := b.SetSlot(t.Context(), driver.SlotChange{Key: "k", Value: []byte("w")})
		require.NoError(t, err)
		require.Greater(t, again.Version, set.Version)
	})
}

func TestNewRunNeedsHead(t *testing.T) {
	t.Parallel()
	b := memory.New()
	results, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{{Run: "a", Append: []driver.Record{{Seq: 1}}}}})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, driver.ErrInvalid)
	_, err = b.Head(t.Context(), driver.HeadRequest{Run: "a"})
	require.ErrorIs(t, err, driver.ErrNotFound)
}
