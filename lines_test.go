package checkpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// lines exports a run as JSON Lines.
func lines(t tester, s *checkpoint.EventStore, run string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.ExportLines(context.Background(), run, &b, nil))
	return b.String()
}

func TestLines(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t)
		story(t, s, "run")
		text := lines(t, s, "run")
		say(text)
		all := events(t, s, "run", checkpoint.HistoryOptions{})
		split := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		require.Len(t, split, len(all))
		for i, ev := range all {
			var c checkpoint.Checkpoint
			require.NoError(t, json.Unmarshal([]byte(split[i]), &c))
			require.Equal(t, ev.Pruned, strings.Contains(split[i], `"pruned":true`))
			require.NotContains(t, split[i], ev.Hash.String())
			require.Zero(t, c.Hash, "a new run gets hashes of its own")
			want := ev.Checkpoint
			want.Hash = checkpoint.Digest{}
			if ev.Pruned {
				want.State, want.Kind, c.Kind = json.RawMessage("null"), "", ""
			}
			if want.Kind == checkpoint.KindJSON { // in which a line break is white space
				want.Kind, want.State = "", bytes.ReplaceAll(want.State, []byte("\n"), []byte(" "))
			}
			require.Equal(t, string(want.State), string(c.State), "seq %d", ev.Seq)
			require.Equal(t, answer(withoutState(want)), answer(withoutState(c)))
		}

		// A new run of it has the same events but for those that were pruned, and hashes
		// of its own.
		d := st.open(t)
		_, err := d.ImportLines(t.Context(), strings.NewReader(text), checkpoint.ImportOptions{})
		require.ErrorIs(t, err, checkpoint.ErrConflict)
		say(err)
		done, err := d.ImportLines(t.Context(), strings.NewReader(text), checkpoint.ImportOptions{SkipExisting: true})
		require.NoError(t, err)
		require.Equal(t, checkpoint.Imported{Skipped: []string{"run"}}, done)
		was := all[len(all)-1].Hash
		require.NoError(t, d.Delete(t.Context(), "run"))
		done, err = d.ImportLines(t.Context(), strings.NewReader(text), checkpoint.ImportOptions{})
		require.NoError(t, err)
		require.Equal(t, uint64(len(all)-4), done.Runs[0].Last)
		require.NotEqual(t, was, done.Runs[0].Hash)
		requireIntact(t, d, "run")
		say(lines(t, d, "run"))
		seq := map[uint64]uint64{}
		anew := events(t, d, "run", checkpoint.HistoryOptions{})
		for _, ev := range all {
			seq[ev.Seq] = seq[ev.Parent]
			if ev.Pruned {
				continue
			}
			have := anew[0]
			require.Equal(t, seq[ev.Parent], have.Parent, "seq %d", ev.Seq)
			seq[ev.Seq], anew = have.Seq, anew[1:]
			require.Equal(t, ev.CreatedAt, have.CreatedAt)
			require.Equal(t, ev.Kind, have.Kind)
			require.Equal(t, ev.Envelope, have.Envelope)
		}
		require.Empty(t, anew)
	})
}

func withoutState(c checkpoint.Checkpoint) *checkpoint.Checkpoint {
	c.State = nil
	return &c
}

// TestLinesOfATruncatedRun: what continues from an event that was dropped is a beginning.
func TestLinesOfATruncatedRun(t *testing.T) {
	t.Parallel()
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	for _, state := range []string{`1`, `2`, `3`, `4`} {
		saved(t, s.EventStore, "run", "node", state)
	}
	savedAfter(t, s.EventStore, "run", "node", `5`, 2)
	savedAfter(t, s.EventStore, "run", "node", `6`, 4)
	_, err := s.TruncateFront(t.Context(), "run", 4, "too old")
	require.NoError(t, err)
	text := lines(t, s.EventStore, "run")
	require.NoError(t, s.Delete(t.Context(), "run"))
	_, err = s.ImportLines(t.Context(), strings.NewReader(text), checkpoint.ImportOptions{})
	require.NoError(t, err)
	var parents []uint64
	for _, ev := range events(t, s.EventStore, "run", checkpoint.HistoryOptions{}) {
		parents = append(parents, ev.Parent)
	}
	require.Equal(t, []uint64{0, 0, 1}, parents)
}

// TestLinesKeepWhiteSpace (F21): white space around a state, such as the line break that
// json.Encoder writes, comes back.
func TestLinesKeepWhiteSpace(t *testing.T) {
	t.Parallel()
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	states := []string{`{"a":1}` + "\n", " \t[1]\r\n ", "1 ", "\n\n2", `" 3 "`, " {\"a\" : [ ] } ", "\n\"\\n\"\n"}
	for _, state := range states {
		saved(t, s.EventStore, "run", "node", state)
	}
	text := lines(t, s.EventStore, "run")
	require.Equal(t, len(states), strings.Count(text, "\n"))
	require.NoError(t, s.Delete(t.Context(), "run"))
	_, err := s.ImportLines(t.Context(), strings.NewReader(text), checkpoint.ImportOptions{})
	require.NoError(t, err)
	for i, ev := range events(t, s.EventStore, "run", checkpoint.HistoryOptions{}) {
		require.Equal(t, states[i], string(ev.State))
	}
	for _, bad := range []string{
		`{"run_id":"b","node_id":"x","state":1,"around":["x",""]}`, `{"run_id":"b","node_id":"x","state":1,"around":["","2"]}`,
		`{"run_id":"b","node_id":"x","state":"AAE=","encoding":"base64","around":[" ",""]}`,
	} {
		_, err := s.ImportLines(t.Context(), strings.NewReader(bad), checkpoint.ImportOptions{})
		require.ErrorIs(t, err, checkpoint.ErrInvalid, bad)
	}
}

// TestLinesOfOthers imports lines that another program wrote: of several runs, mixed,
// without seqs, or with some.
func TestLinesOfOthers(t *testing.T) {
	t.Parallel()
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	done, err := s.ImportLines(t.Context(), strings.NewReader(`
{"run_id":"b","node_id":"x","state":1}
{"run_id":"a","node_id":"x","state":{ "n" : 9007199254740993 },"created_at":"2026-01-02T03:04:05+02:00","seq":10}

{"node_id":"y","run_id":"b","state":2, "unknown": []}
{"run_id":"a","node_id":"y","state":null,"parent":10}
{"run_id":"a","node_id":"gone","state":null,"seq":20,"parent":11,"pruned":true}
{"run_id":"a","node_id":"z","state":3,"parent":20}
{"run_id":"a","node_id":"z","state":4}
{"run_id":"a","node_id":"root","state":"AAE=","encoding":"base64","seq":30,"parent":0}
{"run_id":"a","node_id":"next","state":5,"seq":31}
{"run_id":"b","node_id":"root","state":3,"parent":0}
{"run_id":"b","node_id":"next","state":4,"parent":null}`), checkpoint.ImportOptions{})
	require.NoError(t, err)
	require.Equal(t, "b", done.Runs[0].ID)
	require.Equal(t, "a", done.Runs[1].ID)
	tree := func(run string) (out []string) {
		for _, ev := range events(t, s.EventStore, run, checkpoint.HistoryOptions{}) {
			out = append(out, fmt.Sprintf("%s<%d %q", ev.NodeID, ev.Parent, ev.State))
		}
		return out
	}
	require.Equal(t, []string{`x<0 "1"`, `y<1 "2"`, `root<0 "3"`, `next<3 "4"`}, tree("b"))
	require.Equal(t, []string{`x<0 "{ \"n\" : 9007199254740993 }"`, `y<1 "null"`, `z<2 "3"`, `z<3 "4"`, `root<0 "\x00\x01"`, `next<5 "5"`}, tree("a"))
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	good := `{"run_id":"a","node_id":"x","state":1}`
	s := checkpoint.NewMemoryStore(checkpoint.WithMaxState(1000))
	defer s.Close()
	for text, want := range map[string]string{
		"":                             "it has no lines",
		"\n \n":                        "it has no lines",
		good + "\n" + good[:20]:        `line 2: invalid JSON at byte 20: unexpected end of JSON input; it begins with "{\"run_id\":\"a\",\"node_"`,
		good + "\n\n" + `[1]`:          "line 3: invalid checkpoint: json: cannot unmarshal array",
		`{"state":1}`:                  "line 1: invalid run_id: it is missing",
		`{"run_id":"a","state":1}`:     "line 1: invalid node id: it is empty",
		`{"run_id":"a","node_id":"x"}`: `line 1: invalid state of run "a" node "x": it is empty`,
		"{\"run_id\":\"a\xff\",\"node_id\":\"x\",\"state\":1}":                     "line 1: invalid line of run \"a\ufffd\": outside of the state it is not UTF-8",
		`{"run_id":"a\u0000","node_id":"x","state":1}`:                             "line 1: invalid run id",
		`{"run_id":"a","node_id":"x","state":"*","encoding":"base64"}`:             "line 1: invalid line: checkpoint: state with encoding \"base64\": illegal base64",
		`{"run_id":"a","node_id":"x","state":1,"encoding":"hex"}`:                  `line 1: invalid line: checkpoint: invalid encoding "hex"`,
		`{"run_id":"a","node_id":"x","state":1,"parent":1}`:                        `line 1: invalid parent 1 of run "a" seq 1: no line before has that seq`,
		good + "\n" + `{"run_id":"a","node_id":"x","state":1,"seq":1}`:             `line 2: invalid seq 1 of run "a": it comes behind seq 1`,
		`{"run_id":"a","node_id":"x","state":null,"pruned":true}`:                  `run "a": all of its events are pruned`,
		`{"run_id":"a","node_id":"x","state":"` + strings.Repeat("x", 1000) + `"}`: "line 1: run \"a\": too large: state of 1002 bytes",
		good + "\n" + `{"run_id":"` + strings.Repeat("x", 1<<20):                   "line 2: too large: it is longer than 263477 bytes",
	} {
		_, err := s.ImportLines(t.Context(), strings.NewReader(text), checkpoint.ImportOptions{})
		require.ErrorContains(t, err, want)
		noRuns(t, s.EventStore)
	}
}

func TestMaskedLines(t *testing.T) {
	t.Parallel()
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	saved(t, s.EventStore, "run", "x", `{"key":"secret"}`)
	var b bytes.Buffer
	require.NoError(t, s.ExportLines(t.Context(), "run", &b, func(state []byte) ([]byte, error) {
		return bytes.ReplaceAll(state, []byte("secret"), []byte("…")), nil
	}))
	require.Contains(t, b.String(), `"state":{"key":"…"}`)
	secret := &checkpoint.Checkpoint{RunID: "bytes", NodeID: "x", Kind: checkpoint.KindBytes, State: []byte("secret \xff")}
	require.NoError(t, s.Save(t.Context(), secret))
	plain := &checkpoint.Checkpoint{RunID: "bytes", NodeID: "x", Kind: checkpoint.KindBytes, State: []byte{0, 1}}
	require.NoError(t, s.Save(t.Context(), plain))
	require.NoError(t, s.ExportLines(t.Context(), "bytes", &b, func(state []byte) ([]byte, error) {
		if bytes.Contains(state, []byte("secret")) {
			return []byte(`"hidden"`), nil
		}
		return state, nil
	}))
	require.Contains(t, b.String(), `"state":"hidden","created_at"`)
	require.Contains(t, b.String(), `"state":"AAE=","encoding":"base64"`)
	broken := fmt.Errorf("broken")
	require.ErrorIs(t, s.ExportLines(t.Context(), "run", &b, func([]byte) ([]byte, error) { return nil, broken }), broken)
	require.ErrorIs(t, s.ExportLines(t.Context(), "no run", &b, nil), checkpoint.ErrNotFound)
}

// FuzzImportLines imports any lines: what is accepted is exported and imported as the
// same.
func FuzzImportLines(f *testing.F) {
	s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
	defer s.Close()
	story(f, s.EventStore, "story")
	f.Add(lines(f, s.EventStore, "story"))
	f.Add(`{"run_id":"a","node_id":"x","state":1}` + "\n" + `{"run_id":"b","node_id":"x","state":[],"seq":7}`)
	f.Add(`{"run_id":"a","node_id":"x","state":1,"seq":2,"pruned":true}` + "\r\n" + `{"run_id":"a","node_id":"x","state": {"a":1 } ,"parent":2}`)
	f.Add(`{"run_id":"a","node_id":"x","state":"AA==","encoding":"base64"}`)
	f.Add("{")
	f.Fuzz(func(t *testing.T, text string) {
		s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction(), checkpoint.WithMaxState(1<<20))
		defer s.Close()
		done, err := s.ImportLines(context.Background(), strings.NewReader(text), checkpoint.ImportOptions{})
		if err != nil {
			noRuns(t, s.EventStore)
			return
		}
		for _, run := range done.Runs {
			requireIntact(t, s.EventStore, run.ID)
			once := lines(t, s.EventStore, run.ID)
			require.NoError(t, s.Delete(context.Background(), run.ID))
			_, err := s.ImportLines(context.Background(), strings.NewReader(once), checkpoint.ImportOptions{})
			require.NoError(t, err)
			require.Equal(t, once, lines(t, s.EventStore, run.ID))
		}
	})
}
