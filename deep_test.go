package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// nested is JSON that is so deep.
func nested(depth int, inner string) string {
	return strings.Repeat("[", depth-1) + `{"a":` + inner + `}` + strings.Repeat("]", depth-1)
}

// TestDeepestState (F5): whatever Save takes, everything else takes: marshalling, exports,
// imports, and patches. What is deeper is refused, or kept as bytes.
func TestDeepestState(t *testing.T) {
	t.Parallel()
	const most = 9_900
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	for _, inner := range []string{"1", "2"} {
		require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(nested(most, inner))}))
	}
	for _, deeper := range []string{nested(most+1, "1"), nested(10_000, "1"), nested(most, "[]"), nested(most, `{"b":{}}`)} {
		c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(deeper)}
		err := s.Save(t.Context(), c)
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
		require.ErrorContains(t, err, "it is nested deeper than 9900; save it with KindBytes")
		c.Kind = checkpoint.KindBytes
		require.NoError(t, s.Save(t.Context(), c))
	}
	var lines bytes.Buffer
	require.NoError(t, s.ExportLines(t.Context(), "run", &lines, nil))
	to := checkpoint.NewMemoryStore()
	defer to.Close()
	done, err := to.ImportLines(t.Context(), &lines, checkpoint.ImportOptions{})
	require.NoError(t, err)
	require.Len(t, done.Runs, 1)
	var before []byte
	for ev, err := range to.History(t.Context(), "run", checkpoint.HistoryOptions{}) {
		require.NoError(t, err)
		was, err := s.LoadSeq(t.Context(), "run", ev.Seq)
		require.NoError(t, err)
		require.True(t, bytes.Equal(was.State, ev.State), ev.Seq)
		text, err := json.Marshal(ev.Checkpoint)
		require.NoError(t, err)
		wrapped, err := json.Marshal(map[string]any{"events": []json.RawMessage{text}})
		require.NoError(t, err)
		var read struct{ Events []checkpoint.Checkpoint }
		require.NoError(t, json.Unmarshal(wrapped, &read))
		require.True(t, bytes.Equal(was.State, read.Events[0].State))
		if ev.Seq == 2 {
			d, err := statediff.Compare(before, ev.State, statediff.Options{})
			require.NoError(t, err)
			now, err := statediff.Apply(before, d.Patch())
			require.NoError(t, err)
			require.JSONEq(t, string(ev.State), string(now))
			_, err = json.Marshal(map[string]any{"patch": json.RawMessage(d.Patch())})
			require.NoError(t, err)
		}
		before = ev.State
	}
}
