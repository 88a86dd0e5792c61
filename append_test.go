package checkpoint_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func TestAfterSeqConflicts(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for range 3 {
			saved(t, s, "run", "node", `{"n":1}`)
		}
		for _, test := range []struct {
			run   string
			after uint64
			have  string
		}{{"run", 2, "last seq 3"}, {"run", 4, "last seq 3"}, {"none", 1, "last seq 0"}} {
			c := &checkpoint.Checkpoint{RunID: test.run, NodeID: "other", State: json.RawMessage(`2`), CreatedAt: noon}
			err := appendError(t, s, c, checkpoint.AfterSeq(test.after))
			require.ErrorIs(t, err, checkpoint.ErrConflict)
			var e *checkpoint.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, test.run, e.Run)
			require.Equal(t, answer("last seq", test.after), answer(e.Want))
			require.Equal(t, test.have, e.Have)
			require.ErrorContains(t, err, "load its newest event and decide again (want "+e.Want+", have "+e.Have+")")
			say(err)
			require.Zero(t, c.Seq)
		}
		require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 3)
		_, err := s.Load(ctx, "none")
		require.ErrorIs(t, err, checkpoint.ErrNotFound, "a conflict doesn't make the run")
	})
}

func TestAfterSeqSeesWhatOthersAppended(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		a, b := st.open(t), st.open(t)
		saved(t, a, "run", "a", `1`)
		saved(t, b, "run", "b", `2`)
		stale := &checkpoint.Checkpoint{RunID: "run", NodeID: "a", State: json.RawMessage(`3`), CreatedAt: noon}
		err := appendError(t, a, stale, checkpoint.AfterSeq(1))
		require.ErrorIs(t, err, checkpoint.ErrConflict, "though a has not seen b's event")
		say(err)
		appended(t, a, stale, checkpoint.AfterSeq(2))
		require.EqualValues(t, 3, stale.Seq)
		require.EqualValues(t, 2, stale.Parent, "it continues from what it follows")
	})
}

// TestRepeatedAppend holds that an append whose answer was lost can be repeated,
// with the same struct, which its first try may have changed, or another.
func TestRepeatedAppend(t *testing.T) {
	plain := checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`{"n": 1}`), CreatedAt: noon}
	untimed, branch, large := plain, plain, plain
	untimed.CreatedAt = time.Time{}
	branch.Seq = 1
	large.State = json.RawMessage(filler(40_000))
	root := []checkpoint.AppendOption{checkpoint.AsRoot()}
	tests := map[string]struct {
		after, parent uint64
		c             checkpoint.Checkpoint
		opts          []checkpoint.AppendOption
	}{
		"plain":             {after: 2, parent: 2, c: plain},
		"no time":           {after: 2, parent: 2, c: untimed},
		"large":             {after: 2, parent: 2, c: large},
		"branch":            {after: 2, parent: 1, c: branch},
		"root":              {after: 2, parent: 0, c: plain, opts: root},
		"of the first":      {after: 1, parent: 1, c: plain},
		"branch, not timed": {after: 2, parent: 1, c: checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`1`), Seq: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
				s := st.open(t)
				var after checkpoint.Position
				for range test.after {
					after = saved(t, s, "run", "node", `0`).Position()
				}
				opts := append([]checkpoint.AppendOption{checkpoint.AfterSeq(test.after)}, test.opts...)
				exact := append([]checkpoint.AppendOption{checkpoint.After(after)}, test.opts...)
				same, first := test.c, checkpoint.Saved{}
				for i, s := range []*checkpoint.EventStore{s, s, st.open(t), s} { // from another process as well
					fresh, hashed := test.c, test.c
					for j, c := range []*checkpoint.Checkpoint{&same, &fresh, &hashed} {
						use := opts
						if j == 2 {
							use = exact
						}
						at := appended(t, s, c, use...)
						require.Equal(t, test.after+1, c.Seq)
						require.Equal(t, test.parent, c.Parent)
						require.Equal(t, i+j > 0, at.Repeated, "try %d", i)
						if i+j == 0 {
							first = at
						}
						require.Equal(t, first.Position, at.Position)
					}
					if i == 2 {
						saved(t, s, "run", "later", `9`) // the run may go on meanwhile
					}
				}
				require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), int(test.after)+2)
				requireIntact(t, s, "run")
			})
		})
	}
}

func TestRepeatedAppendOfSomethingElseConflicts(t *testing.T) {
	change := map[string]func(*checkpoint.Checkpoint){
		"state":    func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(`{"n":1} `) },
		"node":     func(c *checkpoint.Checkpoint) { c.NodeID = "other" },
		"time":     func(c *checkpoint.Checkpoint) { c.CreatedAt = noon.Add(1) },
		"labels":   func(c *checkpoint.Checkpoint) { c.Metadata.Labels = map[string]string{"a": "b"} },
		"next":     func(c *checkpoint.Checkpoint) { c.NextNode = "other" },
		"parent":   func(c *checkpoint.Checkpoint) { c.Seq = 1 },
		"kind":     func(c *checkpoint.Checkpoint) { c.Kind = checkpoint.KindBytes },
		"envelope": func(c *checkpoint.Checkpoint) { c.Envelope = &checkpoint.Envelope{} },
	}
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t)
		saved(t, s, "run", "node", `0`)
		saved(t, s, "run", "node", `1`)
		original := checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`{"n":1}`), CreatedAt: noon}
		c := original
		appended(t, s, &c, checkpoint.AfterSeq(2))
		for what, f := range change {
			c := original
			f(&c)
			err := appendError(t, s, &c, checkpoint.AfterSeq(2))
			require.ErrorIs(t, err, checkpoint.ErrConflict, what)
		}
		c = original
		require.ErrorIs(t, appendError(t, s, &c, checkpoint.AfterSeq(2), checkpoint.AsRoot()), checkpoint.ErrConflict)
		require.ErrorIs(t, appendError(t, s, &c, checkpoint.AfterSeq(1)), checkpoint.ErrConflict)
		require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 3)
	})
}
