package log_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// meanwhile makes others do something right before the nth Apply from now: after
// the Log has looked where the run stands.
func (b *tapped) meanwhile(others ...func()) {
	b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
		if len(others) > 0 {
			next := others[0]
			others = others[1:]
			if next != nil {
				next()
			}
		}
		return apply(ctx, changes)
	}
}

// TestConflict: what an append says of itself holds also when another writer was
// faster.
func TestConflict(t *testing.T) {
	t.Parallel()
	const run = "run"
	type writers struct{ mine, other *log.Log }
	three := func(t *testing.T, w writers) {
		for _, node := range []string{"a", "b", "c"} {
			add(t, w.mine, event(run, node))
		}
	}
	appends := func(nodes ...string) func(*testing.T, writers) {
		return func(t *testing.T, w writers) {
			for _, node := range nodes {
				add(t, w.other, event(run, node))
			}
		}
	}
	deletes := func(t *testing.T, w writers) { require.NoError(t, w.other.Delete(t.Context(), run)) }
	reborn := func(t *testing.T, w writers) {
		deletes(t, w)
		appends("A", "B", "C", "D")(t, w)
	}
	again := func(t *testing.T, w writers) {
		deletes(t, w)
		appends("a", "b", "c")(t, w)
	}
	// at returns what an append that continues from what was loaded says.
	at := func(seq uint64) func(*log.Append, []log.Event) {
		return func(a *log.Append, loaded []log.Event) { a.From = loaded[seq-1].Position() }
	}
	next := func(seq uint64) func(*log.Append, []log.Event) {
		return func(a *log.Append, loaded []log.Event) {
			p := loaded[seq-1].Position()
			a.Expect = &p
		}
	}
	bare := func(seq uint64) func(*log.Append, []log.Event) {
		return func(a *log.Append, _ []log.Event) { a.From.Seq = seq }
	}
	begin := func(a *log.Append, _ []log.Event) { a.Begin = true }
	for _, c := range []struct {
		name   string
		before func(*testing.T, writers)
		others []func(*testing.T, writers) // before the first Apply, the second, …
		append func(a *log.Append, loaded []log.Event)
		want   []string
		err    error
	}{
		{
			"it continues from the newest event that is there", three,
			[]func(*testing.T, writers){appends("x")}, nil,
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<4 mine"}, nil,
		},
		{
			"also after many conflicts", three,
			[]func(*testing.T, writers){appends("x"), appends("y", "z"), appends("u")}, nil,
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<4 y", "6<5 z", "7<6 u", "8<7 mine"}, nil,
		},
		{
			"it keeps the parent that it loaded", three,
			[]func(*testing.T, writers){appends("x")}, at(3),
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<3 mine"}, nil,
		},
		{
			"it keeps the parent that it names", three,
			[]func(*testing.T, writers){appends("x")}, bare(2),
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<2 mine"}, nil,
		},
		{
			"a root stays one", three,
			[]func(*testing.T, writers){appends("x")}, func(a *log.Append, _ []log.Event) { a.Root = true },
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<0 mine"}, nil,
		},
		{
			"a parent that is not there yet is refused without a try", three,
			[]func(*testing.T, writers){appends("x")}, bare(4),
			[]string{"1<0 a", "2<1 b", "3<2 c"}, log.ErrNotFound,
		},
		{
			"one that must be next is refused", three,
			[]func(*testing.T, writers){appends("x")}, next(3),
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x"}, log.ErrConflict,
		},
		{
			"the first event of a run comes second", func(*testing.T, writers) {},
			[]func(*testing.T, writers){appends("x")}, nil,
			[]string{"1<0 x", "2<1 mine"}, nil,
		},
		{
			"one that must be the first is refused", func(*testing.T, writers) {},
			[]func(*testing.T, writers){appends("x")}, begin,
			[]string{"1<0 x"}, log.ErrConflict,
		},
		{
			"in a new life of the run it continues from that", three,
			[]func(*testing.T, writers){reborn}, nil,
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D", "5<4 mine"}, nil,
		},
		{
			"a bare seq is held to the run as it is", three,
			[]func(*testing.T, writers){reborn}, bare(2),
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D", "5<2 mine"}, nil,
		},
		{
			"a position of an earlier life is refused", three,
			[]func(*testing.T, writers){reborn}, at(2),
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D"}, log.ErrConflict,
		},
		{
			"also that of the newest event, which the new life has, too", three,
			[]func(*testing.T, writers){again}, at(3),
			[]string{"1<0 a", "2<1 b", "3<2 c"}, log.ErrConflict,
		},
		{
			"also as what must be the newest", three,
			[]func(*testing.T, writers){again}, next(3),
			[]string{"1<0 a", "2<1 b", "3<2 c"}, log.ErrConflict,
		},
		{
			"one that must be next is refused by a new life", three,
			[]func(*testing.T, writers){reborn}, next(3),
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D"}, log.ErrConflict,
		},
		{
			"of a deleted run it begins the next life", three,
			[]func(*testing.T, writers){deletes}, nil,
			[]string{"1<0 mine"}, nil,
		},
		{
			"one that must be the first is refused by a run that is there", three, nil, begin,
			[]string{"1<0 a", "2<1 b", "3<2 c"}, log.ErrConflict,
		},
		{
			"a parent in a deleted run is not there", three,
			[]func(*testing.T, writers){deletes}, at(3),
			nil, log.ErrNotFound,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			w := writers{open(t, b, log.Options{}), another(t, b)}
			c.before(t, w)
			var others []func()
			for _, f := range c.others {
				others = append(others, func() { f(t, w) })
			}
			a := event(run, "mine")
			if c.append != nil {
				var loaded []log.Event
				for ev, err := range w.mine.History(t.Context(), run, log.HistoryOptions{}) {
					if err == nil {
						loaded = append(loaded, *ev)
					}
				}
				c.append(&a, loaded)
			}
			b.meanwhile(others...)
			ev, err := w.mine.Append(t.Context(), a)
			require.ErrorIs(t, err, c.err)
			if c.want == nil {
				requireNoRun(t, w.other, run)
				return
			}
			require.Equal(t, c.want, lineage(t, w.other, run))
			require.Equal(t, c.want, lineage(t, w.mine, run))
			if c.err == nil {
				stored, err := w.other.At(t.Context(), run, ev.Seq)
				require.NoError(t, err)
				require.Equal(t, stored.Header, ev.Header)
				require.Equal(t, stored.Hash, ev.Hash)
				// Whoever goes on goes on from there.
				last := add(t, w.mine, event(run, "next"))
				require.Equal(t, ev.Seq, last.Parent)
				require.Len(t, lineage(t, w.other, run), len(c.want)+1)
			}
		})
	}
}

// together appends events that are queued in this order and committed by one
// Apply, and returns what became of each. It wants to be in a bubble, and a
// storage whose onApply is free.
func together(t *testing.T, l *log.Log, b *tapped, appends []log.Append, others ...func()) ([]log.Appended, []error) {
	t.Helper()
	release := make(chan struct{})
	b.meanwhile(append([]func(){func() { <-release }}, others...)...)
	leader := make(chan error, 1)
	go func() {
		_, err := l.Append(context.Background(), event("leader", "leads"))
		leader <- err
	}()
	synctest.Wait() // the leader is in Apply
	events, errs := make([]log.Appended, len(appends)), make([]error, len(appends))
	for i := range appends {
		go func() { events[i], errs[i] = l.Append(context.Background(), appends[i]) }()
		synctest.Wait() // it is queued
	}
	close(release)
	require.NoError(t, <-leader)
	synctest.Wait()
	return events, errs
}

// TestConflictOfSeveral: appends to one run that share a commit follow each other
// as they did before another writer came between.
func TestConflictOfSeveral(t *testing.T) {
	t.Parallel()
	const run = "run"
	named := func(node string, parent uint64) log.Append { return after(event(run, node), parent) }
	next := func(node string, seq uint64) log.Append {
		a := event(run, node)
		a.Expect = &log.Position{Seq: seq}
		return a
	}
	root, begin := event(run, "root"), event(run, "begin")
	root.Root, begin.Begin = true, true
	for _, c := range []struct {
		name    string
		appends []log.Append
		reborn  bool
		want    []string
		errs    []error
	}{
		{
			"silent", []log.Append{event(run, "p"), event(run, "q"), event(run, "r")}, false,
			[]string{"4<3 p", "5<4 q", "6<5 r"}, []error{nil, nil, nil},
		},
		{
			"some name parents", []log.Append{named("p", 1), event(run, "q"), root, event(run, "r"), named("s", 2)}, false,
			[]string{"4<1 p", "5<4 q", "6<0 root", "7<6 r", "8<2 s"}, []error{nil, nil, nil, nil, nil},
		},
		{
			"some must be next", []log.Append{next("p", 2), event(run, "q"), next("r", 4), next("s", 9)}, false,
			[]string{"4<3 q", "5<4 r"}, []error{log.ErrConflict, nil, nil, log.ErrConflict},
		},
		{
			"in a new life", []log.Append{event(run, "p"), named("q", 2), event(run, "r"), root}, true,
			[]string{"4<3 p", "5<2 q", "6<5 r", "7<0 root"}, []error{nil, nil, nil, nil},
		},
		{
			"one must be the first", []log.Append{event(run, "p"), begin, event(run, "q")}, false,
			[]string{"4<3 p", "5<4 q"}, []error{nil, log.ErrConflict, nil},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newTapped(t)
				mine, other := open(t, b, log.Options{}), another(t, b)
				add(t, mine, event(run, "a"))
				add(t, mine, event(run, "b"))
				want := append([]string{"1<0 a", "2<1 b", "3<2 x"}, c.want...)
				_, errs := together(t, mine, b, c.appends, func() {
					if c.reborn {
						want[0], want[1], want[2] = "1<0 A", "2<1 B", "3<2 C"
						require.NoError(t, other.Delete(t.Context(), run))
						add(t, other, event(run, "A"))
						add(t, other, event(run, "B"))
						add(t, other, event(run, "C"))
					} else {
						add(t, other, event(run, "x"))
					}
				})
				for i := range errs {
					require.ErrorIs(t, errs[i], c.errs[i], i)
				}
				require.Equal(t, want, lineage(t, other, run))
				require.Equal(t, want, lineage(t, mine, run))
			})
		})
	}
}

// TestConflictAndReaders: what others read through the same Log between the tries
// does not change what an append continues from.
func TestConflictAndReaders(t *testing.T) {
	t.Parallel()
	for _, reborn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newTapped(t)
			mine, other := open(t, b, log.Options{}), another(t, b)
			for _, run := range []string{"one", "two"} {
				add(t, mine, event(run, "a"))
			}
			named := after(event("two", "named"), 1)
			_, errs := together(t, mine, b, []log.Append{event("one", "p"), event("two", "p"), named}, func() {
				for _, run := range []string{"one", "two"} {
					if reborn {
						require.NoError(t, other.Delete(t.Context(), run))
					}
					add(t, other, event(run, "x"))
				}
				// When run one is looked at again, somebody looks at run two.
				b.onHead = func(string) {
					b.onHead = nil
					_, err := mine.Newest(t.Context(), "two")
					require.NoError(t, err)
				}
			})
			for _, err := range errs {
				require.NoError(t, err)
			}
			if reborn {
				require.Equal(t, []string{"1<0 x", "2<1 p", "3<1 named"}, lineage(t, mine, "two"))
				return
			}
			require.Equal(t, []string{"1<0 a", "2<1 x", "3<2 p", "4<1 named"}, lineage(t, mine, "two"))
		})
	}
}

// TestConflictOutlastsTheCaller: an append whose caller has gone is not tried
// again, and says that nothing was written.
func TestConflictOutlastsTheCaller(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	mine, other := open(t, b, log.Options{}), another(t, b)
	add(t, mine, event("run", "a"))
	ctx, cancel := context.WithCancel(t.Context())
	b.meanwhile(func() {
		add(t, other, event("run", "x"))
		cancel()
	})
	_, err := mine.Append(ctx, event("run", "mine"))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "nothing was written")
	require.Equal(t, []string{"1<0 a", "2<1 x"}, lineage(t, other, "run"))
	require.EqualValues(t, 3, add(t, mine, event("run", "next")).Seq)
}
