package drivertest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/memory"
)

// newRuns are changes that make a run each.
func newRuns(ids ...string) driver.ApplyRequest {
	var req driver.ApplyRequest
	for _, id := range ids {
		req.Changes = append(req.Changes, driver.Change{Run: id, Head: &driver.Head{Recency: 1, Tail: 1, Data: []byte(id)}})
	}
	return req
}

// runs lists the runs of a Backend.
func runs(t *testing.T, b driver.Backend) []string {
	heads, err := b.Heads(t.Context(), driver.HeadsRequest{Limit: 100})
	require.NoError(t, err)
	ids := []string{}
	for _, h := range heads {
		ids = append(ids, h.Run)
	}
	return ids
}

// TestLossy loses one answer and expects what is there then, and after the next Apply.
func TestLossy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		loss        drivertest.Loss
		then, later []string
	}{
		{"answered", drivertest.Answered, []string{"a", "b", "c"}, []string{"a", "b", "c", "d"}},
		{"unmade", drivertest.Unmade, []string{}, []string{"d"}},
		{"half", drivertest.Half, []string{"a"}, []string{"a", "d"}},
		{"made", drivertest.Made, []string{"a", "b", "c"}, []string{"a", "b", "c", "d"}},
		{"late", drivertest.Late, []string{}, []string{"a", "b", "c", "d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := memory.New()
			losses := []drivertest.Loss{test.loss, drivertest.Answered}
			lossy := drivertest.Lossy(b, func() drivertest.Loss {
				loss := losses[0]
				losses = losses[1:]
				return loss
			})
			req := newRuns("a", "b", "c")
			_, err := lossy.Apply(t.Context(), req)
			if test.loss == drivertest.Answered {
				require.NoError(t, err)
			} else {
				require.ErrorAs(t, err, new(*driver.LostError))
			}
			require.Equal(t, test.then, runs(t, lossy))
			copy(req.Changes[0].Head.Data, "z") // what was given is the caller's again
			results, err := lossy.Apply(t.Context(), newRuns("d"))
			require.NoError(t, err)
			require.Len(t, results, 1)
			require.NoError(t, results[0].Err)
			require.Equal(t, test.later, runs(t, b))
			for _, id := range test.later {
				h, err := b.Head(t.Context(), driver.HeadRequest{Run: id})
				require.NoError(t, err)
				require.Equal(t, id, string(h.Data))
			}
		})
	}
}

// TestLossyAgain repeats what is late: the retry meets it.
func TestLossyAgain(t *testing.T) {
	t.Parallel()
	loss := drivertest.Late
	lossy := drivertest.Lossy(memory.New(), func() drivertest.Loss { return loss })
	for range 3 {
		_, err := lossy.Apply(t.Context(), newRuns("a"))
		require.ErrorAs(t, err, new(*driver.LostError))
	}
	loss = drivertest.Answered
	results, err := lossy.Apply(t.Context(), newRuns("a"))
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, driver.ErrConflict)
}

func TestLossyLosesNoOtherErrors(t *testing.T) {
	t.Parallel()
	lossy := drivertest.Lossy(memory.New(), func() drivertest.Loss { return drivertest.Made })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := lossy.Apply(ctx, newRuns("a"))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorAs(t, err, new(*driver.NotAppliedError))
	require.Empty(t, runs(t, lossy))
	require.NoError(t, lossy.Close())
	_, err = lossy.Apply(t.Context(), newRuns("a"))
	require.ErrorIs(t, err, driver.ErrClosed)
}
