package log_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// TestPruneMeetsANewLife: a run that is deleted and begun anew while its states are
// looked for gets no note of what was to be dropped.
func TestPruneMeetsANewLife(t *testing.T) {
	t.Parallel()
	for name, prune := range map[string]func(l *log.Log, life string) error{
		"prune": func(l *log.Log, _ string) error {
			_, err := l.Prune(t.Context(), "run", []uint64{1}, "test")
			return err
		},
		"prune of": func(l *log.Log, life string) error {
			_, err := l.PruneOf(t.Context(), log.Run{ID: "run", Life: life}, []uint64{1}, "test")
			return err
		},
		"prune if": func(l *log.Log, life string) error {
			_, err := l.PruneIf(t.Context(), "run", []uint64{1}, log.PruneOptions{Life: life, May: func(log.Marks) error { return nil }})
			return err
		},
		"truncate": func(l *log.Log, _ string) error {
			_, err := l.TruncateFront(t.Context(), "run", 2, "test")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			l := open(t, b, log.Options{})
			long(t, l, "run", 3)
			run, err := l.Run(t.Context(), "run")
			require.NoError(t, err)
			begun := false
			b.onRecord = func(id string, r *driver.Record) bool {
				if id == "run" && r.Seq == 1 && !begun { // not with the head
					begun = true
					other := open(t, &tapped{Backend: b.Backend}, log.Options{})
					require.NoError(t, other.Delete(t.Context(), "run"))
					long(t, other, "run", 3)
				}
				return true
			}
			require.Error(t, prune(l, run.Life))
			require.True(t, begun)
			for n, err := range l.Notes(t.Context(), "run") {
				require.NoError(t, err)
				require.False(t, n.Covers(1), "the new life has a note of kind %q", n.Kind)
			}
		})
	}
}

// TestDropOfAnEarlierLife: what was chosen of a run that was deleted since is not dropped
// of its next life.
func TestDropOfAnEarlierLife(t *testing.T) {
	t.Parallel()
	l := open(t, erasable{newTapped(t)}, log.Options{})
	long(t, l, "run", 3)
	run, err := l.Run(t.Context(), "run")
	require.NoError(t, err)
	require.NoError(t, l.Delete(t.Context(), "run"))
	for range 3 {
		add(t, l, event("run", "a"))
	}
	_, err = l.PruneOf(t.Context(), run, []uint64{1}, "test")
	require.ErrorIs(t, err, log.ErrConflict)
	_, err = l.RedactOf(t.Context(), run, []uint64{1}, "test")
	require.ErrorIs(t, err, log.ErrConflict)
	now, err := l.Run(t.Context(), "run")
	require.NoError(t, err)
	require.Zero(t, now.Pruned)
	n, err := l.PruneOf(t.Context(), now, []uint64{1}, "test")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
