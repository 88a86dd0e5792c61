package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// values calls f with each value of a file and the keys that lead to it, and puts what f
// returns in its place, unless that is nil.
func values(t *testing.T, path string, f func(keys []string, v []byte) []byte) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	require.NoError(t, err)
	var walk func(b *bbolt.Bucket, keys []string) error
	walk = func(b *bbolt.Bucket, keys []string) error {
		anew := map[string][]byte{}
		err := b.ForEach(func(k, v []byte) error {
			at := append(keys[:len(keys):len(keys)], string(k))
			if v == nil {
				return walk(b.Bucket(k), at)
			}
			if v = f(at, v); v != nil {
				anew[string(k)] = v
			}
			return nil
		})
		for k, v := range anew {
			err = errors.Join(err, b.Put([]byte(k), v))
		}
		return err
	}
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return walk(b, []string{string(name)}) })
	}))
	require.NoError(t, db.Close())
}

// segmented makes a run of two segments, one with large contents, and a tail with small
// and large states, entries and a slot.
func segmented(t *testing.T, b *bolt.Backend, id string) {
	t.Helper()
	class := uint8(7)
	c := driver.Change{Run: id, Head: row(9), Append: records(id, 9, 20, 200), Put: someEntries, Class: &class}
	c.Append[3].State = state(id, 12, 6000)
	c.Append[11].State = state(id, 20, 6000)
	c.Append[11].Tip = 20
	c.Add = []driver.Segment{
		{First: 1, Last: 4, Index: state(id, 1, 100), Data: state(id, 2, 20_000)},
		{First: 5, Last: 8, Index: state(id, 3, 100), Data: state(id, 4, 1000)},
	}
	apply(t, b, c)
	_, err := b.SetSlot(t.Context(), driver.SlotChange{Run: id, Key: "slot", Value: []byte("held")})
	require.NoError(t, err)
}

// readSegmented returns all that can be read of such a run, by what it is. Errors must say
// that something is damaged.
func readSegmented(t *testing.T, b *bolt.Backend, id, what string) map[string]string {
	t.Helper()
	ctx, found := t.Context(), map[string]string{}
	sound := func(err error) bool {
		if err != nil {
			require.ErrorIs(t, err, driver.ErrCorrupt, what)
		}
		return err == nil
	}
	h, err := b.Head(ctx, driver.HeadRequest{Run: id, Tip: true})
	require.NoError(t, err, what)
	if h.Sum == row(1).Sum {
		found["row"] = fmt.Sprint(h.Revision, h.Suite, h.Life, h.Tail, string(h.Data))
	}
	if h.Last.Header != nil {
		found["last"] = fmt.Sprint(h.Recency, h.Place, h.Class, *h.Last)
	}
	if h.Tip != nil && h.Tip.Header != nil {
		found["tip"] = fmt.Sprint(*h.Tip)
	}
	for seq := uint64(9); seq <= 20; seq++ {
		for _, headers := range []bool{true, false} {
			recs, err := b.Records(ctx, driver.RecordsRequest{Run: id, From: seq, To: seq, HeadersOnly: headers, Limit: 2, Reverse: seq%2 == 0})
			if sound(err) {
				require.Len(t, recs, 1, "%s: seq %d", what, seq)
				found[fmt.Sprint("event ", seq, headers)] = fmt.Sprint(recs[0])
			}
		}
	}
	for seq := uint64(1); seq <= 8; seq++ {
		if s, err := b.Segment(ctx, driver.SegmentRequest{Run: id, Seq: seq}); sound(err) {
			found[fmt.Sprint("segment of ", seq)] = fmt.Sprint(s)
		}
	}
	for _, e := range someEntries {
		in := driver.EntryRange{From: e.Key, To: append(bytes.Clone(e.Key), 0)}
		if got, err := b.Entries(ctx, driver.EntriesRequest{Run: id, EntryRange: in, Limit: 2}); sound(err) {
			found["entry "+string(e.Key)] = fmt.Sprint(got)
		}
	}
	if s, err := b.Slot(ctx, driver.SlotRequest{Run: id, Key: "slot"}); sound(err) {
		found["slot"] = fmt.Sprint(s)
	}
	return found
}

// listedRuns returns the ids of all lists of runs, which must be the same.
func listedRuns(t *testing.T, b *bolt.Backend, what string) []string {
	t.Helper()
	class := uint8(7)
	var ids []string
	for i, req := range []driver.HeadsRequest{{}, {Newest: true}, {Newest: true, Class: &class}} {
		req.Limit = 10
		heads, err := b.Heads(t.Context(), req)
		require.NoError(t, err, what)
		var these []string
		for _, h := range heads {
			these = append(these, h.Run)
		}
		slices.Sort(these)
		require.True(t, i == 0 || slices.Equal(ids, these), "%s: %q and %q", what, ids, these)
		ids = these
	}
	return ids
}

// costs says what may be lost with a value of the run.
func costs(place []string) []string {
	last := place[len(place)-1]
	key := place[min(2, len(place)-1)]
	switch {
	case place[0] == "heads":
		return []string{"row"}
	case place[0] == "places":
		return nil
	case place[0] == "blocks":
		return []string{"segment of 5", "segment of 6", "segment of 7", "segment of 8"}
	case place[0] == "entries":
		return []string{"entry " + place[1][4:]}
	case place[0] == "slots":
		return []string{"slot"}
	case key == "z":
		return []string{"last", "tip"}
	case key[0] == 'g':
		first := key[4]
		var lost []string
		for seq := first; seq < first+4; seq++ {
			lost = append(lost, fmt.Sprint("segment of ", seq))
		}
		return lost
	}
	seq := key[4]
	lost := []string{fmt.Sprint("event ", seq, false)}
	if last == key || len(place) == 3 {
		lost = append(lost, fmt.Sprint("event ", seq, true))
	}
	if seq == 20 {
		lost = append(lost, "last", "tip")
	}
	return lost
}

// TestDamagedValues damages one byte of each value that belongs to a run: that costs at
// most what depends on the value, no other run, and not the lists of runs. And the run can
// be dropped.
func TestDamagedValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.db")
	b, err := bolt.Open(whole, bolt.Options{Durability: driver.Off})
	require.NoError(t, err)
	ids := []string{"other-1", "run", "other-2"}
	all := map[string]map[string]string{}
	for _, id := range ids {
		segmented(t, b, id)
		all[id] = readSegmented(t, b, id, "whole")
	}
	require.Len(t, all["run"], 3+2*12+8+len(someEntries)+1)
	require.NoError(t, b.Close())
	file, err := os.ReadFile(whole)
	require.NoError(t, err)

	const rk = "\x00\x00\x00\x02" // the run is the second
	var places [][]string
	values(t, whole, func(keys []string, v []byte) []byte {
		last := keys[len(keys)-1]
		if len(v) == 0 {
			return nil
		}
		if slices.Contains(keys, rk) || strings.HasPrefix(keys[1], rk) || keys[0] == "heads" && last == "run" || keys[0] == "places" && last[9:] == "run" {
			places = append(places, keys)
		}
		return nil
	})
	require.Len(t, places, 1+1+1+12+2+2+2+1+3+len(someEntries)+1)
	random := rand.New(rand.NewPCG(1, 0))
	path := filepath.Join(dir, "damaged.db")
	for _, place := range places {
		tries, step := 2, 0
		if place[0] == "heads" || place[len(place)-1] == "z" {
			tries, step = 17, 3
		}
		for n := range tries {
			require.NoError(t, os.WriteFile(path, file, 0o600))
			what := ""
			values(t, path, func(keys []string, v []byte) []byte {
				if !slices.Equal(keys, place) {
					return nil
				}
				v = bytes.Clone(v)
				at := random.IntN(len(v))
				if n*step < len(v) && step > 0 {
					at = n*step + random.IntN(min(step, len(v)-n*step))
				}
				v[at] ^= byte(1 + random.IntN(255))
				what = fmt.Sprintf("byte %d of %q", at, place)
				return v
			})
			damagedValue(t, path, all, what, costs(place))
		}
	}
}

// damagedValue expects of a file with a damaged value of one run what holds for all.
func damagedValue(t *testing.T, path string, all map[string]map[string]string, what string, lost []string) {
	b, err := bolt.Open(path, bolt.Options{Durability: driver.Off})
	require.NoError(t, err, what)
	ids := slices.Sorted(maps.Keys(all))
	for _, id := range ids {
		found := readSegmented(t, b, id, what)
		for key, want := range all[id] {
			have, ok := found[key]
			require.True(t, ok || id == "run" && slices.Contains(lost, key), "%s: %s of run %s is gone", what, key, id)
			require.True(t, !ok || have == want, "%s: %s of run %s is another", what, key, id)
		}
	}
	require.Equal(t, ids, listedRuns(t, b, what), what)
	h, err := b.Head(t.Context(), driver.HeadRequest{Run: "run"})
	require.NoError(t, err, what)
	apply(t, b, driver.Change{Run: "run", Revision: h.Revision, Last: h.Last.Seq, Drop: true})
	_, err = b.Head(t.Context(), driver.HeadRequest{Run: "run"})
	require.ErrorIs(t, err, driver.ErrNotFound, what)
	require.Equal(t, []string{"other-1", "other-2"}, listedRuns(t, b, what), what)
	segmented(t, b, "run")
	require.Equal(t, ids, listedRuns(t, b, what), what)
	purge(t, b)
	require.NoError(t, b.Close())
	check(t, path)
}

// TestDamagedRows damages the rows of two runs: which events are whose is still known.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := bolt.Open(path, bolt.Options{Durability: driver.Off})
	require.NoError(t, err)
	all := map[string]map[string]string{}
	for _, id := range []string{"a", "b", "c"} {
		segmented(t, b, id)
		all[id] = readSegmented(t, b, id, "whole")
	}
	require.NoError(t, b.Close())
	values(t, path, func(keys []string, v []byte) []byte {
		if keys[0] != "heads" || keys[1] == "b" {
			return nil
		}
		v = bytes.Clone(v)
		copy(v[8:16], "\x00\x00\x00\x00\x02\x00\x00\x00") // the revision of b
		return v
	})
	b = open(t, path, bolt.Options{})
	for id, want := range all {
		if id != "b" {
			delete(want, "row")
		}
		require.Equal(t, want, readSegmented(t, b, id, id))
	}
}
