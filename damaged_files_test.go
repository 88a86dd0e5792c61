package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

var (
	damagedFiles = flag.Int("damaged", 40, "how many damaged files of each driver TestDamagedFiles reads")
	damagedFrom  = flag.Int("damaged-from", 0, "the seed of the first")
)

// wholeStore is what a store has.
type wholeStore struct {
	open         func(path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error)
	file, older  []byte // its file, and that at an earlier time
	runs         []wholeRun
	page, number int // the size of its pages, and of the numbers of pages
}

type wholeRun struct {
	id     string
	head   checkpoint.Digest
	states map[uint64]string
}

// TestDamagedFiles reads files of which something was damaged: bits, pages in each other's
// place, pages as they were before, empty pages, and numbers of pages. No state is wrong, and
// Verify reports what is missing if it gets the hash that the run's head had. With -damaged
// 3000 it takes some minutes.
func TestDamagedFiles(t *testing.T) {
	for kind, w := range map[string]*wholeStore{
		"sqlite": {number: 4, open: func(path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error) {
			s, err := checkpoint.NewSQLiteStore(path, opts...)
			if err != nil {
				return nil, err
			}
			return s.EventStore, nil
		}},
		"bolt": {number: 8, open: func(path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error) {
			s, err := checkpoint.NewBoltStore(path, opts...)
			if err != nil {
				return nil, err
			}
			return s.EventStore, nil
		}},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w.page = os.Getpagesize()
			w.fill(t)
			refused, hurt := 0, 0
			for seed := *damagedFrom; seed < *damagedFrom+*damagedFiles; seed++ {
				r := rand.New(rand.NewPCG(uint64(seed), 17))
				file := bytes.Clone(w.file)
				how := w.damage(r, file)
				path := filepath.Join(t.TempDir(), "damaged")
				require.NoError(t, os.WriteFile(path, file, 0o600))
				what := fmt.Sprintf("seed %d, %s", seed, how)
				late := time.AfterFunc(time.Minute, func() { panic(what + ": it does not end") })
				s, err := w.open(path, checkpoint.WithReadOnly())
				if err != nil {
					refused++
				} else {
					hurt += w.read(t, s, what)
					require.NoError(t, s.Close(), what)
				}
				late.Stop()
				require.NoError(t, os.RemoveAll(filepath.Dir(path)))
			}
			t.Logf("%d files: %d refused, %d of the runs in the others not whole", *damagedFiles, refused, hurt)
		})
	}
}

// fill makes the store.
func (w *wholeStore) fill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "whole")
	s, err := w.open(path, checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
	require.NoError(t, err)
	add := func(id string, events int, state func(i int) string) {
		for i := range events {
			saved(t, s, id, string("abc"[i%3]), state(i))
		}
	}
	tiny := func(i int) string { return fmt.Sprintf(`{"i":%d}`, i) }
	growing := func(i int) string { return fmt.Sprintf(`{"i":%d,"text":%q}`, i, strings.Repeat(filler(500), i+1)) }
	add("sealed", 600, tiny)
	add("sealed and growing", 60, growing)
	for i := range 40 {
		add(fmt.Sprint("one of many ", i), 3, tiny)
	}
	_, err = s.Compact(t.Context(), checkpoint.CompactOptions{})
	require.NoError(t, err)
	add("growing", 40, growing)
	require.NoError(t, s.Close())
	w.older, err = os.ReadFile(path)
	require.NoError(t, err)

	s, err = w.open(path, checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
	require.NoError(t, err)
	add("growing", 5, growing)
	add("sealed", 30, tiny)
	add("late", 70, tiny)
	_, err = s.TruncateFront(t.Context(), "sealed", 100, "old")
	require.NoError(t, err)
	_, err = s.Prune(t.Context(), "late", []uint64{3, 4, 5}, "old")
	require.NoError(t, err)
	require.NoError(t, s.Label(t.Context(), "late", 7, "gold", "yes"))
	for run, err := range s.Runs(t.Context(), checkpoint.RunsOptions{}) {
		require.NoError(t, err)
		whole := wholeRun{id: run.ID, head: run.Hash, states: map[uint64]string{}}
		for _, ev := range events(t, s, run.ID, checkpoint.HistoryOptions{}) {
			whole.states[ev.Seq] = string(ev.State)
		}
		w.runs = append(w.runs, whole)
	}
	require.NoError(t, s.Close())
	w.file, err = os.ReadFile(path)
	require.NoError(t, err)
}

// damage changes a file, and says how.
func (w *wholeStore) damage(r *rand.Rand, file []byte) string {
	pages := len(file) / w.page
	page := func(n int) []byte { return file[n*w.page : (n+1)*w.page] }
	at := r.IntN(pages)
	switch r.IntN(6) {
	case 0:
		for range 1 + r.IntN(3) {
			file[r.IntN(len(file))] ^= 1 << r.IntN(8)
		}
		return "bits"
	case 1:
		clear(page(at))
		return fmt.Sprintf("page %d empty", at)
	case 2:
		other := r.IntN(pages)
		had := bytes.Clone(page(at))
		copy(page(at), page(other))
		copy(page(other), had)
		return fmt.Sprintf("pages %d and %d in each other's place", at, other)
	case 3:
		at = r.IntN(min(pages, len(w.older)/w.page))
		copy(page(at), w.older[at*w.page:])
		return fmt.Sprintf("page %d as it was", at)
	case 4:
		other := r.IntN(pages)
		copy(page(at), page(other))
		if w.number == 8 && r.IntN(2) == 0 { // as if bbolt had written it there
			binary.NativeEndian.PutUint64(page(at), uint64(at))
		}
		return fmt.Sprintf("page %d over page %d", other, at)
	}
	if w.number == 8 { // bbolt: of a branch page, if one is found soon
		for range 1000 {
			if at = r.IntN(pages); binary.NativeEndian.Uint16(page(at)[8:]) == 1 {
				break
			}
		}
		child, to := r.IntN(max(1, int(binary.NativeEndian.Uint16(page(at)[10:])))), []int{at, r.IntN(pages), pages + 7}[r.IntN(3)]
		if p := page(at); 16+child*16+16 <= len(p) {
			binary.NativeEndian.PutUint64(p[16+child*16+8:], uint64(to))
		}
		return fmt.Sprintf("child %d of page %d is page %d", child, at, to)
	}
	for range 1000 { // SQLite: the same, of an interior page of a tree
		if at = r.IntN(pages); at > 0 && (page(at)[0] == 5 || page(at)[0] == 2) {
			break
		}
	}
	p := page(at)
	to := []int{at + 1, 1 + r.IntN(pages), pages + 7}[r.IntN(3)]
	cell := r.IntN(1 + int(binary.BigEndian.Uint16(p[3:])))
	if place := 12 + 2*cell; cell < int(binary.BigEndian.Uint16(p[3:])) && place+2 <= len(p) {
		if in := int(binary.BigEndian.Uint16(p[place:])); in+4 <= len(p) {
			binary.BigEndian.PutUint32(p[in:], uint32(to))
		}
	} else {
		binary.BigEndian.PutUint32(p[8:], uint32(to))
	}
	return fmt.Sprintf("child %d of page %d is page %d", cell, at, to)
}

// read reads all runs, and returns how many of them are not whole.
func (w *wholeStore) read(t *testing.T, s *checkpoint.EventStore, what string) (hurt int) {
	ctx := t.Context()
	for range s.Runs(ctx, checkpoint.RunsOptions{}) { // in any order, and with any error
	}
	for _, run := range w.runs {
		reported := false
		rep, err := s.VerifyWith(ctx, run.id, checkpoint.VerifyOptions{Known: run.head})
		if err != nil || !rep.Intact() {
			reported = true
		}
		there := 0
		for ev, err := range s.History(ctx, run.id, checkpoint.HistoryOptions{}) {
			if err != nil {
				requireNamed(t, err, what)
				break
			}
			want, ok := run.states[ev.Seq]
			require.True(t, ok && want == string(ev.State), "%s: run %s seq %d has another state", what, run.id, ev.Seq)
			there++
		}
		if there < len(run.states) {
			hurt++
			require.True(t, reported, "%s: run %s has %d of %d events, and nothing says so", what, run.id, there, len(run.states))
		}
		for _, load := range []func() (*checkpoint.Checkpoint, error){
			func() (*checkpoint.Checkpoint, error) { return s.Load(ctx, run.id) },
			func() (*checkpoint.Checkpoint, error) { return s.LoadNode(ctx, run.id, "b") },
			func() (*checkpoint.Checkpoint, error) { return s.LoadNode(ctx, run.id, "a#2") },
		} {
			cp, err := load()
			if err != nil {
				requireNamed(t, err, what)
				continue
			}
			require.Equal(t, run.states[cp.Seq], string(cp.State), what)
		}
	}
	return hurt
}

// requireNamed requires of an error that it has a name, so that a program can go by it.
func requireNamed(t *testing.T, err error, what string) {
	for _, named := range []error{checkpoint.ErrCorrupt, checkpoint.ErrNotFound, checkpoint.ErrPruned, checkpoint.ErrUnsupportedVersion, checkpoint.ErrTooLarge} {
		if errors.Is(err, named) {
			return
		}
	}
	require.NoError(t, err, what)
}
