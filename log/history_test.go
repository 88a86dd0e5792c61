package log_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// largeStates appends states of 100 KB and more to a run, which differ a little,
// and returns them.
func largeStates(t *testing.T, l *log.Log, n int) [][]byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	state := make([]byte, 100<<10)
	for i := range state {
		state[i] = byte(rng.Uint32())
	}
	var states [][]byte
	for i := range n {
		state[rng.IntN(len(state))]++
		state = append(state, byte(i), byte(rng.Uint32()))
		states = append(states, bytes.Clone(state))
		add(t, l, log.Append{Header: log.Header{RunID: "run", NodeID: [2]string{"even", "odd"}[i%2], Kind: log.Bytes}, State: state})
	}
	return states
}

// TestHistoryOwnership changes every state that a history gives, at once: none of
// those that follow is made of it.
func TestHistoryOwnership(t *testing.T) {
	t.Parallel()
	const n = 40
	for _, sealed := range []uint64{0, n / 2, n} {
		b := newTapped(t)
		l := another(t, b)
		states := largeStates(t, l, int(max(sealed, 1)))
		if sealed > 0 {
			_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
		}
		for i := len(states); i < n; i++ {
			s := append(bytes.Clone(states[i-1]), byte(i))
			add(t, l, log.Append{Header: log.Header{RunID: "run", NodeID: [2]string{"even", "odd"}[i%2], Kind: log.Bytes}, State: s})
			states = append(states, s)
		}
		l = another(t, b) // has nothing in memory
		for _, opts := range []log.HistoryOptions{{}, {Backward: true}, {Node: "odd"}, {Node: "odd", Backward: true}, {Limit: 7}, {From: 3, To: n - 2}} {
			given := 0
			for ev, err := range l.History(t.Context(), "run", opts) {
				require.NoError(t, err)
				require.True(t, bytes.Equal(states[ev.Seq-1], ev.State), "seq %d, %d sealed, %+v", ev.Seq, sealed, opts)
				clear(ev.State)
				given++
			}
			switch {
			case opts.Limit > 0:
				require.Equal(t, opts.Limit, given)
			case opts.Node != "":
				require.Equal(t, n/2, given)
			case opts.From > 0:
				require.Equal(t, n-4, given)
			default:
				require.Equal(t, n, given)
			}
		}
	}
}

// TestHistoryEndsEarly leaves histories after each event: nothing goes on behind
// the caller's back.
func TestHistoryEndsEarly(t *testing.T) {
	t.Parallel()
	const n = 8
	b := newTapped(t)
	largeStates(t, another(t, b), n)
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		l, err := log.Open(&tapped{Backend: b.Backend}, log.Options{})
		require.NoError(t, err)
		for stop := uint64(1); stop <= n; stop++ {
			ctx, cancel := context.WithCancel(t.Context())
			for ev, err := range l.History(ctx, "run", log.HistoryOptions{}) {
				require.NoError(t, err)
				if ev.Seq == stop {
					break
				}
			}
			var last uint64
			for ev, err := range l.History(ctx, "run", log.HistoryOptions{}) {
				if err != nil {
					require.ErrorIs(t, err, context.Canceled)
					break
				}
				if last = ev.Seq; last == stop {
					cancel()
				}
			}
			require.Contains(t, []uint64{stop, stop + 1, n}, last) // what is read already may come
			cancel()
		}
		require.NoError(t, l.Close())
	})
}

// TestHistoryDamage gives all events before one whose state is another than its
// hash says, and then its error.
func TestHistoryDamage(t *testing.T) {
	t.Parallel()
	const n, seq = 8, 5
	for _, plain := range []bool{true, false} {
		b := newTapped(t)
		l := open(t, &tapped{Backend: b.Backend}, log.Options{AllPlain: plain})
		states := largeStates(t, l, n)
		run, err := l.Run(t.Context(), "run")
		require.NoError(t, err)
		b.onRecord = func(_ string, r *driver.Record) bool {
			if r.Seq == seq {
				*r = clone(*r)
				r.State[len(r.State)-1] ^= 1 // also of a delta it is the state's last byte
				r.Sum = log.RecordSum(run.Life, r)
			}
			return true
		}
		var last uint64
		for ev, err := range open(t, b, log.Options{}).History(t.Context(), "run", log.HistoryOptions{}) {
			if err != nil {
				require.ErrorIs(t, err, log.ErrCorrupt)
				require.ErrorContains(t, err, "seq 5")
				break
			}
			last = ev.Seq
			require.True(t, bytes.Equal(states[last-1], ev.State))
		}
		require.EqualValues(t, seq-1, last)
	}
}
