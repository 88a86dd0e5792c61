package sqlite_test

import (
	"path/filepath"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// TestStatesAreLetGo holds that a Backend keeps no state that it was given.
func TestStatesAreLetGo(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{Durability: driver.Off})
	revision := apply(t, b, newRun("run", "1")).Revision
	for name, change := range map[string]func(state []byte) []driver.Change{
		"an append": func(state []byte) []driver.Change {
			c := driver.Change{Run: "run", Revision: revision, Append: events(2, 2)}
			c.Append[0].State = state
			return []driver.Change{c}
		},
		"a rewrite": func(state []byte) []driver.Change {
			c := newRun("rewritten", "1")
			c.Rewrite = events(1, 1)
			c.Rewrite[0].State = state
			return []driver.Change{c}
		},
		"many runs": func(state []byte) []driver.Change {
			changes := []driver.Change{newRun("e", "1"), newRun("f", "1"), newRun("g", "1"), newRun("h", "1")}
			changes[3].Append[0].State = state
			return changes
		},
		"a segment": func(state []byte) []driver.Change {
			c := driver.Change{Run: "sealed", Head: row(2), Add: []driver.Segment{{First: 1, Last: 1, Index: []byte("i"), Data: state}}}
			return []driver.Change{c}
		},
		"an entry": func(state []byte) []driver.Change {
			c := newRun("noted", "1")
			c.Put = []driver.Entry{{Key: []byte("k"), Value: state}}
			return []driver.Change{c}
		},
	} {
		state := new([1 << 20]byte)
		kept := weak.Make(state)
		results, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: change(state[:])})
		require.NoError(t, err)
		for _, res := range results {
			require.NoError(t, res.Err, name)
		}
		state, results = nil, nil
		runtime.GC()
		require.True(t, kept.Value() == nil, name)
	}
}
