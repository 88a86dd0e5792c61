package checkpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func TestSaveAssignsSeqAndParent(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t)
		for i := range uint64(5) {
			c := saved(t, s, "run", fmt.Sprint("node", i), `{"n":1}`)
			require.Equal(t, i+1, c.Seq)
			require.Equal(t, i, c.Parent)
			say(c)
		}
		other := saved(t, s, "other", "node", `1`)
		require.EqualValues(t, 1, other.Seq, "each run counts for itself")
	})
}

func TestLoadChangeSaveContinuesFromWhatWasLoaded(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i := range 4 {
			saved(t, s, "run", "node", fmt.Sprintf(`{"n":%d}`, i))
		}
		c, err := s.LoadSeq(ctx, "run", 2)
		require.NoError(t, err)
		c.NodeID, c.State, c.CreatedAt = "again", json.RawMessage(`{"n":20}`), noon.Add(1)
		require.NoError(t, s.Save(ctx, c))
		require.EqualValues(t, 5, c.Seq)
		require.EqualValues(t, 2, c.Parent)
		c.CreatedAt = noon.Add(2)
		require.NoError(t, s.Save(ctx, c), "and on from there")
		require.EqualValues(t, 6, c.Seq)
		require.EqualValues(t, 5, c.Parent)
		for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{}) {
			say(ev)
		}
		newest, err := s.Load(ctx, "run")
		require.NoError(t, err)
		require.EqualValues(t, 6, newest.Seq)
	})
}

func TestEverythingInACheckpointComesBack(t *testing.T) {
	full := checkpoint.Checkpoint{
		RunID: "run-ü/1", NodeID: `no"de <&> ☃`, State: json.RawMessage(`{"a": 1}`),
		CreatedAt:  time.Date(2025, 1, 15, 14, 0, 0, 987654321, time.FixedZone("", 2*3600)),
		Metadata:   checkpoint.Metadata{GraphID: "graph", Version: 7, Labels: map[string]string{"a": "1", "b": "", "z<": "\u2028"}},
		PrevNodeID: "before", NextNode: "after", Attempt: 3, BranchID: "left", ForkNodeID: "fork",
		Origin:    &checkpoint.Origin{RunID: "elsewhere", Seq: 9, Hash: checkpoint.Digest{1, 2, 3}},
		Envelope:  &checkpoint.Envelope{Prefix: `{"x":"<`, Suffix: "\n}"},
		Kind:      checkpoint.KindJSON,
		StartedAt: time.Date(2025, 1, 15, 13, 59, 58, 1, time.FixedZone("", 2*3600)), Merges: []uint64{1, 7}, Input: checkpoint.Digest{4, 5, 6}, Reused: 3,
	}
	failure := checkpoint.Checkpoint{
		RunID: full.RunID, NodeID: full.NodeID, Kind: checkpoint.KindNone, CreatedAt: noon, Role: checkpoint.RoleFailure, StartedAt: noon.Add(-time.Second), Attempt: 4,
		Failure: &checkpoint.Failure{Type: "*fs.PathError", Text: "<no> \"file\"", Stack: "goroutine 1:\n\tmain", Final: true, NotBefore: time.Date(2025, 1, 16, 1, 0, 0, 5, time.FixedZone("", 2*3600))},
	}
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		c := full
		require.NoError(t, s.Save(ctx, &c))
		f := failure
		require.NoError(t, s.Save(ctx, &f))
		require.NotEqual(t, time.UTC, f.Failure.NotBefore.Location(), "the caller's is left alone")
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			got, err := s.Load(ctx, full.RunID)
			require.NoError(t, err)
			say(got)
			require.True(t, full.CreatedAt.Equal(got.CreatedAt))
			require.Equal(t, time.UTC, got.CreatedAt.Location())
			require.True(t, full.StartedAt.Equal(got.StartedAt))
			want := full
			want.Seq, want.Hash, want.CreatedAt, want.StartedAt = 1, c.Hash, full.CreatedAt.UTC(), full.StartedAt.UTC()
			require.Equal(t, exported(want), exported(*got))
			got, err = s.LoadSeq(ctx, full.RunID, 2)
			require.NoError(t, err)
			say(got)
			want, told := failure, *failure.Failure
			told.NotBefore = told.NotBefore.UTC()
			want.Seq, want.Hash, want.Parent, want.Failure = 2, f.Hash, 1, &told
			require.Equal(t, exported(want), exported(*got))
		}
	})
}

// exported returns the values of a checkpoint's exported fields.
func exported(c checkpoint.Checkpoint) map[string]any {
	fields := map[string]any{}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			fields[f.Name] = v.Field(i).Interface()
		}
	}
	return fields
}

func TestZeroCreatedAtIsFilledInTheEventOnly(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		before := time.Now()
		c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`{}`)}
		require.NoError(t, s.Save(ctx, c))
		require.True(t, c.CreatedAt.IsZero(), "the caller's struct keeps its zero time")
		got, err := s.Load(ctx, "run")
		require.NoError(t, err)
		require.WithinRange(t, got.CreatedAt, before.Round(0), time.Now())
	})
}

func TestALoadedCheckpointIsSavedWithATimeOfItsOwn(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		saved(t, s, "run", "node", `1`)
		before := time.Now()
		c, err := s.Load(ctx, "run")
		require.NoError(t, err)
		require.NoError(t, s.Save(ctx, c))
		got, err := s.Load(ctx, "run")
		require.NoError(t, err)
		require.WithinRange(t, got.CreatedAt, before.Round(0), time.Now(), "it is a new event")
		require.Equal(t, noon, c.CreatedAt, "the struct stays as it was")
		got.CreatedAt = noon.Add(time.Hour)
		require.NoError(t, s.Save(ctx, got))
		again, err := s.Load(ctx, "run")
		require.NoError(t, err)
		require.Equal(t, noon.Add(time.Hour), again.CreatedAt, "a time that was given is kept")
	})
}

// verbatim are states that are kept byte for byte, whatever they look like and however large.
var verbatim = map[string]string{
	"white space":     " \t\r\n{ \"b\" : [ 1 ,\n\t2 ] , \"a\":null }\n\n",
	"order of keys":   `{"z":1,"a":2,"z":3}`,
	"large integers":  `{"n":9007199254740993,"m":-18446744073709551616,"d":1e400}`,
	"exact decimals":  `[1.0,1.00,1e2,1E+2,-0,0.1]`,
	"html":            `{"h":"<a href='x'>&amp;</a>"}`,
	"escapes":         `{"e":"\u003c\/\u2028\ud83d\ude00","raw":"` + "\u2028😀" + `"}`,
	"lone surrogate":  `"\ud800"`,
	"bytes not UTF-8": "\"\xff\xfe\"",
	"null":            `null`,
	"number":          `0`,
	"empty string":    `""`,
	"just under 4Ki":  filler(4<<10 - 1),
	"4Ki":             filler(4 << 10),
	"just over 4Ki":   filler(4<<10 + 1),
	"one megabyte":    filler(1 << 20),
	"repetitive":      `"` + strings.Repeat("abc", 100_000) + `"`,
	"parallel limit":  filler(32 << 10),
}

// filler returns a JSON string of n bytes in all that hardly compresses.
func filler(n int) string {
	var b bytes.Buffer
	b.WriteByte('"')
	for x := uint32(n); b.Len() < n-1; {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b.WriteByte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[x%64])
	}
	b.WriteByte('"')
	return b.String()
}

func TestStatesAreVerbatim(t *testing.T) {
	tunings := map[string][]checkpoint.Option{
		"default":     nil,
		"plain":       {checkpoint.WithPlainStates()},
		"never plain": {checkpoint.WithPlainUpTo(0)},
		"tiny cache":  {checkpoint.WithCacheBytes(1)},
	}
	for name, opts := range tunings {
		t.Run(name, func(t *testing.T) {
			onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
				ctx := context.Background()
				s := st.open(t, opts...)
				for what, state := range verbatim {
					require.Equal(t, state, string(saved(t, s, what, "a", state).State))
					saved(t, s, what, "b", state)           // the same again
					saved(t, s, what, "c", " "+state+"\n ") // and a little different
				}
				for what, state := range verbatim {
					for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
						for seq, want := range map[uint64]string{1: state, 2: state, 3: " " + state + "\n "} {
							c, err := s.LoadSeq(ctx, what, seq)
							require.NoError(t, err)
							require.True(t, want == string(c.State), "%s: %.60q is not %.60q", what, c.State, want)
						}
					}
					requireIntact(t, s, what)
				}
			})
		})
	}
}

func TestStatesThatAreNotJSON(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for i, state := range [][]byte{{}, nil, {0}, []byte("not JSON"), bytes.Repeat([]byte{0xff, 0, '\n'}, 5000)} {
			c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: state, Kind: checkpoint.KindBytes, CreatedAt: noon}
			require.NoError(t, s.Save(ctx, c))
			for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
				got, err := s.LoadSeq(ctx, "run", uint64(i+1))
				require.NoError(t, err)
				require.NotNil(t, got.State, "a state that is there is not nil")
				require.Equal(t, append([]byte{}, state...), []byte(got.State))
				require.Equal(t, checkpoint.KindBytes, got.Kind)
				say(got)
			}
		}
		requireIntact(t, s, "run")
	})
}

func TestNothingIsSharedWithTheCaller(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s := st.open(t)
		for run, state := range map[string]string{"small": `{"n":1}`, "large": filler(50_000)} {
			in := []byte(state)
			labels := map[string]string{"k": "v"}
			c := &checkpoint.Checkpoint{RunID: run, NodeID: "node", State: in, CreatedAt: noon, Metadata: checkpoint.Metadata{Labels: labels}}
			require.NoError(t, s.Save(ctx, c))
			spoil := func() {
				copy(in, "spoilt")
				labels["k"] = "spoilt"
			}
			spoil()
			for range 2 {
				got, err := s.Load(ctx, run)
				require.NoError(t, err)
				require.Equal(t, state, string(got.State))
				require.Equal(t, "v", got.Metadata.Labels["k"])
				copy(got.State, "spoilt")
				got.Metadata.Labels["k"] = "spoilt"
				list, err := s.List(run)
				require.NoError(t, err)
				require.Equal(t, state, string(list[0].State))
				copy(list[0].State, "spoilt")
			}
			saved(t, s, run, "next", state) // a delta on what must not have been spoilt
			for ev, err := range s.History(ctx, run, checkpoint.HistoryOptions{}) {
				require.NoError(t, err)
				require.Equal(t, state, string(ev.State))
				copy(ev.State, "spoilt")
			}
			requireIntact(t, s, run)
			_, err := s.Compact(ctx, checkpoint.CompactOptions{})
			require.NoError(t, err)
			for range 2 {
				for seq := uint64(1); seq <= 2; seq++ {
					got, err := s.LoadSeq(ctx, run, seq)
					require.NoError(t, err)
					require.Equal(t, state, string(got.State), "sealed event %d", seq)
					copy(got.State, "spoilt")
				}
			}
			saved(t, s, run, "last", state)
			requireIntact(t, s, run)
		}
	})
}
