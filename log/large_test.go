package log_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

const (
	largeRun  = "large"
	largeSize = 2000
)

// largeSpecimen is a run of which most is in segments and the rest in the tail, with
// branches and pruned states, and what is known of it. Nobody writes to it.
type largeSpecimen struct {
	b      *tapped
	events []*log.Event // by seq-1
	layout *layout
}

func newLargeSpecimen(t *testing.T) *largeSpecimen {
	s := &largeSpecimen{b: newTapped(t)}
	l := open(t, s.b, small)
	r := rand.New(rand.NewPCG(5, 6))
	states := []string{""}
	grow := func(to int) {
		for n := len(states); n <= to; n++ {
			parent := n - 1
			if n%29 == 0 {
				parent -= r.IntN(min(parent, 300)) // aside
			}
			state := states[parent] + text(r, 1+r.IntN(60))
			if n%211 == 1 || len(state) > 4000 {
				state = text(r, 500+r.IntN(1000)) // all is new
			}
			states = append(states, state)
			add(t, l, log.Append{
				Header: log.Header{RunID: largeRun, NodeID: fmt.Sprint("node-", n%5), Kind: log.Bytes, Metadata: log.Metadata{Labels: map[string]string{"n": fmt.Sprint(n)}}},
				State:  []byte(state), From: log.Position{Seq: uint64(parent)},
			})
		}
	}
	grow(1000)
	_, err := l.Seal(t.Context(), largeRun, log.SealOptions{Whole: true})
	require.NoError(t, err)
	grow(1600)
	_, err = l.Seal(t.Context(), largeRun, log.SealOptions{})
	require.NoError(t, err)
	grow(largeSize)
	_, err = l.Prune(t.Context(), largeRun, []uint64{5, 300, 301, 900, 1590, 1700, 1999}, "test")
	require.NoError(t, err)
	s.layout = readLayout(t, s.b, largeRun)
	for ev, err := range open(t, &tapped{Backend: s.b.Backend}, small).History(t.Context(), largeRun, log.HistoryOptions{}) {
		require.NoError(t, err)
		require.True(t, ev.Pruned || states[ev.Seq] == string(ev.State))
		s.events = append(s.events, ev)
	}
	require.Len(t, s.events, largeSize)
	return s
}
