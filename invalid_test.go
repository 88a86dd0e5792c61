package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/memory"
)

func TestSaveRefuses(t *testing.T) {
	long := strings.Repeat("x", 1025)
	tests := map[string]struct {
		change func(*checkpoint.Checkpoint)
		err    error
		text   string
	}{
		"no run id":                {func(c *checkpoint.Checkpoint) { c.RunID = "" }, checkpoint.ErrInvalid, "invalid run id: it is empty; give it a name"},
		"no node id":               {func(c *checkpoint.Checkpoint) { c.NodeID = "" }, checkpoint.ErrInvalid, "invalid node id: it is empty; give it a name"},
		"long run id":              {func(c *checkpoint.Checkpoint) { c.RunID = long }, checkpoint.ErrTooLarge, `xxx..." is 1025 bytes long; at most 1024 are allowed`},
		"long node id":             {func(c *checkpoint.Checkpoint) { c.NodeID = long }, checkpoint.ErrTooLarge, `is 1025 bytes long; at most 1024 are allowed`},
		"NUL in run id":            {func(c *checkpoint.Checkpoint) { c.RunID = "a\x00b" }, checkpoint.ErrInvalid, `run id "a\x00b": it has a NUL byte at position 1`},
		"notes of a run":           {func(c *checkpoint.Checkpoint) { c.RunID = "a\x00notes" }, checkpoint.ErrInvalid, `it has a NUL byte at position 1`},
		"NUL in node id":           {func(c *checkpoint.Checkpoint) { c.NodeID = "\x00" }, checkpoint.ErrInvalid, `node id "\x00": it has a NUL byte at position 0`},
		"run id not UTF-8":         {func(c *checkpoint.Checkpoint) { c.RunID = "a\xff" }, checkpoint.ErrInvalid, `run id "a\xff": it is not valid UTF-8`},
		"node not UTF-8":           {func(c *checkpoint.Checkpoint) { c.NodeID = "\xc3" }, checkpoint.ErrInvalid, `node id "\xc3": it is not valid UTF-8`},
		"next not UTF-8":           {func(c *checkpoint.Checkpoint) { c.NextNode = "\xc3" }, checkpoint.ErrInvalid, `next node "\xc3": it is not valid UTF-8`},
		"label name":               {func(c *checkpoint.Checkpoint) { c.Metadata.Labels = map[string]string{"": "v"} }, checkpoint.ErrInvalid, "label name: it is empty"},
		"label value":              {func(c *checkpoint.Checkpoint) { c.Metadata.Labels = map[string]string{"k": long} }, checkpoint.ErrTooLarge, "label value"},
		"many labels":              {func(c *checkpoint.Checkpoint) { c.Metadata.Labels = manyLabels(100) }, checkpoint.ErrTooLarge, "is over the limit of 65536; use shorter or fewer labels"},
		"large envelope":           {func(c *checkpoint.Checkpoint) { c.Envelope = &checkpoint.Envelope{Prefix: strings.Repeat("x", 70<<10)} }, checkpoint.ErrTooLarge, "is over the limit of 65536; use a smaller Envelope"},
		"envelope":                 {func(c *checkpoint.Checkpoint) { c.Envelope = &checkpoint.Envelope{Prefix: "\xff"} }, checkpoint.ErrInvalid, "envelope: it is not valid UTF-8"},
		"kind":                     {func(c *checkpoint.Checkpoint) { c.Kind = "text" }, checkpoint.ErrInvalid, `kind "text" of the state: it is "json" or "bytes"`},
		"no state, no role":        {func(c *checkpoint.Checkpoint) { c.Kind, c.State = checkpoint.KindNone, nil }, checkpoint.ErrInvalid, `kind "none" of the state: it is "json" or "bytes", or "none" for an event with a role`},
		"a state of none":          {func(c *checkpoint.Checkpoint) { c.Kind, c.Role = checkpoint.KindNone, checkpoint.RoleEnd }, checkpoint.ErrInvalid, `state of 2 bytes: its kind is "none"`},
		"role":                     {func(c *checkpoint.Checkpoint) { c.Role = "boss" }, checkpoint.ErrInvalid, `role "boss": it is "begin", "end", "failure", "fork" or "branch", or empty for a checkpoint`},
		"failure without its role": {func(c *checkpoint.Checkpoint) { c.Failure = &checkpoint.Failure{Text: "x"} }, checkpoint.ErrInvalid, `error of an event of role "": only an event of role "failure" has one`},
		"long failure": {func(c *checkpoint.Checkpoint) {
			c.Role, c.Failure = checkpoint.RoleFailure, &checkpoint.Failure{Stack: strings.Repeat("x", 32<<10+1)}
		}, checkpoint.ErrTooLarge, "the stack of the error takes 32769 bytes as JSON; at most 32768 are allowed"},
		"many merges": {func(c *checkpoint.Checkpoint) { c.Merges = make([]uint64, 1025) }, checkpoint.ErrTooLarge, "the event merges 1025 branches; at most 1024 are allowed"},
		"started":     {func(c *checkpoint.Checkpoint) { c.StartedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, checkpoint.ErrInvalid, "started_at: year 10000 can't be written as RFC 3339"},
		"year":        {func(c *checkpoint.Checkpoint) { c.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, checkpoint.ErrInvalid, "created_at: year 10000 can't be written as RFC 3339"},
		"year in UTC": {func(c *checkpoint.Checkpoint) {
			c.CreatedAt = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600))
		}, checkpoint.ErrInvalid, "created_at: year"},
		"no state":        {func(c *checkpoint.Checkpoint) { c.State = nil }, checkpoint.ErrInvalid, `state of run "run" node "node": it is empty; the smallest state is a JSON value such as {} or null`},
		"empty state":     {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage{} }, checkpoint.ErrInvalid, "it is empty"},
		"white space":     {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage("  ") }, checkpoint.ErrInvalid, "it is not JSON"},
		"not JSON":        {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(`{"a":1,"b":x}`) }, checkpoint.ErrInvalid, `after offset 11; it begins with "{\"a\":1,\"b\":x}"`},
		"cut off":         {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(`{"a":[1,2`) }, checkpoint.ErrInvalid, "unexpected EOF"},
		"two values":      {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(`{} {}`) }, checkpoint.ErrInvalid, "there is more after the JSON value"},
		"NaN":             {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(`NaN`) }, checkpoint.ErrInvalid, `it begins with "NaN"`},
		"large, not JSON": {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(filler(50_000) + "]") }, checkpoint.ErrInvalid, "more after the JSON value"},
		"a megabyte of [": {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(strings.Repeat("[", 1<<20)) }, checkpoint.ErrInvalid, "exceeded max depth"},
		"deep and valid": {func(c *checkpoint.Checkpoint) {
			c.State = json.RawMessage(strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19))
		}, checkpoint.ErrInvalid, "exceeded max depth"},
		"a megabyte of {": {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(strings.Repeat(`{"a":`, 1<<20/5)) }, checkpoint.ErrInvalid, "exceeded max depth"},
		"over the limit":  {func(c *checkpoint.Checkpoint) { c.State = json.RawMessage(filler(60_001)) }, checkpoint.ErrTooLarge, "state of 60001 bytes is over the limit of 60000; raise the limit, or store large data elsewhere"},
	}
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s, limited := st.open(t), st.open(t, checkpoint.WithMaxState(60_000))
		for name, test := range tests {
			s := s
			if test.err == checkpoint.ErrTooLarge {
				s = limited
			}
			c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`{}`), CreatedAt: noon}
			test.change(c)
			before := *c
			err := s.Save(ctx, c)
			require.ErrorIs(t, err, test.err, name)
			require.ErrorContains(t, err, test.text, name)
			require.Less(t, len(err.Error()), 400, "%s: a message is for people", name)
			require.Equal(t, before, *c, "%s: the struct stays as it was", name)
		}
		require.Empty(t, runs(t, s, checkpoint.RunsOptions{}), "nothing was written")
		saved(t, limited, "run", "node", filler(60_000)) // the limit itself is allowed
		saved(t, s, strings.Repeat("x", 1024), strings.Repeat("y", 1024), `1`)
		require.ErrorContains(t, appendError(t, s, nil), "invalid checkpoint: it is nil")
		require.ErrorIs(t, s.Save(ctx, nil), checkpoint.ErrInvalid)
	})
}

func manyLabels(n int) map[string]string {
	labels := map[string]string{}
	for i := range n {
		labels[fmt.Sprint(i)] = strings.Repeat("v", 1000)
	}
	return labels
}

func TestReadersRefuseIDs(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		saved(t, s, "run", "node", `1`)
		_, err := s.Prune(ctx, "run", []uint64{1}, "it has notes now")
		require.NoError(t, err)
		for _, id := range []string{"", "run\x00notes", "\xff", strings.Repeat("x", 2000)} {
			calls := map[string]func() error{
				"Load":   func() error { _, err := s.Load(ctx, id); return err },
				"List":   func() error { _, err := s.List(id); return err },
				"Run":    func() error { _, err := s.Run(ctx, id); return err },
				"Verify": func() error { _, err := s.Verify(ctx, id); return err },
				"Delete": func() error { return s.Delete(ctx, id) },
				"Prune":  func() error { _, err := s.Prune(ctx, id, []uint64{1}, ""); return err },
			}
			for name, call := range calls {
				err := call()
				require.Error(t, err, name)
				require.True(t, strings.Contains(err.Error(), "run id"), "%s: %v", name, err)
			}
		}
		_, err = s.LoadNode(ctx, "run", "")
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
	})
}

func TestNewNamesTheTypeThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	type state struct {
		Done chan int `json:"done"`
	}
	for _, v := range []any{state{}, func() {}, math.NaN(), map[string]any{"x": make(chan int)}} {
		_, err := checkpoint.New("run", "node", v)
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("state of type %T: it can't be written as JSON", v))
	}
	c, err := checkpoint.New("run", "node", nil)
	require.NoError(t, err)
	require.Equal(t, "null", string(c.State))
}

// TestStateOfNewIsCheckedWhenItWasReplaced holds that the check of a state is left
// out for nothing but what New itself made.
func TestStateOfNewIsCheckedWhenItWasReplaced(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		c, err := checkpoint.New("run", "node", map[string]int{"a": 1})
		require.NoError(t, err)
		require.NoError(t, s.Save(ctx, c))
		made := c.State
		c.State = json.RawMessage(`no`)
		require.ErrorIs(t, s.Save(ctx, c), checkpoint.ErrInvalid)
		c.State = made[:3]
		require.ErrorIs(t, s.Save(ctx, c), checkpoint.ErrInvalid)
		c.State = nil
		require.ErrorIs(t, s.Save(ctx, c), checkpoint.ErrInvalid)
	})
}

func TestListLimit(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t, checkpoint.WithListLimit(10_000))
		for range 5 {
			saved(t, s, "run", "node", filler(2000))
		}
		list, err := s.List("run")
		require.NoError(t, err, "the limit itself is allowed")
		require.Len(t, list, 5)
		saved(t, s, "run", "node", `1`)
		_, err = s.List("run")
		require.ErrorIs(t, err, checkpoint.ErrTooLarge)
		require.ErrorContains(t, err, "its states take 10001 bytes together, and List returns at most 10000; go through them with History, or raise the limit with WithListLimit")
		say(err)
		_, err = s.Prune(ctx, "run", []uint64{1}, "room")
		require.NoError(t, err)
		list, err = s.List("run")
		require.NoError(t, err)
		require.Len(t, list, 5)
	})
}

func TestContextThatIsDone(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		saved(t, s, "run", "node", `1`)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		late, cancel := context.WithDeadline(context.Background(), noon)
		defer cancel()
		for want, ctx := range map[error]context.Context{context.Canceled: ctx, context.DeadlineExceeded: late} {
			c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`2`)}
			require.ErrorIs(t, s.Save(ctx, c), want)
			_, err := s.Load(ctx, "run")
			require.ErrorIs(t, err, want)
			_, err = s.LoadNode(ctx, "run", "node")
			require.ErrorIs(t, err, want)
			_, err = s.Prune(ctx, "run", []uint64{1}, "")
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, s.Delete(ctx, "run"), want)
			for _, err := range s.Runs(ctx, checkpoint.RunsOptions{}) {
				require.ErrorIs(t, err, want)
			}
		}
		require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 1)
	})
}

func TestOptionsOfAnotherStore(t *testing.T) {
	t.Parallel()
	_, err := checkpoint.Open(memory.New(), checkpoint.WithDurability(checkpoint.DurabilityFull))
	require.ErrorIs(t, err, checkpoint.ErrInvalid)
	require.ErrorContains(t, err, "option WithDurability: it applies only to file stores")
	_, err = checkpoint.Open(memory.New(), checkpoint.WithBusyTimeout(time.Second))
	require.ErrorContains(t, err, "option WithBusyTimeout: it applies only to file stores")
	require.PanicsWithValue(t, "checkpoint: invalid option WithDurability: it applies only to file stores", func() {
		checkpoint.NewMemoryStore(checkpoint.WithDurability(checkpoint.DurabilityOff))
	})
	_, err = checkpoint.NewSQLiteStore(":memory:", checkpoint.WithDurability("SOMETIMES"))
	require.ErrorIs(t, err, checkpoint.ErrInvalid)
	require.ErrorContains(t, err, `durability "SOMETIMES": it is FULL, NORMAL or OFF`)
}

func TestReadOnlyStore(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		w := st.open(t)
		states := loop(t, w, "run", 40)
		s := st.open(t, checkpoint.WithReadOnly())
		c, err := s.Load(ctx, "run")
		require.NoError(t, err)
		require.Equal(t, states[40], string(c.State))
		requireIntact(t, s, "run")
		for what, err := range map[string]error{
			"Save": s.Save(ctx, c), "Delete": s.Delete(ctx, "run"),
		} {
			require.ErrorIs(t, err, checkpoint.ErrReadOnly, what)
			require.ErrorContains(t, err, "it was opened read-only")
			say(s.Save(ctx, c))
		}
		_, err = s.Prune(ctx, "run", []uint64{1}, "")
		require.ErrorIs(t, err, checkpoint.ErrReadOnly)
		saved(t, w, "run", "meanwhile", `1`)
		c, err = s.Load(ctx, "run")
		require.NoError(t, err)
		require.EqualValues(t, 41, c.Seq, "it sees what others write")
	})
}
