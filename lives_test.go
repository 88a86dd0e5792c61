package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// keptFrom are the ways to get hold of a run's newest checkpoint, of seq 5, and to keep it.
var keptFrom = map[string]func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint{
	"Load": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		c, err := s.Load(context.Background(), "run")
		require.NoError(t, err)
		return c
	},
	"LoadSeq": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		c, err := s.LoadSeq(context.Background(), "run", 5)
		require.NoError(t, err)
		return c
	},
	"LoadNode": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		c, err := s.LoadNode(context.Background(), "run", "old#5")
		require.NoError(t, err)
		return c
	},
	"List": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		list, err := s.List("run")
		require.NoError(t, err)
		return list[4]
	},
	"Nodes": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		nodes, err := s.Nodes(context.Background(), "run", checkpoint.Position{})
		require.NoError(t, err)
		nodes[0].State = json.RawMessage(`1`)
		return &nodes[0].Checkpoint
	},
	"History": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		return &events(t, s, "run", checkpoint.HistoryOptions{})[4].Checkpoint
	},
	"Resume": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		at, err := checkpoint.Resume[int](context.Background(), s, "run")
		require.NoError(t, err)
		c, err := checkpoint.New("run", "next", at.State)
		require.NoError(t, err)
		c.Seq, c.Hash = at.Checkpoint.Seq, at.Checkpoint.Hash
		return c
	},
	"JSON": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		c, err := s.Load(context.Background(), "run")
		require.NoError(t, err)
		return throughJSON(t, c)
	},
	"JSON of an event": func(t tester, s *checkpoint.EventStore) *checkpoint.Checkpoint {
		return throughJSON(t, events(t, s, "run", checkpoint.HistoryOptions{})[4])
	},
}

func throughJSON(t tester, v any) *checkpoint.Checkpoint {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	var c checkpoint.Checkpoint
	require.NoError(t, json.Unmarshal(text, &c))
	return &c
}

// grown saves n events of a node to the run, and returns the last.
func grown(t tester, s *checkpoint.EventStore, node string, n int) (last *checkpoint.Checkpoint) {
	t.Helper()
	for i := range n {
		last = saved(t, s, "run", node, fmt.Sprint(i))
	}
	return last
}

// TestALateSaveJoinsNoOtherLife: a run was deleted, and perhaps begun anew, while somebody
// worked with a checkpoint of it: what he saves then is refused.
func TestALateSaveJoinsNoOtherLife(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s, other, fresh := st.open(t), st.open(t), st.open(t)
		for name, keep := range keptFrom {
			for _, begun := range []int{0, 2, 5, 7} { // events of the new life
				grown(t, s, "old", 5)
				late, also := keep(t, s), keep(t, other)
				require.EqualValues(t, 5, late.Seq, name)
				require.NotZero(t, late.Hash, name)
				require.NoError(t, s.Delete(t.Context(), "run"))
				grown(t, s, "new", begun)
				want := checkpoint.ErrConflict
				if begun == 0 {
					want = checkpoint.ErrNotFound
				}
				for c, by := range map[*checkpoint.Checkpoint][]*checkpoint.EventStore{late: {s, other, fresh}, also: {other, fresh, s}} {
					for _, s := range by {
						before := exported(*c)
						err := s.Save(t.Context(), c)
						require.ErrorIs(t, err, want, "%s, %d", name, begun)
						require.Equal(t, before, exported(*c), "the struct stays as it was")
						require.ErrorIs(t, appendError(t, s, c, checkpoint.After(c.Position())), checkpoint.ErrConflict)
						if begun > 0 {
							require.ErrorContains(t, err, "the position is of another life of the run")
						}
					}
				}
				if begun == 0 {
					_, err := s.Run(t.Context(), "run")
					require.ErrorIs(t, err, checkpoint.ErrNotFound, "it is not made anew")
					continue
				}
				all := events(t, fresh, "run", checkpoint.HistoryOptions{})
				require.Len(t, all, begun)
				for _, ev := range all {
					require.Equal(t, "new", ev.NodeID)
				}
				requireIntact(t, s, "run")
				require.NoError(t, s.Delete(t.Context(), "run"))
			}
		}
	})
}

// TestWhatWasSavedIsOfOneLife: the struct that Save filled in, and the first event of a
// fork, are of one life as well.
func TestWhatWasSavedIsOfOneLife(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s, other := st.open(t), st.open(t)
		saved(t, s, "origin", "node", `1`)
		for name, begin := range map[string]func(s *checkpoint.EventStore) *checkpoint.Checkpoint{
			"saved": func(s *checkpoint.EventStore) *checkpoint.Checkpoint { return saved(t, s, "run", "node", `1`) },
			"forked": func(s *checkpoint.EventStore) *checkpoint.Checkpoint {
				c, err := s.Fork(t.Context(), "origin", 1, "run")
				require.NoError(t, err)
				return c
			},
		} {
			old := begin(s)
			require.EqualValues(t, 1, old.Seq)
			require.NotZero(t, old.Hash)
			require.NoError(t, other.Delete(t.Context(), "run"))
			anew := begin(other)
			require.EqualValues(t, 1, anew.Seq)
			require.NotEqual(t, old.Hash, anew.Hash, name)
			for _, c := range []*checkpoint.Checkpoint{old, throughJSON(t, old)} {
				for _, s := range []*checkpoint.EventStore{s, other} {
					require.ErrorIs(t, s.Save(t.Context(), c), checkpoint.ErrConflict, name)
				}
			}
			require.NoError(t, s.Save(t.Context(), throughJSON(t, anew)), "of this life it is the way to go on")
			require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 2)
			require.NoError(t, s.Delete(t.Context(), "run"))
		}
	})
}

// TestAfterAPositionOfAnotherLife: what was decided on in one life is not done in another
// that is at the same seq, nor taken for a repetition of what is there.
func TestAfterAPositionOfAnotherLife(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s, other := st.open(t), st.open(t)
		old := grown(t, s, "node", 5).Position()
		require.NoError(t, other.Delete(t.Context(), "run"))
		anew := grown(t, other, "node", 5).Position() // events that are equal but for their life
		require.Equal(t, old.Seq, anew.Seq)
		next := func() *checkpoint.Checkpoint {
			c := small("run", 6)
			c.CreatedAt = noon
			return c
		}
		for _, s := range []*checkpoint.EventStore{s, other} {
			err := appendError(t, s, next(), checkpoint.After(old))
			require.ErrorIs(t, err, checkpoint.ErrConflict)
			require.ErrorContains(t, err, "the position is of another life of the run")
		}
		appended(t, other, next(), checkpoint.After(anew))
		for _, s := range []*checkpoint.EventStore{s, other} {
			require.ErrorIs(t, appendError(t, s, next(), checkpoint.After(old)), checkpoint.ErrConflict)
			at := appended(t, s, next(), checkpoint.After(anew))
			require.True(t, at.Repeated)
			at = appended(t, s, next(), checkpoint.AfterSeq(5))
			require.True(t, at.Repeated, "a bare seq is compared with the run as it is")
		}
		require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 6)
	})
}

// TestWhatIsAskedOfAnotherLife: a line that is named by a position is that of this very
// event.
func TestWhatIsAskedOfAnotherLife(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s, other := st.open(t), st.open(t)
		old := grown(t, s, "node", 3).Position()
		_, err := s.Nodes(t.Context(), "run", old)
		require.NoError(t, err)
		require.NoError(t, other.Delete(t.Context(), "run"))
		for _, n := range []int{2, 1, 1} { // before it is so long, at it, and beyond
			anew := grown(t, other, "node", n).Position()
			for _, s := range []*checkpoint.EventStore{s, other, st.open(t)} {
				_, err := s.Nodes(t.Context(), "run", old)
				require.ErrorIs(t, err, checkpoint.ErrConflict, "seq %d", anew.Seq)
				_, err = s.LoadNodeAt(t.Context(), "run", "node", old)
				require.ErrorIs(t, err, checkpoint.ErrConflict, "seq %d", anew.Seq)
				nodes, err := s.Nodes(t.Context(), "run", anew)
				require.NoError(t, err)
				require.Equal(t, anew, nodes[0].Position())
				c, err := s.LoadNodeAt(t.Context(), "run", "node", anew)
				require.NoError(t, err)
				require.Equal(t, anew, c.Position())
			}
		}
	})
}

// TestWatchSeenOfAnotherLife: of a run that was begun anew all events come, also where it
// has grown past what was seen.
func TestWatchSeenOfAnotherLife(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		old := grown(t, s, "old", 5).Position()
		require.NoError(t, s.Delete(t.Context(), "run"))
		saved(t, s, "begun", "node", `1`)
		var before checkpoint.Position
		for n := uint64(1); n <= 7; n++ {
			last := saved(t, s, "run", "new", `1`).Position()
			var all []string
			for seq := range n {
				all = append(all, fmt.Sprintf("run@%d", seq+1))
			}
			seen := map[string]checkpoint.Position{"another life": old}
			want := map[string][]string{"another life": all, "this one": all[n-1:], "bare": all[1:]}
			if n > 1 {
				seen["this one"], seen["bare"] = before, checkpoint.Position{Seq: 1}
			}
			before = last
			for what, at := range seen {
				text, err := json.Marshal(map[string]checkpoint.Position{"run": at, "begun": {Seq: 1}})
				require.NoError(t, err)
				var seen map[string]checkpoint.Position
				require.NoError(t, json.Unmarshal(text, &seen), "a cursor survives JSON")
				for _, run := range []string{"run", ""} {
					require.Equal(t, want[what], watchedUntil(t, s, checkpoint.WatchOptions{Run: run, From: 1, Seen: seen}, n), "%s, %d events, %q", what, n, run)
				}
			}
		}
	})
}

// watchedUntil returns what a Watch gives up to an event of a seq.
func watchedUntil(t *testing.T, s *checkpoint.EventStore, opts checkpoint.WatchOptions, last uint64) (all []string) {
	t.Helper()
	opts.HeadersOnly = true
	for ev, err := range s.Watch(t.Context(), opts) {
		require.NoError(t, err)
		all = append(all, fmt.Sprintf("%s@%d", ev.RunID, ev.Seq))
		if ev.Seq == last {
			break
		}
	}
	return all
}

// TestARunThatWasRestored: an export of an earlier state of a run is the same life of it.
// What both have in common is continued; what only the lost events had is refused.
func TestARunThatWasRestored(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		third := grown(t, s, "node", 3)
		file := sealedFile(t, s, "run")
		fourth := saved(t, s, "run", "lost", `4`)
		fifth := saved(t, s, "run", "lost", `5`)
		require.NoError(t, s.Delete(t.Context(), "run"))
		imported(t, s, file)
		for range 2 {
			for _, c := range []*checkpoint.Checkpoint{fourth, fifth} {
				require.ErrorIs(t, s.Save(t.Context(), throughJSON(t, c)), checkpoint.ErrConflict, "seq %d", c.Seq)
				require.ErrorIs(t, appendError(t, s, small("run", 1), checkpoint.After(c.Position())), checkpoint.ErrConflict)
			}
			next := throughJSON(t, third)
			require.NoError(t, s.Save(t.Context(), next))
			require.EqualValues(t, 3, next.Parent)
		}
		require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 5)
		requireIntact(t, s, "run")
		seen := map[string]checkpoint.Position{"run": fifth.Position()}
		require.Len(t, watchedUntil(t, s, checkpoint.WatchOptions{Run: "run", Seen: seen}, 5), 5)
	})
}
