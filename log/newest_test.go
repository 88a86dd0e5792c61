package log_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// TestNewestNeedsNoOther seals a run whole and destroys all of it but what holds
// the newest state: that one can be loaded still.
func TestNewestNeedsNoOther(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	r := rand.New(rand.NewPCG(7, 8))
	state := text(r, 150_000)
	for range 600 {
		state = state[r.IntN(500):] + text(r, 300+r.IntN(400))
		add(t, l, log.Append{Header: log.Header{RunID: largeRun, NodeID: "node", Kind: log.Bytes}, State: []byte(state)})
	}
	_, err := l.Seal(t.Context(), largeRun, log.SealOptions{Whole: true})
	require.NoError(t, err)
	y := readLayout(t, b, largeRun)
	require.Empty(t, y.records)
	require.Len(t, y.segments, 3)
	last := y.segments[2]

	// newest loads the newest event where pieces of the last segment's data, and all
	// other segments, are destroyed.
	const piece = 4 << 10
	newest := func(destroyed func(piece int) bool) error {
		l := open(t, &segmented{&tapped{Backend: b.Backend}, func(s *driver.Segment) {
			if s.ID != last.ID {
				clear(s.Index)
			}
			for i := range s.Data {
				if s.ID != last.ID || destroyed(i/piece) {
					s.Data[i] ^= 0xff
				}
			}
		}}, log.Options{})
		defer l.Close()
		ev, err := l.Newest(t.Context(), largeRun)
		if err != nil {
			require.ErrorIs(t, err, log.ErrCorrupt)
			return err
		}
		require.True(t, state == string(ev.State))
		require.EqualValues(t, 600, ev.Seq)
		return nil
	}
	whole, err := b.Backend.Segment(t.Context(), driver.SegmentRequest{Run: largeRun, Seq: last.First})
	require.NoError(t, err)
	needed := map[int]bool{}
	pieces := len(whole.Data)/piece + 1
	for at := range pieces {
		needed[at] = newest(func(p int) bool { return p == at }) != nil
	}
	n := 0
	for at := range pieces {
		if needed[at] {
			n++
		}
	}
	t.Logf("of %d pieces of %d bytes, %d are needed for a state of %d bytes", pieces, piece, n, len(state))
	require.Less(t, n, pieces, "there is more than the newest state")
	require.LessOrEqual(t, n*piece, len(state)+2*piece)
	require.NoError(t, newest(func(p int) bool { return !needed[p] }))
}

// segmented is a storage that hands out changed segments.
type segmented struct {
	*tapped
	change func(*driver.Segment)
}

func (b *segmented) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	s, err := b.tapped.Segment(ctx, req)
	if err == nil {
		b.change(&s)
	}
	return s, err
}

// TestNewestOfEachSealIsWhole: however a run was sealed, its newest state rests on
// no other.
func TestNewestOfEachSealIsWhole(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 40, 255, 256, 257, 300, 520} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			l := open(t, b, small)
			r := rand.New(rand.NewPCG(uint64(n), 8))
			state := ""
			for i := range n {
				if state += text(r, 200); i%3 == 1 {
					state = state[50:]
				}
				add(t, l, log.Append{Header: log.Header{RunID: largeRun, NodeID: "node", Kind: log.Bytes}, State: []byte(state)})
				if i == n/2 || i == n-1 {
					_, err := l.Seal(t.Context(), largeRun, log.SealOptions{Whole: true})
					require.NoError(t, err)
				}
			}
			segs := readLayout(t, b, largeRun).segments
			require.NotEmpty(t, segs)
			require.EqualValues(t, n, segs[len(segs)-1].Last)
			for ev, err := range l.History(t.Context(), largeRun, log.HistoryOptions{Backward: true, Limit: 1, HeadersOnly: true}) {
				require.NoError(t, err)
				require.Contains(t, []log.Encoding{driver.Plain, driver.Zstd}, ev.Encoding)
			}
		})
	}
}
