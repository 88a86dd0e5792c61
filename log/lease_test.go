package log_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestLeaseAndClocks: a lease ends after its time, also if the clock was set back
// since it was taken.
func TestLeaseAndClocks(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	lease := func(l *log.Log, holder string, d time.Duration) bool {
		ok, err := l.Lease(t.Context(), holder, d)
		require.NoError(t, err)
		return ok
	}
	require.True(t, lease(open(t, b, log.Options{}), "before", time.Hour))
	synctest.Test(t, func(t *testing.T) { // where the clock says 2000
		l, err := log.Open(b, log.Options{})
		require.NoError(t, err)
		require.True(t, lease(l, "a", time.Minute))
		require.False(t, lease(l, "b", time.Minute))
		time.Sleep(30 * time.Second)
		require.True(t, lease(l, "a", time.Minute), "it can be extended")
		time.Sleep(time.Minute - time.Nanosecond)
		require.False(t, lease(l, "b", time.Minute))
		time.Sleep(time.Nanosecond)
		require.True(t, lease(l, "b", time.Minute))
		require.True(t, lease(l, "b", -time.Second), "it can be given back")
		require.True(t, lease(l, "a", time.Minute))
	})
}
