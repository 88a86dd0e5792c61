package checkpoint_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/log"
)

func TestPrune(t *testing.T) {
	choices := map[string][]uint64{
		"the newest":       {100},
		"what others need": {1, 2, 3, 50, 99},
		"all but one":      nil,
		"many":             {5, 6, 7, 8, 9, 10, 90, 91, 92, 20, 30, 5, 5},
	}
	for i := range uint64(100) {
		if i != 40 {
			choices["all but one"] = append(choices["all but one"], i+1)
		}
	}
	for name, choice := range choices {
		t.Run(name, func(t *testing.T) {
			onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
				ctx := context.Background()
				s := st.open(t)
				states := loop(t, s, "run", 100)
				before := events(t, s, "run", checkpoint.HistoryOptions{HeadersOnly: true})
				head := requireIntact(t, s, "run").Head

				at := time.Now()
				unknown := append(slices.Clone(choice), 0, 101, 1<<40)
				n, err := s.Prune(ctx, "run", unknown, "a reason")
				require.NoError(t, err)
				gone := map[uint64]bool{}
				for _, seq := range choice {
					gone[seq] = true
				}
				require.Equal(t, len(gone), n)

				for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
					requirePruned(t, s, "run", states, gone, at)
					rep := requireIntact(t, s, "run")
					require.Equal(t, head, rep.Head)
					require.EqualValues(t, len(gone), rep.Pruned)
					for i, ev := range events(t, s, "run", checkpoint.HistoryOptions{HeadersOnly: true}) {
						require.Equal(t, before[i].Hash, ev.Hash)
						require.Equal(t, before[i].SHA256, ev.SHA256)
						require.Equal(t, before[i].Checkpoint, ev.Checkpoint, "headers stay as they were")
					}
				}
				n, err = s.Prune(ctx, "run", choice, "again")
				require.NoError(t, err)
				require.Zero(t, n, "what is pruned is passed over")
				requirePruned(t, s, "run", states, gone, at)

				states = append(states, filler(9000))
				next := saved(t, s, "run", "next", states[101])
				require.EqualValues(t, 101, next.Seq)
				require.EqualValues(t, 100, next.Parent)
				requirePruned(t, st.open(t), "run", states, gone, at)
				requireIntact(t, s, "run")
				for _, ev := range events(t, st.open(t), "run", checkpoint.HistoryOptions{}) {
					say(ev)
				}
			})
		})
	}
}

// requirePruned checks that exactly the states of gone are not there, in whatever
// way they are asked for.
func requirePruned(t *testing.T, s *checkpoint.EventStore, run string, states []string, gone map[uint64]bool, after time.Time) {
	t.Helper()
	requirePrunedBy(t, s, run, states, gone, after, "a reason")
}

func requirePrunedBy(t *testing.T, s *checkpoint.EventStore, run string, states []string, gone map[uint64]bool, after time.Time, policy string) {
	t.Helper()
	ctx := context.Background()
	var left []uint64
	for _, ev := range events(t, s, run, checkpoint.HistoryOptions{}) {
		require.Equal(t, gone[ev.Seq], ev.Pruned)
		require.EqualValues(t, len(states[ev.Seq]), ev.Size)
		c, err := s.LoadSeq(ctx, run, ev.Seq)
		if !ev.Pruned {
			left = append(left, ev.Seq)
			require.NoError(t, err)
			require.True(t, states[ev.Seq] == string(c.State), "seq %d is another state", ev.Seq)
			require.True(t, states[ev.Seq] == string(ev.State), "seq %d is another state", ev.Seq)
			continue
		}
		require.Nil(t, ev.State)
		require.Equal(t, "pruned", ev.Encoding.String())
		require.ErrorIs(t, err, checkpoint.ErrPruned)
		require.NotErrorIs(t, err, checkpoint.ErrNotFound)
		var e *checkpoint.PrunedError
		require.ErrorAs(t, err, &e)
		require.Equal(t, run, e.Run)
		require.Equal(t, ev.Seq, e.Seq)
		require.Equal(t, policy, e.Policy)
		require.WithinRange(t, e.At, after.Add(-time.Second), time.Now())
		require.Equal(t, ev.Size, e.Size)
		require.Equal(t, ev.SHA256, e.SHA256)
		require.ErrorContains(t, err, fmt.Sprintf(`run %q seq %d: state of %d bytes was pruned by %q at 20`, run, ev.Seq, ev.Size, policy))
	}
	list, err := s.List(run)
	require.NoError(t, err)
	var listed []uint64
	for _, c := range list {
		listed = append(listed, c.Seq)
		require.True(t, states[c.Seq] == string(c.State))
	}
	require.Equal(t, left, listed, "List omits the pruned")
	newest, err := s.Load(ctx, run)
	require.NoError(t, err)
	require.Equal(t, slices.Max(left), newest.Seq, "Load skips the pruned")
}

func TestPruneEverything(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i := range 3 {
			saved(t, s, "run", "node", filler(5000+i))
		}
		n, err := s.Prune(ctx, "run", []uint64{1, 2, 3}, "")
		require.NoError(t, err)
		require.Equal(t, 3, n)
		_, err = s.Load(ctx, "run")
		require.ErrorIs(t, err, checkpoint.ErrPruned)
		say(err)
		_, err = s.LoadNode(ctx, "run", "node")
		require.ErrorIs(t, err, checkpoint.ErrPruned)
		list, err := s.List("run")
		require.NoError(t, err)
		require.Empty(t, list)
		require.Equal(t, []uint64{1, 2, 3}, seqs(events(t, s, "run", checkpoint.HistoryOptions{})))
		requireIntact(t, s, "run")
		c := saved(t, s, "run", "node", filler(5000))
		require.EqualValues(t, 3, c.Parent)
		requireIntact(t, st.open(t), "run")
		r, err := s.Run(ctx, "run")
		require.NoError(t, err)
		require.EqualValues(t, 5000, r.Bytes)
	})
}

func TestPruneOnBranches(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t, checkpoint.WithPlainUpTo(1000))
		states := loop(t, s, "run", 60)
		for i := range uint64(40) { // branches back to each of the first
			states = append(states, strings.Replace(states[i+1], `"i":`, `"branch":true,"i":`, 1))
			savedAfter(t, s, "run", "branch", states[len(states)-1], i+1)
		}
		gone := map[uint64]bool{}
		for round, part := range [][]uint64{{1, 2, 3, 60, 61}, {20, 22, 24, 26, 80}, {19, 21, 23, 25, 62, 63, 64}} {
			at := time.Now()
			by := s
			if round == 1 {
				by = st.open(t)
			}
			_, err := by.Prune(ctx, "run", part, "a reason")
			require.NoError(t, err)
			for _, seq := range part {
				gone[seq] = true
			}
			requirePruned(t, s, "run", states, gone, at.Add(-time.Minute))
			requireIntact(t, s, "run")
			saved(t, by, "run", "more", filler(4000))
			states = append(states, filler(4000))
		}
		requirePruned(t, st.open(t), "run", states, gone, noon)
	})
}

func TestPruneOfARunThatIsNotThere(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t)
		_, err := s.Prune(context.Background(), "none", []uint64{1}, "reason")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		say(err)
		require.Empty(t, runs(t, s, checkpoint.RunsOptions{}))
	})
}

// TestPruneErases holds that what is pruned is erased when Prune returns: the
// segment that was replaced, and records that were sealed and not erased yet.
func TestPruneErases(t *testing.T) {
	t.Parallel()
	for name, d := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "checkpoints.db")
			b, err := d.open(path)
			require.NoError(t, err)
			l, err := log.Open(b, log.Options{})
			require.NoError(t, err)
			for i := range 20 {
				_, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: "run", NodeID: "a", Kind: log.JSON}, State: fmt.Appendf(nil, `"secret %d"`, i)})
				require.NoError(t, err)
			}
			sealed, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
			require.EqualValues(t, 20, sealed.Events)
			n, err := l.Prune(t.Context(), "run", []uint64{3, 4}, "secret")
			require.NoError(t, err)
			require.Equal(t, 2, n)
			require.NoError(t, l.Close())
			require.Zero(t, toErase(t, path))
		})
	}
}

// toErase returns how many things there are to erase in a file that nobody has open.
func toErase(t *testing.T, path string) (n int) {
	t.Helper()
	if db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true}); err == nil {
		defer db.Close()
		require.NoError(t, db.View(func(tx *bbolt.Tx) error {
			n = tx.Bucket([]byte("dead")).Stats().KeyN
			return nil
		}))
		return n
	}
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM dead`).Scan(&n))
	return n
}
