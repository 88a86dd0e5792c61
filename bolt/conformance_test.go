package bolt_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
)

// files opens files in a folder and remembers which handle is on which.
type files struct {
	dir string

	mu    sync.Mutex // guards those below
	paths map[driver.Backend]string
	n     int
}

func newFiles(t *testing.T) *files {
	return &files{dir: t.TempDir(), paths: map[driver.Backend]string{}}
}

func (f *files) driver() drivertest.Driver { return drivertest.Driver{Open: f.Open, Reopen: f.Reopen} }

func (f *files) open(path string) (driver.Backend, error) {
	b, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths[b] = path
	return b, nil
}

func (f *files) path(n int) string { return filepath.Join(f.dir, fmt.Sprintf("%d.db", n)) }

func (f *files) Open() (driver.Backend, error) {
	f.mu.Lock()
	f.n++
	path := f.path(f.n)
	f.mu.Unlock()
	return f.open(path)
}

func (f *files) Reopen(b driver.Backend) (driver.Backend, error) {
	if err := b.Close(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	path := f.paths[b]
	f.mu.Unlock()
	return f.open(path)
}

// check expects what must hold of a file after whatever was done to it.
func check(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: time.Second})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("%s: %v", path, err)
		}
		ids, placed := map[string]bool{}, map[string]bool{}
		require.NoError(t, tx.Bucket([]byte("heads")).ForEach(func(k, _ []byte) error { ids[string(k)] = true; return nil }))
		require.NoError(t, tx.Bucket([]byte("places")).ForEach(func(k, _ []byte) error {
			require.False(t, placed[string(k[9:])], "%q is in the order of runs twice", k[9:])
			placed[string(k[9:])] = true
			return nil
		}))
		require.Equal(t, ids, placed, "each run is in the order of runs")
		dead := 0
		require.NoError(t, tx.Bucket([]byte("dead")).ForEach(func(k, _ []byte) error {
			if k[4] == 'a' {
				dead++
			}
			return nil
		}))
		buckets := map[string]bool{}
		require.NoError(t, tx.Bucket([]byte("runs")).ForEachBucket(func(rk []byte) error { buckets[string(rk)] = true; return nil }))
		require.Len(t, buckets, len(ids)+dead, "each run has its events, and dropped ones until they are erased")
		for _, name := range []string{"blocks", "entries", "slots"} {
			require.NoError(t, tx.Bucket([]byte(name)).ForEach(func(k, _ []byte) error {
				require.True(t, buckets[string(k[:4])] || string(k[:4]) == "\x00\x00\x00\x00", "%s of no run: %q", name, k)
				return nil
			}))
		}
		return nil
	}))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for i, c := range drivertest.Cases(newFiles(t).driver()) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t)
			if err := drivertest.Cases(f.driver())[i].Run(t.Context()); err != nil {
				t.Error(err)
			}
			for n := range f.n {
				check(t, f.path(n+1))
			}
		})
	}
}
