package log

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestDrops holds what is found of each event to what going through all notes finds.
func TestDrops(t *testing.T) {
	t.Parallel()
	const last = 20
	rapid.Check(t, func(t *rapid.T) {
		notes := make([]Note, rapid.IntRange(0, 8).Draw(t, "notes"))
		for i := range notes {
			n := &notes[i]
			n.Kind = rapid.SampledFrom([]string{noteKindPrune, noteKindRedact, noteKindAnchor}).Draw(t, "kind")
			n.At = time.Unix(int64(i), 0)
			n.Data, _ = json.Marshal(pruneData{Policy: n.At.String()})
			var seqs []uint64
			for seq := uint64(1); seq <= last; seq++ {
				if rapid.Bool().Draw(t, "covered") {
					seqs = append(seqs, seq)
				}
			}
			n.Events = ranges(seqs)
		}
		all := dropsOf(notes)
		for seq := uint64(0); seq <= last+1; seq++ {
			var want *Note
			for i := range notes {
				if n := &notes[i]; n.dropped() && n.Covers(seq) {
					if want = n; n.Kind == noteKindRedact {
						break
					}
				}
			}
			d, ok := all.of(seq)
			require.Equal(t, want != nil, ok, "seq %d", seq)
			if ok {
				require.Equal(t, []any{want.At, want.At.String(), want.Kind == noteKindRedact}, []any{d.at, d.policy, d.redacted}, "seq %d", seq)
			}
		}
		for i, d := range all {
			require.LessOrEqual(t, d.First, d.Last)
			require.True(t, i == 0 || all[i-1].Last < d.First, "one lies over another")
		}
	})
}

// TestDropsToTheEnd: an import may bring notes of events that no run can have.
func TestDropsToTheEnd(t *testing.T) {
	t.Parallel()
	all := dropsOf([]Note{
		{Kind: noteKindPrune, Events: []Range{{5, math.MaxUint64}, {0, 3}}},
		{Kind: noteKindRedact, Events: []Range{{7, math.MaxUint64}, {9, 8}}},
	})
	var have []Range
	for _, d := range all {
		have = append(have, d.Range)
	}
	require.Equal(t, []Range{{0, 3}, {5, 6}, {7, math.MaxUint64}}, have)
}
