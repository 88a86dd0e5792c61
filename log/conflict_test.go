package log_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// meanwhile makes others do something right before the nth Apply from now: after
// the Log has looked where the run stands.
func (b *tapped) meanwhile(others ...func()) {
	b.onApply = func(changes []log.Change, apply applyFunc) ([]log.Result, error) {
		if len(others) > 0 {
			next := others[0]
			others = others[1:]
			if next != nil {
				next()
			}
		}
		return apply(changes)
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
	for _, c := range []struct {
		name   string
		before func(*testing.T, writers)
		others []func(*testing.T, writers) // before the first Apply, the second, …
		append func(*log.Append)
		want   []string
		err    error
	}{
		{
			"it continues from what it would have continued from", three,
			[]func(*testing.T, writers){appends("x")}, nil,
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<3 mine"}, nil,
		},
		{
			"also after many conflicts", three,
			[]func(*testing.T, writers){appends("x"), appends("y", "z"), appends("u")}, nil,
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<4 y", "6<5 z", "7<6 u", "8<3 mine"}, nil,
		},
		{
			"it keeps the parent that it names", three,
			[]func(*testing.T, writers){appends("x")}, func(a *log.Append) { a.Parent = 2 },
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<2 mine"}, nil,
		},
		{
			"a root stays one", three,
			[]func(*testing.T, writers){appends("x")}, func(a *log.Append) { a.Root = true },
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x", "5<0 mine"}, nil,
		},
		{
			"a parent that is not there yet is refused without a try", three,
			[]func(*testing.T, writers){appends("x")}, func(a *log.Append) { a.Parent = 4 },
			[]string{"1<0 a", "2<1 b", "3<2 c"}, log.ErrNotFound,
		},
		{
			"one that must be next is refused", three,
			[]func(*testing.T, writers){appends("x")}, func(a *log.Append) { a.After, a.CheckAfter = 3, true },
			[]string{"1<0 a", "2<1 b", "3<2 c", "4<3 x"}, log.ErrConflict,
		},
		{
			"the first event of a run comes second", func(*testing.T, writers) {},
			[]func(*testing.T, writers){appends("x")}, nil,
			[]string{"1<0 x", "2<0 mine"}, nil,
		},
		{
			"one that must be the first is refused", func(*testing.T, writers) {},
			[]func(*testing.T, writers){appends("x")}, func(a *log.Append) { a.CheckAfter = true },
			[]string{"1<0 x"}, log.ErrConflict,
		},
		{
			"in a new life of the run it continues from nothing", three,
			[]func(*testing.T, writers){reborn}, nil,
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D", "5<0 mine"}, nil,
		},
		{
			"also if that moves on", three,
			[]func(*testing.T, writers){reborn, appends("E")}, nil,
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D", "5<4 E", "6<0 mine"}, nil,
		},
		{
			"a parent in an earlier life is not there", three,
			[]func(*testing.T, writers){reborn}, func(a *log.Append) { a.Parent = 3 },
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D"}, log.ErrNotFound,
		},
		{
			"one that must be next is refused by a new life", three,
			[]func(*testing.T, writers){reborn}, func(a *log.Append) { a.After, a.CheckAfter = 3, true },
			[]string{"1<0 A", "2<1 B", "3<2 C", "4<3 D"}, log.ErrConflict,
		},
		{
			"of a deleted run it begins the next life", three,
			[]func(*testing.T, writers){deletes}, nil,
			[]string{"1<0 mine"}, nil,
		},
		{
			"a parent in a deleted run is not there", three,
			[]func(*testing.T, writers){deletes}, func(a *log.Append) { a.Parent = 3 },
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
				c.append(&a)
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
func together(t *testing.T, l *log.Log, b *tapped, appends []log.Append, others ...func()) ([]log.Event, []error) {
	t.Helper()
	release := make(chan struct{})
	b.meanwhile(append([]func(){func() { <-release }}, others...)...)
	leader := make(chan error, 1)
	go func() {
		_, err := l.Append(context.Background(), event("leader", "leads"))
		leader <- err
	}()
	synctest.Wait() // the leader is in Apply
	events, errs := make([]log.Event, len(appends)), make([]error, len(appends))
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
	named := func(node string, parent uint64) log.Append {
		a := event(run, node)
		a.Parent = parent
		return a
	}
	after := func(node string, seq uint64) log.Append {
		a := event(run, node)
		a.After, a.CheckAfter = seq, true
		return a
	}
	root := event(run, "root")
	root.Root = true
	for _, c := range []struct {
		name    string
		appends []log.Append
		reborn  bool
		want    []string
		errs    []error
	}{
		{
			"silent", []log.Append{event(run, "p"), event(run, "q"), event(run, "r")}, false,
			[]string{"4<2 p", "5<4 q", "6<5 r"}, []error{nil, nil, nil},
		},
		{
			"some name parents", []log.Append{named("p", 1), event(run, "q"), root, event(run, "r"), named("s", 2)}, false,
			[]string{"4<1 p", "5<4 q", "6<0 root", "7<6 r", "8<2 s"}, []error{nil, nil, nil, nil, nil},
		},
		{
			"some must be next", []log.Append{after("p", 2), event(run, "q"), after("r", 4), after("s", 9)}, false,
			[]string{"4<2 q", "5<4 r"}, []error{log.ErrConflict, nil, nil, log.ErrConflict},
		},
		{
			"in a new life", []log.Append{event(run, "p"), named("q", 2), event(run, "r"), root}, true,
			[]string{"4<0 p", "5<4 r", "6<0 root"}, []error{nil, log.ErrNotFound, nil, nil},
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
			named := event("two", "named")
			named.Parent = 1
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
			require.NoError(t, errs[0])
			require.NoError(t, errs[1])
			if reborn {
				require.ErrorIs(t, errs[2], log.ErrNotFound)
				require.Equal(t, []string{"1<0 x", "2<0 p"}, lineage(t, mine, "two"))
				return
			}
			require.NoError(t, errs[2])
			require.Equal(t, []string{"1<0 a", "2<1 x", "3<1 p", "4<1 named"}, lineage(t, mine, "two"))
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

// TestRepetition: to append the same again, because the answer was lost, answers
// as the first time; anything else after the same event is a conflict.
func TestRepetition(t *testing.T) {
	t.Parallel()
	const run = "run"
	at := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	full := func(after uint64) log.Append {
		a := event(run, "mine")
		a.After, a.CheckAfter = after, true
		a.Header.Metadata = log.Metadata{GraphID: "g", Version: 2, Labels: map[string]string{"b": "2", "a": "1"}}
		a.Header.Attempt = 3
		return a
	}
	lost := errors.New("the line went dead")
	for _, answer := range []struct {
		name string
		err  error
		// same says that the same Log can be asked again.
		same bool
	}{
		{"nothing was said", nil, true},
		{"it was said that it did not happen", &log.NotAppliedError{Err: lost}, true},
		{"nobody knows", lost, false},
	} {
		for _, last := range []uint64{0, 2} {
			for _, c := range []struct {
				name    string
				timed   bool
				later   bool // others have appended since
				change  func(*log.Append)
				refused bool
			}{
				{name: "the same"},
				{name: "the same with its time", timed: true},
				{name: "the same, and the run has moved on", later: true},
				{name: "it names the parent that it had anyway", change: func(a *log.Append) { a.Parent = last }},
				{name: "another state", change: func(a *log.Append) { a.State = append(a.State, ' ') }, refused: true},
				{name: "another node", change: func(a *log.Append) { a.Header.NodeID = "other" }, refused: true},
				{name: "another time", timed: true, change: func(a *log.Append) { a.Header.CreatedAt = at.Add(1) }, refused: true},
				{name: "another label", change: func(a *log.Append) { a.Header.Metadata.Labels = map[string]string{"a": "1"} }, refused: true},
				{name: "another parent", change: func(a *log.Append) { a.Parent, a.Root = 0, true }, refused: last > 0},
			} {
				t.Run(answer.name+"/"+c.name, func(t *testing.T) {
					t.Parallel()
					b := newTapped(t)
					l := open(t, b, log.Options{})
					for _, node := range []string{"a", "b"}[:last] {
						add(t, l, event(run, node))
					}
					b.onApply = func(changes []log.Change, apply applyFunc) ([]log.Result, error) {
						b.onApply = nil
						res, err := apply(changes)
						require.NoError(t, err)
						return res, answer.err
					}
					a := full(last)
					if c.timed {
						a.Header.CreatedAt = at
					}
					_, err := l.Append(t.Context(), a)
					require.ErrorIs(t, err, answer.err)
					if !answer.same {
						require.ErrorIs(t, err, log.ErrUnknownOutcome)
						l = another(t, b)
					}
					if c.later {
						add(t, l, event(run, "later"))
					}
					before, err := l.At(t.Context(), run, last+1)
					require.NoError(t, err)
					a = full(last)
					if c.timed {
						a.Header.CreatedAt = at
					}
					if c.change != nil {
						c.change(&a)
					}
					ev, err := l.Append(t.Context(), a)
					if c.refused {
						require.ErrorIs(t, err, log.ErrConflict)
					} else {
						require.NoError(t, err)
						require.Equal(t, before.Header, ev.Header)
						require.Equal(t, before.Hash, ev.Hash)
					}
					r, err := l.Run(t.Context(), run)
					require.NoError(t, err)
					want := last + 1
					if c.later {
						want++
					}
					require.Equal(t, want, r.Last)
				})
			}
		}
	}
}
