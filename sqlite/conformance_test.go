package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/log/logtest"
	"github.com/flowlog/checkpoint/sqlite"
)

// files opens files in a folder and remembers which handle is on which.
type files struct {
	dir string

	mu    sync.Mutex // guards those below
	paths map[log.Backend]string
	n     int
}

func (f *files) open(path string) (log.Backend, error) {
	b, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths[b] = path
	return b, nil
}

func (f *files) Open() (log.Backend, error) {
	f.mu.Lock()
	f.n++
	path := filepath.Join(f.dir, fmt.Sprintf("%d.db", f.n))
	f.mu.Unlock()
	return f.open(path)
}

func (f *files) Another(b log.Backend) (log.Backend, error) {
	f.mu.Lock()
	path := f.paths[b]
	f.mu.Unlock()
	return f.open(path)
}

func (f *files) Reopen(b log.Backend) (log.Backend, error) {
	if err := b.Close(); err != nil {
		return nil, err
	}
	return f.Another(b)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		f := &files{dir: t.TempDir(), paths: map[log.Backend]string{}}
		conform(t, logtest.Driver{Open: f.Open, Another: f.Another, Reopen: f.Reopen})
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		conform(t, logtest.Driver{Open: func() (log.Backend, error) { return sqlite.Open(":memory:", sqlite.Options{}) }})
	})
}

func conform(t *testing.T, d logtest.Driver) {
	for _, c := range logtest.Cases(d) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if err := c.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
