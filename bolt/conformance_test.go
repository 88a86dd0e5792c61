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
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/log/logtest"
)

// files opens files in a folder and remembers which handle is on which.
type files struct {
	dir string

	mu    sync.Mutex // guards those below
	paths map[log.Backend]string
	n     int
}

func newFiles(t *testing.T) *files {
	return &files{dir: t.TempDir(), paths: map[log.Backend]string{}}
}

func (f *files) driver() logtest.Driver { return logtest.Driver{Open: f.Open, Reopen: f.Reopen} }

func (f *files) open(path string) (log.Backend, error) {
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

func (f *files) Open() (log.Backend, error) {
	f.mu.Lock()
	f.n++
	path := f.path(f.n)
	f.mu.Unlock()
	return f.open(path)
}

func (f *files) Reopen(b log.Backend) (log.Backend, error) {
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
		heads, recent, runs := tx.Bucket([]byte("heads")), tx.Bucket([]byte("recent")), tx.Bucket([]byte("runs"))
		n := heads.Stats().KeyN
		require.Equal(t, n, recent.Stats().KeyN, "each run is in the index once")
		dead := 0
		require.NoError(t, tx.Bucket([]byte("dead")).ForEach(func(k, _ []byte) error {
			if k[8] == 'a' {
				dead++
			}
			return nil
		}))
		buckets := 0
		require.NoError(t, runs.ForEachBucket(func([]byte) error { buckets++; return nil }))
		require.Equal(t, n+dead, buckets, "each run has its events, and dropped ones until they are erased")
		return nil
	}))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for i, c := range logtest.Cases(newFiles(t).driver()) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t)
			if err := logtest.Cases(f.driver())[i].Run(t.Context()); err != nil {
				t.Error(err)
			}
			for n := range f.n {
				check(t, f.path(n+1))
			}
		})
	}
}
