package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/driver/drivertest"
	"github.com/flowlog/checkpoint/sqlite"
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

func (f *files) driver() drivertest.Driver {
	return drivertest.Driver{Open: f.Open, Another: f.Another, Reopen: f.Reopen}
}

func (f *files) open(path string) (driver.Backend, error) {
	b, err := sqlite.Open(path, sqlite.Options{})
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

func (f *files) Another(b driver.Backend) (driver.Backend, error) {
	f.mu.Lock()
	path := f.paths[b]
	f.mu.Unlock()
	return f.open(path)
}

func (f *files) Reopen(b driver.Backend) (driver.Backend, error) {
	if err := b.Close(); err != nil {
		return nil, err
	}
	return f.Another(b)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) {
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
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		d := drivertest.Driver{Open: func() (driver.Backend, error) { return sqlite.Open(":memory:", sqlite.Options{}) }}
		for _, c := range drivertest.Cases(d) {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				if err := c.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	})
}
