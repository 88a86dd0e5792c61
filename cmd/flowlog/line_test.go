package main

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint"
)

// TestLinesRandomly holds lines and ranges of random trees to what the parents say, in
// both directions and with a limit.
func TestLinesRandomly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		store := checkpoint.NewMemoryStore().EventStore
		defer store.Close()
		l := looker{store: store, ctx: context.Background()}
		n := rapid.Uint64Range(1, 30).Draw(t, "events")
		parents := map[uint64]uint64{}
		for seq := uint64(1); seq <= n; seq++ {
			c := &checkpoint.Checkpoint{RunID: "run", NodeID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node"), State: []byte(`{}`)}
			if rapid.IntRange(0, 3).Draw(t, "aside") == 0 {
				c.Seq = rapid.Uint64Range(0, seq-1).Draw(t, "parent")
			} else {
				c.Seq = seq - 1
			}
			var opts []checkpoint.AppendOption
			if c.Seq == 0 {
				opts = append(opts, checkpoint.AsRoot())
			}
			_, err := store.Append(l.ctx, c, opts...)
			require.NoError(t, err)
			parents[seq] = c.Parent
		}
		up := func(seq uint64) (line []uint64) {
			for ; seq > 0; seq = parents[seq] {
				line = append([]uint64{seq}, line...)
			}
			return line
		}
		run, err := store.Run(l.ctx, "run")
		require.NoError(t, err)
		old, now := rapid.Uint64Range(1, n).Draw(t, "old"), rapid.Uint64Range(1, n).Draw(t, "now")
		part, err := l.rangeOf(run, old, now)
		require.NoError(t, err)
		before := up(old)
		want := slices.DeleteFunc(up(now), func(seq uint64) bool { return slices.Contains(before, seq) })
		require.Equal(t, len(want) == 0, part.isEmpty())

		limit := rapid.IntRange(0, 5).Draw(t, "limit")
		requireListed(t, l, run, listing{line: part, limit: limit}, want)
		requireListed(t, l, run, listing{line: &line{to: now}, limit: limit}, up(now))
	})
}

// requireListed wants a listing to have some events, oldest or newest first.
func requireListed(t require.TestingT, l looker, run checkpoint.Run, list listing, want []uint64) {
	for _, backward := range []bool{false, true} {
		want := slices.Clone(want)
		if list.backward = backward; backward {
			slices.Reverse(want)
		}
		if list.limit > 0 {
			want = want[:min(list.limit, len(want))]
		}
		var have []uint64
		for e, err := range l.entries(run, list) {
			require.NoError(t, err)
			have = append(have, e.Seq)
		}
		require.Equal(t, len(want), len(have))
		if len(want) > 0 {
			require.Equal(t, want, have)
		}
	}
}

func TestStretches(t *testing.T) {
	t.Parallel()
	self := func(seq uint64) uint64 { return seq }
	require.Empty(t, stretches(nil, self))
	require.Equal(t, [][]uint64{{1}}, stretches([]uint64{1}, self))
	require.Equal(t, [][]uint64{{1, 2, 258}, {1000}, {2000, 2256}}, stretches([]uint64{1, 2, 258, 1000, 2000, 2256}, self))
}
