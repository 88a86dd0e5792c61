package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// specimen makes a file with runs of all kinds, and returns its bytes and what
// can be read from it.
func specimen(t *testing.T) ([]byte, map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := bolt.Open(path, bolt.Options{Durability: driver.Off})
	require.NoError(t, err)
	someRuns(t, b, 6)
	for i := range 40 {
		id := fmt.Sprint("tiny-", i)
		apply(t, b, driver.Change{Run: id, Head: row(1), Append: records(id, 1, 2, 30)})
	}
	sealed := []driver.Segment{{First: 3, Last: 10, Index: state("index", 3, 50), Data: state("data", 3, 900)}}
	apply(t, b, driver.Change{Run: "run-1", Revision: headOf(t, b, "run-1").Revision, Head: row(11), Add: sealed})
	apply(t, b, driver.Change{Run: "run-2", Revision: headOf(t, b, "run-2").Revision, Drop: true})
	all := map[string]string{}
	require.NoError(t, readAll(b, path, func(key, value string) { all[key] = value }))
	require.NoError(t, b.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	return file, all
}

// readAll reads all that there is, also after an error, and returns the errors.
func readAll(b *bolt.Backend, path string, tell func(key, value string)) error {
	ctx := context.Background()
	var errs []error
	known := map[string]bool{}
	class := uint8(0)
	for _, req := range []driver.HeadsRequest{{}, {Newest: true}, {Newest: true, Class: &class}} {
		req.Limit = 1000
		heads, err := b.Heads(ctx, req)
		errs = append(errs, err)
		for _, h := range heads {
			known[h.Run] = true
		}
	}
	for i := range 6 {
		known[fmt.Sprint("run-", i)] = true
	}
	for id := range known {
		h, err := b.Head(ctx, driver.HeadRequest{Run: id})
		if errors.Is(err, driver.ErrNotFound) {
			continue
		}
		if err == nil && (h.Sum != row(1).Sum || h.Last != nil && h.Last.Header == nil) {
			err = fmt.Errorf("%s: %w: that is what the engine takes it for", path, driver.ErrCorrupt)
		}
		errs = append(errs, err)
		if err == nil {
			tell(id, fmt.Sprint(h.Revision, h.Recency, h.Place, h.Class, h.Life, h.Suite, h.Tail, h.Sum, string(h.Data), h.Last))
		}
		for _, headers := range []bool{true, false} {
			for from := uint64(1); from <= someEvents; from++ {
				recs, err := b.Records(ctx, driver.RecordsRequest{Run: id, From: from, To: from, HeadersOnly: headers, Limit: 10, Reverse: from%2 == 0})
				errs = append(errs, err)
				for _, r := range recs {
					tell(fmt.Sprint(id, " ", r.Seq, headers), fmt.Sprint(r.Encoding, r.Hash, string(r.Header), string(r.State)))
				}
			}
		}
		segments, err := b.Segments(ctx, driver.SegmentsRequest{Run: id, To: driver.MaxSeq, Limit: 100})
		errs = append(errs, err)
		for _, s := range segments {
			got, err := b.Segment(ctx, driver.SegmentRequest{Run: id, Seq: s.First})
			if errors.Is(err, driver.ErrNotFound) {
				continue
			}
			errs = append(errs, err)
			if err == nil {
				tell(fmt.Sprint(id, " segment ", got.ID), fmt.Sprint(got.First, got.Last, string(got.Index), string(got.Data)))
			}
		}
		for _, e := range someEntries {
			in := driver.EntryRange{From: e.Key, To: append(bytes.Clone(e.Key), 0)}
			got, err := b.Entries(ctx, driver.EntriesRequest{Run: id, EntryRange: in, Limit: 2})
			errs = append(errs, err)
			for _, e := range got {
				tell(fmt.Sprint(id, " entry ", string(e.Key)), string(e.Value))
			}
		}
		s, err := b.Slot(ctx, driver.SlotRequest{Run: id, Key: "slot"})
		if !errors.Is(err, driver.ErrNotFound) {
			errs = append(errs, err)
		}
		if err == nil {
			tell(id+" slot", fmt.Sprint(s.Version, string(s.Value)))
		}
	}
	return errors.Join(errs...)
}

// readDamaged expects of a damaged file errors that say so, and nothing that was
// never written. It returns whether all that is known was there.
func readDamaged(t *testing.T, path string, all map[string]string, write bool, what string) bool {
	t.Helper()
	b, err := bolt.Open(path, bolt.Options{Durability: driver.Off, ReadOnly: !write})
	if err != nil {
		require.True(t, errors.Is(err, driver.ErrCorrupt) || errors.Is(err, driver.ErrInvalid), "%s: %v", what, err)
		require.ErrorContains(t, err, path)
		return false
	}
	seen := 0
	err = readAll(b, path, func(key, value string) {
		want, ok := all[key]
		require.True(t, all == nil || ok && want == value, "%s: %s is another: %.300q, must be %.300q", what, key, value, want)
		seen++
	})
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			require.ErrorIs(t, err, driver.ErrCorrupt, what)
			require.ErrorContains(t, err, path)
		}
	}
	if write {
		for _, id := range []string{"run-0", "run-1", "tiny-3", "new"} {
			h, err := b.Head(t.Context(), driver.HeadRequest{Run: id})
			c := driver.Change{Run: id, Head: row(1), Append: records(id, 1, 1, 10)}
			if err == nil && h.Last != nil {
				c.Revision, c.Append, c.Head = h.Revision, records(id, h.Last.Seq+1, h.Last.Seq+1, 3000), nil
			}
			results, err := b.Apply(t.Context(), request(c))
			if err == nil {
				err = results[0].Err
			}
			if err != nil && !errors.Is(err, driver.ErrConflict) {
				require.ErrorIs(t, err, driver.ErrCorrupt, what)
			}
		}
		for range 5 {
			if res, err := b.Purge(t.Context(), driver.PurgeRequest{}); err != nil {
				require.ErrorIs(t, err, driver.ErrCorrupt, what)
			} else if !res.More {
				break
			}
		}
	}
	require.NoError(t, b.Close(), what)
	return err == nil && seen == len(all)
}

func TestDamagedPages(t *testing.T) {
	t.Parallel()
	file, all := specimen(t)
	page := os.Getpagesize()
	r := rand.New(rand.NewPCG(1, 2))
	damages := map[string]func(page []byte){
		"ones":  func(p []byte) { copy(p, bytes.Repeat([]byte{0xff}, len(p))) },
		"zeros": func(p []byte) { clear(p) },
		"half":  func(p []byte) { clear(p[len(p)/2:]) },
		"flips": func(p []byte) {
			for range 3 {
				p[r.IntN(len(p))] ^= 1 << r.IntN(8)
			}
		},
		"the beginning": func(p []byte) { p[r.IntN(64)] ^= 1 << r.IntN(8) },
	}
	path := filepath.Join(t.TempDir(), "damaged.db")
	whole := 0
	for _, how := range slices.Sorted(maps.Keys(damages)) {
		damage := damages[how]
		for try := range 60 {
			n := r.IntN(len(file) / page)
			if try < 30 {
				n = try // where the trees are
			}
			b := bytes.Clone(file)
			damage(b[n*page : (n+1)*page])
			require.NoError(t, os.WriteFile(path, b, 0o600))
			want := all
			if n < 2 { // bbolt goes back to the meta page before, and so by a transaction
				want = nil
			}
			if readDamaged(t, path, want, try%2 == 0, fmt.Sprint(how, " in page ", n)) {
				whole++
			}
		}
	}
	t.Logf("%d of %d tries left all whole", whole, len(damages)*60)
}

// TestTruncatedUnderReader cuts a file that is open: reading it is a fault.
func TestTruncatedUnderReader(t *testing.T) {
	t.Parallel()
	file, _ := specimen(t)
	path := filepath.Join(t.TempDir(), "truncated.db")
	for size := 0; size < len(file); size += len(file)/20 + 13 {
		require.NoError(t, os.WriteFile(path, file, 0o600))
		b, err := bolt.Open(path, bolt.Options{})
		require.NoError(t, err)
		require.NoError(t, os.Truncate(path, int64(size)))
		if err := readAll(b, path, func(string, string) {}); err != nil {
			require.ErrorIs(t, err, driver.ErrCorrupt)
			require.ErrorContains(t, err, path+": corrupt: ")
		}
		require.NoError(t, b.Close())
		if size > 0 {
			_, err = bolt.Open(path, bolt.Options{})
			require.Error(t, err, "cut to %d", size)
		}
	}
}
