package log_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestStreamedMemory streams runs of large states and looks at what is held in
// memory meanwhile: at most 4 states and 64 MiB, beside what the storage holds.
//
// It is not parallel: others would be measured too.
func TestStreamedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures memory, and makes much of it")
	}
	events := 24
	if os.Getenv("FLOWLOG_LONG") == "1" {
		events = 300
	}
	for _, c := range []struct {
		name  string
		edits int // scattered in each state
		fresh bool
	}{{name: "growing"}, {name: "edited all over", edits: 1500}, {name: "each unlike the others", fresh: true}} {
		t.Run(c.name, func(t *testing.T) { streamed(t, events, c.edits, c.fresh) })
	}
}

func streamed(t *testing.T, events, edits int, fresh bool) {
	const (
		size   = 2 << 20
		grow   = 2 << 10
		margin = 8 << 20 // for what the collector has not found yet
	)
	b := newTapped(t)
	l := open(t, b, log.Options{CacheBytes: 1})
	r := rand.New(rand.NewPCG(1, 2))
	source := rand.NewChaCha8([32]byte{1})
	state := make([]byte, size, size+events*grow)
	source.Read(state)
	for i := range events {
		state = state[:len(state)+grow]
		source.Read(state[len(state)-grow:])
		for range edits {
			state[r.IntN(len(state))]++
		}
		if fresh {
			source.Read(state)
		}
		binary.BigEndian.PutUint64(state[i*1000:], uint64(i))
		add(t, l, log.Append{Header: log.Header{RunID: "run", NodeID: "node", Kind: log.Bytes}, State: state})
	}
	largest := len(state)
	for _, sealed := range []bool{false, true} {
		if sealed {
			_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
			// What a segment would not make smaller may stay in the tail.
			require.LessOrEqual(t, len(readLayout(t, b, "run").records), map[bool]int{true: 4}[fresh])
		}
		for _, backward := range []bool{false, true} {
			l := open(t, &tapped{Backend: b.Backend}, log.Options{CacheBytes: 1})
			before, most, n := heap(), int64(0), 0
			for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{Backward: backward}) {
				require.NoError(t, err)
				require.Len(t, ev.State, size+int(ev.Seq)*grow)
				if n++; n%10 == 0 {
					most = max(most, heap()-before)
				}
			}
			require.Equal(t, events, n)
			t.Logf("sealed %v, backward %v: at most %.1f MB were held, of states of %.1f MB", sealed, backward, float64(most)/1e6, float64(largest)/1e6)
			require.Less(t, most, int64(4*largest+64<<20+margin))
			require.NoError(t, l.Close())
		}
	}
}

// heap is what is held, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
