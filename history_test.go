package checkpoint_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// loop saves n events in turn of nodes a, b and c and returns their states by seq.
// Those above 4 KiB are stored as deltas.
func loop(t *testing.T, s *checkpoint.EventStore, run string, n int) []string {
	t.Helper()
	states := []string{""}
	for i := range n {
		state := fmt.Sprintf(`{"i":%d,"before":%s,"text":%s}`, i, filler(3000), strings.Repeat(" ", 30*i)+fmt.Sprint(i))
		require.EqualValues(t, i+1, saved(t, s, run, string("abc"[i%3]), state).Seq)
		states = append(states, state)
	}
	newest := events(t, s, run, checkpoint.HistoryOptions{Backward: true, Limit: 1})[0]
	require.Contains(t, []string{"delta", "delta+zstd"}, newest.Encoding.String())
	return states
}

func TestHistoryOptions(t *testing.T) {
	to := func(first, last int) []uint64 {
		out := []uint64{}
		step := 1
		if last < first {
			step = -1
		}
		for i := first; i != last+step; i += step {
			out = append(out, uint64(i))
		}
		return out
	}
	tests := map[string]struct {
		opts checkpoint.HistoryOptions
		want []uint64
	}{
		"all":                     {checkpoint.HistoryOptions{}, to(1, 150)},
		"backward":                {checkpoint.HistoryOptions{Backward: true}, to(150, 1)},
		"from":                    {checkpoint.HistoryOptions{From: 140}, to(140, 150)},
		"to":                      {checkpoint.HistoryOptions{To: 70}, to(1, 70)},
		"range":                   {checkpoint.HistoryOptions{From: 60, To: 130}, to(60, 130)},
		"range backward":          {checkpoint.HistoryOptions{From: 60, To: 130, Backward: true}, to(130, 60)},
		"one":                     {checkpoint.HistoryOptions{From: 7, To: 7}, to(7, 7)},
		"one backward":            {checkpoint.HistoryOptions{From: 1, To: 1, Backward: true}, to(1, 1)},
		"to after the end":        {checkpoint.HistoryOptions{From: 149, To: 1 << 40}, to(149, 150)},
		"from after the end":      {checkpoint.HistoryOptions{From: 151}, []uint64{}},
		"from after to":           {checkpoint.HistoryOptions{From: 5, To: 4}, []uint64{}},
		"limit":                   {checkpoint.HistoryOptions{Limit: 3}, to(1, 3)},
		"limit over a page":       {checkpoint.HistoryOptions{Limit: 100}, to(1, 100)},
		"limit over all":          {checkpoint.HistoryOptions{Limit: 1000}, to(1, 150)},
		"limit backward":          {checkpoint.HistoryOptions{Limit: 2, Backward: true}, to(150, 149)},
		"node":                    {checkpoint.HistoryOptions{Node: "b", To: 12}, []uint64{2, 5, 8, 11}},
		"node, limit after it":    {checkpoint.HistoryOptions{Node: "c", Limit: 4}, []uint64{3, 6, 9, 12}},
		"node, range, limit":      {checkpoint.HistoryOptions{Node: "a", From: 100, To: 120, Limit: 3, Backward: true}, []uint64{118, 115, 112}},
		"node that has no event":  {checkpoint.HistoryOptions{Node: "d"}, []uint64{}},
		"node, part of a name":    {checkpoint.HistoryOptions{Node: "ab"}, []uint64{}},
		"node, not valid UTF-8":   {checkpoint.HistoryOptions{Node: "\xff"}, []uint64{}},
		"node, looks like header": {checkpoint.HistoryOptions{Node: `a","x":"`}, []uint64{}},
	}
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		states := loop(t, s, "run", 150)
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			for name, test := range tests {
				for _, headers := range []bool{false, true} {
					opts := test.opts
					opts.HeadersOnly = headers
					all := events(t, s, "run", opts)
					require.Equal(t, test.want, seqs(all), name)
					for _, ev := range all {
						require.EqualValues(t, len(states[ev.Seq]), ev.Size)
						require.Equal(t, ev.Seq-1, ev.Parent)
						require.False(t, ev.Pruned)
						require.NotZero(t, ev.Hash)
						require.NotZero(t, ev.SHA256)
						if headers {
							require.Nil(t, ev.State)
						} else {
							require.Equal(t, states[ev.Seq], string(ev.State))
						}
					}
				}
			}
		}
	})
}

func TestHistoryEndsWhenTheCallerHasEnough(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		loop(t, s, "run", 100)
		for _, opts := range []checkpoint.HistoryOptions{{}, {Backward: true}, {HeadersOnly: true}, {Node: "a"}} {
			for range 10 { // nothing is left open: connections are few
				for ev, err := range s.History(ctx, "run", opts) {
					require.NoError(t, err)
					require.NotZero(t, ev.Seq)
					break
				}
			}
		}
		for range s.Runs(ctx, checkpoint.RunsOptions{}) {
			break
		}
		saved(t, s, "run", "after", `1`)
	})
}

func TestHistoryHoldsNothingWhileTheCallerWorks(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s, other := st.open(t), st.open(t)
		states := loop(t, s, "run", 100)
		seen := 0
		for ev, err := range s.History(ctx, "run", checkpoint.HistoryOptions{}) {
			require.NoError(t, err)
			seen++
			require.EqualValues(t, seen, ev.Seq)
			require.Equal(t, states[ev.Seq], string(ev.State))
			saved(t, s, "run", "meanwhile", `1`) // appends while iterating are not seen
			saved(t, other, "run", "elsewhere", `2`)
			if seen%10 == 0 { // an iteration within an iteration
				require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{HeadersOnly: true}), 100+2*seen)
			}
		}
		require.Equal(t, 100, seen)
	})
}

func TestHistoryStopsWhenItsContextIsDone(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		loop(t, s, "run", 200)
		for _, opts := range []checkpoint.HistoryOptions{{}, {Backward: true}, {Node: "a"}} {
			ctx, cancel := context.WithCancel(context.Background())
			var last error
			seen := 0
			for ev, err := range s.History(ctx, "run", opts) {
				require.NoError(t, last, "an error is the last thing that comes")
				if last = err; err != nil {
					require.Nil(t, ev)
					continue
				}
				if seen++; seen == 5 {
					cancel()
				}
			}
			require.ErrorIs(t, last, context.Canceled)
			require.Less(t, seen, 100, "it stops at the next page")
			cancel()
			for _, err := range s.History(ctx, "run", opts) {
				require.ErrorIs(t, err, context.Canceled, "and does not begin")
			}
		}
	})
}

// TestHistoryOfARunThatIsDeletedMeanwhile holds that the end of a run is never
// taken for damage, and a new life of its id never for the old one.
func TestHistoryOfARunThatIsDeletedMeanwhile(t *testing.T) {
	ways := map[string]struct {
		opts checkpoint.HistoryOptions
		n    int // events: more than a page
	}{
		"forward":  {checkpoint.HistoryOptions{}, 150},
		"backward": {checkpoint.HistoryOptions{Backward: true}, 150},
		"headers":  {checkpoint.HistoryOptions{HeadersOnly: true}, 520},
		"node":     {checkpoint.HistoryOptions{Node: "b"}, 150},
	}
	for name, way := range ways {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " again=", again), func(t *testing.T) {
				onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
					ctx := context.Background()
					s, other := st.open(t, checkpoint.WithPlainUpTo(1000)), st.open(t)
					loop(t, s, "run", way.n)
					s = st.open(t)
					var last error
					for ev, err := range s.History(ctx, "run", way.opts) {
						require.NoError(t, last)
						if last = err; err == nil && (ev.Seq == 30 || ev.Seq == 29 || ev.Seq == 121 || ev.Seq == 120) {
							require.NoError(t, other.Delete(ctx, "run"))
							if again {
								loop(t, other, "run", way.n)
							}
						}
					}
					require.ErrorIs(t, last, checkpoint.ErrNotFound)
					require.NotErrorIs(t, last, checkpoint.ErrCorrupt)
					say(last)
				})
			})
		}
	}
}

func TestHistoryOfARunThatIsPrunedMeanwhile(t *testing.T) {
	for _, backward := range []bool{false, true} {
		t.Run(fmt.Sprint("backward=", backward), func(t *testing.T) {
			onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
				ctx := context.Background()
				s := st.open(t, checkpoint.WithPlainUpTo(1000))
				states := loop(t, s, "run", 120)
				s, other := st.open(t), st.open(t)
				seen := 0
				for ev, err := range s.History(ctx, "run", checkpoint.HistoryOptions{Backward: backward}) {
					require.NoError(t, err)
					if seen++; !ev.Pruned {
						require.Equal(t, states[ev.Seq], string(ev.State))
					}
					if ev.Seq%7 == 0 { // what the next ones lean on goes away
						_, err := other.Prune(ctx, "run", []uint64{ev.Seq - 2, ev.Seq - 3, ev.Seq, ev.Seq + 1}, "meanwhile")
						require.NoError(t, err)
					}
				}
				require.Equal(t, 120, seen)
				requireIntact(t, s, "run")
			})
		})
	}
}
