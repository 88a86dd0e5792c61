package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func TestBranches(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for range 3 {
			saved(t, s, "run", "trunk", filler(6000))
		}
		left := savedAfter(t, s, "run", "left", filler(6001), 1)
		right := savedAfter(t, s, "run", "right", filler(6002), 1)
		require.EqualValues(t, 4, left.Seq)
		require.EqualValues(t, 5, right.Seq)
		require.EqualValues(t, 1, left.Parent)
		require.EqualValues(t, 1, right.Parent)
		require.NoError(t, s.Save(ctx, left), "the left line goes on")
		require.EqualValues(t, 6, left.Seq)
		require.EqualValues(t, 4, left.Parent)
		next := saved(t, s, "run", "next", `1`)
		require.EqualValues(t, 6, next.Parent, "without a Seq it continues from the newest")
		for _, ev := range events(t, st.open(t), "run", checkpoint.HistoryOptions{}) {
			say(ev)
		}
		requireIntact(t, s, "run")
	})
}

func TestSaveAfterAnEventThatIsNotThere(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`1`), Seq: 1, CreatedAt: noon}
		err := s.Save(ctx, c)
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		say(err)
		require.EqualValues(t, 1, c.Seq, "a failed Save changes nothing in the struct")
		saved(t, s, "run", "node", `1`)
		c.Seq = 7
		err = s.Save(ctx, c)
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		require.ErrorContains(t, err, `run "run" seq 7`)
		require.ErrorContains(t, err, "the run's last seq is 1")
		say(err)
		require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 1)
	})
}

func TestAsRoot(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t)
		for i := range 3 {
			c := saved(t, s, "run", "node", `1`)
			require.EqualValues(t, max(0, 2*i), c.Parent)
			c.Seq, c.State = uint64(i), json.RawMessage(fmt.Sprint(i)) // AsRoot has the last word over Seq
			appended(t, s, c, checkpoint.AsRoot())
			require.EqualValues(t, 2*i+2, c.Seq)
			require.Zero(t, c.Parent)
			say(c)
		}
		requireIntact(t, s, "run")
	})
}

func TestNewestIsByOrderNotByClock(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i := range 4 { // the clock goes backwards
			c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(fmt.Sprint(i)), CreatedAt: noon.Add(-time.Duration(i) * time.Hour)}
			require.NoError(t, s.Save(ctx, c))
		}
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			c, err := s.Load(ctx, "run")
			require.NoError(t, err)
			require.EqualValues(t, 4, c.Seq)
			c, err = s.LoadNode(ctx, "run", "node")
			require.NoError(t, err)
			require.EqualValues(t, 4, c.Seq)
			list, err := s.List("run")
			require.NoError(t, err)
			for i, c := range list {
				require.EqualValues(t, i+1, c.Seq)
				say(c)
			}
		}
	})
}

// TestTwoWritersInterleave: who saves with Seq 0 continues from the run's newest event as
// the store holds it, whatever was read or written by the same handle. Each event names
// its writer.
func TestTwoWritersInterleave(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		a := st.open(t)
		saved(t, a, "run", "start", filler(5000))
		b := st.open(t)
		for i := range uint64(5) {
			ours := saved(t, a, "run", "a", filler(5002+int(i)))
			require.Equal(t, []uint64{2*i + 2, 2*i + 1}, []uint64{ours.Seq, ours.Parent})
			theirs := saved(t, b, "run", "b", filler(5100+int(i)))
			require.Equal(t, []uint64{2*i + 3, 2*i + 2}, []uint64{theirs.Seq, theirs.Parent})
			say(ours, theirs)
		}
		writers := map[string][]string{} // words by node
		for _, ev := range events(t, st.open(t), "run", checkpoint.HistoryOptions{}) {
			require.NotEmpty(t, ev.Writer)
			if !slices.Contains(writers[ev.NodeID], ev.Writer) {
				writers[ev.NodeID] = append(writers[ev.NodeID], ev.Writer)
			}
		}
		require.Len(t, writers["a"], 1)
		require.Len(t, writers["b"], 1)
		require.Equal(t, writers["start"], writers["a"])
		require.NotEqual(t, writers["a"], writers["b"])
		requireIntact(t, a, "run")
		requireIntact(t, st.open(t), "run")
	})
}

// TestManyWritersAtOnce: however many save with Seq 0, together or not, all that they save
// is on one line.
func TestManyWritersAtOnce(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		stores := []*checkpoint.EventStore{st.open(t), st.open(t)}
		const writers, each = 6, 25
		done := make(chan error, writers)
		for w := range writers {
			go func() {
				var err error
				for i := 0; i < each && err == nil; i++ {
					c := small("run", i)
					if err = stores[w%len(stores)].Save(context.Background(), c); err == nil && c.Parent != c.Seq-1 {
						err = fmt.Errorf("seq %d continues from %d", c.Seq, c.Parent)
					}
				}
				done <- err
			}()
		}
		for range writers {
			require.NoError(t, <-done)
		}
		all := events(t, st.open(t), "run", checkpoint.HistoryOptions{})
		require.Len(t, all, writers*each)
		for _, ev := range all {
			require.Equal(t, ev.Seq-1, ev.Parent)
		}
		requireIntact(t, stores[0], "run")
	})
}

// TestTwoWritersThatContinueFromTheirOwn make two branches, which everybody can see.
func TestTwoWritersThatContinueFromTheirOwn(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		a, b := st.open(t), st.open(t)
		ours := saved(t, a, "run", "start", filler(5000))
		theirs, err := b.Load(ctx, "run")
		require.NoError(t, err)
		for i := range uint64(5) {
			ours.NodeID, ours.State, ours.CreatedAt = "a", json.RawMessage(filler(5002+int(i))), noon
			require.NoError(t, a.Save(ctx, ours))
			require.Equal(t, []uint64{2*i + 2, max(1, 2*i)}, []uint64{ours.Seq, ours.Parent})
			theirs.NodeID, theirs.State, theirs.CreatedAt = "b", json.RawMessage(filler(5100+int(i))), noon
			require.NoError(t, b.Save(ctx, theirs))
			require.Equal(t, []uint64{2*i + 3, max(1, 2*i+1)}, []uint64{theirs.Seq, theirs.Parent})
			say(ours, theirs)
		}
		requireIntact(t, st.open(t), "run")
		newest, err := a.Load(ctx, "run")
		require.NoError(t, err)
		require.Equal(t, "b", newest.NodeID, "the run stands on the line of its newest event")
	})
}

// TestReadsChangeNothing: a save continues from the newest event, whatever was looked at
// before, and by which handle.
func TestReadsChangeNothing(t *testing.T) {
	reads := map[string]func(*checkpoint.EventStore) error{
		"nothing":  func(*checkpoint.EventStore) error { return nil },
		"Load":     func(s *checkpoint.EventStore) error { _, err := s.Load(t.Context(), "run"); return err },
		"LoadSeq":  func(s *checkpoint.EventStore) error { _, err := s.LoadSeq(t.Context(), "run", 1); return err },
		"LoadNode": func(s *checkpoint.EventStore) error { _, err := s.LoadNode(t.Context(), "run", "start"); return err },
		"visit":    func(s *checkpoint.EventStore) error { _, err := s.LoadNode(t.Context(), "run", "b#1"); return err },
		"at": func(s *checkpoint.EventStore) error {
			_, err := s.LoadNodeAt(t.Context(), "run", "b", checkpoint.Position{Seq: 2})
			return err
		},
		"Nodes": func(s *checkpoint.EventStore) error {
			_, err := s.Nodes(t.Context(), "run", checkpoint.Position{})
			return err
		},
		"List": func(s *checkpoint.EventStore) error { _, err := s.List("run"); return err },
		"Resume": func(s *checkpoint.EventStore) error {
			_, err := checkpoint.ResumeFrom[int](t.Context(), s, "run", "start")
			return err
		},
		"History": func(s *checkpoint.EventStore) error {
			for _, err := range s.History(t.Context(), "run", checkpoint.HistoryOptions{To: 1}) {
				return err
			}
			return nil
		},
		"Watch": func(s *checkpoint.EventStore) error {
			for _, err := range s.Watch(t.Context(), checkpoint.WatchOptions{Run: "run", From: 1}) {
				return err
			}
			return nil
		},
		"a conflict": func(s *checkpoint.EventStore) error {
			require.ErrorIs(t, appendError(t, s, small("run", 1), checkpoint.AfterSeq(1)), checkpoint.ErrConflict)
			return nil
		},
	}
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		for name, read := range reads {
			a, b := st.open(t), st.open(t)
			saved(t, a, "run", "start", `1`)
			saved(t, b, "run", "b", `2`)
			saved(t, b, "run", "b", `3`)
			for _, s := range []*checkpoint.EventStore{a, b, st.open(t)} {
				last := lastSeq(t, s, "run")
				require.NoError(t, read(s), name)
				c := saved(t, s, "run", "next", `4`)
				require.Equal(t, []uint64{last + 1, last}, []uint64{c.Seq, c.Parent}, name)
			}
			require.NoError(t, a.Delete(t.Context(), "run"))
		}
	})
}

func TestTwoWritersBeginTheSameRun(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		a, b := st.open(t), st.open(t)
		for _, s := range []*checkpoint.EventStore{a, b} {
			_, err := s.Load(ctx, "run")
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
		}
		require.EqualValues(t, 1, saved(t, a, "run", "a", `1`).Seq)
		require.EqualValues(t, 2, saved(t, b, "run", "b", `2`).Seq)
		require.EqualValues(t, 3, saved(t, b, "run", "b", `3`).Seq)
		requireIntact(t, a, "run")
	})
}

// TestASmallCacheChangesNothing: what a save continues from does not depend on what a
// store has room to remember.
func TestASmallCacheChangesNothing(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		for _, cache := range []int64{1, 1 << 20} {
			run := fmt.Sprint("run-", cache)
			a, b := st.open(t, checkpoint.WithCacheBytes(cache)), st.open(t)
			own := saved(t, a, run, "a", filler(5000))
			saved(t, b, run, "b", filler(5001))
			for i := range 20 { // a works on other runs
				saved(t, a, fmt.Sprint("other-", i), "a", filler(5000))
			}
			c := saved(t, a, run, "a", filler(5002))
			require.Equal(t, []uint64{3, 2}, []uint64{c.Seq, c.Parent})
			own.State = json.RawMessage(filler(5003))
			require.NoError(t, a.Save(context.Background(), own))
			require.Equal(t, []uint64{4, 1}, []uint64{own.Seq, own.Parent}, "who continues from what he has goes aside")
			requireIntact(t, a, run)
		}
	})
}
