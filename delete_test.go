package checkpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

func TestUnknownRun(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		saved(t, s, "other", "node", `1`)
		_, err := s.Load(ctx, "run")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		require.ErrorContains(t, err, `run "run": not found: there is no such run`)
		say(err)
		_, err = s.LoadSeq(ctx, "run", 1)
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		_, err = s.LoadSeq(ctx, "other", 2)
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		require.ErrorContains(t, err, "there is no event 2; the run has events 1 to 1")
		_, err = s.LoadSeq(ctx, "other", 0)
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		say(err)
		_, err = s.Verify(ctx, "run")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		for _, err := range s.History(ctx, "run", checkpoint.HistoryOptions{}) {
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
		}
		list, err := s.List("run")
		require.NoError(t, err)
		require.Empty(t, list)
		require.NoError(t, s.Delete(ctx, "run"))
	})
}

func TestDelete(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s, other := st.open(t), st.open(t)
		for _, run := range []string{"run", "run-2"} {
			loop(t, s, run, 40)
			_, err := s.Prune(ctx, run, []uint64{3}, "test")
			require.NoError(t, err)
		}
		require.NoError(t, other.Delete(ctx, "run"))
		for _, s := range []*checkpoint.EventStore{s, other, st.open(t)} {
			_, err := s.Load(ctx, "run")
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
			say(err)
			list, err := s.List("run")
			require.NoError(t, err)
			require.Empty(t, list)
			require.Equal(t, []string{"run-2"}, runs(t, s, checkpoint.RunsOptions{}))
			require.EqualValues(t, 40, requireIntact(t, s, "run-2").Events)
		}
		require.NoError(t, s.Delete(ctx, "run"), "again")
	})
}

// TestNewLife holds that a deleted run leaves nothing to a new run of its id, in
// no store that still remembers it.
func TestNewLife(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s, stale, reader := st.open(t), st.open(t), st.open(t)
		old := loop(t, s, "run", 50)
		for _, s := range []*checkpoint.EventStore{stale, reader} {
			_, err := s.Load(ctx, "run")
			require.NoError(t, err)
		}
		first := requireIntact(t, s, "run").Head
		_, err := s.Prune(ctx, "run", []uint64{1}, "old note")
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, "run"))

		c := saved(t, stale, "run", "new", old[50]) // alike, but there is no base any more
		require.EqualValues(t, 1, c.Seq)
		require.Zero(t, c.Parent)
		say(c)
		c = &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(old[49]), Seq: 50}
		require.ErrorIs(t, reader.Save(ctx, c), checkpoint.ErrNotFound, "what it continues from is gone")
		c = saved(t, reader, "run", "new", old[49])
		require.EqualValues(t, 2, c.Seq)
		got, err := reader.LoadSeq(ctx, "run", 1)
		require.NoError(t, err)
		require.Equal(t, old[50], string(got.State))
		for _, s := range []*checkpoint.EventStore{s, stale, reader, st.open(t)} {
			require.Equal(t, []uint64{1, 2}, seqs(events(t, s, "run", checkpoint.HistoryOptions{})))
			rep := requireIntact(t, s, "run")
			require.NotEqual(t, first, rep.Head)
			require.Zero(t, rep.Pruned)
		}
		_, err = s.Prune(ctx, "run", []uint64{1}, "new note")
		require.NoError(t, err)
		_, err = reader.LoadSeq(ctx, "run", 1)
		require.ErrorContains(t, err, `by "new note"`)
	})
}

func TestNewLivesDoNotShareHashes(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		seen := map[checkpoint.Digest]bool{}
		for range 3 {
			saved(t, s, "run", "node", `1`)
			saved(t, s, "run", "node", `2`)
			for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{}) {
				require.False(t, seen[ev.Hash])
				seen[ev.Hash] = true
			}
			require.NoError(t, s.Delete(ctx, "run"))
		}
	})
}

// TestDeleteErases looks for what was deleted in the file itself.
func TestDeleteErases(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	st := storages(t)[1]
	s := st.open(t, checkpoint.WithPlainStates())
	secrets := []string{"SECRET-small", "SECRET-" + filler(100_000)[1:5000], "SECRET-node"}
	for i := range 300 {
		saved(t, s, "run", secrets[2], `{"s":"`+secrets[i%2]+`"}`)
		saved(t, s, "keep", "node", `{"s":"KEPT"}`)
	}
	_, err := s.Prune(ctx, "run", []uint64{1}, "SECRET-policy")
	require.NoError(t, err)
	require.NoError(t, s.Delete(ctx, "run"))
	// Looking must not drop SQLite's locks, so another process does; here the
	// file is looked at once more, when it is closed.
	look := child(t, "grep", st.path, "SECRET-", "KEPT")
	out, err := look.Output()
	require.NoError(t, err)
	require.Equal(t, "KEPT\n", string(out))
	require.NoError(t, s.Close())
	b, err := os.ReadFile(st.path)
	require.NoError(t, err)
	require.False(t, bytes.Contains(b, []byte("SECRET-")))
	require.True(t, bytes.Contains(b, []byte("KEPT")))
	require.EqualValues(t, 300, requireIntact(t, st.open(t), "keep").Events)
}

func init() {
	children["grep"] = func(args []string) int {
		for _, word := range args[1:] {
			for _, suffix := range []string{"", "-wal"} {
				b, err := os.ReadFile(args[0] + suffix)
				if err != nil && !os.IsNotExist(err) {
					return 1
				}
				if bytes.Contains(b, []byte(word)) {
					os.Stdout.WriteString(word + "\n")
					break
				}
			}
		}
		return 0
	}
}

func TestClose(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		saved(t, s, "run", "node", `1`)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "again")
		c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`1`)}
		calls := map[string]func() error{
			"Save":       func() error { return s.Save(ctx, c) },
			"Append":     func() error { _, err := s.Append(ctx, c, checkpoint.AfterSeq(1)); return err },
			"Load":       func() error { _, err := s.Load(ctx, "run"); return err },
			"LoadSeq":    func() error { _, err := s.LoadSeq(ctx, "run", 1); return err },
			"LoadNode":   func() error { _, err := s.LoadNode(ctx, "run", "node"); return err },
			"LoadVisit":  func() error { _, err := s.LoadVisit(ctx, "run", "node", 1); return err },
			"LoadNodeAt": func() error { _, err := s.LoadNodeAt(ctx, "run", "node", checkpoint.Position{}); return err },
			"Nodes":      func() error { _, err := s.Nodes(ctx, "run", checkpoint.Position{}); return err },
			"List":       func() error { _, err := s.List("run"); return err },
			"Marks":      func() error { _, err := s.Marks(ctx, "run"); return err },
			"Label":      func() error { return s.Label(ctx, "run", 1, "a", "b") },
			"Pin":        func() error { return s.Pin(ctx, "run", 1) },
			"Fork":       func() error { _, err := s.Fork(ctx, "run", 1, "fork"); return err },
			"Redact":     func() error { _, err := s.Redact(ctx, "run", []uint64{1}, "test"); return err },
			"Truncate":   func() error { _, err := s.TruncateFront(ctx, "run", 1, "test"); return err },
			"Anchor":     func() error { _, err := s.Anchor(ctx, "run"); return err },
			"Plan":       func() error { _, err := s.Plan(ctx, compaction.KeepAll()); return err },
			"Compact":    func() error { _, err := s.Compact(ctx, checkpoint.CompactOptions{}); return err },
			"Export":     func() error { _, err := s.Export(ctx, "run", io.Discard); return err },
			"Watch": func() error {
				for _, err := range s.Watch(ctx, checkpoint.WatchOptions{}) {
					return err
				}
				return nil
			},
			"Run":    func() error { _, err := s.Run(ctx, "run"); return err },
			"Delete": func() error { return s.Delete(ctx, "run") },
			"Prune":  func() error { _, err := s.Prune(ctx, "run", []uint64{1}, ""); return err },
			"Verify": func() error { _, err := s.Verify(ctx, "run"); return err },
			"Resume": func() error { _, err := checkpoint.Resume[int](ctx, s, "run"); return err },
			"History": func() error {
				for _, err := range s.History(ctx, "run", checkpoint.HistoryOptions{}) {
					return err
				}
				return nil
			},
			"Runs": func() error {
				for _, err := range s.Runs(ctx, checkpoint.RunsOptions{}) {
					return err
				}
				return nil
			},
		}
		for name, call := range calls {
			require.ErrorIs(t, call(), checkpoint.ErrClosed, name)
			require.NotErrorIs(t, call(), checkpoint.ErrUnknownOutcome, name)
		}
		say(calls["Save"](), calls["Load"](), calls["Delete"]())
		_, err := st.open(t).Load(ctx, "run")
		require.NoError(t, err)
	})
}

// TestCloseWhileInUse closes a store under load: every call either did its work or
// says ErrClosed, and what was acknowledged is there.
func TestCloseWhileInUse(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		loop(t, s, "run", 70)
		errs := make(chan error)
		work := []func() error{
			func() error {
				return s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "n", State: json.RawMessage(filler(20_000))})
			},
			func() error { _, err := s.LoadSeq(ctx, "run", 60); return err },
			func() error { _, err := s.List("run"); return err },
			func() error { _, err := s.Verify(ctx, "run"); return err },
			func() error { return s.Delete(ctx, "another") },
		}
		for _, f := range work {
			for range 3 {
				go func() {
					for {
						if err := f(); err != nil {
							errs <- err
							return
						}
					}
				}()
			}
		}
		for range 20 {
			_, err := s.LoadSeq(ctx, "run", 50)
			require.NoError(t, err)
		}
		require.NoError(t, s.Close())
		for range 3 * len(work) {
			require.ErrorIs(t, <-errs, checkpoint.ErrClosed)
		}
		requireIntact(t, st.open(t), "run")
	})
}
