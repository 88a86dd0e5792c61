package bolt_test

import (
	"bytes"
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

// TestReclaimOfADamagedFile damages pages, and expects that what can be read before a
// Reclaim can be read after it: it puts a copy in the place of the file, and in a damaged
// page a search may find keys that no walk reaches.
func TestReclaimOfADamagedFile(t *testing.T) {
	t.Parallel()
	file, _ := specimen(t)
	size := os.Getpagesize()
	path := filepath.Join(t.TempDir(), "x.db")
	read := func() map[string]string {
		found := map[string]string{}
		b, err := bolt.Open(path, bolt.Options{ReadOnly: true})
		if err != nil {
			require.ErrorIs(t, err, driver.ErrCorrupt)
			return found
		}
		defer b.Close()
		_ = readAll(b, path, func(key, value string) { found[key] = value }) // it is damaged
		return found
	}
	damages := map[string]func(r *rand.Rand, page []byte){
		"some bytes": func(r *rand.Rand, p []byte) {
			at := r.IntN(len(p) - 300)
			for range 30 {
				p[at+r.IntN(300)] = byte(r.Uint32())
			}
		},
		"elements in another order": func(r *rand.Rand, p []byte) {
			const header, element = 16, 16
			a, b := header+element*r.IntN(8), header+element*r.IntN(8)
			was := bytes.Clone(p[a : a+element])
			copy(p[a:], p[b:b+element])
			copy(p[b:], was)
		},
	}
	refused, copied := 0, 0
	for _, how := range slices.Sorted(maps.Keys(damages)) {
		r := rand.New(rand.NewPCG(3, 3))
		for try := range 40 {
			n := 2 + try // where the trees are
			damaged := bytes.Clone(file)
			damages[how](r, damaged[n*size:(n+1)*size])
			require.NoError(t, os.WriteFile(path, damaged, 0o600))
			b, err := bolt.Open(path, bolt.Options{Durability: driver.Off})
			if err != nil {
				require.ErrorIs(t, err, driver.ErrCorrupt)
				continue
			}
			for more := true; more && err == nil; { // so that only the copy makes a difference
				var res driver.PurgeResult
				res, err = b.Purge(t.Context(), driver.PurgeRequest{})
				more = res.More
			}
			require.NoError(t, b.Close())
			if err != nil { // to erase from a damaged tree may take what can be read
				require.ErrorIs(t, err, driver.ErrCorrupt)
				continue
			}
			before := read()
			b, err = bolt.Open(path, bolt.Options{Durability: driver.Off})
			if err != nil {
				require.ErrorIs(t, err, driver.ErrCorrupt)
				continue
			}
			_, err = b.Reclaim(t.Context(), nil)
			require.NoError(t, b.Close())
			if err != nil {
				require.ErrorIs(t, err, driver.ErrCorrupt)
				refused++
			} else {
				copied++
			}
			after := read()
			for key, value := range before {
				require.Equal(t, value, after[key], "%s in page %d, try %d: %s", how, n, try, key)
			}
			require.Empty(t, copies(t, path), fmt.Sprint(how, " in page ", n))
		}
	}
	require.NotZero(t, refused)
	require.NotZero(t, copied)
}
