package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

const (
	someEvents = 20
	someSize   = 20_000
)

// someEntries are the entries of a run of someRuns: some share a page, one does not.
var someEntries = []driver.Entry{
	{Key: []byte("a"), Value: []byte{}}, {Key: []byte("b"), Value: state("entry", 1, 25)},
	{Key: []byte("large"), Value: state("entry", 2, 9000)}, {Key: []byte("z"), Value: state("entry", 3, 25)},
}

// someRuns makes runs, and returns their revisions.
func someRuns(t *testing.T, b *bolt.Backend, n int) []uint64 {
	t.Helper()
	revisions := make([]uint64, n)
	for i := range n {
		id := fmt.Sprint("run-", i)
		size := someSize
		if i%2 == 1 {
			size = 300 // these share a page
		}
		c := driver.Change{Run: id, Head: row(1), Append: records(id, 1, someEvents, size)}
		c.Add = []driver.Segment{{First: 1, Last: 2, Index: state("index", uint64(i), 50), Data: state("data", uint64(i), size)}}
		c.Put = someEntries
		class := uint8(i % 3)
		c.Class = &class
		revisions[i] = apply(t, b, c).Revision
		if i < 4 || i == 11 {
			_, err := b.SetSlot(context.Background(), driver.SlotChange{Run: id, Key: "slot", Value: []byte(id), TTL: time.Hour})
			require.NoError(t, err)
		}
	}
	return revisions
}

func wantSome(t *testing.T, b *bolt.Backend, i int) {
	t.Helper()
	size := someSize
	if i%2 == 1 {
		size = 300
	}
	id := fmt.Sprint("run-", i)
	wantRun(t, b, id, someEvents, size)
	segments := segmentsOf(t, b, id)
	require.Len(t, segments, 1)
	require.Equal(t, state("index", uint64(i), 50), segments[0].Index)
	require.True(t, string(state("data", uint64(i), size)) == string(segments[0].Data))
	entries, err := b.Entries(context.Background(), driver.EntriesRequest{Run: id, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, someEntries, entries)
	require.EqualValues(t, i%3, headOf(t, b, id).Class)
	s, err := b.Slot(context.Background(), driver.SlotRequest{Run: id, Key: "slot"})
	if i < 4 || i == 11 {
		require.NoError(t, err)
		require.Equal(t, id, string(s.Value))
	} else {
		require.ErrorIs(t, err, driver.ErrNotFound)
	}
}

// TestReclaim drops nine runs of ten while others read the rest.
func TestReclaim(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	t.Cleanup(func() { check(t, path) })
	b := open(t, path, bolt.Options{Durability: driver.Off})
	const runs = 200
	revisions := someRuns(t, b, runs)
	require.NoError(t, os.Chmod(path, 0o640))
	before, free, err := b.Space(ctx)
	require.NoError(t, err)
	require.Less(t, free, before/4)

	got, err := b.Reclaim(ctx, func(driver.Reclaimed) { t.Error("there is nothing to reclaim") })
	require.NoError(t, err)
	require.Zero(t, got)

	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				wantSome(t, b, 0)
				wantSome(t, b, 11)
			}
		})
	}
	written := uint64(0)
	wg.Go(func() {
		for ; !stop.Load(); written++ {
			c := driver.Change{Run: "writer", Append: records("writer", written+1, written+1, 100)}
			if written == 0 {
				c.Head = row(1)
			} else {
				h, err := b.Head(ctx, driver.HeadRequest{Run: "writer"})
				require.NoError(t, err)
				c.Revision = h.Revision
			}
			apply(t, b, c)
		}
	})
	for i := range runs {
		if i%11 != 0 {
			apply(t, b, driver.Change{Run: fmt.Sprint("run-", i), Revision: revisions[i], Drop: true})
		}
	}
	var steps []driver.Reclaimed
	got, err = b.Reclaim(ctx, func(r driver.Reclaimed) { steps = append(steps, r) })
	stop.Store(true)
	wg.Wait()
	require.NoError(t, err)
	require.NotEmpty(t, steps)
	for i, r := range steps {
		require.LessOrEqual(t, r.Done, r.Total)
		require.Positive(t, r.Done)
		if i > 0 {
			require.Greater(t, r.Done, steps[i-1].Done)
		}
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o640, info.Mode().Perm())
	after, free, err := b.Space(ctx)
	require.NoError(t, err)
	require.EqualValues(t, after, info.Size())
	require.Greater(t, got, before*4/5)
	require.Less(t, after, before/5, "from %d to %d", before, after)
	require.Less(t, free, after/4)
	t.Logf("from %d to %d bytes, %d free; %d events written meanwhile", before, after, free, written)
	require.Empty(t, copies(t, path))

	again := func(b *bolt.Backend) {
		for i := 0; i < runs; i += 11 {
			wantSome(t, b, i)
		}
		wantRun(t, b, "writer", written, 100)
	}
	again(b)
	apply(t, b, driver.Change{Run: "later", Head: row(1), Append: records("later", 1, 3, 5000)})
	require.NoError(t, b.Close())
	b = open(t, path, bolt.Options{})
	again(b)
	wantRun(t, b, "later", 3, 5000)
}

// TestReclaimOfShortRecords has records written anew that were longer: bbolt leaves their
// pages as they are, and a copy needs fewer.
func TestReclaimOfShortRecords(t *testing.T) {
	t.Parallel()
	const runs, events = 20, 100
	path := filepath.Join(t.TempDir(), "x.db")
	t.Cleanup(func() { check(t, path) })
	b := open(t, path, bolt.Options{Durability: driver.Off})
	for i := range runs {
		id := fmt.Sprint("run-", i)
		c := driver.Change{Run: id, Head: row(1), Append: records(id, 1, events, 1000)}
		c = driver.Change{Run: id, Head: row(1), Rewrite: records(id, 1, events, 100), Revision: apply(t, b, c).Revision}
		apply(t, b, c)
	}
	_, free, err := b.Space(t.Context())
	require.NoError(t, err)
	got, err := b.Reclaim(t.Context(), nil)
	require.NoError(t, err)
	require.Greater(t, got, free+runs*events*500)
	for i := range runs {
		wantRun(t, b, fmt.Sprint("run-", i), events, 100)
	}
	// The copy has no slack.
	got, err = b.Reclaim(t.Context(), func(driver.Reclaimed) { t.Error("there is nothing to reclaim") })
	require.NoError(t, err)
	require.Zero(t, got)
}

// TestReclaimInSteps copies what is much more than a step, deep in one run.
func TestReclaimInSteps(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	t.Cleanup(func() { check(t, path) })
	b := open(t, path, bolt.Options{Durability: driver.Off})
	const large = 150_000
	for _, id := range []string{"a", "b", "c"} {
		apply(t, b, driver.Change{Run: id, Head: row(1), Append: records(id, 1, 100, large)})
		apply(t, b, driver.Change{Run: "small " + id, Head: row(1), Append: records(id, 1, 100, 100)})
	}
	apply(t, b, driver.Change{Run: "b", Revision: headOf(t, b, "b").Revision, Drop: true})
	require.Greater(t, purge(t, b), 3)
	steps := 0
	ended, cancel := context.WithCancel(ctx)
	_, err := b.Reclaim(ended, func(driver.Reclaimed) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, copies(t, path))
	got, err := b.Reclaim(ctx, func(driver.Reclaimed) { steps++ })
	require.NoError(t, err)
	require.Greater(t, steps, 2)
	require.Greater(t, got, int64(90*large))
	for _, id := range []string{"a", "c"} {
		wantRun(t, b, id, 100, large)
	}
}

// TestCloseDuringReclaim: Close waits for a step of the copy and not for all of it,
// and leaves the file as it was.
func TestCloseDuringReclaim(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b := open(t, path, bolt.Options{Durability: driver.Off})
	for _, id := range []string{"kept", "gone"} {
		apply(t, b, driver.Change{Run: id, Head: row(1), Append: records(id, 1, 40, 1<<20)})
	}
	h, err := b.Head(t.Context(), driver.HeadRequest{Run: "gone"})
	require.NoError(t, err)
	apply(t, b, driver.Change{Run: "gone", Revision: h.Revision, Drop: true})
	closed := make(chan error, 1)
	steps := 0
	_, err = b.Reclaim(t.Context(), func(driver.Reclaimed) {
		if steps++; steps == 1 {
			go func() { closed <- b.Close() }()
			for !b.Closing() {
				runtime.Gosched()
			}
		}
	})
	require.ErrorIs(t, err, driver.ErrClosed)
	require.NoError(t, <-closed)
	require.Equal(t, 1, steps)
	require.Empty(t, copies(t, path))
	b = open(t, path, bolt.Options{})
	wantRun(t, b, "kept", 40, 1<<20)
	_, err = b.Reclaim(t.Context(), nil)
	require.NoError(t, err)
	wantRun(t, b, "kept", 40, 1<<20)
}

// TestReclaimAndOpeners has others wait for the file while a new one is put in
// its place: none of them may get the old one.
func TestReclaimAndOpeners(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := bolt.Open(path, bolt.Options{Durability: driver.Off})
	require.NoError(t, err)
	revisions := someRuns(t, b, 20)
	for i := range 18 {
		apply(t, b, driver.Change{Run: fmt.Sprint("run-", i), Revision: revisions[i], Drop: true})
	}
	type answer struct {
		b   *bolt.Backend
		err error
	}
	answers := make(chan answer)
	waiting := 4
	for i := range waiting {
		go func() {
			b, err := bolt.Open(path, bolt.Options{Durability: driver.Off, OpenTimeout: 10 * time.Second, ReadOnly: i%2 == 1})
			answers <- answer{b, err}
		}()
	}
	_, err = bolt.Open(path, bolt.Options{OpenTimeout: 100 * time.Millisecond})
	require.ErrorIs(t, err, driver.ErrLocked)
	got, err := b.Reclaim(ctx, nil)
	require.NoError(t, err)
	require.Positive(t, got)
	_, err = bolt.Open(path, bolt.Options{OpenTimeout: 200 * time.Millisecond})
	require.ErrorIs(t, err, driver.ErrLocked)
	apply(t, b, driver.Change{Run: "after", Head: row(1), Append: records("after", 1, 1, 10)})
	require.NoError(t, b.Close())
	for range waiting {
		a := <-answers
		require.NoError(t, a.err)
		wantRun(t, a.b, "after", 1, 10)
		require.NoError(t, a.b.Close())
	}
}

// copies lists the files that Reclaim makes beside a file.
func copies(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(path + ".compact-*")
	require.NoError(t, err)
	return found
}

// TestReclaimLeftovers holds that what a crash leaves is removed, whatever is in it, by who
// opens the file for writing, and nothing else.
func TestReclaimLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	b := open(t, path, bolt.Options{})
	apply(t, b, driver.Change{Run: "a", Head: row(1), Append: records("a", 1, 3, 10)})
	require.NoError(t, b.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, left := range [][]byte{nil, []byte("half"), whole[:len(whole)/2], whole} {
		copied := path + ".compact-abcdefgh"
		bolt.NoteCopy(t, path, filepath.Base(copied))
		require.NoError(t, os.WriteFile(copied, left, 0o600))
		b = open(t, path, bolt.Options{ReadOnly: true})
		require.FileExists(t, copied)
		require.NoError(t, b.Close())
		for range 2 {
			b = open(t, path, bolt.Options{})
			require.NoFileExists(t, copied)
			wantRun(t, b, "a", 3, 10)
			require.NoError(t, b.Close())
			require.NoError(t, os.WriteFile(copied, left, 0o600))
			bolt.NoteCopy(t, path, filepath.Base(copied))
		}
		require.NoError(t, os.Remove(copied))
	}
}

// TestOpenRemovesNothingElse: a file beside a store, whatever its name, is somebody's unless
// the store names it.
func TestOpenRemovesNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	var others []string
	for _, name := range []string{"x.db.compact", "x.db.compact-abcdefgh", "x.db.compact-hgfedcba"} {
		other := filepath.Join(dir, name)
		b := open(t, other, bolt.Options{})
		apply(t, b, driver.Change{Run: "theirs", Head: row(1), Append: records("theirs", 1, 3, 10)})
		require.NoError(t, b.Close())
		others = append(others, other)
	}
	outside := filepath.Join(dir, "other.compact-folder", "y.compact-abcdefgh")
	require.NoError(t, os.MkdirAll(filepath.Dir(outside), 0o700))
	require.NoError(t, os.WriteFile(outside, []byte("theirs"), 0o600))
	for _, note := range []string{"", "x.db", "other.compact-folder", "other.compact-folder/y.compact-abcdefgh", "../" + filepath.Base(dir) + "/x.db.compact-abcdefgh", "."} {
		b := open(t, path, bolt.Options{Durability: driver.Off})
		someRuns(t, b, 3)
		_, err := b.Reclaim(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, b.Erase(t.Context()))
		require.NoError(t, b.Close())
		bolt.NoteCopy(t, path, note)
		b, err = bolt.Open(path, bolt.Options{})
		require.NoError(t, err, note)
		require.NoError(t, b.Close())
		require.FileExists(t, outside)
		for _, other := range others {
			b := open(t, other, bolt.Options{ReadOnly: true})
			wantRun(t, b, "theirs", 3, 10)
			require.NoError(t, b.Close())
		}
		require.NoError(t, os.Remove(path))
	}
}

// TestReclaimReadOnly expects that a file that is open read-only or closed is refused.
func TestReclaimReadOnly(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, open(t, path, bolt.Options{}).Close())
	b := open(t, path, bolt.Options{ReadOnly: true})
	_, err := b.Reclaim(ctx, nil)
	require.ErrorIs(t, err, driver.ErrReadOnly)
	_, err = b.Purge(ctx, driver.PurgeRequest{})
	require.ErrorIs(t, err, driver.ErrReadOnly)
	_, err = b.Apply(ctx, request(driver.Change{Run: "a", Head: row(1)}))
	require.ErrorIs(t, err, driver.ErrReadOnly)
	_, notApplied := errors.AsType[*driver.NotAppliedError](err)
	require.True(t, notApplied)
	_, _, err = b.Space(ctx)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	_, err = b.Reclaim(ctx, nil)
	require.ErrorIs(t, err, driver.ErrClosed)
	_, _, err = b.Space(ctx)
	require.ErrorIs(t, err, driver.ErrClosed)
}
