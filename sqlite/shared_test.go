package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// together appends an event to each run in one commit, as its seq.
func (b *bodies) together(seq uint64, runs ...string) {
	var changes []driver.Change
	for _, id := range runs {
		c := driver.Change{Run: id, Append: events(seq, seq)}
		if seq == 1 {
			c.Head = row(1)
		}
		changes = append(changes, c)
	}
	b.apply(changes...)
}

func (b *bodies) recent() int { return query[int](b.T, b.db, `SELECT count(*) FROM recent`) }

// expect reads runs in all ways and expects the events from and to.
func (b *bodies) expect(from, to uint64, runs ...string) {
	b.Helper()
	for _, id := range runs {
		expect(b.T, b.b, id, from, to)
	}
}

func expect(t *testing.T, b driver.Backend, id string, from, to uint64) {
	t.Helper()
	h, err := b.Head(t.Context(), driver.HeadRequest{Run: id})
	require.NoError(t, err)
	require.NotNil(t, h.Last)
	require.Equal(t, to, h.Last.Seq)
	for _, newest := range []bool{false, true} {
		heads, err := b.Heads(t.Context(), driver.HeadsRequest{Prefix: id, Newest: newest, Limit: 1})
		require.NoError(t, err)
		require.Equal(t, []driver.Head{h}, heads)
	}
	for i := range 4 {
		req := driver.RecordsRequest{Run: id, To: driver.MaxSeq, Limit: 100_000, Reverse: i%2 == 1, HeadersOnly: i > 1}
		recs, err := b.Records(t.Context(), req)
		require.NoError(t, err)
		require.Len(t, recs, int(to-from)+1)
		for i, r := range recs {
			seq := from + uint64(i)
			if req.Reverse {
				seq = to - uint64(i)
			}
			require.Equal(t, seq, r.Seq)
			require.Equal(t, seq, r.Recency)
			require.Equal(t, int64(len("state")), r.StateLen)
			require.Equal(t, req.HeadersOnly, r.State == nil)
		}
		for limit := 1; limit < min(len(recs), 5); limit++ {
			req.Limit = limit
			page, err := b.Records(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, recs[:limit], page)
		}
	}
}

var abcd = []string{"a", "b", "c", "d"}

// TestRecentAndSettled alternates appends that go to recent with others.
func TestRecentAndSettled(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	for seq := uint64(1); seq <= 12; seq++ {
		if seq%3 == 0 {
			for _, id := range abcd {
				b.together(seq, id)
			}
		} else {
			b.together(seq, abcd...)
		}
		b.expect(1, seq, abcd...)
	}
	require.Equal(t, 4*8, b.recent())
	rows, err := b.db.Query(`SELECT seq FROM history WHERE run = 'b' AND state = 'state'`)
	require.NoError(t, err)
	defer rows.Close()
	for want := 1; want <= 12; want++ {
		var seq int
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(&seq))
		require.Equal(t, want, seq)
	}
	require.False(t, rows.Next())
}

// TestSettle expects recent to be emptied when it has grown, also by a handle that
// opens the file late.
func TestSettle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	var runs []string
	for i := range 100 {
		runs = append(runs, fmt.Sprintf("run-%03d", i))
	}
	largest := 0
	revisions := map[string]uint64{}
	for seq := uint64(1); seq <= 15; {
		backend, err := sqlite.Open(path, sqlite.Options{})
		require.NoError(t, err)
		b := &bodies{T: t, b: backend, db: look(t, path), revisions: revisions}
		for range 5 {
			b.together(seq, runs...)
			largest = max(largest, b.recent())
			seq++
		}
		b.expect(1, seq-1, runs[0], runs[57])
		require.NoError(t, backend.Close())
		check(t, path)
	}
	require.Equal(t, 1000, largest)
}

// TestSettledByChanges expects what is not an append to settle the run, and only
// that.
func TestSettledByChanges(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	b.together(1, abcd...)
	b.together(2, abcd...)
	b.together(3, abcd...)
	require.Equal(t, 12, b.recent())
	b.apply(driver.Change{Run: "a", Head: row(1), Rewrite: events(2, 2)})
	require.Equal(t, 9, b.recent())
	b.apply(driver.Change{Run: "b", Head: row(3), Add: []driver.Segment{{First: 1, Last: 2, Index: []byte("i"), Data: []byte("sealed")}}})
	require.Equal(t, 6, b.recent())
	b.apply(driver.Change{Run: "c", Drop: true})
	require.Equal(t, 3, b.recent())
	b.expect(1, 3, "a", "d")
	b.expect(3, 3, "b")
}

// TestDroppedWhileRecent erases a run all of whose events were recent.
func TestDroppedWhileRecent(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	for seq := uint64(1); seq <= 5; seq++ {
		b.together(seq, abcd...)
	}
	b.apply(driver.Change{Run: "a", Drop: true})
	b.purge()
	b.want(15, 15)
	require.Zero(t, query[int](t, b.db, `SELECT count(*) FROM dead`))
	b.expect(1, 5, "b", "c", "d")
}

// TestCopyOfRecent copies the files as a crash would leave them.
func TestCopyOfRecent(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	for seq := uint64(1); seq <= 20; seq++ {
		b.together(seq, abcd...)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(b.path + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied+suffix, content, 0o600))
	}
	c, err := sqlite.Open(copied, sqlite.Options{})
	require.NoError(t, err)
	for _, id := range abcd {
		expect(t, c, id, 1, 20)
	}
	require.NoError(t, c.Close())
	check(t, copied)
}

// TestMixedWriters appends to a few runs by two handles, one event at a time and
// many together, while others read.
func TestMixedWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	runs := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	var backends []*sqlite.Backend
	for range 2 {
		b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
		require.NoError(t, err)
		backends = append(backends, b)
	}
	(&bodies{T: t, b: backends[0], revisions: map[string]uint64{}}).together(1, runs...)
	var writers, readers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	errs := make(chan error, 8)
	appended := make([]int, len(backends))
	for w, b := range backends {
		writers.Go(func() {
			for i := range 100 {
				n, err := mixed(ctx, b, runs, rand.New(rand.NewPCG(uint64(w), uint64(i))))
				if err != nil {
					errs <- err
					return
				}
				appended[w] += n
			}
		})
		readers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := noGaps(ctx, b, runs[i%len(runs)]); err != nil && ctx.Err() == nil {
					errs <- err
					return
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	total := 0
	for _, id := range runs {
		h, err := backends[0].Head(t.Context(), driver.HeadRequest{Run: id})
		require.NoError(t, err)
		total += int(h.Last.Seq)
		expect(t, backends[1], id, 1, h.Last.Seq)
	}
	require.Equal(t, len(runs)+appended[0]+appended[1], total)
	for _, b := range backends {
		require.NoError(t, b.Close())
	}
	check(t, path)
}

// mixed appends an event to one or to many runs and returns to how many it could.
func mixed(ctx context.Context, b driver.Backend, runs []string, r *rand.Rand) (n int, err error) {
	var changes []driver.Change
	for _, i := range r.Perm(len(runs))[:1+r.IntN(2)*(3+r.IntN(5))] {
		h, err := b.Head(ctx, driver.HeadRequest{Run: runs[i]})
		if err != nil {
			return 0, err
		}
		seq := h.Last.Seq + 1
		changes = append(changes, driver.Change{Run: h.Run, Revision: h.Revision, Append: events(seq, seq+r.Uint64N(3))})
	}
	results, err := b.Apply(ctx, driver.ApplyRequest{Changes: changes})
	for i, res := range results {
		if res.Err == nil {
			n += len(changes[i].Append)
		} else if !errors.Is(res.Err, driver.ErrConflict) {
			return n, res.Err
		}
	}
	return n, err
}

// noGaps reads a run and expects as many events as it had before, or more.
func noGaps(ctx context.Context, b driver.Backend, id string) error {
	h, err := b.Head(ctx, driver.HeadRequest{Run: id})
	if err != nil {
		return err
	}
	recs, err := b.Records(ctx, driver.RecordsRequest{Run: id, To: driver.MaxSeq, Limit: 100_000})
	if err != nil {
		return err
	}
	for i, r := range recs {
		if r.Seq != uint64(i)+1 {
			return fmt.Errorf("run %s: event %d is seq %d", id, i, r.Seq)
		}
	}
	if len(recs) < int(h.Last.Seq) {
		return fmt.Errorf("run %s: %d events after the head said %d", id, len(recs), h.Last.Seq)
	}
	return nil
}
