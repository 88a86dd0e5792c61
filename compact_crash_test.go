package checkpoint_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
	"github.com/flowlog/checkpoint/sqlite"
)

// disk is a driver with a file.
type disk struct {
	open    func(path string) (driver.Backend, error)
	files   []string // suffixes of the files that a crash leaves, as patterns
	orphans func(t *testing.T, path, when string)
}

// disks are the drivers with files. Nothing is synced: a crash of the process takes
// nothing that was written.
var disks = map[string]disk{
	"sqlite": {
		func(path string) (driver.Backend, error) {
			return sqlite.Open(path, sqlite.Options{Durability: driver.Off})
		},
		[]string{"", "-wal"}, requireNoOrphansSQLite,
	},
	"bolt": {
		func(path string) (driver.Backend, error) {
			return bolt.Open(path, bolt.Options{Durability: driver.Off})
		},
		[]string{"", ".compact-*"}, requireNoOrphansBolt,
	},
}

// crashWork is what is crashed: runs that branch and are pruned, redacted,
// truncated, deleted and made anew, sealed in pieces and whole, merged, purged and
// reclaimed, with their notes. on says whether what follows is to be crashed, or
// prepares that.
type crashWork struct {
	s  *checkpoint.EventStore
	w  *witness
	r  *rand.Rand
	on func(bool)
}

func (c *crashWork) do() error {
	for round := range 4 {
		c.on(false)
		if err := c.prepare(round); err != nil {
			return err
		}
		c.on(true)
		if err := c.round(round); err != nil {
			return err
		}
	}
	return nil
}

// prepare gives a round what it needs: tails, and space to be given back.
func (c *crashWork) prepare(round int) error {
	n := 7
	if round == 0 {
		n = 270 // more than a segment
	}
	for range n {
		if err := c.w.save(c.s, "small", 0, fmt.Sprintf(`"%d"`, c.r.Uint64())); err != nil {
			return err
		}
	}
	for i := range 6 {
		for range 5 {
			if err := c.edit(fmt.Sprint("large-", i), 6000); err != nil {
				return err
			}
		}
	}
	for _, run := range []string{"planned-0", "planned-0", "planned-0", "planned-1", "dropped-0", "dropped-1"} {
		for range 4 {
			if err := c.edit(run, 6000); err != nil {
				return err
			}
		}
	}
	for range 2 - 2*(round%2) {
		if err := c.w.save(c.s, "bulky", 0, noise(c.r, 900_000)); err != nil {
			return err
		}
	}
	return nil
}

// edit saves an event whose state is nearly that of another, mostly of the last.
func (c *crashWork) edit(run string, size int) error {
	last := c.w.last(run)
	if last == 0 {
		return c.w.save(c.s, run, 0, noise(c.r, size))
	}
	parent := last
	if c.r.IntN(4) == 0 {
		dropped := c.w.dropped(run)
		parent = dropped + 1 + c.r.Uint64N(last-dropped)
	}
	return c.w.save(c.s, run, parent, editText(c.r, c.w.state(run, parent)))
}

// planGraphs are the graphs of the runs that only plans prune and drop.
var planGraphs = []string{"planned", "dropped"}

// crashPolicies are those of the plans.
var crashPolicies = []checkpoint.Policy{
	compaction.KeepLast(3).ForGraph("planned"), compaction.KeepLabelled("gold", "").ForGraph("planned"), compaction.DropRunsIdle(1).ForGraph("dropped"),
}

func (c *crashWork) round(round int) error {
	ctx := context.Background()
	compact := func(idle time.Duration) error {
		_, err := c.s.Compact(ctx, checkpoint.CompactOptions{Idle: idle})
		return err
	}
	for _, step := range []func() error{
		func() error { return compact(time.Hour) }, // what fills a segment
		func() error { return c.w.prune(c.s, "large-0", c.w.last("large-0"), c.w.last("large-0")-3) },
		func() error { return c.edit("large-0", 0) },
		func() error { return c.w.remove(c.s, "bulky") },
		func() error { return compact(0) },
		func() error { return c.edit("large-1", 0) },
		func() error { return c.w.prune(c.s, "large-1", 2, c.w.last("large-1")-1, c.w.last("large-1")) }, // sealed ones and one that is not
		func() error { return c.w.prune(c.s, "small", uint64(3+round), uint64(258+round)) },
		func() error { return c.w.remove(c.s, "large-2") },
		func() error { return c.edit("large-2", 6000) },
		func() error { return c.edit("large-2", 0) },
		func() error { return c.edit("large-3", 0) },
		func() error { return c.w.remove(c.s, "large-1") }, // with its notes
		func() error { return c.edit("large-1", 6000) },
		func() error { return c.s.Label(ctx, "planned-0", c.w.last("planned-0")-4, "gold", "yes") },
		func() error { return c.s.Pin(ctx, "planned-1", c.w.last("planned-1")) },
		func() error { return c.s.Label(ctx, "dropped-0", 1, "gold", "yes") },
		func() error { return c.w.follow(c.s, crashPolicies...) }, // sealed states, and since the last round others
		func() error { return c.w.redact(c.s, "planned-1", 1, c.w.last("planned-1")-1) },
		func() error { return c.w.redact(c.s, "large-4", c.w.last("large-4")) },
		func() error { return c.w.truncate(c.s, "planned-0", c.w.last("planned-0")-7) },
		func() error { return c.w.truncate(c.s, "large-3", c.w.last("large-3")) },
		func() error { return c.edit("dropped-1", 6000) }, // a new life
		func() error { return c.edit("planned-0", 6000) },
		func() error { return compact(0) }, // merges
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// noise is a JSON string of a size that nothing compresses much.
func noise(r *rand.Rand, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[r.Uint32()%64]
	}
	b[0], b[size-1] = '"', '"'
	return string(b)
}

// crashes counts those that a test made.
type crashes struct{ made atomic.Int64 }

// stride is how many failpoints lie between two crashes: each is one if the tests
// may take long, else some that are others each time.
func stride(short int) (every, first int) {
	if os.Getenv("FLOWLOG_LONG") == "1" {
		return 1, 1
	}
	if brief() {
		short *= 4
	}
	return short, 1 + rand.IntN(short)
}

// leastPoints is how many failpoints a driver with a file must have at least.
const leastPoints = 200

// recover holds what a crash has left to what was acknowledged: before compaction
// and after, with a reader beside it.
func (c *crashes) recover(t *testing.T, b driver.Backend, w *witness, when string) {
	t.Helper()
	expireLease(t, b)
	s, err := checkpoint.Open(keptBackend{b}, checkpoint.WithoutCompaction())
	require.NoError(t, err, when)
	defer s.Close()
	w.settle(t, s)
	w.check(t, s, when)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { w.reader(t, s, stop) })
	rep, err := s.Compact(context.Background(), checkpoint.CompactOptions{})
	close(stop)
	wg.Wait()
	require.NoError(t, err, when)
	require.Empty(t, rep.Skipped, when)
	w.check(t, s, when+", compacted")
	requireTiled(t, b, when)
	require.NoError(t, w.follow(s, crashPolicies...), when)
	w.check(t, s, when+", the plan finished")
	plan, err := s.Plan(context.Background(), crashPolicies...)
	require.NoError(t, err)
	require.Zero(t, plan.Total().Events, when)
	c.made.Add(1)
}

// TestCrashDuringCompaction crashes at each step that changes a file: it goes on
// with a copy of the files as they are at that moment, which is what a process that
// was killed there would have left. Nothing changes between the end of a step and
// the beginning of the next, so one of the two is enough.
func TestCrashDuringCompaction(t *testing.T) {
	t.Parallel()
	for name, d := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "checkpoints.db")
			b, err := d.open(path)
			require.NoError(t, err)
			var c crashes
			w := newWitness()
			on, n := false, 0
			every, first := stride(16)
			var wg sync.WaitGroup
			running := make(chan struct{}, 2)
			f := &failpoints{Backend: b, point: func(name string) error {
				if !on || name[0] == 'b' {
					return nil
				}
				if n++; n%every != first%every {
					return nil
				}
				when := fmt.Sprintf("crash point %d, %s", n, name)
				left := filepath.Join(dir, fmt.Sprint("left-", n), filepath.Base(path))
				require.NoError(t, os.Mkdir(filepath.Dir(left), 0o700), when)
				// The locks that go with closing the file (see package sqlite)
				// keep out other processes, and there are none.
				copyFiles(t, path, left, d.files)
				known := w.clone()
				running <- struct{}{}
				wg.Go(func() {
					defer func() { <-running }()
					d.recover(t, &c, left, known, when)
				})
				return nil
			}}
			s, err := checkpoint.Open(f, checkpoint.WithoutCompaction())
			require.NoError(t, err)
			stop := make(chan struct{})
			for range 2 {
				wg.Go(func() { w.reader(t, s, stop) })
			}
			work := crashWork{s, w, rand.New(rand.NewPCG(rand.Uint64(), 0)), func(yes bool) { on = yes }}
			err = work.do()
			close(stop)
			wg.Wait()
			require.NoError(t, err)
			w.check(t, s, "in the end")
			require.NoError(t, s.Close())
			d.orphans(t, path, "in the end")
			t.Logf("%d crash points, %d crashes", n, c.made.Load())
			require.GreaterOrEqual(t, n, leastPoints)
			require.EqualValues(t, (n-first)/every+1, c.made.Load())
		})
	}
}

// recover opens files that a crash has left, and removes them in the end.
func (d *disk) recover(t *testing.T, c *crashes, path string, w *witness, when string) {
	b, err := d.open(path)
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	c.recover(t, b, w, when)
	require.NoError(t, b.Close(), when)
	d.orphans(t, path, when)
	os.RemoveAll(filepath.Dir(path))
}

// matching lists the files whose name begins with path and ends as a pattern says.
func matching(t *testing.T, path string, suffixes []string) []string {
	t.Helper()
	var all []string
	for _, suffix := range suffixes {
		files, err := filepath.Glob(path + suffix)
		require.NoError(t, err)
		all = append(all, files...)
	}
	return all
}

func copyFiles(t *testing.T, from, to string, suffixes []string) {
	t.Helper()
	for _, file := range matching(t, from, suffixes) {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to+strings.TrimPrefix(file, from), b, 0o600))
	}
}

// TestCrashInMemory crashes the user of a storage in memory, which goes on on it, at
// each step as TestCrashDuringCompaction does, until there is none left: then every call
// fails. The work begins anew for each, two at a time.
func TestCrashInMemory(t *testing.T) {
	t.Parallel()
	var c crashes
	every, first := stride(20)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for crashed := true; crashed; {
				crashed = c.inMemory(t, first+every*int(next.Add(1)-1))
			}
		})
	}
	wg.Wait()
	t.Logf("%d crashes", c.made.Load())
	require.GreaterOrEqual(t, c.made.Load(), int64(leastPoints/every))
}

// inMemory crashes at the k-th failpoint. It reports whether there is one.
func (c *crashes) inMemory(t *testing.T, k int) bool {
	b := memory.New()
	on, n, at := false, 0, ""
	f := &failpoints{Backend: b, point: func(name string) error {
		if !on || name[0] == 'b' {
			return nil
		}
		if n++; n == k {
			at = fmt.Sprintf("crash point %d, %s", n, name)
			return errCrashed
		}
		return nil
	}}
	w := newWitness()
	s, err := checkpoint.Open(f, checkpoint.WithoutCompaction())
	require.NoError(t, err)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { w.reader(t, s, stop) })
	work := crashWork{s, w, rand.New(rand.NewPCG(uint64(k), 0)), func(yes bool) { on = yes }}
	err = work.do()
	close(stop)
	wg.Wait()
	if at == "" {
		require.NoError(t, err)
		return false
	}
	// err may be nil: a lease that can't be given back is nobody's sorrow.
	c.recover(t, b, w, at)
	return true
}
