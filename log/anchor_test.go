package log_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// truncated is a specimen whose events before first were dropped.
func truncated(t *testing.T, first uint64, seal bool) *specimen {
	s := newSpecimen(t)
	l := open(t, s.b, small)
	if seal {
		_, err := l.Seal(t.Context(), specimenRun, log.SealOptions{Whole: true})
		require.NoError(t, err)
	}
	a, err := l.TruncateFront(t.Context(), specimenRun, first, "seven years are over")
	require.NoError(t, err)
	require.Equal(t, first-1, a.Seq)
	require.Equal(t, s.events[first-2].Hash, a.Hash)
	require.Equal(t, s.records[first-2].Bytes, a.Bytes)
	require.True(t, s.events[0].CreatedAt.Equal(a.Began))
	require.Equal(t, "seven years are over", a.Reason)
	require.False(t, a.At.IsZero())
	return s
}

// TestTruncateFront: what is left is as it was, and what is gone says so.
func TestTruncateFront(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		for _, first := range []uint64{2, 11, 13, specimenSize} {
			t.Run(fmt.Sprint(first, " sealed ", sealed), func(t *testing.T) {
				t.Parallel()
				s := truncated(t, first, sealed)
				for _, l := range []*log.Log{open(t, s.b, small), open(t, s.b, log.Options{})} {
					rep, err := l.Verify(t.Context(), specimenRun)
					require.NoError(t, err)
					require.True(t, rep.Intact(), "%s", rep)
					require.Equal(t, fmt.Sprintf("intact from anchor %d: %d events, head %s", first-1, specimenSize-first+1, s.events[specimenSize-1].Hash), rep.String())
					for _, ev := range s.events {
						have, err := l.At(t.Context(), specimenRun, ev.Seq)
						switch {
						case ev.Seq < first:
							require.ErrorIs(t, err, log.ErrDropped)
							require.ErrorIs(t, err, log.ErrNotFound)
							require.ErrorContains(t, err, fmt.Sprintf(`run "specimen" seq %d: not found: dropped: event %d went with all up to seq %d at 20`, ev.Seq, ev.Seq, first-1))
							require.ErrorContains(t, err, ": seven years are over")
							_, err = l.Header(t.Context(), specimenRun, ev.Seq)
							require.ErrorIs(t, err, log.ErrDropped)
						case ev.Pruned:
							require.ErrorIs(t, err, log.ErrPruned)
						default:
							require.NoError(t, err)
							require.NoError(t, s.same(have))
						}
					}
					// Nothing more to do.
					a, err := l.TruncateFront(t.Context(), specimenRun, first-1, "again")
					require.NoError(t, err)
					require.Equal(t, "seven years are over", a.Reason)
					have, err := l.Anchor(t.Context(), specimenRun)
					require.NoError(t, err)
					require.Equal(t, a, have)
				}
				// It goes on, and by an event whose parent is gone.
				l := open(t, s.b, small)
				for _, parent := range []uint64{0, 1} {
					ev, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: specimenRun, NodeID: "more", Kind: log.JSON}, State: s.events[39].State, Parent: parent})
					require.NoError(t, err)
					require.Equal(t, max(parent, specimenSize*(1-parent)), ev.Parent)
				}
				var line []uint64
				for ev, err := range l.History(t.Context(), specimenRun, log.HistoryOptions{Lineage: true}) {
					require.NoError(t, err)
					line = append(line, ev.Seq)
				}
				require.Equal(t, []uint64{specimenSize + 2}, line)
				_, err := l.Seal(t.Context(), specimenRun, log.SealOptions{Whole: true})
				require.NoError(t, err)
				rep, err := l.Verify(t.Context(), specimenRun)
				require.NoError(t, err)
				require.True(t, rep.Intact(), "%s", rep)
			})
		}
	}
}

func TestTruncateFrontRefuses(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	l := open(t, s.b, small)
	for _, first := range []uint64{0, specimenSize + 1} {
		_, err := l.TruncateFront(t.Context(), specimenRun, first, "reason")
		require.ErrorIs(t, err, log.ErrNotFound)
		require.ErrorContains(t, err, "it has events 1 to 40, and the newest has to stay")
	}
	_, err := l.TruncateFront(t.Context(), specimenRun, 5, "")
	require.ErrorIs(t, err, log.ErrInvalid)
	_, err = l.TruncateFront(t.Context(), "none", 5, "reason")
	require.ErrorIs(t, err, log.ErrNotFound)
	a, err := l.TruncateFront(t.Context(), specimenRun, 1, "reason")
	require.NoError(t, err)
	require.Zero(t, a)
	for n := range l.Notes(t.Context(), specimenRun) {
		require.NotEqual(t, "anchor", n.Kind)
	}
}

// TestForgedAnchor changes what the head says of the anchor, with a checksum that is
// right.
func TestForgedAnchor(t *testing.T) {
	t.Parallel()
	const first = 13
	s := truncated(t, first, true)
	h, err := s.b.Head(t.Context(), specimenRun)
	require.NoError(t, err)
	anchor := func(seq uint64) string {
		r := s.records[seq-1]
		return fmt.Sprintf(`"anchor":{"seq":%d,"hash":%q,"bytes":%d,`, seq, r.Hash.String(), r.Bytes)
	}
	is := anchor(first - 1)
	require.Contains(t, string(h.Data), is)
	for name, c := range map[string]struct{ to, want string }{
		"another hash":  {bytesReplace(is, s.records[first-2].Hash.String(), s.records[4].Hash.String()), "no note says that the events up to it were dropped, with the hash " + s.records[4].Hash.String()},
		"other bytes":   {bytesReplace(is, fmt.Sprintf(`"bytes":%d`, s.records[first-2].Bytes), `"bytes":7`), "no note says"},
		"moved forward": {anchor(25), "the run begins after seq 25, and no note says"},
		"moved back":    {anchor(5), "the run begins after seq 5, and no note says"},
		"none":          {`"was":{`, "the event is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t, &heads{&tapped{Backend: s.b.Backend}, func(h *log.Head) {
				data := bytes.Replace(h.Data, []byte(is), []byte(c.to), 1)
				require.NotEqual(t, data, h.Data)
				h.Data, h.Sum = data, log.HeadSum(h.Run, h.Tail, data)
			}}, small)
			rep, err := l.Verify(t.Context(), specimenRun)
			require.NoError(t, err)
			require.False(t, rep.Intact())
			require.ErrorIs(t, rep.Problems[0], log.ErrCorrupt)
			require.ErrorContains(t, rep.Problems[0], c.want)
		})
	}
	t.Run("without its note", func(t *testing.T) {
		t.Parallel()
		l := open(t, &tapped{Backend: s.b.Backend, onRecord: func(run string, r *log.Record) bool {
			if run == specimenRun+"\x00notes" { // it says that it is of another life
				r.State = bytes.ReplaceAll(r.State, []byte(s.life), []byte("0123456789abcdef0123456789abcdef"))
			}
			return true
		}}, small)
		_, err := l.Verify(t.Context(), specimenRun)
		require.ErrorIs(t, err, log.ErrCorrupt)
		_, err = l.At(t.Context(), specimenRun, 3)
		require.ErrorIs(t, err, log.ErrCorrupt)
	})
	t.Run("with another note", func(t *testing.T) {
		t.Parallel()
		// Who moves it in both still has the oldest segment against him.
		b := &heads{&tapped{Backend: s.b.Backend}, func(h *log.Head) {
			h.Data = bytes.Replace(h.Data, []byte(is), []byte(anchor(20)), 1)
			h.Sum = log.HeadSum(h.Run, h.Tail, h.Data)
		}}
		l := open(t, b, small)
		require.NoError(t, l.AddNote(t.Context(), specimenRun, log.Note{Kind: "anchor",
			Data: fmt.Appendf(nil, `{"seq":20,"hash":%q,"bytes":%d,"reason":"forged"}`, s.records[19].Hash.String(), s.records[19].Bytes)}))
		rep, err := l.Verify(t.Context(), specimenRun)
		require.NoError(t, err)
		require.EqualValues(t, 21, rep.BrokenAt)
		require.ErrorContains(t, rep.Problems[0], "the run begins after seq 20, and its oldest segment does not")
	})
	rep, err := open(t, s.b, small).Verify(t.Context(), specimenRun)
	require.NoError(t, err)
	require.True(t, rep.Intact(), "%s", rep)
}

func bytesReplace(s, old, new string) string {
	return string(bytes.Replace([]byte(s), []byte(old), []byte(new), 1))
}

// TestAnchorOfADamagedHead: it is found again in the oldest segment.
func TestAnchorOfADamagedHead(t *testing.T) {
	t.Parallel()
	s := truncated(t, 13, false)
	l := open(t, &heads{&tapped{Backend: s.b.Backend}, func(h *log.Head) { h.Sum++ }}, small)
	for seq := uint64(13); seq <= specimenSize; seq++ {
		ev, err := l.At(t.Context(), specimenRun, seq)
		if s.events[seq-1].Pruned {
			require.ErrorIs(t, err, log.ErrPruned)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, s.same(ev))
	}
	_, err := l.At(t.Context(), specimenRun, 12)
	require.ErrorIs(t, err, log.ErrDropped)
	rep, err := l.Verify(t.Context(), specimenRun)
	require.NoError(t, err)
	require.Len(t, rep.Problems, 1)
	require.ErrorContains(t, rep.Problems[0], "head does not match its checksum")
	_, err = l.TruncateFront(t.Context(), specimenRun, 20, "reason")
	require.ErrorIs(t, err, log.ErrCorrupt)
}

// TestExportOfATruncatedRun: the anchor goes along, and is verified.
func TestExportOfATruncatedRun(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		s := truncated(t, 13, sealed)
		from := open(t, s.b, small)
		p := pack(t, from, specimenRun)
		require.Equal(t, 2, p.Version)
		b := newTapped(t)
		l := open(t, b, small)
		run, err := unpack(t.Context(), l, p, nil)
		require.NoError(t, err)
		want, err := from.Run(t.Context(), specimenRun)
		require.NoError(t, err)
		require.Equal(t, want.Anchor, run.Anchor)
		require.Equal(t, want.Bytes, run.Bytes)
		require.Equal(t, want.Hash, run.Hash)
		require.True(t, want.CreatedAt.Equal(run.CreatedAt))
		rep, err := l.Verify(t.Context(), specimenRun)
		require.NoError(t, err)
		require.True(t, rep.Intact(), "%s", rep)
		for _, ev := range s.events[12:] {
			if !ev.Pruned {
				have, err := l.At(t.Context(), specimenRun, ev.Seq)
				require.NoError(t, err)
				require.NoError(t, s.same(have))
			}
		}
		ev, err := l.Visit(t.Context(), specimenRun, "look", 13)
		require.NoError(t, err)
		require.EqualValues(t, 39, ev.Seq)
		// It can be truncated further, sealed anew and pruned.
		_, err = l.TruncateFront(t.Context(), specimenRun, 20, "more")
		require.NoError(t, err)
		_, err = l.Prune(t.Context(), specimenRun, []uint64{1, 20, 21, 39}, "test")
		require.NoError(t, err)
		rep, err = l.Verify(t.Context(), specimenRun)
		require.NoError(t, err)
		require.Equal(t, "intact from anchor 19: 21 events, head "+want.Hash.String(), rep.String())

		for name, change := range map[string]func(*log.Anchor){
			"another seq":  func(a *log.Anchor) { a.Seq-- },
			"another hash": func(a *log.Anchor) { a.Hash[0]++ },
			"other bytes":  func(a *log.Anchor) { a.Bytes++ },
			"no bytes":     func(a *log.Anchor) { a.Bytes = -1 },
			"all events":   func(a *log.Anchor) { a.Seq = specimenSize },
		} {
			forged, a := p, *p.Anchor
			change(&a)
			forged.Anchor = &a
			b := newTapped(t)
			_, err := unpack(t.Context(), open(t, b, small), forged, nil)
			require.ErrorIs(t, err, log.ErrCorrupt, name)
			nothing(t, b, specimenRun)
		}
		p.Anchor = nil
		b = newTapped(t)
		_, err = unpack(t.Context(), open(t, b, small), p, nil)
		require.ErrorIs(t, err, log.ErrCorrupt)
		nothing(t, b, specimenRun)
	}
}

// TestTruncatedWhileItIsRead: a reader that has begun ends with an error where it
// meets the gap, and one that has not, after it.
func TestTruncatedWhileItIsRead(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	long(t, l, "run", 1500)
	var seen []uint64
	var last error
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
		if last = err; err != nil {
			break
		}
		if seen = append(seen, ev.Seq); ev.Seq == 10 {
			_, err := open(t, b, log.Options{}).TruncateFront(t.Context(), "run", 1000, "meanwhile")
			require.NoError(t, err)
		}
	}
	require.ErrorIs(t, last, log.ErrDropped)
	require.True(t, slices.IsSorted(seen))
	require.Less(t, len(seen), 1000)

	// Between the look at the run and the first page.
	done := false
	b.onRecord = func(run string, _ *log.Record) bool {
		if run == "run" && !done {
			done = true
			_, err := open(t, &tapped{Backend: b.Backend}, log.Options{}).TruncateFront(t.Context(), "run", 1400, "again")
			require.NoError(t, err)
		}
		return true
	}
	n := 0
	for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
		require.NoError(t, err)
		require.GreaterOrEqual(t, ev.Seq, uint64(1000))
		n++
	}
	require.NotZero(t, n)
	rep, err := l.Verify(t.Context(), "run")
	require.NoError(t, err)
	require.True(t, rep.Intact(), "%s", rep)
}
