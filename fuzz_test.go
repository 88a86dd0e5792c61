package checkpoint_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// FuzzCheckpointJSON reads a checkpoint from any bytes. What is accepted is written
// and read back as the same.
func FuzzCheckpointJSON(f *testing.F) {
	for _, text := range []string{
		"", "null", "{}", "{", "[]", `{"run_id":"r","node_id":"n","state":{"a":1}}`, `{"state":null}`, `{"state":"text"}`,
		`{"run_id":"r","node_id":"n","state":{"a": [1, 2.50, "<&>` + "\u2028" + `"]},"created_at":"2026-01-02T03:04:05.678Z","metadata":{"graph_id":"g","version":2,"labels":{"a":"1"}},` +
			`"seq":7,"parent":5,"prev_node_id":"p","next_node":"x","attempt":3,"branch_id":"b","fork_node_id":"f",` +
			`"origin":{"run_id":"o","seq":3,"hash":"0000000000000000000000000000000000000000000000000000000000000000"},"envelope":{"prefix":"{","suffix":"}"}}`,
		`{"hash":"ab00000000000000000000000000000000000000000000000000000000000000","seq":3}`, `{"hash":""}`, `{"hash":null}`,
		`{"role":"failure","state":null,"encoding":"none","started_at":"2026-01-02T03:04:05+02:00","error":{"text":"no","not_before":"0000-01-01T00:00:00+23:59"}}`,
		`{"role":"x","state":1,"encoding":"none"}`, `{"merges":[1,2],"input":"cd00000000000000000000000000000000000000000000000000000000000000","reused":7}`, `{"started_at":"0000-01-01T00:00:00+23:59"}`,
		`{"state":"AAEC/w==","encoding":"base64"}`, `{"state":"","encoding":"base64"}`, `{"state":null,"encoding":"base64"}`,
		`{"encoding":"base64"}`, `{"state":7,"encoding":"base64"}`, `{"state":"A","encoding":"base64"}`, `{"state":"AA==\n","encoding":"base64"}`,
		`{"state":{},"encoding":"hex"}`, `{"created_at":"2026-01-02T03:04:05+02:00"}`, `{"created_at":null}`,
		`{"created_at":"0000-01-01T00:00:00+23:59"}`, `{"created_at":"9999-12-31T23:59:59-23:59"}`,
		`{"seq":-1}`, `{"seq":18446744073709551615}`, `{"attempt":-1}`, `{"run_id":"\ud800","state":"\ud800"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c checkpoint.Checkpoint
		if err := json.Unmarshal(b, &c); err != nil {
			return
		}
		once, err := json.Marshal(c)
		require.NoError(t, err)
		var again checkpoint.Checkpoint
		require.NoError(t, json.Unmarshal(once, &again))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))

		require.True(t, c.CreatedAt.Equal(again.CreatedAt) && c.StartedAt.Equal(again.StartedAt))
		again.CreatedAt, again.StartedAt = c.CreatedAt, c.StartedAt
		if c.Kind != checkpoint.KindBytes {
			// json.Marshal writes the state without spaces, and one that is absent
			// as null.
			if len(c.State) > 0 {
				require.JSONEq(t, string(c.State), string(again.State))
			}
			again.State = c.State
		}
		if len(c.Metadata.Labels) == 0 {
			c.Metadata.Labels = nil
		}
		if len(c.Merges) == 0 {
			c.Merges = nil
		}
		require.Equal(t, c, again)
	})
}
