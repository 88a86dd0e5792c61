package log_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// fleet is many runs that are written in a time that the test makes pass.
type fleet struct {
	l     *log.Log
	runs  map[string]time.Time // when each was written last
	class map[string]log.Class
	began time.Time // when the listing did
}

func newFleet(t require.TestingT) *fleet {
	l, err := log.Open(&tapped{Backend: memory.New()}, log.Options{})
	require.NoError(t, err)
	return &fleet{l: l, runs: map[string]time.Time{}, class: map[string]log.Class{}}
}

// write appends an event to a run, which may finish it.
func (s *fleet) write(t require.TestingT, id string, end bool) {
	a := tiny(id, "a")
	if s.class[id] = log.ClassOpen; end {
		a.Header.Role, s.class[id] = log.End, log.ClassFinished
	}
	add(t, s.l, a)
	s.runs[id] = time.Now()
	time.Sleep(time.Nanosecond) // so that no two are written at once
}

// wants reports whether a run is of a listing.
func (s *fleet) wants(id string, opts log.RunsOptions) bool {
	return strings.HasPrefix(id, opts.Prefix) && (opts.Class == nil || s.class[id] == *opts.Class)
}

// ordered returns the runs of a listing in exact order.
func (s *fleet) ordered(opts log.RunsOptions) (ids []string) {
	for id := range s.runs {
		if s.wants(id, opts) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y string) int {
		if opts.ByID {
			return cmp.Compare(x, y)
		}
		return s.runs[y].Compare(s.runs[x])
	})
	return ids
}

// pages lists runs page by page; between is called after each page but the last.
func (s *fleet) pages(t require.TestingT, opts log.RunsOptions, limit func() int, between func()) (ids []string) {
	s.began = time.Now()
	for {
		opts.Limit = limit()
		n := 0
		for run, err := range s.l.Runs(context.Background(), opts) {
			require.NoError(t, err)
			ids = append(ids, run.ID)
			opts.After = run.Cursor()
			n++
		}
		if n < opts.Limit {
			return ids
		}
		require.Equal(t, opts.Limit, n)
		between()
	}
}

// check holds a listing that went over several pages to what is promised.
func (s *fleet) check(t require.TestingT, opts log.RunsOptions, ids []string) {
	given := map[string]bool{}
	for _, id := range ids {
		require.False(t, given[id], "%s is given twice", id)
		given[id] = true
		require.True(t, strings.HasPrefix(id, opts.Prefix))
	}
	var still []string // not written since
	for _, id := range ids {
		if s.runs[id].Before(s.began) {
			still = append(still, id)
		}
	}
	want := 0
	for id, at := range s.runs {
		if s.wants(id, opts) && at.Before(s.began) {
			want++
			require.True(t, given[id], "%s is missing", id)
		}
	}
	require.Len(t, still, want)
	oldest := time.Time{}
	for i, id := range still {
		if opts.ByID {
			require.True(t, i == 0 || still[i-1] < id)
			continue
		}
		if at := s.runs[id]; i > 0 {
			require.Less(t, at.Sub(oldest), time.Second, "%s comes too late", id)
		}
		if at := s.runs[id]; i == 0 || at.Before(oldest) {
			oldest = at
		}
	}
}

// TestRunsOrder: newest first is exact where all runs are on one page, and so is the order
// by id, of all runs, of a prefix and of a class.
func TestRunsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFleet(t)
		r := rand.New(rand.NewPCG(1, 2))
		finished := log.ClassFinished
		for range 40 {
			for range 20 {
				s.write(t, fmt.Sprintf("%c%02d", 'a'+r.IntN(5), r.IntN(100)), r.IntN(4) == 0)
				time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
			}
			for _, opts := range []log.RunsOptions{{}, {ByID: true}, {Prefix: "b"}, {Prefix: "b", ByID: true}, {Class: &finished}, {Class: &finished, Prefix: "c"}, {Class: &finished, ByID: true}, {Prefix: "none"}} {
				want := s.ordered(opts)
				all := s.pages(t, opts, func() int { return 1000 }, nil)
				require.Equal(t, want, all, "%+v", opts)
				if len(want) <= 64 {
					all = s.pages(t, opts, func() int { return 1 + r.IntN(20) }, func() {})
					require.Equal(t, want, all, "%+v", opts)
				}
			}
		}
	})
}

// TestRunsOfABusySecond: also runs that are all written many times a second come in exact
// order where they are few, page by page.
func TestRunsOfABusySecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFleet(t)
		r := rand.New(rand.NewPCG(3, 4))
		for range 100 {
			for range 50 {
				s.write(t, fmt.Sprintf("run-%02d", r.IntN(60)), false)
				time.Sleep(5 * time.Millisecond)
			}
			want := s.ordered(log.RunsOptions{})
			require.Equal(t, want, s.pages(t, log.RunsOptions{}, func() int { return 1 + r.IntN(9) }, func() {}))
		}
	})
}

// TestRunsWhileTheyAreWritten: a listing that goes on by cursors from the middle of pages,
// while runs are written, gives no run twice, misses none that was left alone, and has an
// order that is exact up to a second.
func TestRunsWhileTheyAreWritten(t *testing.T) {
	t.Parallel()
	pick := func(r *rand.Rand, of ...int) int { return of[r.IntN(len(of))] }
	for seed := range tries(60, 2000) {
		synctest.Test(t, func(t *testing.T) {
			s := newFleet(t)
			r := rand.New(rand.NewPCG(uint64(seed), 9))
			pause := time.Duration(pick(r, 0, 1, 20, 400)) * time.Millisecond
			write := func() {
				s.write(t, fmt.Sprintf("%c%03d", 'a'+r.IntN(3), r.IntN(200)), r.IntN(4) == 0)
				time.Sleep(pause * time.Duration(r.IntN(3)))
			}
			for range 1 + r.IntN(900) {
				write()
			}
			opts := log.RunsOptions{Prefix: []string{"", "", "a", "b0"}[r.IntN(4)], ByID: r.IntN(4) == 0}
			if r.IntN(2) == 0 {
				class := log.Class(r.IntN(2))
				opts.Class = &class
			}
			limit, writes := pick(r, 1, 3, 10, 63, 64, 65, 200), pick(r, 0, 1, 5)
			ids := s.pages(t, opts, func() int { return 1 + r.IntN(limit) }, func() {
				for range writes {
					write()
				}
			})
			s.check(t, opts, ids)
		})
	}
}

// TestRunsOfAPrefix: few runs of a prefix are listed exactly and at the cost of few, also
// among many; and a listing goes on where few have become many.
func TestRunsOfAPrefix(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it makes many runs")
	}
	const few = 4096 // as the engine has it
	synctest.Test(t, func(t *testing.T) {
		b := &counted{Backend: memory.New()}
		l, err := log.Open(b, log.Options{})
		require.NoError(t, err)
		s := &fleet{l: l, runs: map[string]time.Time{}, class: map[string]log.Class{}}
		for i := range few {
			s.write(t, fmt.Sprintf("other-%05d", i), i%100 == 0)
			if i%400 == 0 {
				s.write(t, fmt.Sprintf("run-%05d", i), i%800 == 0)
				time.Sleep(3 * time.Second)
			}
		}
		opts := log.RunsOptions{Prefix: "run-"}
		b.cost = cost{}
		require.Equal(t, s.ordered(opts), s.pages(t, opts, func() int { return 1000 }, nil))
		require.LessOrEqual(t, b.heads, 12)
		require.LessOrEqual(t, b.calls, 2)

		// As few as can be, and one more: newest first is then told by pages.
		opts = log.RunsOptions{Prefix: "other-"}
		for range 2 {
			var after string
			began := time.Now()
			given := map[string]bool{}
			for i := 0; ; i++ {
				n := 0
				opts.Limit, opts.After = 500, after
				for run, err := range l.Runs(t.Context(), opts) {
					require.NoError(t, err)
					require.False(t, given[run.ID], "%s is given twice", run.ID)
					given[run.ID], after = true, run.Cursor()
					n++
				}
				if n < opts.Limit {
					break
				}
				if i == 2 {
					time.Sleep(time.Second)
					s.write(t, fmt.Sprint("other-more-", len(s.runs)), false)
				}
			}
			for id, at := range s.runs {
				require.True(t, given[id] || !strings.HasPrefix(id, "other-") || !at.Before(began), "%s is missing", id)
			}
		}

		// Of a class few are found among many of the prefix without looking at all.
		for i := range 3 * few {
			s.write(t, fmt.Sprintf("other-%06d", i), false)
		}
		finished := log.ClassFinished
		b.cost = cost{}
		n := 0
		for _, err := range l.Runs(t.Context(), log.RunsOptions{Prefix: "other-", Class: &finished}) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 41, n)
		require.LessOrEqual(t, b.heads, few+512+100)
	})
}

// TestRunsOfOneInstant: a page of runs costs what a page costs, however many runs were
// written at the same time.
func TestRunsOfOneInstant(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it makes many runs")
	}
	n := 100_000
	if raced {
		n = 10_000
	}
	for _, apart := range []time.Duration{0, 10 * time.Microsecond} {
		synctest.Test(t, func(t *testing.T) { // where time stands still
			b := &counted{Backend: memory.New()}
			l, err := log.Open(b, log.Options{})
			require.NoError(t, err)
			for i := range n {
				add(t, l, tiny(fmt.Sprintf("run-%06d", i*7919%n), "a"))
				time.Sleep(apart)
			}
			opts := log.RunsOptions{Limit: 50}
			last := ""
			for page := range 101 {
				b.cost = cost{}
				got := 0
				for run, err := range l.Runs(t.Context(), opts) {
					require.NoError(t, err)
					require.True(t, apart > 0 || last == "" || run.ID < last, "runs of one instant are listed by descending id")
					last, opts.After = run.ID, run.Cursor()
					if want := (n - 1 - page*50 - got) * 7919 % n; apart > 0 {
						require.Equal(t, fmt.Sprintf("run-%06d", want), run.ID)
					}
					got++
				}
				require.Equal(t, 50, got)
				require.LessOrEqual(t, b.heads, 3*64, "page %d", page)
				require.LessOrEqual(t, b.calls, 3, "page %d", page)
			}
			b.cost = cost{}
			for run, err := range l.Runs(t.Context(), log.RunsOptions{Prefix: "run-000777"}) {
				require.NoError(t, err)
				require.Equal(t, "run-000777", run.ID)
			}
			require.Equal(t, 1, b.heads)
		})
	}
}

// TestCursorsRefused: what no listing gave is refused.
func TestCursorsRefused(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	add(t, l, tiny("run", "a"))
	good := ""
	for run := range l.Runs(t.Context(), log.RunsOptions{}) {
		good = run.Cursor()
	}
	require.NotEmpty(t, good)
	for _, bad := range []string{"x", "run", "!", good[:len(good)-2], good + "AA", "AAAAAAAAAA", strings.Repeat("A", 5000)} {
		for _, byID := range []bool{false, true} {
			n := 0
			for _, err := range l.Runs(t.Context(), log.RunsOptions{After: bad, ByID: byID}) {
				require.ErrorIs(t, err, log.ErrInvalid, bad)
				n++
			}
			require.Equal(t, 1, n, "one error, and no run")
		}
	}
	for range l.Runs(t.Context(), log.RunsOptions{After: good}) {
		t.Fatal("there is no run after the only one")
	}
}
