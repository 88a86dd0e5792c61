package log_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/log/delta"
	"github.com/flowlog/checkpoint/log/segment"
)

// sharing makes a run, of which most events are of the same graph, version, attempt and
// writer, and returns its events.
func sharing(t *testing.T, b *tapped, n int) []log.Event {
	var events []log.Event
	for i := range n {
		a := event("run", "node")
		a.Header.CreatedAt = time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC)
		a.Header.Metadata, a.Header.Attempt = log.Metadata{GraphID: "graph", Version: 3}, 1
		l := open(t, b, log.Options{})
		if i%8 == 7 {
			a.Header.Metadata, a.Header.Attempt = log.Metadata{Version: i}, 0
			l = another(t, b)
		}
		events = append(events, add(t, l, a))
	}
	return events
}

// TestWhatEventsShare is read of each event, wherever it is stored and whatever is left of
// the run: its first event, or the note that says that this was dropped.
func TestWhatEventsShare(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*log.Log) error{
		"as saved": func(*log.Log) error { return nil },
		"sealed": func(l *log.Log) error {
			_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
			return err
		},
		"without the first 5": func(l *log.Log) error {
			_, err := l.TruncateFront(t.Context(), "run", 6, "test")
			return err
		},
		"without the first 9": func(l *log.Log) error {
			_, err := l.TruncateFront(t.Context(), "run", 6, "test")
			if err == nil {
				_, err = l.TruncateFront(t.Context(), "run", 10, "test")
			}
			return err
		},
	} {
		for _, damaged := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", head damaged: ", damaged), func(t *testing.T) {
				t.Parallel()
				b := newTapped(t)
				events := sharing(t, b, 20)
				require.NoError(t, change(open(t, b, log.Options{})))
				l := open(t, &heads{b, "run", func(h *driver.Head) {
					if damaged {
						h.Sum++
					}
				}}, log.Options{})
				var first, last uint64
				for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{HeadersOnly: true}) {
					require.NoError(t, err)
					require.Equal(t, events[ev.Seq-1].Header, ev.Header)
					if last = ev.Seq; first == 0 {
						first = ev.Seq
					}
				}
				require.Len(t, events, int(last))
				rep, err := l.Verify(t.Context(), "run")
				require.NoError(t, err)
				require.Equal(t, !damaged, rep.Intact(), "%s", rep)

				m, parts, err := l.Export(t.Context(), "run")
				if damaged && first > 1 {
					require.ErrorIs(t, err, log.ErrCorrupt)
					return
				}
				require.NoError(t, err)
				other := open(t, newTapped(t), log.Options{})
				_, err = other.Import(t.Context(), m, parts, log.ImportOptions{})
				require.NoError(t, err)
				for seq := first; seq <= last; seq++ {
					h, err := other.Header(t.Context(), "run", seq)
					require.NoError(t, err)
					require.Equal(t, events[seq-1].Header, h.Header)
				}
				requireIntact(t, other, "run")
			})
		}
	}
}

// TestForgedBeginning: who changes what later events inherit from one that was dropped, in the
// head and in the note about it, and makes the notes' hash chain anew, still has the hash
// chain of the events against him, in the store and in an export.
func TestForgedBeginning(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	sharing(t, b, 20)
	l := open(t, b, log.Options{})
	_, err := l.TruncateFront(t.Context(), "run", 6, "test")
	require.NoError(t, err)
	run, err := l.Run(t.Context(), "run")
	require.NoError(t, err)
	es, err := b.Entries(t.Context(), driver.EntriesRequest{Run: "run", EntryRange: driver.EntryRange{From: log.NoteKey(1)}, Limit: 1})
	require.NoError(t, err)
	for old, edited := range map[string]string{
		`"graph_id":"graph"`: `"graph_id":"other"`, `"version":3`: `"version":4`, `"attempt":1`: `"attempt":2`, `"writer":"`: `"writer":"x`,
	} {
		forge := func(note []byte) []byte {
			require.Contains(t, string(note), old)
			at := bytes.Index(note, []byte(`"common"`))
			return append(bytes.Clone(note[:at]), bytes.Replace(note[at:], []byte(old), []byte(edited), 1)...)
		}
		note := es[0].Value
		was, is := log.NoteHash(1, log.Digest{}, run.Life, note).String(), log.NoteHash(1, log.Digest{}, run.Life, forge(note)).String()
		forged := open(t, &heads{&tapped{Backend: b.Backend, onEntry: func(_ string, e *driver.Entry) bool {
			if bytes.Equal(e.Key, log.NoteKey(1)) {
				e.Value = forge(e.Value)
			}
			return true
		}}, "run", func(h *driver.Head) {
			require.Contains(t, string(h.Data), was)
			h.Data = bytes.Replace(forge(h.Data), []byte(was), []byte(is), 1)
			h.Sum = log.HeadSum(h)
		}}, log.Options{})
		rep, err := forged.Verify(t.Context(), "run")
		require.NoError(t, err)
		require.EqualValues(t, 6, rep.BrokenAt, "%s", edited)
		_, err = forged.At(t.Context(), "run", 7)
		require.ErrorIs(t, err, log.ErrCorrupt)

		p := pack(t, l, "run")
		data, err := json.Marshal(p.Manifest)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(forge(data), &p.Manifest))
		p.Manifest.Notes.Hash = log.NoteHash(1, log.Digest{}, run.Life, forge(note))
		p.parts[len(p.parts)-1].Notes[0] = forge(note)
		_, err = unpack(t.Context(), open(t, newTapped(t), log.Options{}), p, nil)
		require.ErrorIs(t, err, log.ErrCorrupt, "%s", edited)
	}
}

// TestUnknownBeginning: where neither the head nor what the first event said can be read,
// later events are damaged, and none is shown with less than it said.
func TestUnknownBeginning(t *testing.T) {
	t.Parallel()
	for _, truncate := range []bool{false, true} {
		b := newTapped(t)
		sharing(t, b, 20)
		l := open(t, b, log.Options{})
		_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
		require.NoError(t, err)
		if truncate {
			_, err = l.TruncateFront(t.Context(), "run", 6, "test")
			require.NoError(t, err)
		}
		later := add(t, another(t, b), event("run", "later"))
		b.onEntry = func(_ string, e *driver.Entry) bool { return e.Key[0] != 'n' }
		l = open(t, &withoutEvent1{&heads{b, "run", func(h *driver.Head) { h.Sum++ }}}, log.Options{})
		for seq := uint64(7); seq <= later.Seq; seq++ {
			_, err := l.At(t.Context(), "run", seq)
			require.ErrorIs(t, err, log.ErrCorrupt, "%d", seq)
		}
	}
}

// withoutEvent1 is a backend on which the segment with event 1 is damaged.
type withoutEvent1 struct{ *heads }

func (b *withoutEvent1) Segment(ctx context.Context, req driver.SegmentRequest) (driver.Segment, error) {
	s, err := b.heads.Segment(ctx, req)
	if s.First == 1 && err == nil {
		s.Index = append(bytes.Clone(s.Index[:len(s.Index)-1]), s.Index[len(s.Index)-1]+1)
	}
	return s, err
}

// TestImportOfADeltaWithoutABase: it is refused, before anything is made of it.
func TestImportOfADeltaWithoutABase(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	var states [][]byte
	for i := range 6 {
		a := event("run", "node")
		a.State = fmt.Appendf(nil, `{"i":%d,"text":"%s"}`, i, strings.Repeat("abcdefghij", 1000))
		states = append(states, a.State)
		add(t, l, a)
	}
	p := pack(t, l, "run")
	c, err := segment.NewCodec(segment.Options{})
	require.NoError(t, err)
	x, err := c.ParseIndex(p.parts[0].Index)
	require.NoError(t, err)
	for i, bases := range [][]uint64{{2, 0, 4, 0, 0, 0}, {2, 3, 4, 5, 6, 0}, {0, 0, 0, 0, 0, 0}} {
		w := c.NewWriter()
		for k, e := range x.Entries() {
			on := states[k]
			if e.Kind, e.Base = uint8(driver.Plain), bases[k]; e.Base != 0 {
				on = states[e.Base-1]
			}
			payload := states[k]
			if e.Base != 0 || i != 1 && k >= 4 { // or a delta that names no base
				e.Kind, payload = uint8(driver.Delta), delta.Encode(nil, on, states[k])
			}
			require.NoError(t, w.Add(e, payload))
		}
		forged := packed{Manifest: p.Manifest, parts: []log.Part{{}}}
		forged.parts[0].Index, forged.parts[0].Data, err = w.Finish(x.Info())
		require.NoError(t, err)
		_, err = unpack(t.Context(), open(t, newTapped(t), log.Options{}), forged, nil)
		if i == 1 {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, log.ErrCorrupt)
		require.ErrorContains(t, err, "event 5 is stored as delta, with the base 0")
	}
}

// TestVerifyWhatEventsShare: a head that says something else than the run's first event, or
// than the note about it, is found out.
func TestVerifyWhatEventsShare(t *testing.T) {
	t.Parallel()
	for _, events := range []int{1, 20} {
		b := newTapped(t)
		sharing(t, b, events)
		verifyEdited(t, b, 1)
		if events == 1 {
			continue
		}
		_, err := open(t, b, log.Options{}).TruncateFront(t.Context(), "run", 6, "test")
		require.NoError(t, err)
		verifyEdited(t, b, 6)
	}
}

func verifyEdited(t *testing.T, b *tapped, first uint64) {
	for old, edited := range map[string]string{
		`"graph_id":"graph"`: `"graph_id":"other"`, `"version":3`: `"version":4`, `"attempt":1`: `"attempt":2`,
		`"created_at":"2026`: `"created_at":"2025`,
	} {
		l := open(t, &heads{b, "run", func(h *driver.Head) {
			require.Contains(t, string(h.Data), old)
			h.Data = bytes.Replace(h.Data, []byte(old), []byte(edited), 1)
			h.Sum = log.HeadSum(h)
		}}, log.Options{})
		rep, err := l.Verify(t.Context(), "run")
		require.NoError(t, err)
		require.False(t, rep.Intact(), "%d: %s", first, edited)
		require.Equal(t, first, rep.BrokenAt)
		if first == 1 { // what is wrong now must not be made what is left of the run
			_, err = l.TruncateFront(t.Context(), "run", 2, "test")
			require.Error(t, err)
		}
	}
}
