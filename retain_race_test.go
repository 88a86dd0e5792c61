package checkpoint_test

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// TestPlanMeetsOthers has somebody else, with a store of his own, do something just
// before or just after the transaction that drops states or a run: who was told that
// something is kept finds it kept.
func TestPlanMeetsOthers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	keep := []checkpoint.Policy{compaction.KeepLast(1), compaction.KeepLabelled("gold", "")}
	drop := []checkpoint.Policy{compaction.DropRunsIdle(time.Hour), compaction.KeepLabelled("gold", "")}
	pin := func(s *checkpoint.EventStore) error { return s.Pin(ctx, "run", 5) }
	pinRun := func(s *checkpoint.EventStore) error { return s.Pin(ctx, "run", 0) }
	label := func(s *checkpoint.EventStore) error { return s.Label(ctx, "run", 5, "gold", "yes") }
	const pruning, sealed, hiding = "11 rewritten", "1 sealed, 1 retired", "0 appended, 0 rewritten, 0 sealed"
	for name, c := range map[string]struct {
		policies []checkpoint.Policy
		sealed   bool
		at       string
		other    func(*checkpoint.EventStore) error
		err      error // that the other gets
		skipped  error
		left     int // events with states in the end
	}{
		"a pin before":                    {keep, false, "before apply to \"run\": 0 appended, " + pruning, pin, nil, checkpoint.ErrConflict, 11},
		"a pin after":                     {keep, false, "after apply to \"run\": 0 appended, " + pruning, pin, checkpoint.ErrPruned, nil, 1},
		"a pin of the run before":         {keep, false, "before apply to \"run\": 0 appended, " + pruning, pinRun, nil, checkpoint.ErrConflict, 11},
		"a label before":                  {keep, false, "before apply to \"run\": 0 appended, " + pruning, label, nil, checkpoint.ErrConflict, 11},
		"an event before":                 {keep, false, "before apply to \"run\": 0 appended, " + pruning, one, nil, nil, 2},
		"sealed, a pin before":            {keep, true, sealed, pin, nil, checkpoint.ErrConflict, 11},
		"sealed, a label before":          {keep, true, sealed, label, nil, checkpoint.ErrConflict, 11},
		"sealed, an event before":         {keep, true, sealed, one, nil, nil, 2},
		"a pin before dropping":           {drop, false, "before apply to \"run\": " + hiding, pin, nil, checkpoint.ErrConflict, 11},
		"a pin of the run before it":      {drop, true, "before apply to \"run\": " + hiding, pinRun, nil, checkpoint.ErrConflict, 11},
		"a label before dropping":         {drop, false, "before apply to \"run\": " + hiding, label, nil, checkpoint.ErrConflict, 11},
		"an event before dropping":        {drop, false, "before apply to \"run\": " + hiding, one, nil, checkpoint.ErrConflict, 12},
		"sealed, an event before it":      {drop, true, "before apply to \"run\": " + hiding, one, nil, checkpoint.ErrConflict, 12},
		"a pin after dropping":            {drop, false, "after apply to \"run\": " + hiding, pin, checkpoint.ErrNotFound, nil, 0},
		"an event after dropping":         {drop, false, "after apply to \"run\": " + hiding, one, nil, nil, 1},
		"a pinned event after dropping":   {drop, false, "after apply to \"run\": " + hiding, func(s *checkpoint.EventStore) error { return cmp.Or(one(s), s.Pin(ctx, "run", 1)) }, nil, nil, 1},
		"sealed, an event after dropping": {drop, true, "after apply to \"run\": " + hiding, one, nil, nil, 1},
		"deleted before dropping":         {drop, false, "before apply to \"run\": " + hiding, func(s *checkpoint.EventStore) error { return s.Delete(ctx, "run") }, nil, checkpoint.ErrNotFound, 0},
		"made anew before dropping":       {drop, false, "before apply to \"run\": " + hiding, again, nil, checkpoint.ErrConflict, 10},
		"made anew before pruning":        {keep, false, "before apply to \"run\": 0 appended, " + pruning, again, nil, checkpoint.ErrNotFound, 10},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, open := range map[string]func(path string) (driver.Backend, error){
				"memory": func(string) (driver.Backend, error) { return memory.New(), nil },
				"sqlite": disks["sqlite"].open, "bolt": disks["bolt"].open,
			} {
				t.Run(kind, func(t *testing.T) {
					t.Parallel()
					b, err := open(filepath.Join(t.TempDir(), "checkpoints.db"))
					require.NoError(t, err)
					defer b.Close()
					opts := []checkpoint.Option{checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(1000)}
					other, err := checkpoint.Open(keptBackend{b}, append(opts, atNoon)...)
					require.NoError(t, err)
					defer other.Close()
					loop(t, other, "run", 11)
					if c.sealed {
						_, err := other.Compact(ctx, checkpoint.CompactOptions{})
						require.NoError(t, err)
					}
					met, on := 0, false
					var otherErr error
					var marks checkpoint.Marks // that the other has made
					s, err := checkpoint.Open(keptBackend{&failpoints{Backend: b, point: func(name string) error {
						if !on || met > 0 || !strings.Contains(name, c.at) {
							return nil
						}
						met++
						otherErr = c.other(other)
						marks, _ = other.Marks(ctx, "run") // none if there is no such run
						return nil
					}}}, opts...)
					require.NoError(t, err)
					defer s.Close()
					plan, err := s.Plan(ctx, c.policies...)
					require.NoError(t, err)
					on = true
					res, err := s.RunPlan(ctx, plan, checkpoint.PlanOptions{})
					require.NoError(t, err)
					require.Equal(t, 1, met, "the transaction is made")
					require.ErrorIs(t, otherErr, c.err)
					if c.skipped == nil {
						require.Empty(t, res.Skipped)
					} else {
						require.Len(t, res.Skipped, 1)
						require.ErrorIs(t, res.Skipped[0].Err, c.skipped)
						require.Zero(t, res.Events)
						require.Zero(t, res.Dropped)
					}
					left := 0
					if _, err := s.Run(ctx, "run"); err == nil {
						rep := requireIntact(t, s, "run")
						left = int(rep.Events - rep.Pruned)
						have, err := s.Marks(ctx, "run")
						require.NoError(t, err)
						require.Equal(t, marks, have)
					}
					require.Equal(t, c.left, left)
				})
			}
		})
	}
}

// TestLabelMeetsANewLife: a label is given to the event of that seq of the run as it is
// when that is made durable, with what a new life of the run was told before.
func TestLabelMeetsANewLife(t *testing.T) {
	t.Parallel()
	labelled, pinned := checkpoint.Mark{Labels: map[string]string{"a": "b"}}, checkpoint.Mark{Pinned: true}
	for at, c := range map[string]struct {
		seq  uint64
		err  error
		want map[uint64]checkpoint.Mark
	}{
		"before": {1, nil, map[uint64]checkpoint.Mark{1: labelled, 10: pinned}},
		"after":  {1, nil, map[uint64]checkpoint.Mark{10: pinned}},
		"before, of an event that the new life has not": {11, checkpoint.ErrNotFound, map[uint64]checkpoint.Mark{10: pinned}},
	} {
		for kind, d := range disks {
			t.Run(at+", "+kind, func(t *testing.T) {
				t.Parallel()
				ctx := context.Background()
				b, err := d.open(filepath.Join(t.TempDir(), "checkpoints.db"))
				require.NoError(t, err)
				defer b.Close()
				other, err := checkpoint.Open(keptBackend{b}, checkpoint.WithoutCompaction())
				require.NoError(t, err)
				defer other.Close()
				for range 11 {
					require.NoError(t, one(other))
				}
				met, when := false, strings.Split(at, ",")[0]
				s, err := checkpoint.Open(keptBackend{&failpoints{Backend: b, point: func(name string) error {
					if !met && strings.HasPrefix(name, when) && strings.Contains(name, "noted true") {
						met = true
						require.NoError(t, again(other))
						require.NoError(t, other.Pin(ctx, "run", 10))
					}
					return nil
				}}}, checkpoint.WithoutCompaction())
				require.NoError(t, err)
				defer s.Close()
				require.ErrorIs(t, s.Label(ctx, "run", c.seq, "a", "b"), c.err)
				require.True(t, met)
				m, err := s.Marks(ctx, "run")
				require.NoError(t, err)
				require.Equal(t, checkpoint.Marks{Events: c.want}, m)
				requireIntact(t, s, "run")
			})
		}
	}
}
