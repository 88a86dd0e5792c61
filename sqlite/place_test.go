package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// placing is a run that two handles write in turn.
type placing struct {
	*testing.T
	handles  []*sqlite.Backend
	revision uint64
	seq      uint64
	at       uint64
}

const second = uint64(1e9)

func newPlacing(t *testing.T) *placing {
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	p := &placing{T: t, at: 100 * second}
	for range 2 {
		p.handles = append(p.handles, open(t, path, sqlite.Options{Durability: driver.Off}))
	}
	t.Cleanup(func() { check(t, path) })
	c := driver.Change{Run: "run", Head: row(1)}
	p.apply(0, c, 0)
	return p
}

// apply adds an event to a change, later than the last, and makes it.
func (p *placing) apply(handle int, c driver.Change, later uint64) {
	p.Helper()
	p.at += later
	p.seq++
	c.Run, c.Revision, c.Append = "run", p.revision, events(p.seq, p.seq)
	c.Append[0].Recency = p.at
	res := apply(p.T, p.handles[handle], c)
	require.NoError(p, res.Err)
	p.revision = res.Revision
}

func (p *placing) want(place uint64, class uint8) {
	p.Helper()
	for _, b := range p.handles {
		h, err := b.Head(p.Context(), driver.HeadRequest{Run: "run"})
		require.NoError(p, err)
		require.Equal(p, p.at, h.Recency)
		require.Equal(p, place, h.Place)
		require.Equal(p, class, h.Class)
		require.Equal(p, p.revision, h.Revision)
		for n := range uint8(4) {
			heads, err := b.Heads(p.Context(), driver.HeadsRequest{Newest: true, Class: &n, Limit: 10})
			require.NoError(p, err)
			if n == class {
				require.Equal(p, []driver.Head{h}, heads)
			} else {
				require.Empty(p, heads)
			}
		}
	}
}

// TestPlaceFollows writes a run by two handles, neither of which knows what the other did.
func TestPlaceFollows(t *testing.T) {
	t.Parallel()
	p := newPlacing(t)
	p.want(100*second, 0)
	p.apply(0, driver.Change{}, second-1)
	p.want(100*second, 0)
	p.apply(1, driver.Change{}, 0)
	p.want(100*second, 0)
	p.apply(1, driver.Change{}, 1)
	p.want(101*second, 0)
	p.apply(0, driver.Change{}, second/2) // it believes the place to be behind
	p.want(101*second, 0)
	p.apply(0, driver.Change{}, second/2)
	p.want(102*second, 0)
	p.apply(1, driver.Change{Head: row(1)}, second/2)
	p.want(102*second, 0)
	p.apply(1, driver.Change{Head: row(1)}, second/2)
	p.want(103*second, 0)
	p.apply(0, driver.Change{}, 5*second)
	p.want(108*second, 0)
}

// TestClassIsKnownForCertain changes a run's class by two handles in turn, back to what
// the other has left it at.
func TestClassIsKnownForCertain(t *testing.T) {
	t.Parallel()
	class := func(n uint8) driver.Change { return driver.Change{Class: &n} }
	p := newPlacing(t)
	p.apply(0, class(0), 1)
	p.want(100*second, 0)
	p.apply(0, class(1), 1)
	p.want(p.at, 1)
	placed := p.at
	p.apply(0, class(1), 1)
	p.want(placed, 1)
	p.apply(1, class(2), 1)
	p.want(p.at, 2)
	p.apply(0, class(1), 1) // as it was when handle 0 wrote last
	p.want(p.at, 1)
	p.apply(1, driver.Change{}, 1)
	p.apply(0, driver.Change{}, 1)
	p.apply(1, class(2), 1)
	p.want(p.at, 2)
	p.apply(0, driver.Change{}, 1)
	p.apply(0, class(1), 1)
	p.want(p.at, 1)
	with := class(3)
	with.Head = row(1)
	p.apply(1, with, 1)
	p.want(p.at, 3)
	p.apply(0, class(1), 1)
	p.want(p.at, 1)
	p.apply(1, driver.Change{Head: row(1)}, 1)
	p.want(p.at-1, 1)
}

// TestAppendWritesOnePage counts what an append writes: the page of its event, and no
// other until the run is placed anew.
func TestAppendWritesOnePage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	b := open(t, path, sqlite.Options{Durability: driver.Off})
	revision := apply(t, b, newRun("run", "1")).Revision
	const page = 24 + 4096
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		return info.Size()
	}
	one, none := uint8(1), uint8(0)
	for i, test := range []struct {
		change driver.Change
		later  uint64
		pages  int64
	}{
		{driver.Change{}, 1, 1},
		{driver.Change{}, 2, 1},
		{driver.Change{Class: &none}, 3, 1},
		{driver.Change{Last: 4}, second - 1, 1},
		{driver.Change{}, second + 1, 4}, // the event, the run and two indexes
		{driver.Change{}, second + 2, 1},
		{driver.Change{Class: &one}, second + 3, 4},
		{driver.Change{Class: &one}, second + 4, 1},
		{driver.Change{Put: []driver.Entry{{Key: []byte("k"), Value: []byte("v")}}}, second + 5, 2},
	} {
		before := size()
		c := test.change
		seq := uint64(i + 2)
		c.Run, c.Revision, c.Append = "run", revision, events(seq, seq)
		c.Append[0].Recency = test.later
		require.NoError(t, apply(t, b, c).Err)
		require.Equal(t, test.pages, (size()-before)/page, "event %d", seq)
	}
}
