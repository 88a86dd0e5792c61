package sqlite_test

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"a": "b", "ab": "ac", "a\xff": "b", "a\xff\xff": "b", "\x00": "\x01", "a\x00": "a\x01", "é": "\xc3\xaa", "\xc3": "\xc4", "\xfe": "\xff", "日": "\xe6\x97\xa6",
	} {
		end, ok := sqlite.PrefixEnd(prefix)
		require.True(t, ok, "%q", prefix)
		require.Equal(t, want, end, "%q", prefix)
	}
	for _, prefix := range []string{"", "\xff", "\xff\xff\xff"} {
		_, ok := sqlite.PrefixEnd(prefix)
		require.False(t, ok, "%q", prefix)
	}
}

// TestPrefixes lists runs by prefixes of all kinds, also of parts of characters and with
// bytes that are in no character, page by page in every order.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{Durability: driver.Off})
	ids := []string{
		"a", "a\x00", "a\x00b", "a\x7f", "ab", "b", "é", "éa", "ê", "日", "日本", "\u07ff", "\u0800", "\U0010ffff", "\U0010ffffz", "\x00", "\x00\x00", "z", "zz", strings.Repeat("z", 1024),
	}
	class := uint8(3)
	var changes []driver.Change
	for i, id := range ids {
		c := driver.Change{Run: id, Head: &driver.Head{Recency: 1 + uint64(i)/5, Tail: 1}}
		if i%2 == 0 {
			c.Class = &class
		}
		changes = append(changes, c)
	}
	_, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: changes})
	require.NoError(t, err)
	prefixes := []string{"", "\xff", "\xff\xff", "\xf4\x8f\xbf\xbf", "\xf4", "\xc3", "\xe6\x97", "\xe6\x97\xa5\xff", "a\xff", "y"}
	for _, id := range ids {
		prefixes = append(prefixes, id, id[:len(id)-1], id+"\x00")
	}
	recency := map[string]uint64{}
	for _, c := range changes {
		recency[c.Run] = c.Head.Recency
	}
	for _, prefix := range prefixes {
		for _, req := range []driver.HeadsRequest{{}, {Newest: true}, {Newest: true, Class: &class}} {
			var want []string
			for i, id := range ids {
				if strings.HasPrefix(id, prefix) && (req.Class == nil || i%2 == 0) {
					want = append(want, id)
				}
			}
			slices.SortFunc(want, func(x, y string) int {
				if req.Newest {
					return cmp.Or(cmp.Compare(recency[y], recency[x]), cmp.Compare(y, x))
				}
				return cmp.Compare(x, y)
			})
			for _, req.Limit = range []int{1, 3, 100} {
				req.Prefix, req.After = prefix, driver.Head{}
				var have []string
				for {
					page, err := b.Heads(t.Context(), req)
					require.NoError(t, err)
					for _, h := range page {
						have = append(have, h.Run)
					}
					if len(page) < req.Limit {
						break
					}
					req.After = page[len(page)-1]
				}
				require.Equal(t, want, have, "%+v", req)
			}
		}
	}
	// A cursor that is before the prefix, or behind it.
	for after, want := range map[string]int{"\x00": 2, "z": 2, "é": 1, "éa": 0, "ê": 0} {
		page, err := b.Heads(t.Context(), driver.HeadsRequest{Prefix: "é", After: driver.Head{Run: after}, Limit: 10})
		require.NoError(t, err)
		require.Len(t, page, want, "after %q", after)
	}
}

// TestManyRunsOfOneSecond holds that a page of runs costs what it holds, however many
// runs were placed in the same second.
func TestManyRunsOfOneSecond(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "checkpoints.db"), sqlite.Options{Durability: driver.Off})
	runs := 100_000
	if raceDetector {
		runs = 10_000
	}
	const page, pages = 50, 100
	class := uint8(7)
	for n := 0; n < runs; n += 1000 {
		changes := make([]driver.Change, 1000)
		for i := range changes {
			id := fmt.Sprintf("run-%06d", (n+i)*7919%runs) // in no order
			changes[i] = driver.Change{Run: id, Class: &class, Head: &driver.Head{Tail: 1, Data: []byte(`{}`)}, Append: events(1, 1)}
			changes[i].Append[0].Recency = 1_700_000_000*second + uint64(n+i)/2 // two at the same time
		}
		_, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: changes})
		require.NoError(t, err)
	}
	for _, req := range []driver.HeadsRequest{
		{Limit: page}, {Limit: page, Newest: true}, {Limit: page, Newest: true, Class: &class}, {Limit: page, Prefix: "run-"}, {Limit: page, Prefix: "run-", Newest: true},
	} {
		first := shortest(t, b, req, page)
		seen := map[string]bool{}
		last := driver.Head{Place: 1 << 62}
		for n := range pages {
			heads, err := b.Heads(t.Context(), req)
			require.NoError(t, err)
			require.Len(t, heads, page)
			for _, h := range heads {
				require.False(t, seen[h.Run], "page %d has %s again", n, h.Run)
				seen[h.Run] = true
				if req.Newest {
					require.True(t, h.Place < last.Place || h.Place == last.Place && h.Run < last.Run, "page %d is in no order", n)
				}
				last = h
			}
			if n < pages-1 {
				req.After = heads[page-1]
			}
		}
		hundredth := shortest(t, b, req, page)
		t.Logf("newest %t class %t prefix %q: the first page takes %v, the 100th %v", req.Newest, req.Class != nil, req.Prefix, first, hundredth)
		if !raceDetector { // to sort the second takes more than 100 ms
			require.Less(t, first, 20*time.Millisecond)
			require.Less(t, hundredth, 20*time.Millisecond)
		}
	}
	one := shortest(t, b, driver.HeadsRequest{Prefix: fmt.Sprintf("run-%06d", runs/8), Limit: page}, 1)
	if !raceDetector {
		require.Less(t, one, 10*time.Millisecond)
	}
}

// shortest returns the shortest of ten times that a page of some heads takes: the others
// measure what else the machine does.
func shortest(t *testing.T, b *sqlite.Backend, req driver.HeadsRequest, heads int) time.Duration {
	t.Helper()
	best := time.Hour
	for range 10 {
		start := time.Now()
		page, err := b.Heads(t.Context(), req)
		best = min(best, time.Since(start))
		require.NoError(t, err)
		require.Len(t, page, heads)
	}
	return best
}

// TestTipInEveryPlace reads the tip where it and the newest event are each in events, in
// events with a body, or in recent.
func TestTipInEveryPlace(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{false, true} {
		for tip := range uint64(5) {
			b := newBodies(t)
			b.apply(driver.Change{Run: "a", Head: row(1), Append: events(1, 1)})
			b.apply(driver.Change{Run: "b", Head: row(1), Append: events(1, 1)})
			b.apply(driver.Change{Run: "c", Head: row(1), Append: events(1, 1)})
			b.apply(driver.Change{Run: "d", Head: row(1), Append: events(1, 1)})
			b.together(2, abcd...)
			for _, id := range abcd { // settles event 2
				b.apply(driver.Change{Run: id, Head: row(1), Rewrite: events(1, 1)})
			}
			b.together(3, abcd...)
			require.Equal(t, 4, query[int](t, b.db, `SELECT count(*) FROM events WHERE body <> 0`))
			require.Equal(t, 4, b.recent())
			var last []driver.Change
			for _, id := range abcd {
				c := driver.Change{Run: id, Append: events(4, 4)}
				c.Append[0].Tip = tip
				last = append(last, c)
			}
			if alone {
				last = last[:1]
			}
			b.apply(last...)
			b.expectTip("a", tip)
			b.apply(driver.Change{Run: "a", Head: row(3), Add: []driver.Segment{{First: 1, Last: 2, Index: []byte("i"), Data: []byte("d")}}})
			if tip < 3 { // it is dead now
				tip = 0
			}
			b.expectTip("a", tip)
		}
	}
}

// expectTip expects a run's tip, 0 for none.
func (b *bodies) expectTip(run string, seq uint64) {
	b.Helper()
	without, err := b.b.Head(b.Context(), driver.HeadRequest{Run: run})
	require.NoError(b, err)
	require.Nil(b, without.Tip)
	h, err := b.b.Head(b.Context(), driver.HeadRequest{Run: run, Tip: true})
	require.NoError(b, err)
	tip := h.Tip
	h.Tip = nil
	require.Equal(b, without, h)
	if seq == 0 {
		require.Nil(b, tip)
		return
	}
	recs, err := b.b.Records(b.Context(), driver.RecordsRequest{Run: run, From: seq, To: seq, Limit: 1})
	require.NoError(b, err)
	require.Len(b, recs, 1)
	require.Equal(b, &recs[0], tip)
}
