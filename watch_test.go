package checkpoint_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// watching is a Watch in a goroutine of its own, an event at a time.
type watching struct {
	t      *testing.T
	events chan string
	cancel context.CancelFunc
}

// watch begins a Watch and returns when it has begun: what is saved from then on is
// new to it.
func watch(t *testing.T, s *checkpoint.EventStore, opts checkpoint.WatchOptions) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t: t, events: make(chan string), cancel: cancel}
	t.Cleanup(cancel)
	if opts.Every == 0 {
		opts.Every = time.Millisecond
	}
	from := opts.From
	saved(t, s, "begun", "node", `1`)
	if from == 0 && opts.Run == "" { // an event that is new shows that it has begun
		go w.run(ctx, s, opts)
		for n := 2; ; n++ {
			saved(t, s, "begun", "node", `1`)
			select {
			case got := <-w.events:
				for last := fmt.Sprint("begun@", n, " 1"); got != last; got = <-w.events {
				}
				return w
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	go w.run(ctx, s, opts)
	return w
}

func (w *watching) run(ctx context.Context, s *checkpoint.EventStore, opts checkpoint.WatchOptions) {
	for ev, err := range s.Watch(ctx, opts) {
		text := ""
		if err != nil {
			text = err.Error()
		} else {
			text = fmt.Sprintf("%s@%d %.20s", ev.RunID, ev.Seq, ev.State)
		}
		select {
		case w.events <- text:
		case <-ctx.Done():
		}
	}
	close(w.events)
}

// want expects events, in this order.
func (w *watching) want(events ...string) {
	w.t.Helper()
	for _, want := range events {
		require.Equal(w.t, want, <-w.events)
	}
}

func TestWatchARun(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := t.Context()
		s, other := st.open(t), st.open(t)
		w := watch(t, s, checkpoint.WatchOptions{Run: "run", From: 2})
		for i := range 3 {
			saved(t, other, "run", "node", fmt.Sprint(i+1))
		}
		saved(t, s, "other", "node", `1`)
		if got := <-w.events; got == "run@1 1" { // it began later than the watch
			w.want("run@2 2")
		}
		w.want("run@3 3")
		saved(t, s, "run", "node", filler(9000)) // and by the same store
		require.Contains(t, <-w.events, "run@4 ")
		_, err := s.Prune(ctx, "run", []uint64{1}, "test") // nothing that is told
		require.NoError(t, err)
		_, err = s.Compact(ctx, checkpoint.CompactOptions{})
		require.NoError(t, err)
		saved(t, other, "run", "node", `5`)
		w.want("run@5 5")

		require.NoError(t, other.Delete(ctx, "run"))
		saved(t, other, "run", "node", `"anew"`)
		w.want(`run@1 "anew"`)
		require.NoError(t, other.Delete(ctx, "run"))
		for i := range 8 { // more than it had
			saved(t, other, "run", "node", fmt.Sprint(i+1))
		}
		for i := range 8 {
			w.want(fmt.Sprintf("run@%d %d", i+1, i+1))
		}
	})
}

func TestWatchFromTheBeginning(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t, checkpoint.WithoutCompaction())
		for i := range 300 {
			saved(t, s, "run", "node", fmt.Sprint(i+1))
		}
		_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
		require.NoError(t, err)
		for i := range 10 {
			saved(t, s, "run", "node", fmt.Sprint(i+301))
		}
		w := watch(t, s, checkpoint.WatchOptions{Run: "run", From: 1})
		for i := range 310 {
			w.want(fmt.Sprintf("run@%d %d", i+1, i+1))
		}
		saved(t, s, "run", "node", `"more"`)
		w.want(`run@311 "more"`)
		w = watch(t, s, checkpoint.WatchOptions{Run: "run", From: 311, HeadersOnly: true})
		w.want("run@311 ")
	})
}

func TestWatchAllRuns(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := t.Context()
		s, other := st.open(t), st.open(t)
		for i := range 100 {
			saved(t, s, fmt.Sprint("old-", i), "node", `1`)
		}
		w := watch(t, s, checkpoint.WatchOptions{})
		saved(t, other, "old-3", "node", `2`)
		w.want("old-3@2 2")
		saved(t, other, "new", "node", `1`)
		w.want("new@1 1")
		saved(t, s, "new", "node", `2`)
		w.want("new@2 2")
		require.NoError(t, other.Delete(ctx, "old-4"))
		require.NoError(t, other.Delete(ctx, "old-5"))
		saved(t, other, "old-5", "node", `"anew"`)
		w.want(`old-5@1 "anew"`)

		// Of many at once each comes, in the order of its run.
		const runs, each = 60, 5
		for n := range each {
			for i := range runs {
				saved(t, other, fmt.Sprint("burst-", i), "node", fmt.Sprint(n+1))
			}
		}
		next := map[string]int{}
		for range runs * each {
			var run string
			var seq, n int
			_, err := fmt.Sscanf(strings.Replace(<-w.events, "@", " ", 1), "%s %d %d", &run, &seq, &n)
			require.NoError(t, err)
			next[run]++
			require.Equal(t, []int{next[run], next[run]}, []int{seq, n}, run)
		}
		require.Len(t, next, runs)

		// From the beginning there is the rest as well.
		w = watch(t, s, checkpoint.WatchOptions{From: 1})
		all := map[string]bool{}
		for range 99 + 1 + 2 + runs*each { // old, one more of them, new, burst
			for {
				got := <-w.events
				if !strings.HasPrefix(got, "begun@") {
					require.False(t, all[got], got)
					all[got] = true
					break
				}
			}
		}
		require.True(t, all["old-99@1 1"] && all["burst-59@5 5"] && all["old-3@2 2"])
	})
}

// TestWatchGoesOnFromWhatWasSeen holds that nothing is lost or given twice between a
// look at all runs and a Watch that begins later.
func TestWatchGoesOnFromWhatWasSeen(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		saved(t, s, "a", "node", `1`)
		saved(t, s, "b", "node", `1`)
		seen := map[string]checkpoint.Position{"a": {Seq: 1}, "b": {Seq: 1}, "anew": {Seq: 3}, "begun": {Seq: 1}}
		saved(t, s, "b", "node", `2`)
		saved(t, s, "c", "node", `1`)
		saved(t, s, "anew", "node", `1`) // it had three events, and was deleted
		w := watch(t, s, checkpoint.WatchOptions{From: 1, Seen: seen})
		w.want("anew@1 1", "b@2 2", "c@1 1")
		saved(t, s, "a", "node", `2`)
		w.want("a@2 2")
		saved(t, s, "c", "node", `2`)
		w.want("c@2 2")
		one := watch(t, s, checkpoint.WatchOptions{Run: "anew", Seen: seen})
		one.want("anew@1 1")
		saved(t, s, "anew", "node", `2`)
		one.want("anew@2 2")
	})
}

func TestWatchEnds(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t, checkpoint.WithoutCompaction())
		saved(t, s, "run", "node", `1`)

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for ev, err := range s.Watch(ctx, checkpoint.WatchOptions{From: 1}) {
			if last = err; err == nil {
				require.EqualValues(t, 1, ev.Seq)
				cancel()
			}
		}
		require.ErrorIs(t, last, context.Canceled)

		for range s.Watch(t.Context(), checkpoint.WatchOptions{Run: "run", From: 1}) {
			break
		}

		for _, err := range s.Watch(t.Context(), checkpoint.WatchOptions{Run: "a\x00b"}) {
			require.ErrorIs(t, err, checkpoint.ErrInvalid)
		}

		for _, run := range []string{"", "run", "nobody"} {
			s := st.open(t, checkpoint.WithoutCompaction())
			w := watch(t, s, checkpoint.WatchOptions{Run: run, From: 1})
			if run == "run" {
				w.want("run@1 1")
			}
			go s.Close()
			last := ""
			for text := range w.events {
				last = text
			}
			require.True(t, strings.HasSuffix(last, checkpoint.ErrClosed.Error()), last) // it may have been reading
			for _, err := range s.Watch(t.Context(), checkpoint.WatchOptions{Run: run}) {
				require.ErrorIs(t, err, checkpoint.ErrClosed)
			}
		}
	})
}

// TestWatchWaits holds that what is saved comes by the next look, that nothing is done
// in between, and that nothing goes on when it has ended: a bubble waits for all
// goroutines.
func TestWatchWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &countingBackend{Backend: memory.New()}
		s, err := checkpoint.Open(b, checkpoint.WithoutCompaction())
		require.NoError(t, err)
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		came := make(chan time.Time)
		go func() {
			defer close(came)
			for _, err := range s.Watch(ctx, checkpoint.WatchOptions{}) {
				if err != nil {
					return
				}
				came <- time.Now()
			}
		}()
		synctest.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.EqualValues(t, 1, b.heads.Load(), "nothing was written, so nothing is looked at again")
		for range 10 {
			time.Sleep(17 * time.Millisecond)
			saved(t, s, "run", "node", `1`)
			at := time.Now()
			require.LessOrEqual(t, (<-came).Sub(at), 50*time.Millisecond)
		}
		cancel()
		_, more := <-came
		require.False(t, more)
	})
}

// countingBackend counts what is asked of it.
type countingBackend struct {
	*memory.Backend
	heads atomic.Int64
}

func (b *countingBackend) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	b.heads.Add(1)
	return b.Backend.Heads(ctx, req)
}

// TestWatchLeavesOutTheDamaged holds that a run that can't be read does not keep the
// others from being followed.
func TestWatchLeavesOutTheDamaged(t *testing.T) {
	t.Parallel()
	b := memory.New()
	damaged := &damagedBackend{Backend: b}
	s, err := checkpoint.Open(damaged, checkpoint.WithoutCompaction())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	saved(t, s, "bad", "node", filler(100))
	saved(t, s, "good", "node", `1`)
	damaged.run = "bad"

	w := watch(t, s, checkpoint.WatchOptions{From: 1})
	got := <-w.events
	require.Contains(t, got, `run "bad" seq 1: corrupt`)
	for got = range w.events {
		if !strings.HasPrefix(got, "begun@") {
			break
		}
	}
	require.Equal(t, "good@1 1", got)
	saved(t, s, "bad", "node", `2`)
	saved(t, s, "good", "node", `2`)
	w.want("good@2 2")

	w = watch(t, s, checkpoint.WatchOptions{Run: "bad", From: 1})
	require.Contains(t, <-w.events, `run "bad" seq 1: corrupt`)
	_, more := <-w.events
	require.False(t, more)
}

// damagedBackend returns damaged states of a run. It has no Version.
type damagedBackend struct {
	driver.Backend
	run string
}

func (b *damagedBackend) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	recs, err := b.Backend.Records(ctx, req)
	for i := range recs {
		if req.Run == b.run && len(recs[i].State) > 0 {
			recs[i].State[0] ^= 1
		}
	}
	return recs, err
}

func init() { children["watched"] = watchedChild }

// watchedChild saves events, of which each says when it was saved.
func watchedChild(args []string) int {
	var t inChild
	s, err := checkpoint.NewSQLiteStore(args[0])
	require.NoError(t, err)
	for range 20 {
		c := &checkpoint.Checkpoint{RunID: "live", NodeID: "node", State: fmt.Appendf(nil, `%d`, time.Now().UnixNano())}
		require.NoError(t, s.Save(context.Background(), c))
		time.Sleep(70 * time.Millisecond)
	}
	require.NoError(t, s.Close())
	return 0
}

// TestWatchAnotherProcess follows a run that another process writes, through a store
// that is opened for looking only.
func TestWatchAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	s, err := checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s, err = checkpoint.NewSQLiteStore(path, checkpoint.WithReadOnly())
	require.NoError(t, err)
	defer s.Close()
	cmd := child(t, "watched", path)
	require.NoError(t, cmd.Start())
	var slowest time.Duration
	for ev, err := range s.Watch(t.Context(), checkpoint.WatchOptions{From: 1}) {
		require.NoError(t, err)
		var at int64
		require.NoError(t, ev.Decode(&at))
		slowest = max(slowest, time.Since(time.Unix(0, at)))
		if ev.Seq == 20 {
			break
		}
	}
	require.NoError(t, cmd.Wait())
	t.Logf("the slowest of 20 events came %v after its Save began", slowest)
}
