package log_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// TestGroup: appends that wait for a commit share the next.
func TestGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const writers, each = 64, 20
		b := newTapped(t)
		calls, changes, records := 0, 0, 0
		b.onApply = func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
			synctest.Wait() // all others have queued what they have
			calls++
			changes += len(c)
			for i := range c {
				records += len(c[i].Append)
			}
			return apply(ctx, c)
		}
		l := open(t, b, log.Options{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				run := fmt.Sprint("run ", w)
				for i := range each {
					ev, err := l.Append(t.Context(), event(run, fmt.Sprint(i)))
					if err != nil || ev.Seq != uint64(i)+1 || ev.Parent != uint64(i) {
						t.Errorf("%s: event %d is %+v, %v", run, i+1, ev, err)
						return
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, writers*each, records)
		require.Equal(t, writers*each, changes)
		// Whoever was not in a commit is in the next.
		require.LessOrEqual(t, calls, 2*each+1)
		b.onApply = nil
		for w := range writers {
			run := fmt.Sprint("run ", w)
			i := 0
			for ev, err := range l.History(t.Context(), run, log.HistoryOptions{}) {
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(i), ev.NodeID)
				require.Equal(t, string(event(run, ev.NodeID).State), string(ev.State))
				i++
			}
			require.Equal(t, each, i)
		}
	})
}

// TestGroupOfOneRun: appends to one run that share a commit are one change.
func TestGroupOfOneRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const writers, each = 16, 10
		b := newTapped(t)
		calls := 0
		b.onApply = func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
			synctest.Wait()
			calls++
			if len(c) != 1 {
				t.Errorf("%d changes of one run", len(c))
			}
			return apply(ctx, c)
		}
		l := open(t, b, log.Options{})
		var wg sync.WaitGroup
		seqs := make([][]uint64, writers)
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					ev, err := l.Append(t.Context(), event("run", fmt.Sprintf("%d/%d", w, i)))
					if err != nil {
						t.Error(err)
						return
					}
					seqs[w] = append(seqs[w], ev.Seq)
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, calls, 2*each+1)
		b.onApply = nil
		lines := lineage(t, l, "run")
		require.Len(t, lines, writers*each)
		for w := range seqs {
			for i, seq := range seqs[w] {
				require.Equal(t, fmt.Sprintf("%d<%d %d/%d", seq, seq-1, w, i), lines[seq-1])
			}
		}
	})
}

// busy is a Log whose first append is in Apply until release is called.
type busy struct {
	*log.Log
	b       *tapped
	leader  *call
	release func()
}

// call is an append under way.
type call struct {
	ev   log.Appended
	err  error
	done bool
}

// start makes an append and returns once it waits for something.
func start(ctx context.Context, l *log.Log, a log.Append) *call {
	c := &call{}
	go func() {
		c.ev, c.err = l.Append(ctx, a)
		c.done = true
	}()
	synctest.Wait()
	return c
}

// newBusy wants to be in a bubble. What the second Apply does is for the test.
func newBusy(t *testing.T, ctx context.Context, second func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error)) *busy {
	gate := make(chan struct{})
	b := newTapped(t)
	b.onApply = func(ctx context.Context, c []driver.Change, apply applyFunc) ([]driver.Result, error) {
		b.onApply = second
		<-gate
		return apply(ctx, c)
	}
	l := open(t, b, log.Options{})
	leader := start(ctx, l, event("leader", "leads"))
	return &busy{l, b, leader, func() {
		close(gate)
		synctest.Wait()
	}}
}

func TestCancelledWhileQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newBusy(t, t.Context(), nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		before := start(t.Context(), l.Log, event("before", "a"))
		gone := start(ctx, l.Log, event("gone", "a"))
		after := start(t.Context(), l.Log, event("after", "a"))
		require.False(t, gone.done)
		cancel(nil)
		synctest.Wait()
		require.True(t, gone.done)
		require.ErrorIs(t, gone.err, context.Canceled)
		require.ErrorContains(t, gone.err, "nothing was written")
		require.False(t, before.done || after.done)
		l.release()
		for _, c := range []*call{l.leader, before, after} {
			require.True(t, c.done)
			require.NoError(t, c.err)
			require.EqualValues(t, 1, c.ev.Seq)
		}
		requireNoRun(t, l.Log, "gone")
	})
}

// TestCancelledWhileCommitted: an append whose commit has begun gets its outcome,
// whatever its context says.
func TestCancelledWhileCommitted(t *testing.T) {
	t.Parallel()
	refused := errors.New("no room")
	for _, c := range []struct {
		name   string
		answer error
	}{
		{"written", nil},
		{"not written", &driver.NotAppliedError{Err: refused}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				l := newBusy(t, t.Context(), func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
					<-gate
					if c.answer != nil {
						return nil, c.answer
					}
					return apply(context.WithoutCancel(ctx), changes)
				})
				var calls []*call
				for _, run := range []string{"one", "two", "three"} {
					calls = append(calls, start(ctx, l.Log, event(run, "a")))
				}
				l.release() // they are in the second Apply now, whoever makes it
				require.True(t, l.leader.done)
				if c.answer == nil {
					cancel()
				}
				synctest.Wait()
				for _, c := range calls {
					require.False(t, c.done)
				}
				close(gate)
				synctest.Wait()
				cancel()
				for i, run := range []string{"one", "two", "three"} {
					require.True(t, calls[i].done)
					require.ErrorIs(t, calls[i].err, c.answer)
					require.NotErrorIs(t, calls[i].err, context.Canceled)
					if c.answer == nil {
						require.Equal(t, []string{"1<0 a"}, lineage(t, l.Log, run))
					} else {
						requireNoRun(t, l.Log, run)
					}
				}
			})
		})
	}
}

// locked is an Apply that waits for a lock until release is closed, and leaves when ctx is
// done, as a driver does that shares its file with other processes.
func locked(release <-chan struct{}) func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
	return func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
		select {
		case <-release:
			return apply(ctx, changes)
		case <-ctx.Done():
			return nil, &driver.NotAppliedError{Err: ctx.Err()}
		}
	}
}

// TestCancelledBeforeTheCommit: an append leaves while its commit waits for another
// process, writes nothing, and takes none of those along that share the commit.
func TestCancelledBeforeTheCommit(t *testing.T) {
	t.Parallel()
	for _, gone := range []int{0, 1, 2, 3, 4} {
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				b := newTapped(t)
				b.onApply = locked(release)
				l := open(t, b, log.Options{})
				ctx, cancel := context.WithCancel(t.Context())
				runs := []string{"lead", "one", "two", "one", "two"}
				calls := make([]*call, len(runs))
				for i, run := range runs {
					c := t.Context()
					if i == gone {
						c = ctx
					}
					// The first waits alone; the second, or after it left the others together.
					calls[i] = start(c, l, event(run, fmt.Sprint(i)))
				}
				cancel()
				synctest.Wait()
				require.True(t, calls[gone].done)
				require.ErrorIs(t, calls[gone].err, context.Canceled)
				require.ErrorContains(t, calls[gone].err, "nothing was written")
				for i, c := range calls {
					require.Equal(t, i == gone, c.done)
				}
				close(release)
				synctest.Wait()
				for i, c := range calls {
					require.True(t, c.done)
					if i != gone {
						require.NoError(t, c.err)
					}
				}
				left := 0
				for run := range map[string]bool{"lead": true, "one": true, "two": true} {
					for ev, err := range l.History(t.Context(), run, log.HistoryOptions{HeadersOnly: true}) {
						if errors.Is(err, log.ErrNotFound) {
							break
						}
						require.NoError(t, err)
						require.NotEqual(t, fmt.Sprint(gone), ev.NodeID)
						left++
					}
				}
				require.Equal(t, len(runs)-1, left)
			})
		})
	}
}

// TestCancelledTogether: several appends that share a commit, of which some leave, also
// the one that makes it for all.
func TestCancelledTogether(t *testing.T) {
	t.Parallel()
	for mask := range 16 {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			l := newBusy(t, t.Context(), locked(release))
			ctx, cancel := context.WithCancel(t.Context())
			var calls []*call
			for i := range 4 {
				c := t.Context()
				if mask&(1<<i) != 0 {
					c = ctx
				}
				calls = append(calls, start(c, l.Log, event("run", fmt.Sprint(i))))
			}
			l.release() // now they are in one Apply
			require.True(t, l.leader.done)
			cancel()
			synctest.Wait()
			var want []string
			for i, c := range calls {
				left := mask&(1<<i) != 0
				require.Equal(t, left, c.done, "%d of %04b", i, mask)
				if left {
					require.ErrorIs(t, c.err, context.Canceled)
				} else {
					want = append(want, fmt.Sprintf("%d<%d %d", len(want)+1, len(want), i))
				}
			}
			close(release)
			synctest.Wait()
			for i, c := range calls {
				if mask&(1<<i) == 0 {
					require.True(t, c.done)
					require.NoError(t, c.err)
				}
			}
			if want == nil {
				requireNoRun(t, l.Log, "run")
				return
			}
			require.Equal(t, want, lineage(t, l.Log, "run"))
		})
	}
}

// TestDoneBeforeItsTurn: an append whose context ended before the commit began is not
// written, also if nobody has to wait for anything any more.
func TestDoneBeforeItsTurn(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			b := newTapped(t)
			gate := make(chan struct{})
			b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
				b.onApply = nil
				<-gate
				cancel() // while the next are queued, and before their commit begins
				return apply(ctx, changes)
			}
			l := open(t, b, log.Options{})
			leader := start(t.Context(), l, event("leader", "leads"))
			gone := start(ctx, l, event("gone", "a"))
			stays := start(t.Context(), l, event("stays", "a"))
			close(gate)
			synctest.Wait()
			require.NoError(t, leader.err)
			require.NoError(t, stays.err)
			require.True(t, gone.done)
			require.ErrorIs(t, gone.err, context.Canceled)
			requireNoRun(t, l, "gone")
		})
	}
}

// turning is a context that ends just after it was asked whether it did.
type turning struct {
	context.Context
	armed bool
	end   func()
}

func (c *turning) Err() error {
	err := c.Context.Err()
	if c.armed {
		c.armed = false
		c.end()
	}
	return err
}

// TestPutBackAndCancelled: an append that is put back into the queue, because another that
// shared its commit left, and whose own context ends at that moment, is not forgotten.
func TestPutBackAndCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which finds who waits for good
		first, leave := context.WithCancel(t.Context())
		inner, cancel := context.WithCancel(t.Context())
		second := &turning{Context: inner, end: func() {
			cancel()
			time.Sleep(time.Nanosecond) // so that its caller has heard
		}}
		var l *busy
		l = newBusy(t, t.Context(), func(ctx context.Context, _ []driver.Change, _ applyFunc) ([]driver.Result, error) {
			l.b.onApply = nil
			leave()
			<-ctx.Done()
			second.armed = true
			return nil, &driver.NotAppliedError{Err: ctx.Err()}
		})
		one, two := start(first, l.Log, event("one", "a")), start(second, l.Log, event("two", "a"))
		l.release()
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, second.armed)
		for _, c := range []*call{one, two} {
			require.True(t, c.done)
			require.ErrorIs(t, c.err, context.Canceled)
		}
		add(t, l.Log, event("three", "a"))
		requireNoRun(t, l.Log, "one")
		requireNoRun(t, l.Log, "two")
	})
}

// TestCancelledLeader: an append of which the context is done is not even begun.
func TestCancelledLeader(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	add(t, l, event("leader", "leads"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Append(ctx, event("leader", "again"))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"1<0 leads"}, lineage(t, l, "leader"))
}

// TestCloseWhileQueued: the commit under way ends well, those that wait are told.
func TestCloseWhileQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newBusy(t, t.Context(), func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
			t.Error("another commit")
			return nil, log.ErrClosed
		})
		var queued []*call
		for _, run := range []string{"one", "one", "two", "leader"} {
			queued = append(queued, start(t.Context(), l.Log, event(run, "a")))
		}
		closed := false
		go func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			closed = true
		}()
		synctest.Wait()
		require.False(t, closed)
		_, err := l.Append(t.Context(), event("late", "a"))
		require.ErrorIs(t, err, log.ErrClosed)
		l.release()
		require.True(t, closed)
		require.NoError(t, l.leader.err)
		for _, c := range queued {
			require.True(t, c.done)
			require.ErrorIs(t, c.err, log.ErrClosed)
		}
		_, err = l.Run(t.Context(), "leader")
		require.ErrorIs(t, err, log.ErrClosed)
		require.NoError(t, l.Close())
		other := another(t, l.b)
		require.Equal(t, []string{"1<0 leads"}, lineage(t, other, "leader"))
		for _, run := range []string{"one", "two", "late"} {
			requireNoRun(t, other, run)
		}
	})
}
