package flowgraphstore_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// states are JSON values that a store must not touch.
var states = map[string]string{
	"object":          `{"key":"value"}`,
	"white space":     " {\r\n\t\"b\" : 1 ,\"a\":[ ] } ",
	"key order":       `{"z":1,"a":2,"m":3}`,
	"large numbers":   `{"n":9007199254740993,"f":1.000,"e":-0,"x":1E400}`,
	"html":            "{\"h\":\"<b>&amp;</b>\u2028\",\"e\":\"\\u003cb\\u003e\"}",
	"escapes":         `{"\u0061":"\/","s":"\ud83d\ude00 😀"}`,
	"duplicate keys":  `{"a":1,"a":{"a":2,"a":3}}`,
	"invalid utf-8":   "{\"s\":\"\xff\xfe\",\"\xc0\":1}",
	"lone surrogates": `{"s":"\ud800"}`,
	"null":            `null`,
	"number":          `42`,
	"string":          `"state"`,
	"list":            `[1,{"state":2},[]]`,
	"nested state":    `{"state":{"state":{}}}`,
	"deep":            strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	"large":           `{"text":"` + strings.Repeat("all work and no play ", 50_000) + `"}`,
}

// envelope returns a state in an envelope as flowgraph writes it.
func envelope(state string) string {
	return fmt.Sprintf(`{"version":1,"run_id":"run","node_id":"a","sequence":3,"timestamp":"2025-01-15T10:30:00.123456789Z","state":%s,"next_node":"b","attempt":2,"prev_node_id":"z"}`, state)
}

// strange are bytes that are no flowgraph checkpoint, or one that flowgraph does
// not write.
var strange = map[string]string{
	"empty":                 "",
	"text":                  "first",
	"zeros":                 "\x00\x00",
	"malformed":             `{not valid json at all`,
	"cut envelope":          envelope(`{}`)[:80],
	"cut state":             envelope(`{"a":`),
	"two values":            `{} {}`,
	"byte order mark":       "\ufeff{}",
	"too deep":              strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
	"too deep to be shown":  envelope(strings.Repeat("[", 9_950) + strings.Repeat("]", 9_950)),
	"more after":            envelope(`{}`) + "x",
	"white space around":    "\n " + envelope(`{}`) + " \n",
	"white space within":    strings.NewReplacer(`":`, "\" :\t", ",", "\n,\n").Replace(envelope(`{"a":1}`)),
	"state first":           `{"state":{"a":1},"version":1,"run_id":"run","node_id":"a","sequence":1}`,
	"state only":            `{"state":{"a":1}}`,
	"state twice":           `{"state":1,"run_id":"run","node_id":"a","sequence":1,"state":2}`,
	"state in capitals":     `{"State":1,"run_id":"run","node_id":"a","sequence":1}`,
	"escaped name":          `{"\u0073tate":1,"run_id":"run","node_id":"a","sequence":1}`,
	"unknown fields":        `{"state":1,"run_id":"run","node_id":"a","sequence":1,"x":{"state":2}}`,
	"other ids":             `{"state":1,"run_id":"other","node_id":"z","sequence":1}`,
	"sequence 0":            `{"state":1,"run_id":"run","node_id":"a","sequence":0}`,
	"sequence as text":      `{"state":1,"run_id":"run","node_id":"a","sequence":"1"}`,
	"large sequence":        `{"state":1,"run_id":"run","node_id":"a","sequence":9223372036854775807}`,
	"too large sequence":    `{"state":1,"run_id":"run","node_id":"a","sequence":9223372036854775808}`,
	"invalid utf-8 around":  "{\"state\":1,\"run_id\":\"run\",\"node_id\":\"a\",\"sequence\":1,\"x\":\"\xff\"}",
	"node with a zero":      `{"state":1,"run_id":"run","node_id":"a","sequence":1,"next_node":"\u0000"}`,
	"long node":             `{"state":1,"run_id":"run","node_id":"a","sequence":1,"next_node":"` + strings.Repeat("n", 2000) + `"}`,
	"time before year 0":    `{"state":1,"run_id":"run","node_id":"a","sequence":1,"timestamp":"0000-01-01T00:00:00+12:00"}`,
	"time after year 9999":  `{"state":1,"run_id":"run","node_id":"a","sequence":1,"timestamp":"9999-12-31T23:00:00-12:00"}`,
	"large around":          `{"state":1,"run_id":"run","node_id":"a","sequence":1,"x":"` + strings.Repeat("x", 100_000) + `"}`,
	"large when escaped":    `{"state":1,"run_id":"run","node_id":"a","sequence":1,"x":"` + strings.Repeat("<", 16_000) + `"}`,
	"white space for state": `{"state": ,"run_id":"run","node_id":"a","sequence":1}`,
}

// allBytes are the states, the same in envelopes, and the strange.
func allBytes() map[string]string {
	all := map[string]string{}
	for name, text := range states {
		all["state/"+name], all["envelope/"+name] = text, envelope(text)
	}
	for name, text := range strange {
		all["strange/"+name] = text
	}
	return all
}

func TestLoadGivesWhatWasSaved(t *testing.T) {
	for name, text := range allBytes() {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				fg := flowgraphstore.New(s)
				require.NoError(t, fg.Save("run", "a", []byte(text)))
				sameBytes(t, fg, "a", text)
				require.NoError(t, fg.Save("run", "b", []byte(text)))
				sameBytes(t, flowgraphstore.New(s), "a#1", text)
				sameBytes(t, fg.At(2), "b", text)
				require.NoError(t, fg.Delete("run", "a"))
				sameBytes(t, fg, "b", text)
				tree(t, s, "run")
			})
		})
	}
}

func sameBytes(t *testing.T, fg *flowgraphstore.Store, node, want string) {
	t.Helper()
	got, err := fg.Load("run", node)
	require.NoError(t, err)
	require.NotNil(t, got)
	require.True(t, want == string(got), "%.200q came back as %.200q", want, got)
	infos, err := fg.List("run")
	require.NoError(t, err)
	require.Equal(t, int64(len(want)), infos[len(infos)-1].Size)
}

// FuzzSaveLoad holds that any bytes come back as they were saved.
func FuzzSaveLoad(f *testing.F) {
	all := allBytes()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if text := all[name]; len(text) <= 1<<10 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := checkpoint.NewMemoryStore()
		defer s.Close()
		fg, given := flowgraphstore.New(s), bytes.Clone(data)
		for seq := range uint64(2) {
			require.NoError(t, fg.Save("run", "a", data))
			require.True(t, bytes.Equal(given, data), "Save changed what it was given")
			for _, from := range []*flowgraphstore.Store{fg, flowgraphstore.New(s), fg.At(seq + 1)} {
				got, err := from.Load("run", "a")
				require.NoError(t, err)
				require.True(t, bytes.Equal(data, got), "%q came back as %q", data, got)
			}
		}
		report, err := s.Verify(t.Context(), "run")
		require.NoError(t, err)
		require.True(t, report.Intact(), report.String())
	})
}
