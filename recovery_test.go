package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// failed saves a try of a node that failed, after the event of a seq.
func failed(t tester, s *checkpoint.EventStore, run, node string, after uint64) *checkpoint.Checkpoint {
	t.Helper()
	c := &checkpoint.Checkpoint{RunID: run, NodeID: node, Role: checkpoint.RoleFailure, Kind: checkpoint.KindNone, CreatedAt: noon, Seq: after, Failure: &checkpoint.Failure{Text: "no"}}
	require.NoError(t, s.Save(context.Background(), c))
	return c
}

// waysToDrop are the ways to drop states.
var waysToDrop = map[string]func(s *checkpoint.EventStore, run string, seqs ...uint64) error{
	"pruned": func(s *checkpoint.EventStore, run string, seqs ...uint64) error {
		_, err := s.Prune(context.Background(), run, seqs, "test")
		return err
	},
	"redacted": func(s *checkpoint.EventStore, run string, seqs ...uint64) error {
		_, err := s.Redact(context.Background(), run, seqs, "an API key")
		return err
	},
}

// requireRecovered holds all that recovery takes of a run to one event, on every handle.
func requireRecovered(t *testing.T, st storage, run string, seq uint64, what string) {
	t.Helper()
	for _, s := range []*checkpoint.EventStore{st.open(t), st.open(t, checkpoint.WithCacheBytes(1))} {
		for range 2 { // read, and perhaps remembered
			c, err := s.Load(t.Context(), run)
			require.NoError(t, err, what)
			require.Equal(t, seq, c.Seq, what)
			require.Empty(t, c.Role)
			at, err := checkpoint.Resume[json.RawMessage](t.Context(), s, run)
			require.NoError(t, err, what)
			require.Equal(t, c.Position(), at.Checkpoint.Position(), what)
			nodes, err := s.Nodes(t.Context(), run, checkpoint.Position{})
			require.NoError(t, err, what)
			require.Equal(t, seq, nodes[len(nodes)-1].Seq, what)
		}
	}
}

// TestRecoveryFollowsTheLine: a run went back and on another way, and the newest state of
// the new line is dropped. Recovery goes back on that line, and never to the end of the one
// that was left.
func TestRecoveryFollowsTheLine(t *testing.T) {
	for how, drop := range waysToDrop {
		for _, sealed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, sealed %t", how, sealed), func(t *testing.T) {
				onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
					ctx := t.Context()
					s := st.open(t, checkpoint.WithoutCompaction())
					for i := range 3 {
						saved(t, s, "run", fmt.Sprint("n", i+1), `{"line":"old"}`)
					}
					savedAfter(t, s, "run", "n3", `{"line":"new"}`, 2) // 4 <- 2: gone back
					if sealed {
						_, err := s.Compact(ctx, checkpoint.CompactOptions{})
						require.NoError(t, err)
					}
					requireRecovered(t, st, "run", 4, "nothing dropped")
					require.NoError(t, drop(s, "run", 4))
					requireRecovered(t, st, "run", 2, "the newest dropped")

					// By node it is the same line.
					_, err := s.LoadNode(ctx, "run", "n3")
					require.Error(t, err, "3 is on the line that was left, and 4 has no state")
					say(err)
					_, err = checkpoint.ResumeFrom[json.RawMessage](ctx, s, "run", "n3")
					require.Error(t, err)
					c, err := s.LoadNode(ctx, "run", "n3#1")
					require.NoError(t, err, "a visit is asked for on whatever line")
					require.EqualValues(t, 3, c.Seq)
					c, err = s.LoadNodeAt(ctx, "run", "n3", checkpoint.Position{Seq: 3})
					require.NoError(t, err)
					require.EqualValues(t, 3, c.Seq)
					c, err = s.LoadSeq(ctx, "run", 3)
					require.NoError(t, err)
					require.JSONEq(t, `{"line":"old"}`, string(c.State))

					// What is saved then goes on from where the run is, on the same line.
					next := saved(t, s, "run", "n4", `{"line":"new"}`)
					require.EqualValues(t, 4, next.Parent)
					requireRecovered(t, st, "run", 5, "gone on")
					require.NoError(t, drop(s, "run", 5))
					requireRecovered(t, st, "run", 2, "dropped again")
					require.NoError(t, drop(s, "run", 2))
					requireRecovered(t, st, "run", 1, "up to the first")
					require.NoError(t, drop(s, "run", 1))
					_, err = s.Load(ctx, "run")
					require.ErrorIs(t, err, checkpoint.ErrPruned, "and not 3, which is there")
					var pruned *checkpoint.PrunedError
					require.ErrorAs(t, err, &pruned)
					require.EqualValues(t, 5, pruned.Seq, "the error names the newest")
					require.Equal(t, how == "redacted", pruned.Redacted)
					say(err)
					list, err := s.List("run")
					require.NoError(t, err)
					require.Len(t, list, 1)
					requireIntact(t, s, "run")
				})
			})
		}
	}
}

// TestRecoveryPassesOverFailures: whatever role an event has, and whatever it continues
// from, recovery takes the newest checkpoint.
func TestRecoveryPassesOverFailures(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t, checkpoint.WithoutCompaction())
		for _, role := range []checkpoint.Role{checkpoint.RoleBegin, checkpoint.RoleFailure} {
			require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "a", Role: role, State: json.RawMessage(`"no checkpoint"`)}))
			_, err := s.Load(ctx, "run")
			require.ErrorIs(t, err, checkpoint.ErrNotFound, "there is nothing to recover from yet")
			say(err)
			_, err = s.LoadNode(ctx, "run", "a")
			require.ErrorIs(t, err, checkpoint.ErrNotFound)
			list, err := s.List("run")
			require.NoError(t, err)
			require.Empty(t, list)
		}
		first := saved(t, s, "run", "a", `1`) // 3
		require.Zero(t, first.Parent, "there was no checkpoint before")
		saved(t, s, "run", "b", `2`) // 4
		for range 130 {              // more than two blocks of visits
			require.EqualValues(t, 4, failed(t, s, "run", "c", 0).Parent, "they all tried after 4")
		}
		for _, role := range []checkpoint.Role{checkpoint.RoleFork, checkpoint.RoleBranch, checkpoint.RoleEnd} {
			require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "b", Role: role, State: json.RawMessage(`"no checkpoint"`)}))
		}
		for range 2 {
			requireRecovered(t, st, "run", 4, "behind failures")
			c, err := s.LoadNode(ctx, "run", "b")
			require.NoError(t, err)
			require.EqualValues(t, 4, c.Seq)
			_, err = s.LoadNode(ctx, "run", "b#2")
			require.ErrorIs(t, err, checkpoint.ErrNotFound, "what has a role is no visit")
			list, err := s.List("run")
			require.NoError(t, err)
			require.Len(t, list, 2)
			require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 137, "history has all")
			_, err = s.Compact(ctx, checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
		// A failure aside changes nothing of where the run is.
		failed(t, s, "run", "b", 3)
		requireRecovered(t, st, "run", 4, "a failure after an earlier event")
		require.EqualValues(t, 4, saved(t, s, "run", "c", `3`).Parent)
		// Who continues from a failure is on the line that it is on.
		aside := failed(t, s, "run", "b", 3)
		require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "b", State: json.RawMessage(`4`), Seq: aside.Seq, Hash: aside.Hash}))
		newest := lastSeq(t, s, "run")
		requireRecovered(t, st, "run", newest, "after a failure")
		require.NoError(t, waysToDrop["pruned"](s, "run", newest))
		requireRecovered(t, st, "run", 3, "through the failure to what came before")
		requireIntact(t, s, "run")
	})
}

// TestRunClass: a run is open, finished or failed by the last event that says so.
func TestRunClass(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		end := func() *checkpoint.Checkpoint {
			return &checkpoint.Checkpoint{RunID: "run", NodeID: "run", Role: checkpoint.RoleEnd, Kind: checkpoint.KindNone}
		}
		final := func(yes bool) *checkpoint.Checkpoint {
			return &checkpoint.Checkpoint{RunID: "run", NodeID: "a", Role: checkpoint.RoleFailure, Kind: checkpoint.KindNone, Failure: &checkpoint.Failure{Text: "no", Final: yes}}
		}
		for i, step := range []struct {
			event *checkpoint.Checkpoint
			want  checkpoint.Class
		}{
			{small("run", 1), checkpoint.ClassOpen}, {final(false), checkpoint.ClassOpen}, {end(), checkpoint.ClassFinished}, {small("run", 2), checkpoint.ClassOpen},
			{final(true), checkpoint.ClassFailed}, {final(false), checkpoint.ClassFailed}, {small("run", 3), checkpoint.ClassOpen}, {end(), checkpoint.ClassFinished},
		} {
			require.NoError(t, s.Save(ctx, step.event))
			for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
				run, err := s.Run(ctx, "run")
				require.NoError(t, err)
				require.Equal(t, step.want, run.Class, "step %d", i)
				for class := checkpoint.ClassOpen; class <= checkpoint.ClassFailed; class++ {
					want := []string{}
					if class == step.want {
						want = append(want, "run")
					}
					for _, byID := range []bool{false, true} {
						for _, prefix := range []string{"", "r"} {
							require.Equal(t, want, runs(t, s, checkpoint.RunsOptions{Class: &class, ByID: byID, Prefix: prefix}), "step %d", i)
						}
					}
				}
			}
		}
	})
}
