package checkpoint_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// inWords is a line for what is known of a value:
//
//	messages/1 = "b": changed in run@3 (/messages/0), was "a" in run@2 (/messages/0)
func inWords(p *checkpoint.Provenance) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s = %s: %s in %s@%d", p.Asked.Dotted(), p.Value, p.Kind, p.Event.RunID, p.Event.Seq)
	if of := p.ByForkOf; of != nil {
		fmt.Fprintf(&b, " by the fork of %s@%d", of.RunID, of.Seq)
	}
	if p.Path != p.Asked {
		fmt.Fprintf(&b, " (%s)", p.Path.Dotted())
	}
	if p.Prior != nil {
		fmt.Fprintf(&b, ", after %s@%d", p.Prior.RunID, p.Prior.Seq)
	}
	if p.Before != nil {
		fmt.Fprintf(&b, " %s", p.Before)
		if p.PriorPath != p.Path {
			fmt.Fprintf(&b, " (%s)", p.PriorPath.Dotted())
		}
	}
	for _, u := range p.Or {
		fmt.Fprintf(&b, ", or in %s", unreadInWords(u))
	}
	for _, u := range p.Unseen {
		fmt.Fprintf(&b, ", unseen in %s", unreadInWords(u))
	}
	return b.String()
}

func unreadInWords(u checkpoint.Unread) string {
	return fmt.Sprintf("%s@%d-%d (%d %s)", u.RunID, u.First, u.Last, u.Events, u.Reason)
}

func tellAll(t tester, all func(func(*checkpoint.Provenance, error) bool)) []string {
	t.Helper()
	lines := []string{}
	for p, err := range all {
		require.NoError(t, err)
		lines = append(lines, inWords(p))
	}
	return lines
}

// blameHistory and blameChildren are what is told of a value.
func blameHistory(t tester, s *checkpoint.EventStore, run string, seq uint64, path string) []string {
	t.Helper()
	return tellAll(t, s.BlameHistory(context.Background(), run, seq, path))
}

func blameChildren(t tester, s *checkpoint.EventStore, run string, seq uint64, path string) []string {
	t.Helper()
	return tellAll(t, s.BlameChildren(context.Background(), run, seq, path))
}

func TestBlame(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t, checkpoint.WithoutCompaction())
		saved(t, s, "run", "plan", `{"status":"new","messages":[{"id":1,"text":"a"}],"n":1}`)
		saved(t, s, "run", "write", `{"status":"busy","messages":[{"id":1,"text":"a"},{"id":2,"text":"b"}],"n":1.0}`)
		saved(t, s, "run", "write", `{"status":"busy","messages":[{"id":0,"text":"front"},{"id":1,"text":"a"},{"id":2,"text":"B"}],"n":1}`)
		savedAfter(t, s, "run", "aside", `{"status":"aside","messages":[],"n":2}`, 2)
		savedAfter(t, s, "run", "review", `{"n":1,"messages":[{"id":0,"text":"front"},{"id":1,"text":"a"},{"id":2,"text":"B"}],"status":"done"}`, 3)
		for range 2 { // as records, then sealed
			for _, tc := range []struct {
				path string
				want []string
			}{
				{"status", []string{`status = "done": changed in run@5, after run@3 "busy"`, `status = "busy": changed in run@2, after run@1 "new"`, `status = "new": added in run@1`}},
				{"n", []string{`n = 1: added in run@1`}}, // 1.0 is 1, and the aside is no ancestor
				{"messages[-1].text", []string{
					`messages[2].text = "B": changed in run@3, after run@2 "b" (messages[1].text)`,
					`messages[2].text = "b": added in run@2 (messages[1].text), after run@1`}},
				{"/messages/1", []string{`messages[1] = {"id":1,"text":"a"}: added in run@1 (messages[0])`}},
				{"messages[0].text", []string{`messages[0].text = "front": added in run@3, after run@2`}},
			} {
				got := blameHistory(t, s, "run", 5, tc.path)
				require.Equal(t, tc.want, got)
				p, err := s.Blame(ctx, "run", 5, tc.path)
				require.NoError(t, err)
				require.Equal(t, tc.want[0], inWords(p))
				require.Nil(t, p.Event.State)
				say(got)
			}
			require.Len(t, blameHistory(t, s, "run", 5, ""), 4, "the whole state")
			require.Equal(t, []string{
				`status = "done": changed in run@5, after run@3 "busy"`,
				`messages = [{"id":0,"text":"front"},{"id":1,"text":"a"},{"id":2,"text":"B"}]: changed in run@3, after run@2 [{"id":1,"text":"a"},{"id":2,"text":"b"}]`,
				`n = 1: added in run@1`,
			}, blameChildren(t, s, "run", 5, "."))
			require.Equal(t, []string{
				`messages[0] = {"id":0,"text":"front"}: added in run@3, after run@2`,
				`messages[2] = {"id":2,"text":"B"}: changed in run@3, after run@2 {"id":2,"text":"b"} (messages[1])`,
				`messages[1] = {"id":1,"text":"a"}: added in run@1 (messages[0])`,
			}, blameChildren(t, s, "run", 5, "messages"))
			require.Equal(t, []string{`status = "aside": changed in run@4, after run@2 "busy"`, `status = "busy": changed in run@2, after run@1 "new"`, `status = "new": added in run@1`},
				blameHistory(t, s, "run", 4, "status"))
			require.Empty(t, blameChildren(t, s, "run", 5, "status"))
			require.Empty(t, blameChildren(t, s, "run", 4, "messages"))
			_, err := s.Compact(ctx, checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
	})
}

// TestBlameOfWhatComesAndGoes holds that the history of a member goes on before it
// was taken out.
func TestBlameOfWhatComesAndGoes(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		for _, state := range []string{
			`{"list":[{"id":1,"error":"old"}]}`, `{"list":[{"id":1}]}`, `{"list":[{"id":0},{"id":1}]}`, `{"list":[{"id":0},{"id":1,"error":"new"}]}`,
			`{}`, `{"list":[{"id":0},{"id":1,"error":"new"}]}`,
		} {
			saved(t, s, "run", "node", state)
		}
		require.Equal(t, []string{
			`list[1].error = "new": added in run@4, after run@3`,
			`list[1].error = : removed in run@2 (.), after run@1 "old" (list[0].error)`,
			`list[1].error = "old": added in run@1 (list[0].error)`,
		}, blameHistory(t, s, "run", 4, "list[1].error"))
		require.Equal(t, []string{`list[1].error = "new": added in run@6, after run@5`}, blameHistory(t, s, "run", 6, "list[1].error"), "it is of another list")
		require.Len(t, blameHistory(t, s, "run", 6, "list"), 6)
	})
}

// TestBlameOfWhatCannotBeRead holds that what is not known is said.
func TestBlameOfWhatCannotBeRead(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t, checkpoint.WithoutCompaction())
		for i, state := range []string{`{"a":1,"b":1}`, `{"a":1,"b":1}`, `{"a":1,"b":2}`, "bytes", `{"a":2,"b":2}`, `{"a":2,"b":2}`, `{"a":2,"b":2}`, `{"a":2,"b":2}`} {
			c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: []byte(state), CreatedAt: noon}
			if state == "bytes" {
				c.Kind = checkpoint.KindBytes
			}
			require.NoError(t, s.Save(ctx, c))
			require.EqualValues(t, i+1, c.Seq)
		}
		_, err := s.Prune(ctx, "run", []uint64{2, 3, 6, 7}, "test")
		require.NoError(t, err)
		require.Equal(t, []string{
			"a = 2: changed in run@5, after run@1 1, or in run@4-4 (1 not JSON), or in run@2-3 (2 pruned), unseen in run@6-7 (2 pruned)",
			"a = 1: added in run@1",
		}, blameHistory(t, s, "run", 8, "a"))
		_, err = s.Prune(ctx, "run", []uint64{1}, "test")
		require.NoError(t, err)
		want := []string{
			"a = 2: same in run@5, or in run@4-4 (1 not JSON), or in run@1-3 (3 pruned), unseen in run@6-7 (2 pruned)",
			"b = 2: same in run@5, or in run@4-4 (1 not JSON), or in run@1-3 (3 pruned), unseen in run@6-7 (2 pruned)",
		}
		require.Equal(t, want, blameChildren(t, s, "run", 8, ""))
		require.Equal(t, want[:1], blameHistory(t, s, "run", 8, "a"))

		for _, tc := range []struct {
			seq  uint64
			path string
			want error
		}{
			{6, "a", checkpoint.ErrPruned}, {4, "a", checkpoint.ErrInvalid}, {9, "a", checkpoint.ErrNotFound}, {8, "c", statediff.ErrNotFound},
			{8, "a.b", statediff.ErrNotFound},
		} {
			_, err := s.Blame(ctx, "run", tc.seq, tc.path)
			require.ErrorIs(t, err, tc.want)
			say(err)
			for _, err := range s.BlameChildren(ctx, "run", tc.seq, tc.path) {
				require.ErrorIs(t, err, tc.want)
			}
		}
		_, err = s.Blame(ctx, "run", 8, "a[")
		var wrong *statediff.PathError
		require.ErrorAs(t, err, &wrong)
	})
}

func TestBlameAcrossForks(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		saved(t, s, "run", "node", `{"a":1,"b":1,"c":1}`)
		saved(t, s, "run", "node", `{"a":1,"b":2,"c":1}`)
		saved(t, s, "run", "node", `{"a":9,"b":9,"c":9}`)
		_, err := s.Fork(ctx, "run", 2, "fork", checkpoint.EditState(func(state []byte) ([]byte, error) {
			return []byte(`{"a":1,"b":2,"c":3}`), nil
		}))
		require.NoError(t, err)
		saved(t, s, "fork", "node", `{"a":1,"b":2,"c":3}`)
		require.Equal(t, []string{
			"c = 3: changed in fork@1 by the fork of run@2, after run@2 1",
			"b = 2: changed in run@2, after run@1 1",
			"a = 1: added in run@1",
		}, blameChildren(t, s, "fork", 2, ""))

		_, err = s.Prune(ctx, "run", []uint64{1}, "test")
		require.NoError(t, err)
		require.Equal(t, []string{"b = 2: same in run@2, or in run@1-1 (1 pruned)"}, blameHistory(t, s, "fork", 2, "b"))
		_, err = s.Prune(ctx, "run", []uint64{2}, "test")
		require.NoError(t, err)
		require.Equal(t, []string{"c = 3: same in fork@1 by the fork of run@2, or in run@1-2 (2 pruned)"}, blameHistory(t, s, "fork", 2, "c"))
		require.NoError(t, s.Delete(ctx, "run"))
		require.Equal(t, []string{"b = 2: same in fork@1 by the fork of run@2, or in run@2-2 (1 gone)"}, blameHistory(t, s, "fork", 2, "b"))
	})
}

// TestBlameStopsEarly holds that nothing is read beyond what is asked for.
func TestBlameStopsEarly(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t, checkpoint.WithoutCompaction())
		for i := range 300 {
			saved(t, s, "run", "node", fmt.Sprintf(`{"i":%d,"text":%s}`, i, filler(5000)))
		}
		for p, err := range s.BlameHistory(t.Context(), "run", 300, "i") {
			require.NoError(t, err)
			if p.Event.Seq == 290 {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := 0
		for p, err := range s.BlameHistory(ctx, "run", 300, "i") {
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				require.Nil(t, p)
				break
			}
			seen++
			cancel()
		}
		require.Less(t, seen, 300)
	})
}
