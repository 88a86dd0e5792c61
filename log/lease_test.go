package log_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestLease: a lease is held by one holder, and ends after its time.
func TestLease(t *testing.T) {
	t.Parallel()
	lease := func(l *log.Log, holder string, d time.Duration) bool {
		ok, err := l.Lease(t.Context(), holder, d)
		require.NoError(t, err)
		return ok
	}
	synctest.Test(t, func(t *testing.T) {
		b := newTapped(t)
		l, other := open(t, b, log.Options{}), another(t, b)
		require.True(t, lease(l, "a", time.Minute))
		require.False(t, lease(other, "b", time.Minute))
		require.False(t, lease(other, "b", -time.Second), "it is not b's to give back")
		time.Sleep(30 * time.Second)
		require.True(t, lease(l, "a", time.Minute), "it can be extended")
		time.Sleep(time.Minute - time.Nanosecond)
		require.False(t, lease(l, "b", time.Minute))
		time.Sleep(time.Nanosecond)
		require.True(t, lease(l, "b", time.Minute))
		require.True(t, lease(l, "b", -time.Second), "it can be given back")
		require.True(t, lease(l, "b", -time.Second), "there is nothing to give back")
		require.True(t, lease(other, "a", time.Minute))
		for range l.Runs(t.Context(), log.RunsOptions{}) {
			t.Fatal("a lease is no run")
		}
	})
}
