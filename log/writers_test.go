package log_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestBlindWritersInterleave: two Logs on one storage that append without saying from where
// make one line, in which each event names its writer, while others seal, prune, label and
// read.
func TestBlindWritersInterleave(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 60
	b := newTapped(t)
	logs := []*log.Log{another(t, b), another(t, b)}
	ctx, done := context.WithCancel(t.Context())
	var meanwhile, wg sync.WaitGroup
	for _, l := range logs {
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					ev, err := l.Append(ctx, event("run", fmt.Sprintf("%s/%d/%d", l.Writer(), w, i)))
					if err != nil {
						t.Error(err)
						return
					}
					if ev.Parent != ev.Seq-1 || ev.Writer != l.Writer() || ev.Repeated {
						t.Errorf("event %d continues from %d, by %s", ev.Seq, ev.Parent, ev.Writer)
					}
				}
			})
		}
	}
	again := func(f func(l *log.Log) error) {
		meanwhile.Go(func() {
			l := another(t, b)
			for ctx.Err() == nil {
				if err := f(l); err != nil && !errors.Is(err, log.ErrNotFound) && !errors.Is(err, context.Canceled) {
					t.Error(err)
					return
				}
			}
		})
	}
	again(func(l *log.Log) error { _, err := l.Seal(ctx, "run", log.SealOptions{Whole: true}); return err })
	again(func(l *log.Log) error { return l.Label(ctx, "run", 1, "a", "b") })
	again(func(l *log.Log) error { _, err := l.Prune(ctx, "run", []uint64{2, 3, 70, 71, 130}, "test"); return err })
	again(func(l *log.Log) error {
		ev, err := l.Newest(ctx, "run")
		if err != nil {
			return err
		}
		_, err = l.Nodes(ctx, "run", ev.Position())
		return err
	})
	again(func(l *log.Log) error {
		rep, err := l.Verify(ctx, "run")
		if err == nil && !rep.Intact() {
			err = rep.Problems[0]
		}
		return err
	})
	wg.Wait()
	done()
	meanwhile.Wait()

	l := another(t, b)
	requireIntact(t, l, "run")
	requireIndex(t, b, l, "run")
	seen := map[string]int{} // how far each writer has come
	n := uint64(0)
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{HeadersOnly: true}) {
		require.NoError(t, err)
		n++
		require.Equal(t, []uint64{n, n - 1}, []uint64{ev.Seq, ev.Parent})
		who := ev.NodeID[:len(ev.Writer)+2]
		require.Equal(t, ev.Writer, who[:len(ev.Writer)])
		require.Equal(t, fmt.Sprintf("%s/%d", who, seen[who]), ev.NodeID)
		seen[who]++
	}
	require.EqualValues(t, 2*writers*each, n)
	require.Len(t, seen, 2*writers)
}

// TestRandomBatches: appends of all kinds that share a commit are what they would be one
// after the other.
func TestRandomBatches(t *testing.T) {
	t.Parallel()
	for seed := range tries(40, 1000) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 11))
			b := newTapped(t)
			logs := []*log.Log{open(t, b, log.Options{}), open(t, b, log.Options{PlainMax: -1})}
			var events []twig
			tip := uint64(0)
			for range 1 + r.IntN(4) {
				var batch []log.Append
				var want []twig
				last := uint64(len(events))
				for range 1 + r.IntN(150) {
					e := twig{node: fmt.Sprint("node-", r.IntN(1+r.IntN(100))), parent: tip, visit: 1}
					a := tiny("run", e.node)
					switch n := last + uint64(len(want)); {
					case n > 0 && r.IntN(8) == 0:
						e.parent = 1 + r.Uint64N(n)
						a.From.Seq = e.parent
					case n > 0 && r.IntN(8) == 0:
						e.parent = n
						a.Expect = &log.Position{Seq: n}
					case r.IntN(20) == 0:
						e.parent, a.Root = 0, true
					}
					if r.IntN(5) == 0 {
						e.role = roles[r.IntN(len(roles))]
						a.Header.Role = e.role
					} else {
						tip = last + uint64(len(want)) + 1
					}
					batch, want = append(batch, a), append(want, e)
				}
				made, errs := together(t, logs[r.IntN(2)], b, batch)
				for i, e := range want {
					require.NoError(t, errs[i])
					for _, o := range events {
						if o.node == e.node && o.role == e.role {
							e.visit++
						}
					}
					events = append(events, e)
					require.Equal(t, []uint64{uint64(len(events)), e.parent, uint64(e.visit)}, []uint64{made[i].Seq, made[i].Parent, made[i].Visit})
				}
				run, err := logs[0].Run(t.Context(), "run")
				require.NoError(t, err)
				require.Equal(t, tip, run.Tip)
				requireIntact(t, logs[0], "run")
				requireIndex(t, b, logs[0], "run")
				if r.IntN(3) == 0 {
					_, err := logs[r.IntN(2)].Seal(t.Context(), "run", log.SealOptions{Whole: true})
					require.NoError(t, err)
				}
			}
		})
	}
}

// TestReadsChangeNoWrite: whatever a Log has read, an append that says nothing continues
// from the newest checkpoint that is there.
func TestReadsChangeNoWrite(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*testing.T, *log.Log){
		"nothing": func(*testing.T, *log.Log) {},
		"an event": func(t *testing.T, l *log.Log) {
			_, err := l.At(t.Context(), "run", 1)
			require.NoError(t, err)
		},
		"the newest": func(t *testing.T, l *log.Log) {
			_, err := l.Newest(t.Context(), "run")
			require.NoError(t, err)
		},
		"a visit": func(t *testing.T, l *log.Log) {
			_, err := l.Visit(t.Context(), "run", "a", 1, log.Position{})
			require.NoError(t, err)
		},
		"a node": func(t *testing.T, l *log.Log) {
			_, err := l.NodeAt(t.Context(), "run", "a", log.Position{Seq: 1})
			require.NoError(t, err)
		},
		"a history": func(t *testing.T, l *log.Log) {
			for _, err := range l.History(t.Context(), "run", log.HistoryOptions{To: 1}) {
				require.NoError(t, err)
			}
		},
		"what it wrote": func(t *testing.T, l *log.Log) { add(t, l, after(event("run", "aside"), 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			mine, other := open(t, b, log.Options{}), another(t, b)
			add(t, mine, event("run", "a"))
			add(t, other, event("run", "b"))
			read(t, mine)
			last := add(t, other, event("run", "c"))
			for range 2 {
				ev := add(t, mine, event("run", "d"))
				require.Equal(t, last.Seq, ev.Parent)
				last = ev
			}
			require.Equal(t, last.Seq, add(t, other, event("run", "e")).Parent)
			requireIntact(t, mine, "run")
		})
	}
}

// TestSegmentsAreNotServedForLonger: a segment that a Log has opened is not what it reads
// once another has dropped states of it, or events before it.
func TestSegmentsAreNotServedForLonger(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(*log.Log) error{
		"prune":  func(l *log.Log) error { _, err := l.Prune(t.Context(), "run", []uint64{7, 8}, "why"); return err },
		"redact": func(l *log.Log) error { _, err := l.Redact(t.Context(), "run", []uint64{7, 8}, "why"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			l := open(t, b, log.Options{})
			for range 20 {
				add(t, l, event("run", "a"))
			}
			_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
			all := []*log.Log{l, another(t, b), open(t, b, log.Options{CacheBytes: 1})}
			read := func(l *log.Log, seq uint64) error {
				_, err := l.At(t.Context(), "run", seq)
				return err
			}
			for _, l := range all {
				for seq := uint64(1); seq <= 20; seq++ {
					require.NoError(t, read(l, seq))
				}
			}
			require.NoError(t, drop(open(t, erasable{&tapped{Backend: b.Backend}}, log.Options{})))
			for _, l := range all {
				for _, seq := range []uint64{7, 8} {
					require.ErrorIs(t, read(l, seq), log.ErrPruned)
					_, err := l.Visit(t.Context(), "run", "a", int(seq), log.Position{})
					require.ErrorIs(t, err, log.ErrPruned)
					ev, err := l.Header(t.Context(), "run", seq)
					require.NoError(t, err)
					require.Equal(t, "why", ev.PrunedBy.Policy)
				}
				require.NoError(t, read(l, 9))
				for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
					require.NoError(t, err)
					require.Equal(t, ev.Seq == 7 || ev.Seq == 8, ev.State == nil)
				}
			}
			// Nor those of a life before.
			require.NoError(t, all[0].Delete(t.Context(), "run"))
			for range 20 {
				add(t, all[0], event("run", "b"))
			}
			_, err = all[0].Seal(t.Context(), "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
			for _, l := range all {
				ev, err := l.At(t.Context(), "run", 9)
				require.NoError(t, err)
				require.Equal(t, "b", ev.NodeID)
				require.Equal(t, string(event("run", "b").State), string(ev.State))
			}
		})
	}
}

// TestSegmentsAreKeptOpen: reading events of one segment one by one reads it once, until
// the run changes, and then asks only whether it is still the one.
func TestSegmentsAreKeptOpen(t *testing.T) {
	t.Parallel()
	b := &counted{Backend: newTapped(t)}
	l := open(t, b, log.Options{})
	for range 100 {
		add(t, l, event("run", "a"))
	}
	_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
	require.NoError(t, err)
	l = open(t, b, log.Options{})
	read := func() cost {
		b.cost = cost{}
		for seq := uint64(1); seq < 100; seq++ {
			_, err := l.At(t.Context(), "run", seq)
			require.NoError(t, err)
		}
		return b.cost
	}
	require.Equal(t, 1, read().segments)
	require.Zero(t, read().segments)
	require.NoError(t, l.Label(t.Context(), "run", 1, "a", "b"))
	again := read()
	require.Equal(t, 1, again.segments)
	require.Zero(t, again.bytes)
	_, err = l.Prune(t.Context(), "run", []uint64{100}, "test")
	require.NoError(t, err)
	require.Positive(t, read().bytes)
}
