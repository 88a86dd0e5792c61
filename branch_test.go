package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
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

func TestTwoWritersMakeTwoBranches(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		a := st.open(t)
		saved(t, a, "run", "start", filler(5000))
		b := st.open(t)
		first := saved(t, b, "run", "b", filler(5001))
		require.EqualValues(t, 1, first.Parent, "b has never seen the run and continues from its newest")
		for i := range uint64(5) { // each goes on from its own last
			ours := saved(t, a, "run", "a", filler(5002+int(i)))
			require.Equal(t, 2*i+3, ours.Seq)
			require.Equal(t, max(1, 2*i+1), ours.Parent)
			theirs := saved(t, b, "run", "b", filler(5100+int(i)))
			require.Equal(t, 2*i+4, theirs.Seq)
			require.Equal(t, 2*i+2, theirs.Parent)
			say(ours, theirs)
		}
		requireIntact(t, a, "run")
		requireIntact(t, st.open(t), "run")
	})
}

func TestWhoLoadsTheNewestContinuesFromIt(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		a, b := st.open(t), st.open(t)
		saved(t, a, "run", "start", `1`)
		saved(t, b, "run", "b", `2`)
		saved(t, b, "run", "b", `3`)
		newest, err := a.Load(ctx, "run")
		require.NoError(t, err)
		require.EqualValues(t, 3, newest.Seq)
		c := saved(t, a, "run", "a", `4`)
		require.EqualValues(t, 4, c.Seq)
		require.EqualValues(t, 3, c.Parent)
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

// TestACacheThatIsFullForgetsNoBranch holds that what a store continues from does
// not depend on what it has room to remember.
func TestACacheThatIsFullForgetsNoBranch(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		a, b := st.open(t, checkpoint.WithCacheBytes(1)), st.open(t)
		saved(t, a, "run", "a", filler(5000))
		saved(t, b, "run", "b", filler(5001))
		for i := range 20 { // a works on other runs
			saved(t, a, fmt.Sprint("other-", i), "a", filler(5000))
		}
		c := saved(t, a, "run", "a", filler(5002))
		require.EqualValues(t, 3, c.Seq)
		require.EqualValues(t, 1, c.Parent, "a has never seen b's event")
	})
}
