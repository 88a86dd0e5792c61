package checkpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// sealedFile returns a run as a sealed file.
func sealedFile(t tester, s *checkpoint.EventStore, run string) []byte {
	t.Helper()
	var b bytes.Buffer
	m, err := s.Export(context.Background(), run, &b)
	require.NoError(t, err)
	require.Equal(t, run, m.RunID)
	return b.Bytes()
}

// imported imports a sealed file.
func imported(t tester, s *checkpoint.EventStore, file []byte) checkpoint.Run {
	t.Helper()
	done, err := s.Import(context.Background(), bytes.NewReader(file), checkpoint.ImportOptions{})
	require.NoError(t, err)
	require.Len(t, done.Runs, 1)
	return done.Runs[0]
}

// story saves a run with all that a run can have: branches, two beginnings, states of
// all sizes and kinds, an envelope, labels, events with a role, marks, pruned states.
func story(t tester, s *checkpoint.EventStore, run string) {
	t.Helper()
	ctx := context.Background()
	text := filler(9000)
	for i := range 40 {
		text = text[:len(text)-1] + fmt.Sprintf(" and sentence %d\"", i)
		saved(t, s, run, []string{"plan", "write", "review"}[i%3], fmt.Sprintf(`{"i":%d,"text":%s}`, i, text))
	}
	savedAfter(t, s, run, "write", fmt.Sprintf(`{ "other": %s,`+"\n"+` "big": 9007199254740993 }`, text), 12)
	savedAfter(t, s, run, "review", `null`, 41)
	appended(t, s, &checkpoint.Checkpoint{RunID: run, NodeID: "plan", State: []byte("\x00\xff\n"), Kind: checkpoint.KindBytes, CreatedAt: noon}, checkpoint.AsRoot())
	require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{
		RunID: run, NodeID: `o"dd <node>`, State: json.RawMessage(`[1,2]`), CreatedAt: noon.Add(time.Hour), PrevNodeID: "plan", NextNode: "END", Attempt: 3,
		BranchID: "b", ForkNodeID: "f", Metadata: checkpoint.Metadata{GraphID: "g", Version: 7, Labels: map[string]string{"a": "1", "b": "<&>"}},
		Envelope: &checkpoint.Envelope{Prefix: `{"state":null,"x":"`, Suffix: "\u2028}"},
	}))
	require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{
		RunID: run, NodeID: "write", Role: checkpoint.RoleFailure, State: json.RawMessage(`{"given": 1}`), CreatedAt: noon.Add(2 * time.Hour), StartedAt: noon, Attempt: 2,
		Failure: &checkpoint.Failure{Type: "*net.OpError", Text: "no <route>", Stack: "goroutine 1 [running]:\n", NotBefore: noon.Add(3 * time.Hour)},
	}))
	require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{
		RunID: run, NodeID: "write", State: json.RawMessage(`{"joined":true}`), CreatedAt: noon.Add(3 * time.Hour), StartedAt: noon.Add(2 * time.Hour),
		Merges: []uint64{40, 42}, Input: checkpoint.Digest{1, 2, 255}, Reused: 12,
	}))
	require.NoError(t, s.Save(ctx, &checkpoint.Checkpoint{RunID: run, NodeID: "run", Role: checkpoint.RoleEnd, Kind: checkpoint.KindNone, CreatedAt: noon.Add(4 * time.Hour)}))
	require.NoError(t, s.Label(ctx, run, 5, "gold", "yes"))
	require.NoError(t, s.Pin(ctx, run, 7))
	require.NoError(t, s.Pin(ctx, run, 8))
	require.NoError(t, s.Unpin(ctx, run, 8))
	require.NoError(t, s.Label(ctx, run, 0, "case", "4711"))
	n, err := s.Prune(ctx, run, []uint64{3, 4, 20, 41}, "too old")
	require.NoError(t, err)
	require.Equal(t, 4, n)
}

// TestExportedRunIsTheSame exports from each kind of storage, and imports on each, a run
// that is not sealed, sealed in part, and sealed whole.
func TestExportedRunIsTheSame(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tail", "partly", "sealed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			for _, from := range storages(t) {
				ctx := context.Background()
				s := from.open(t, checkpoint.WithoutCompaction())
				story(t, s, "run")
				if how != "tail" {
					_, err := s.Compact(ctx, checkpoint.CompactOptions{})
					require.NoError(t, err)
				}
				if how == "partly" {
					saved(t, s, "run", "late", filler(10_000))
					saved(t, s, "run", "later", filler(100))
					_, err := s.Prune(ctx, "run", []uint64{5, 45}, "again")
					require.NoError(t, err)
				}
				file := sealedFile(t, from.open(t, checkpoint.WithReadOnly()), "run")
				require.Equal(t, file, sealedFile(t, s, "run"), "the same run gives the same file")
				want := events(t, s, "run", checkpoint.HistoryOptions{})
				was, err := s.Run(ctx, "run")
				require.NoError(t, err)
				for _, to := range storages(t) {
					d := to.open(t, checkpoint.WithoutCompaction())
					run := imported(t, d, file)
					require.Equal(t, was.Hash, run.Hash)
					requireSameRun(t, want, d, "run")
					require.Equal(t, was.Bytes, run.Bytes)
					require.Equal(t, was.Pruned, run.Pruned)
					require.Equal(t, was.Life, run.Life)
					require.Equal(t, was.CreatedAt, run.CreatedAt)
					require.Equal(t, was.UpdatedAt, run.UpdatedAt)
					require.Equal(t, was.Class, run.Class)
					require.Equal(t, was.Notes, run.Notes)
					require.Equal(t, was.Tip, run.Tip)
					marks, err := s.Marks(ctx, "run")
					require.NoError(t, err)
					have, err := d.Marks(ctx, "run")
					require.NoError(t, err)
					require.Equal(t, marks, have)
					require.Equal(t, [3]string{was.NodeID, was.NextNode, was.GraphID}, [3]string{run.NodeID, run.NextNode, run.GraphID})
					require.Equal(t, file, sealedFile(t, d, "run"), "and so does its copy")
					var pruned *checkpoint.PrunedError
					_, err = d.LoadSeq(ctx, "run", 4)
					require.ErrorAs(t, err, &pruned)
					require.Equal(t, "too old", pruned.Policy)
					goesOn(t, d, "run")
				}
			}
		})
	}
}

// requireSameRun holds a run to events of another store, by all that they are but where
// they lie.
func requireSameRun(t tester, want []*checkpoint.Event, s *checkpoint.EventStore, run string) {
	t.Helper()
	have := events(t, s, run, checkpoint.HistoryOptions{})
	require.Len(t, have, len(want))
	for i := range want {
		a, b := *want[i], *have[i]
		a.Stored, a.Encoding, b.Stored, b.Encoding = 0, 0, 0, 0
		require.Equal(t, a, b)
	}
	requireIntact(t, s, run)
}

// goesOn saves, prunes and seals on in an imported run.
func goesOn(t tester, s *checkpoint.EventStore, run string) {
	t.Helper()
	ctx := context.Background()
	was, err := s.Run(ctx, run)
	require.NoError(t, err)
	last, err := s.Load(ctx, run)
	require.NoError(t, err)
	last.State = json.RawMessage(filler(10_000))
	require.NoError(t, s.Save(ctx, last))
	require.Equal(t, was.Last+1, last.Seq)
	_, err = s.Prune(ctx, run, []uint64{1, 2, was.Last - 1, was.Last}, "later")
	require.NoError(t, err)
	requireIntact(t, s, run)
	_, err = s.Compact(ctx, checkpoint.CompactOptions{})
	require.NoError(t, err)
	requireIntact(t, s, run)
	again, err := s.Load(ctx, run)
	require.NoError(t, err)
	require.Equal(t, string(last.State), string(again.State))
}
