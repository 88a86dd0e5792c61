package checkpoint_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func TestCheckpointJSON(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		c    checkpoint.Checkpoint
		text string
	}{
		"smallest": {
			checkpoint.Checkpoint{
				RunID: "run-123", NodeID: "process", State: json.RawMessage(`{}`), CreatedAt: time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC),
				Metadata: checkpoint.Metadata{GraphID: "my-workflow", Version: 1},
			},
			`{"run_id":"run-123","node_id":"process","state":{},"created_at":"2025-01-15T10:30:00Z","metadata":{"graph_id":"my-workflow","version":1}}`,
		},
		"full": {
			checkpoint.Checkpoint{
				RunID: "run", NodeID: "node", State: json.RawMessage(`[1]`), CreatedAt: noon, Seq: 5, Parent: 3,
				Metadata:   checkpoint.Metadata{GraphID: "g", Version: 2, Labels: map[string]string{"b": "2", "a": "1"}},
				PrevNodeID: "before", NextNode: "after", Attempt: 2, BranchID: "left", ForkNodeID: "fork",
				Origin: &checkpoint.Origin{RunID: "old", Seq: 7, Hash: checkpoint.Digest{0xab}}, Envelope: &checkpoint.Envelope{Prefix: "{", Suffix: "}"},
			},
			`{"run_id":"run","node_id":"node","state":[1],"created_at":"2025-01-15T12:00:00.123456789Z",` +
				`"metadata":{"graph_id":"g","version":2,"labels":{"a":"1","b":"2"}},"seq":5,"parent":3,"prev_node_id":"before","next_node":"after",` +
				`"attempt":2,"branch_id":"left","fork_node_id":"fork","origin":{"run_id":"old","seq":7,"hash":"ab` + strings.Repeat("00", 31) + `"},` +
				`"envelope":{"prefix":"{","suffix":"}"}}`,
		},
		"position": {
			checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`1`), CreatedAt: noon, Seq: 5, Hash: checkpoint.Digest{0xab, 31: 0xcd}, Parent: 4},
			`{"run_id":"run","node_id":"node","state":1,"created_at":"2025-01-15T12:00:00.123456789Z","metadata":{"graph_id":"","version":0},` +
				`"seq":5,"hash":"ab` + strings.Repeat("00", 30) + `cd","parent":4}`,
		},
		"joined": {
			checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(`1`), CreatedAt: noon, StartedAt: noon.Add(-time.Second),
				Merges: []uint64{3, 4}, Input: checkpoint.Digest{0xef}, Reused: 2},
			`{"run_id":"run","node_id":"node","state":1,"created_at":"2025-01-15T12:00:00.123456789Z","metadata":{"graph_id":"","version":0},` +
				`"started_at":"2025-01-15T11:59:59.123456789Z","merges":[3,4],"input":"ef` + strings.Repeat("00", 31) + `","reused":2}`,
		},
		"failure": {
			checkpoint.Checkpoint{RunID: "run", NodeID: "node", Kind: checkpoint.KindNone, CreatedAt: noon, Role: checkpoint.RoleFailure,
				Failure: &checkpoint.Failure{Type: "*errors.errorString", Text: "no", Stack: "goroutine", Final: true, NotBefore: noon}},
			`{"run_id":"run","node_id":"node","state":null,"encoding":"none","created_at":"2025-01-15T12:00:00.123456789Z","metadata":{"graph_id":"","version":0},` +
				`"role":"failure","error":{"type":"*errors.errorString","text":"no","stack":"goroutine","final":true,"not_before":"2025-01-15T12:00:00.123456789Z"}}`,
		},
		"bytes": {
			checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage("\x00\xff?"), CreatedAt: noon, Kind: checkpoint.KindBytes},
			`{"run_id":"run","node_id":"node","state":"AP8/","encoding":"base64","created_at":"2025-01-15T12:00:00.123456789Z","metadata":{"graph_id":"","version":0}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := json.Marshal(test.c)
			require.NoError(t, err)
			require.Equal(t, test.text, string(b))
			byPointer, err := json.Marshal(&test.c)
			require.NoError(t, err)
			require.Equal(t, test.text, string(byPointer))
			var c checkpoint.Checkpoint
			require.NoError(t, json.Unmarshal(b, &c))
			require.Equal(t, test.c, c)
		})
	}
}

// TestEventJSON: the JSON of an event is that of its checkpoint, position included.
func TestEventJSON(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		saved(t, s, "run", "a", `{"n":1}`)
		require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: "run", NodeID: "a", Role: checkpoint.RoleFailure, Kind: checkpoint.KindNone, Failure: &checkpoint.Failure{Text: "no"}}))
		for _, ev := range events(t, s, "run", checkpoint.HistoryOptions{}) {
			require.EqualValues(t, 1, ev.Visit, "a failure is not counted with checkpoints")
			require.Len(t, ev.Writer, 8)
			text, err := json.Marshal(ev)
			require.NoError(t, err)
			require.Contains(t, string(text), `"hash":"`+ev.Hash.String()+`"`)
			var c checkpoint.Checkpoint
			require.NoError(t, json.Unmarshal(text, &c))
			require.Equal(t, ev.Position(), c.Position())
			require.Equal(t, exported(ev.Checkpoint)["Failure"], exported(c)["Failure"])
			again, err := json.Marshal(c)
			require.NoError(t, err)
			require.Equal(t, string(text), string(again))
		}
	})
}

func TestCheckpointJSONRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"state":"AP8/","encoding":"base32"}`:                      `invalid encoding "base32" of the state: it is "base64", "none" or absent`,
		`{"state":"not base64!","encoding":"base64"}`:               `state with encoding "base64": illegal base64 data`,
		`{"state":{},"encoding":"base64"}`:                          `state with encoding "base64": json: cannot unmarshal object`,
		`{"created_at":"yesterday"}`:                                `checkpoint: parsing time`,
		`{"seq":-1}`:                                                `checkpoint: json: cannot unmarshal number -1`,
		`{"hash":"abc"}`:                                            `digest of 3 characters: want 64 hexadecimal digits`,
		`{"origin":{"hash":"abc"}}`:                                 `digest of 3 characters: want 64 hexadecimal digits`,
		`{"origin":{"hash":"` + strings.Repeat("x", 64) + `"}}`:     `invalid byte`,
		`{"created_at":"0000-01-01T00:00:00+01:00","state":1}`:      `created_at: year -1 can't be written as RFC 3339`,
		`{"started_at":"0000-01-01T00:00:00+01:00","state":1}`:      `started_at: year -1 can't be written as RFC 3339`,
		`{"error":{"not_before":"0000-01-01T00:00:00+01:00"}}`:      `not_before: year -1 can't be written as RFC 3339`,
		`{"created_at":"9999-12-31T23:59:59.5-00:01","run_id":"r"}`: `created_at: year 10000 can't be written as RFC 3339`,
		`[]`: `checkpoint: json: cannot unmarshal array`,
	} {
		c := checkpoint.Checkpoint{RunID: "as it was"}
		err := json.Unmarshal([]byte(text), &c)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, checkpoint.Checkpoint{RunID: "as it was"}, c)
	}
}
