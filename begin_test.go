package checkpoint_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// beginnings are the ways to begin a run that must not exist.
var beginnings = map[string]checkpoint.AppendOption{"BeginRun": checkpoint.BeginRun(), "AfterSeq": checkpoint.AfterSeq(0)}

// TestBeginRunIsStrict: an equal first event is refused like any other, however the run has
// grown, so a queue that delivers twice does not run the whole run again.
func TestBeginRunIsStrict(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		for name, begin := range beginnings {
			s, other := st.open(t), st.open(t)
			first := small("run", 1)
			first.CreatedAt = noon
			at := appended(t, s, first, begin)
			require.Equal(t, []uint64{1, 0}, []uint64{at.Seq, at.Parent})
			require.False(t, at.Repeated)
			for n := uint64(1); n <= 6; n++ {
				for _, s := range []*checkpoint.EventStore{s, other, st.open(t)} {
					equal := small("run", 1)
					equal.CreatedAt = noon
					again := *first
					for _, c := range []*checkpoint.Checkpoint{equal, &again, throughJSON(t, first), small("run", 2)} {
						before := exported(*c)
						err := appendError(t, s, c, begin)
						require.ErrorIs(t, err, checkpoint.ErrConflict, name)
						require.ErrorContains(t, err, fmt.Sprintf("the run exists, with %d events, and must not", n))
						require.Equal(t, before, exported(*c))
						say(err)
					}
					require.ErrorIs(t, appendError(t, s, small("run", 1), begin, checkpoint.AsRoot()), checkpoint.ErrConflict)
				}
				saved(t, other, "run", "node", `2`)
			}
			require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 7)

			// Once it is deleted, it may begin again, with the same struct.
			require.NoError(t, other.Delete(t.Context(), "run"))
			at = appended(t, s, first, begin)
			require.Equal(t, []uint64{1, 0}, []uint64{at.Seq, at.Parent})
			require.ErrorIs(t, appendError(t, other, small("run", 1), begin), checkpoint.ErrConflict)
			requireIntact(t, other, "run")
			require.NoError(t, s.Delete(t.Context(), "run"))
		}
	})
}

// TestBeginRunMeetsWhatIsThere: also a run of which nothing can be recovered, or nothing of
// the beginning is left, exists.
func TestBeginRunMeetsWhatIsThere(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t, checkpoint.WithoutCompaction())
		require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "failed", NodeID: "a", Role: checkpoint.RoleFailure, Kind: checkpoint.KindNone}))
		saved(t, s, "pruned", "a", `1`)
		_, err := s.Prune(ctx, "pruned", []uint64{1}, "test")
		require.NoError(t, err)
		saved(t, s, "sealed", "a", `1`)
		saved(t, s, "truncated", "a", `1`)
		saved(t, s, "truncated", "a", `2`)
		_, err = s.TruncateFront(ctx, "truncated", 2, "test")
		require.NoError(t, err)
		_, err = s.Compact(ctx, checkpoint.CompactOptions{})
		require.NoError(t, err)
		for _, run := range []string{"failed", "pruned", "sealed", "truncated"} {
			for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
				require.ErrorIs(t, appendError(t, s, small(run, 1), checkpoint.BeginRun()), checkpoint.ErrConflict, run)
				_, err := s.Fork(ctx, "sealed", 1, run)
				require.ErrorIs(t, err, checkpoint.ErrConflict, run)
			}
		}
	})
}

// TestOneOfManyBegins: of many that begin a run with equal events, at the same time, one
// does.
func TestOneOfManyBegins(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		stores := []*checkpoint.EventStore{st.open(t), st.open(t), st.open(t)}
		const runs, each = 20, 3
		for run := range runs {
			answers := make(chan error, len(stores)*each)
			for i := range len(stores) * each {
				go func() {
					c := small(fmt.Sprint("run-", run), 1)
					c.CreatedAt = noon
					_, err := stores[i%len(stores)].Append(context.Background(), c, checkpoint.BeginRun())
					answers <- err
				}()
			}
			began := 0
			for range len(stores) * each {
				if err := <-answers; err == nil {
					began++
				} else {
					require.ErrorIs(t, err, checkpoint.ErrConflict)
				}
			}
			require.Equal(t, 1, began)
			require.EqualValues(t, 1, lastSeq(t, stores[0], fmt.Sprint("run-", run)))
		}
	})
}

func init() { children["beginner"] = beginnerChild }

// beginnerChild begins runs that others begin, too, and says which it began.
func beginnerChild(args []string) int {
	var t inChild
	s := openFile(t, "sqlite", args[0], checkpoint.WithDurability(checkpoint.DurabilityOff))
	for i := range 200 {
		c := small(fmt.Sprint("run-", i), 1)
		c.CreatedAt = noon
		if _, err := s.Append(context.Background(), c, checkpoint.BeginRun()); err == nil {
			fmt.Println(c.RunID)
		} else {
			require.ErrorIs(t, err, checkpoint.ErrConflict)
		}
	}
	require.NoError(t, s.Close())
	return 0
}

// TestOneOfManyProcessesBegins: so it is among processes that share a file.
func TestOneOfManyProcessesBegins(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	require.NoError(t, openFile(t, "sqlite", path).Close())
	var outputs [3]bytes.Buffer
	var wait [len(outputs)]func() error
	for i := range outputs {
		cmd := child(t, "beginner", path)
		cmd.Stdout = &outputs[i]
		require.NoError(t, cmd.Start())
		wait[i] = cmd.Wait
	}
	began := map[string]int{}
	for i := range outputs {
		require.NoError(t, wait[i]())
		for line := range strings.Lines(outputs[i].String()) {
			began[strings.TrimSpace(line)]++
		}
	}
	require.Len(t, began, 200)
	for run, n := range began {
		require.Equal(t, 1, n, run)
	}
}
