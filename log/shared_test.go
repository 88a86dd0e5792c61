package log_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// sharing is a run of 20 events, of which most are of the same graph, version, attempt and
// writer. Its events are returned.
func sharing(t *testing.T, b *tapped) []log.Event {
	var events []log.Event
	for i := range 20 {
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
				events := sharing(t, b)
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

// TestVerifyWhatEventsShare: a head that says something else than the run's first event, or
// than the note about it, is found out.
func TestVerifyWhatEventsShare(t *testing.T) {
	t.Parallel()
	for _, first := range []uint64{1, 6} {
		b := newTapped(t)
		sharing(t, b)
		if first > 1 {
			_, err := open(t, b, log.Options{}).TruncateFront(t.Context(), "run", first, "test")
			require.NoError(t, err)
		}
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
		}
	}
}
