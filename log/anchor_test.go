package log_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
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
							require.ErrorContains(t, err, fmt.Sprintf(`run "specimen" seq %d: not found: dropped: event %d was removed when the run was truncated through seq %d at 20`, ev.Seq, ev.Seq, first-1))
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
				// It can be continued, but not from what is gone.
				l := open(t, s.b, small)
				more := log.Append{Header: log.Header{RunID: specimenRun, NodeID: "more", Kind: log.JSON}, State: s.events[39].State}
				for _, gone := range []log.Position{{Seq: 1}, s.events[0].Position()} {
					a := more
					a.From = gone
					_, err := l.Append(t.Context(), a)
					require.ErrorIs(t, err, log.ErrDropped)
				}
				require.EqualValues(t, specimenSize, add(t, l, more).Parent)
				more.From = s.events[first-1].Position()
				require.Equal(t, first, add(t, l, more).Parent)
				var line []uint64
				for ev, err := range l.History(t.Context(), specimenRun, log.HistoryOptions{Lineage: true}) {
					require.NoError(t, err)
					line = append(line, ev.Seq)
				}
				require.Equal(t, []uint64{specimenSize + 2, first}, line[:2])
				require.Equal(t, first, slices.Min(line))
				_, err := l.Seal(t.Context(), specimenRun, log.SealOptions{Whole: true})
				require.NoError(t, err)
				requireIntact(t, l, specimenRun)
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
	h, err := s.b.Head(t.Context(), driver.HeadRequest{Run: specimenRun})
	require.NoError(t, err)
	anchor := func(seq uint64) string {
		r := s.records[seq-1]
		return fmt.Sprintf(`"anchor":{"seq":%d,"hash":%q,"bytes":%d,`, seq, r.Hash.String(), r.Bytes)
	}
	is := anchor(first - 1)
	require.Contains(t, string(h.Data), is)
	for name, c := range map[string]struct{ to, want string }{
		"another hash":  {bytesReplace(is, s.records[first-2].Hash.String(), s.records[4].Hash.String()), "with the hash " + s.records[4].Hash.String() + ", and no note says that the events up to it were dropped"},
		"other bytes":   {bytesReplace(is, fmt.Sprintf(`"bytes":%d`, s.records[first-2].Bytes), `"bytes":7`), "no note says"},
		"moved forward": {anchor(25), "the run begins after seq 25, with the hash " + s.records[24].Hash.String() + ", and no note says"},
		"moved back":    {anchor(5), "the run begins after seq 5, with the hash " + s.records[4].Hash.String() + ", and no note says"},
		"none":          {`"was":{`, "the event is missing"},
		"another note":  {"", "no note says"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t, &heads{&tapped{Backend: s.b.Backend}, specimenRun, func(h *driver.Head) {
				data := bytes.Replace(h.Data, []byte(is), []byte(c.to), 1)
				if name == "another note" {
					data = bytes.Replace(h.Data, []byte(`"note":2}`), []byte(`"note":1}`), 1)
				}
				require.NotEqual(t, data, h.Data)
				h.Data = data
				h.Sum = log.HeadSum(h)
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
		l := open(t, &tapped{Backend: s.b.Backend, onEntry: func(_ string, e *driver.Entry) bool { return !bytes.Equal(e.Key, log.NoteKey(2)) }}, small)
		rep, err := l.Verify(t.Context(), specimenRun)
		require.NoError(t, err)
		require.False(t, rep.Intact())
		require.ErrorContains(t, rep.Problems[0], "note 2 is missing")
		require.ErrorContains(t, rep.Problems[1], "no note says")
		_, err = l.At(t.Context(), specimenRun, 3)
		require.ErrorIs(t, err, log.ErrCorrupt)
	})
	t.Run("with another note", func(t *testing.T) {
		t.Parallel()
		// Who moves it in both, and makes the notes' hash chain anew, still has the oldest
		// segment against him.
		notes := slices.Collect(func(yield func([]byte) bool) {
			for _, key := range [][]byte{log.NoteKey(1), log.NoteKey(2)} {
				es, err := s.b.Entries(t.Context(), driver.EntriesRequest{Run: specimenRun, EntryRange: driver.EntryRange{From: key}, Limit: 1})
				require.NoError(t, err)
				yield(es[0].Value)
			}
		})
		was := log.NoteHash(2, log.NoteHash(1, log.Digest{}, s.life, notes[0]), s.life, notes[1])
		forged := bytes.ReplaceAll(notes[1], fmt.Appendf(nil, `"seq":%d`, first-1), []byte(`"seq":20`))
		forged = bytes.ReplaceAll(forged, []byte(s.records[first-2].Hash.String()), []byte(s.records[19].Hash.String()))
		forged = bytes.ReplaceAll(forged, fmt.Appendf(nil, `"bytes":%d`, s.records[first-2].Bytes), fmt.Appendf(nil, `"bytes":%d`, s.records[19].Bytes))
		is2 := log.NoteHash(2, log.NoteHash(1, log.Digest{}, s.life, notes[0]), s.life, forged)
		tap := &tapped{Backend: s.b.Backend, onEntry: func(_ string, e *driver.Entry) bool {
			if bytes.Equal(e.Key, log.NoteKey(2)) {
				e.Value = forged
			}
			return true
		}}
		l := open(t, &heads{tap, specimenRun, func(h *driver.Head) {
			require.Contains(t, string(h.Data), was.String())
			h.Data = bytes.Replace(h.Data, []byte(is), []byte(anchor(20)), 1)
			h.Data = bytes.Replace(h.Data, []byte(was.String()), []byte(is2.String()), 1)
			h.Sum = log.HeadSum(h)
		}}, small)
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
	l := open(t, &heads{&tapped{Backend: s.b.Backend}, specimenRun, func(h *driver.Head) { h.Sum++ }}, small)
	for seq := uint64(13); seq <= specimenSize; seq++ {
		ev, err := l.At(t.Context(), specimenRun, seq)
		if s.events[seq-1].Pruned {
			require.ErrorIs(t, err, log.ErrPruned)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, s.same(ev))
	}
	_, err := l.At(t.Context(), specimenRun, 12) // which note says why is in the head
	require.ErrorIs(t, err, log.ErrCorrupt)
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
		ev, err := l.Visit(t.Context(), specimenRun, "look", 13, log.Position{})
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

		for name, change := range map[string]func(*log.ManifestAnchor){
			"another seq":  func(a *log.ManifestAnchor) { a.Seq-- },
			"another hash": func(a *log.ManifestAnchor) { a.Hash[0]++ },
			"other bytes":  func(a *log.ManifestAnchor) { a.Bytes++ },
			"no bytes":     func(a *log.ManifestAnchor) { a.Bytes = -1 },
			"all events":   func(a *log.ManifestAnchor) { a.Seq = specimenSize },
			"no note":      func(a *log.ManifestAnchor) { a.Note = 0 },
			"another note": func(a *log.ManifestAnchor) { a.Note = 1 },
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
	b.onRecord = func(run string, _ *driver.Record) bool {
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
