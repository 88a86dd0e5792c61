package checkpoint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

func TestFork(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		state := fmt.Sprintf(`{"big":  9007199254740993,"text":%s}`, filler(9000))
		c := &checkpoint.Checkpoint{
			RunID: "run", NodeID: "plan", State: json.RawMessage(state), CreatedAt: noon, PrevNodeID: "start", NextNode: "write", Attempt: 2,
			Metadata: checkpoint.Metadata{GraphID: "graph", Version: 3, Labels: map[string]string{"a": "b"}},
			Envelope: &checkpoint.Envelope{Prefix: "<", Suffix: ">"},
		}
		require.NoError(t, s.Save(ctx, c))
		saved(t, s, "run", "write", `{"later":true}`)
		of := first(t, s, "run")

		fork, err := s.Fork(ctx, "run", 1, "fork")
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), fork.CreatedAt, time.Hour)
		require.Equal(t, []any{"fork", uint64(1), uint64(0)}, []any{fork.RunID, fork.Seq, fork.Parent})
		require.Equal(t, &checkpoint.Origin{RunID: "run", Seq: 1, Hash: of.Hash}, fork.Origin)
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			got, err := s.Load(ctx, "fork")
			require.NoError(t, err)
			require.Equal(t, state, string(got.State), "byte for byte")
			require.Equal(t, fork.CreatedAt, got.CreatedAt)
			require.Equal(t, fork.Position(), got.Position())
			require.NotEqual(t, of.Hash, got.Hash)
			text, err := json.Marshal(got)
			require.NoError(t, err)
			require.Contains(t, string(text), fmt.Sprintf(`"origin":{"run_id":"run","seq":1,"hash":"%s"}`, of.Hash))
			got.RunID, got.Hash, got.Origin, got.CreatedAt = "run", of.Hash, nil, noon
			a, err := json.Marshal(got)
			require.NoError(t, err)
			b, err := json.Marshal(of.Checkpoint)
			require.NoError(t, err)
			require.JSONEq(t, string(b), string(a), "all else is the origin's")
			say(got)
		}
		require.Len(t, events(t, s, "run", checkpoint.HistoryOptions{}), 2, "the origin is as it was")

		// It stands on its own.
		require.NoError(t, s.Save(ctx, fork))
		require.Equal(t, []uint64{2, 1}, []uint64{fork.Seq, fork.Parent})
		_, err = s.Prune(ctx, "run", []uint64{1}, "test")
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, "run"))
		_, err = s.Compact(ctx, checkpoint.CompactOptions{})
		require.NoError(t, err)
		got, err := s.LoadSeq(ctx, "fork", 1)
		require.NoError(t, err)
		require.Equal(t, state, string(got.State))
		requireIntact(t, s, "fork")
	})
}

func TestForkWithAnotherState(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		saved(t, s, "run", "plan", `{"model":"small", "n":1}`)
		fork, err := s.Fork(ctx, "run", 1, "fork", checkpoint.EditState(func(state []byte) ([]byte, error) {
			return statediff.Apply(state, []byte(`[{"op":"replace","path":"/model","value":"large"}]`))
		}))
		require.NoError(t, err)
		require.JSONEq(t, `{"model":"large","n":1}`, string(fork.State))
		got, err := s.Load(ctx, "fork")
		require.NoError(t, err)
		require.Equal(t, string(fork.State), string(got.State))

		sorry := errors.New("sorry")
		_, err = s.Fork(ctx, "run", 1, "other", checkpoint.EditState(func([]byte) ([]byte, error) { return nil, sorry }))
		require.ErrorIs(t, err, sorry)
		say(err)
		_, err = s.Fork(ctx, "run", 1, "other", checkpoint.EditState(func([]byte) ([]byte, error) { return []byte(`{`), nil }))
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
		say(err)
		_, err = s.Run(ctx, "other")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		require.JSONEq(t, `{"model":"small","n":1}`, string(first(t, s, "run").State))
	})
}

func TestForkRefuses(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		saved(t, s, "run", "plan", `1`)
		saved(t, s, "run", "plan", `2`)
		saved(t, s, "there", "plan", `3`)
		_, err := s.Prune(ctx, "run", []uint64{1}, "test")
		require.NoError(t, err)
		_, err = s.Fork(ctx, "run", 2, "twice")
		require.NoError(t, err)
		for _, tc := range []struct {
			run  string
			seq  uint64
			to   string
			want error
		}{
			{"run", 2, "there", checkpoint.ErrConflict}, {"run", 2, "run", checkpoint.ErrConflict}, {"run", 2, "twice", checkpoint.ErrConflict},
			{"run", 1, "new", checkpoint.ErrPruned}, {"run", 0, "new", checkpoint.ErrNotFound}, {"run", 3, "new", checkpoint.ErrNotFound},
			{"nobody", 1, "new", checkpoint.ErrNotFound}, {"run", 2, "", checkpoint.ErrInvalid}, {"run", 2, "a\x00b", checkpoint.ErrInvalid},
		} {
			_, err := s.Fork(ctx, tc.run, tc.seq, tc.to)
			require.ErrorIs(t, err, tc.want, "%s@%d to %q", tc.run, tc.seq, tc.to)
			say(err)
		}
		_, err = s.Run(ctx, "new")
		require.ErrorIs(t, err, checkpoint.ErrNotFound)
		_, err = st.open(t, checkpoint.WithReadOnly()).Fork(ctx, "run", 2, "new")
		require.ErrorIs(t, err, checkpoint.ErrReadOnly)
	})
}

// TestForkOfOneAtTheSameTime holds that of many forks into one run one succeeds.
func TestForkOfOneAtTheSameTime(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := t.Context()
		s := st.open(t)
		saved(t, s, "run", "plan", `1`)
		const forks = 8
		errs := make(chan error, forks)
		for i := range forks {
			go func() {
				_, err := s.Fork(ctx, "run", 1, "fork", checkpoint.EditState(func([]byte) ([]byte, error) {
					return fmt.Append(nil, i), nil
				}))
				errs <- err
			}()
		}
		succeeded := 0
		for range forks {
			if err := <-errs; err == nil {
				succeeded++
			} else {
				require.ErrorIs(t, err, checkpoint.ErrConflict)
			}
		}
		require.Equal(t, 1, succeeded)
		require.Len(t, events(t, s, "fork", checkpoint.HistoryOptions{}), 1)
	})
}

// TestForkOfBytes holds that a state that is not JSON can be forked too.
func TestForkOfBytes(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "plan", Kind: checkpoint.KindBytes, State: []byte("\xff\x00")}))
		_, err := s.Fork(t.Context(), "run", 1, "fork")
		require.NoError(t, err)
		got, err := s.Load(t.Context(), "fork")
		require.NoError(t, err)
		require.Equal(t, checkpoint.KindBytes, got.Kind)
		require.Equal(t, "\xff\x00", string(got.State))
	})
}
