package flowgraphstore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

func TestEventHoldsTheStateAlone(t *testing.T) {
	for name, text := range states {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				save(t, flowgraphstore.New(s), "a", envelope(text))
				c, err := s.LoadSeq(t.Context(), "run", 1)
				require.NoError(t, err)
				require.Equal(t, strings.Trim(text, " "), string(c.State))
				require.Equal(t, checkpoint.KindJSON, c.Kind)
				require.Equal(t, envelope(text), c.Envelope.Prefix+string(c.State)+c.Envelope.Suffix)
			})
		})
	}
}

func TestEnvelopeIsMapped(t *testing.T) {
	at := time.Date(2025, 1, 15, 12, 30, 0, 123_456_789, time.FixedZone("", 2*60*60))
	env := fgcheckpoint.New("run", "a", 3, []byte(`{"x":1}`), "b").WithAttempt(2).WithPrevNode("z").WithBranch("left", "fork")
	env.Timestamp = at
	data, err := env.Marshal()
	require.NoError(t, err)
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s, flowgraphstore.WithGraphID("graph"))
		save(t, fg, "a", string(data))
		c, err := s.LoadSeq(t.Context(), "run", 1)
		require.NoError(t, err)
		require.NotNil(t, c.Envelope)
		c.Envelope = nil
		want := &checkpoint.Checkpoint{
			RunID: "run", NodeID: "a", State: []byte(`{"x":1}`), CreatedAt: at.UTC(), Seq: 1, Hash: c.Hash, Kind: checkpoint.KindJSON,
			Metadata:   checkpoint.Metadata{GraphID: "graph", Version: fgcheckpoint.Version},
			PrevNodeID: "z", NextNode: "b", Attempt: 2, BranchID: "left", ForkNodeID: "fork",
		}
		require.EqualExportedValues(t, want, c)
		infos, err := fg.List("run")
		require.NoError(t, err)
		require.Equal(t, []fgcheckpoint.Info{{RunID: "run", NodeID: "a", Sequence: 1, Timestamp: at.UTC(), Size: int64(len(data))}}, infos)

		// A view is of the same graph.
		save(t, fg.At(1), "a", "7")
		c, err = s.LoadSeq(t.Context(), "run", 2)
		require.NoError(t, err)
		require.Equal(t, "graph", c.Metadata.GraphID)
	})
}

// What the engine saves is mapped too, and its time is that of the engine.
func TestEnvelopeOfTheEngine(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		before, fg := time.Now(), flowgraphstore.New(s)
		_, err := run(graph(t, nil, "a>b b>END", nil), fg, "run")
		require.NoError(t, err)
		data, err := fg.Load("run", "b")
		require.NoError(t, err)
		env, err := fgcheckpoint.Unmarshal(data)
		require.NoError(t, err)
		c, err := s.LoadSeq(t.Context(), "run", 2)
		require.NoError(t, err)
		require.WithinRange(t, c.CreatedAt, before, time.Now())
		require.Equal(t, env.Timestamp, c.CreatedAt)
		require.JSONEq(t, `{"path":["a","b"]}`, string(c.State))
		require.Equal(t, []any{"a", flowgraph.END, 1, 1}, []any{c.PrevNodeID, c.NextNode, c.Attempt, c.Metadata.Version})
	})
}

// Bytes that are no envelope, or one that a header can't hold, are the state.
func TestStrangeBytesAreTheState(t *testing.T) {
	split := map[string]string{ // those that are taken for envelopes, and their state
		"white space around": "{}",
		"white space within": `{"a" :` + "\t" + `1}`,
		"state first":        `{"a":1}`,
		"unknown fields":     "1",
		"other ids":          "1",
		"escaped name":       "1",
		"large sequence":     "1",
	}
	notJSON := []string{"empty", "text", "zeros", "malformed", "cut envelope", "cut state", "two values", "byte order mark", "too deep", "too deep to be shown", "more after", "white space for state"}
	for name, text := range strange {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				save(t, flowgraphstore.New(s), "a", text)
				c, err := s.LoadSeq(t.Context(), "run", 1)
				require.NoError(t, err)
				want, isSplit := split[name]
				if !isSplit {
					want = text
				}
				require.True(t, want == string(c.State), "%.100q", c.State)
				require.Equal(t, isSplit, c.Envelope != nil)
				kind := checkpoint.KindJSON
				if slices.Contains(notJSON, name) {
					kind = checkpoint.KindBytes
				}
				require.Equal(t, kind, c.Kind)
			})
		})
	}
}

// The longest names and the largest envelope that are accepted fit a header.
func TestLargestEnvelopeFits(t *testing.T) {
	name := strings.Repeat("<", 1<<10)
	env := `{"run_id":"r","node_id":"n","sequence":1,"next_node":"` + name + `","prev_node_id":"` + name + `","branch_id":"","fork_node_id":"","state":{},"x":"`
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s, flowgraphstore.WithGraphID(name))
		for more := 0; more < 2500; more += 100 {
			data := env + strings.Repeat("<", more) + `"}`
			require.NoError(t, fg.Save(name, name, []byte(data)), more)
			got, err := fg.Load(name, name)
			require.NoError(t, err)
			require.Equal(t, data, string(got))
		}
		first, err := s.LoadSeq(t.Context(), name, 1)
		require.NoError(t, err)
		require.NotNil(t, first.Envelope)
		last, err := s.Load(t.Context(), name)
		require.NoError(t, err)
		require.Nil(t, last.Envelope)
	})
}
