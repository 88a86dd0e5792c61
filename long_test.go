package checkpoint_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// editText returns a JSON string like the one given, with a few random edits.
func editText(r *rand.Rand, state string) string {
	text := []byte(state[1 : len(state)-1])
	for range 1 + r.IntN(4) {
		at := r.IntN(len(text) + 1)
		piece := filler(2 + 1 + r.IntN(200))
		piece = piece[1 : len(piece)-1]
		switch n := min(r.IntN(300), len(text)-at); r.IntN(5) {
		case 0, 1: // a message at the end
			text = append(text, piece...)
		case 2: // an insertion
			text = append(text[:at:at], append([]byte(piece), text[at:]...)...)
		case 3: // a deletion
			text = append(text[:at:at], text[at+n:]...)
		default: // a replacement
			text = append(text[:at:at], append([]byte(piece), text[at+n:]...)...)
		}
	}
	return `"` + string(text) + `"`
}

// TestLongRuns holds that each state of a run comes back byte for byte, however
// many deltas lie between it and a state that is stored whole.
func TestLongRuns(t *testing.T) {
	n := 620 // more than twice what may lean on one state
	if brief() {
		n = 310
	}
	tunings := map[string][]checkpoint.Option{
		"default":      {checkpoint.WithoutCompaction()},
		"tiny cache":   {checkpoint.WithoutCompaction(), checkpoint.WithCacheBytes(1)},
		"plain states": {checkpoint.WithPlainStates()},
	}
	for name, opts := range tunings {
		t.Run(name, func(t *testing.T) {
			onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
				ctx := context.Background()
				r := rand.New(rand.NewPCG(1, 2)) // the same on every storage
				s := st.open(t, opts...)
				states := []string{"", filler(8000)}
				saved(t, s, "run", "first", states[1])
				trunk := uint64(1)
				for seq := uint64(2); seq <= uint64(n); seq++ {
					parent := trunk
					if seq%40 == 0 { // aside, from an early event
						parent = 1 + r.Uint64N(seq-1)
					} else {
						trunk = seq
					}
					states = append(states, editText(r, states[parent]))
					c := savedAfter(t, s, "run", fmt.Sprint("node-", seq%7), states[seq], parent)
					require.Equal(t, seq, c.Seq)
					require.Equal(t, parent, c.Parent)
				}
				how := map[string]int{}
				for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{HeadersOnly: true}) {
					how[ev.Encoding.String()]++
				}
				if name == "plain states" {
					require.Equal(t, map[string]int{"plain": n}, how)
				} else {
					require.GreaterOrEqual(t, how["zstd"]+how["plain"], 3, "keyframes: %v", how)
					require.Greater(t, how["delta+zstd"]+how["delta"], n*9/10, "deltas: %v", how)
				}
				say(fmt.Sprint(how))
				for _, s := range []*checkpoint.EventStore{s, st.open(t, opts...), st.open(t)} {
					for range 40 {
						seq := 1 + r.Uint64N(uint64(n))
						c, err := s.LoadSeq(ctx, "run", seq)
						require.NoError(t, err)
						require.True(t, states[seq] == string(c.State), "seq %d is another state", seq)
					}
				}
				for _, opts := range []checkpoint.HistoryOptions{{}, {Backward: true, Limit: 150}, {Node: "node-3"}} {
					for _, ev := range events(t, st.open(t, checkpoint.WithCacheBytes(1)), "run", opts) {
						require.True(t, states[ev.Seq] == string(ev.State), "seq %d is another state", ev.Seq)
					}
				}
				requireIntact(t, s, "run")
				rep := requireIntact(t, st.open(t), "run")
				require.EqualValues(t, n, rep.Events)
			})
		})
	}
}

// TestManyRunsWithATinyCache interleaves runs, so that none of them is remembered.
func TestManyRunsWithATinyCache(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		r := rand.New(rand.NewPCG(3, 4))
		s := st.open(t, checkpoint.WithCacheBytes(1))
		states := map[string][]string{}
		for i := range 200 {
			run := fmt.Sprint("run-", i%5)
			last := filler(6000)
			if n := len(states[run]); n > 0 {
				last = states[run][n-1]
			}
			states[run] = append(states[run], editText(r, last))
			c := saved(t, s, run, "node", states[run][len(states[run])-1])
			require.EqualValues(t, len(states[run]), c.Seq)
			require.EqualValues(t, len(states[run])-1, c.Parent)
		}
		for run, want := range states {
			for i, ev := range events(t, s, run, checkpoint.HistoryOptions{}) {
				require.True(t, want[i] == string(ev.State))
			}
			requireIntact(t, s, run)
		}
		r2, err := s.Run(context.Background(), "run-1")
		require.NoError(t, err)
		say(r2.Bytes, r2.Stored)
	})
}
