package compaction

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreed(t *testing.T) {
	t.Parallel()
	const kib = 1 << 10
	alone := func(stored int64) Event { return Event{Size: 3 * stored, Stored: stored} }
	delta := func(stored int64, base uint64) Event { return Event{Size: 300 * kib, Stored: stored, Base: base} }
	shared := Event{Size: 900, Stored: 40, Shared: true}
	for name, c := range map[string]struct {
		events []Event
		stay   string // + for those that stay
		want   int64
	}{
		"nothing":                    {nil, "", 0},
		"nothing goes":               {[]Event{alone(8 * kib), delta(8*kib, 1)}, "++", 0},
		"unrelated states":           {[]Event{alone(8 * kib), alone(9 * kib), alone(10 * kib)}, "--+", 17*kib - noteSize},
		"of no use but for the note": {[]Event{alone(300), alone(300)}, "-+", 0},
		"pages are not full":         {[]Event{alone(3 * kib), alone(3 * kib)}, "-+", 4*kib - noteSize},
		"pruned before":              {[]Event{{Pruned: true, Size: 99 * kib}, alone(8 * kib), alone(8 * kib)}, "--+", 8*kib - noteSize},
		"what stays becomes whole":   {[]Event{alone(100 * kib), delta(8*kib, 1)}, "-+", (100+8-100)*kib - noteSize},
		"no more than whole":         {[]Event{alone(100 * kib), delta(80*kib, 1), delta(80*kib, 2)}, "--+", (100+80+80-100)*kib - noteSize},
		"up to the next that stays":  {[]Event{alone(100 * kib), delta(8*kib, 1), delta(8*kib, 2), delta(8*kib, 3)}, "+--+", (16-12)*kib - noteSize},
		"two lean on one":            {[]Event{alone(100 * kib), delta(8*kib, 1), delta(8*kib, 2), delta(8*kib, 2)}, "+-++", 0},
		"in a segment":               {[]Event{delta(8*kib, 2), delta(8*kib, 3), delta(8*kib, 4), alone(100 * kib)}, "+--+", (16-8)*kib - noteSize},
		"a circle":                   {[]Event{delta(8*kib, 2), delta(8*kib, 3), delta(8*kib, 2)}, "+--", 16*kib - noteSize},
		"a base that is not there":   {[]Event{alone(8 * kib), delta(8*kib, 9)}, "-+", 8*kib - noteSize},
	} {
		t.Run(name, func(t *testing.T) {
			why := make([]string, len(c.events))
			for i := range c.events {
				c.events[i].Seq = uint64(i + 1)
				if c.stay[i] == '+' {
					why[i] = "it stays"
				}
			}
			require.Equal(t, c.want, freed(c.events, why))
		})
	}
	t.Run("compressed together", func(t *testing.T) {
		events, why := make([]Event, 100), make([]string, 100)
		for i := range events {
			events[i] = shared
			events[i].Seq = uint64(i + 1)
		}
		require.EqualValues(t, 100*40-noteSize, freed(events, why))
		why[99] = "it stays" // and takes a third of its size
		require.EqualValues(t, 100*40-300-noteSize, freed(events, why))
		for i := range 50 {
			why[i] = "it stays"
		}
		require.InDelta(t, 49*(100*40-300)/99-noteSize, freed(events, why), 1)
	})
}
