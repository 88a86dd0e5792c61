package bolt_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/log"
)

// values calls f with each value of a file and the keys that lead to it, and puts
// what f returns in its place, unless that is nil.
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

// TestDamagedValues damages one byte of each value that belongs to a run: it takes
// at most what depends on that value with it, no other run, and not the listing of
// runs; and the run can be deleted.
func TestDamagedValues(t *testing.T) {
	t.Parallel()
	const events = 620
	dir := t.TempDir()
	open := func(path string) *log.Log {
		b, err := bolt.Open(path, bolt.Options{Durability: bolt.Off})
		require.NoError(t, err)
		l, err := log.Open(b, log.Options{PlainMax: 100})
		require.NoError(t, err)
		return l
	}
	state := func(run string, seq uint64) []byte {
		return fmt.Appendf(nil, `{"run":%q,"seq":%d,"pad":"%0300d"}`, run, seq, 7)
	}
	whole := filepath.Join(dir, "whole.db")
	l := open(whole)
	for _, run := range []string{"other-1", "run", "other-2"} {
		n := uint64(5)
		if run == "run" {
			n = events
		}
		for seq := uint64(1); seq <= n; seq++ {
			_, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: run, NodeID: "a", Kind: log.JSON}, State: state(run, seq)})
			require.NoError(t, err)
		}
		_, err := l.Seal(t.Context(), run, log.SealOptions{Whole: run != "run"})
		require.NoError(t, err)
	}
	r, err := l.Run(t.Context(), "run")
	require.NoError(t, err)
	for more := true; more; {
		more, err = l.Purge(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	require.Greater(t, r.Unsealed(), uint64(50))
	require.Less(t, r.Unsealed(), uint64(events-256))

	file, err := os.ReadFile(whole)
	require.NoError(t, err)
	// The run is the second: its number is in the keys.
	const rk = "\x00\x00\x00\x00\x00\x00\x00\x02"
	var places [][]string
	values(t, whole, func(keys []string, _ []byte) []byte {
		last := keys[len(keys)-1]
		if keys[0] == "runs" && keys[1] == rk || keys[0] == "heads" && last == "run" || keys[0] == "blocks" && last[:8] == rk || keys[0] == "recent" && last[8:] == "run" {
			places = append(places, keys)
		}
		return nil
	})
	require.Greater(t, len(places), 50)
	random := rand.New(rand.NewPCG(1, 0))
	path := filepath.Join(dir, "damaged.db")
	for i, place := range places {
		every := 1
		if place[0] == "runs" && len(place) == 3 && place[2][0] == 'r' && i%11 != 0 && i < len(places)-3 {
			continue // there are many events
		}
		if place[0] == "heads" {
			every = 40 // bytes of it
		}
		for n := range every {
			require.NoError(t, os.WriteFile(path, file, 0o600))
			what := ""
			values(t, path, func(keys []string, v []byte) []byte {
				if fmt.Sprint(keys) != fmt.Sprint(place) {
					return nil
				}
				v = append([]byte{}, v...)
				at := random.IntN(len(v))
				if every > 1 {
					at = n
				}
				v[at] ^= byte(1 + random.IntN(255))
				what = fmt.Sprintf("byte %d of %q", at, place)
				return v
			})
			l := open(path)
			lost, each := uint64(0), uint64(64) // in segments few stand for all
			for seq := each; seq <= events; seq += each {
				if seq > events-r.Unsealed() {
					each = 1
				}
				ev, err := l.At(t.Context(), "run", seq)
				if err != nil {
					require.ErrorIs(t, err, log.ErrCorrupt, "%s: seq %d", what, seq)
					lost += each
					continue
				}
				require.Equal(t, string(state("run", seq)), string(ev.State), what)
			}
			require.LessOrEqual(t, lost, uint64(256), what)
			if place[0] == "heads" || place[0] == "recent" || len(place) == 3 && place[2] == "z" {
				require.Zero(t, lost, what)
			}
			for _, byID := range []bool{false, true} {
				var ids []string
				for run, err := range l.Runs(t.Context(), log.RunsOptions{ByID: byID}) {
					ids = append(ids, run.ID)
					require.True(t, err == nil || run.ID == "run" && errors.Is(err, log.ErrCorrupt), "%s: %s: %v", what, run.ID, err)
				}
				require.ElementsMatch(t, []string{"other-1", "run", "other-2"}, ids, what)
			}
			for tail, err := range l.Tails(t.Context()) {
				require.True(t, err == nil || tail.Run == "run", "%s: %v", what, err)
			}
			for _, id := range []string{"other-1", "other-2"} {
				rep, err := l.Verify(t.Context(), id)
				require.NoError(t, err, what)
				require.True(t, rep.Intact(), "%s: %s", what, rep)
			}
			require.NoError(t, l.Delete(t.Context(), "run"), what)
			_, err := l.Run(t.Context(), "run")
			require.ErrorIs(t, err, log.ErrNotFound, what)
			n := 0
			for run, err := range l.Runs(t.Context(), log.RunsOptions{}) {
				require.NoError(t, err, what)
				require.NotEqual(t, "run", run.ID)
				n++
			}
			require.Equal(t, 2, n, what)
			_, err = l.Append(t.Context(), log.Append{Header: log.Header{RunID: "run", NodeID: "a", Kind: log.JSON}, State: state("run", 1)})
			require.NoError(t, err, what)
			require.NoError(t, l.Close())
			check(t, path)
		}
	}
}
