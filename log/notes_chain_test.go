package log_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// annotated returns a storage with a run of some events, labels, pins and notes.
func annotated(t *testing.T) (*tapped, *log.Log) {
	b := newTapped(t)
	l := open(t, erasable{b}, log.Options{})
	for i := range 70 {
		add(t, l, event("run", fmt.Sprint("node-", i%3)))
	}
	require.NoError(t, l.Label(t.Context(), "run", 0, "color", "red"))
	require.NoError(t, l.Label(t.Context(), "run", 7, "color", "red"))
	require.NoError(t, l.Pin(t.Context(), "run", 8))
	require.NoError(t, l.AddNote(t.Context(), "run", log.Note{Kind: "test"}))
	_, err := l.Prune(t.Context(), "run", []uint64{1, 2, 65}, "old")
	require.NoError(t, err)
	_, err = l.Redact(t.Context(), "run", []uint64{5, 70}, "key")
	require.NoError(t, err)
	requireIntact(t, l, "run")
	return b, l
}

// TestNotesChain changes each note in all ways: Verify names it, and so does reading them.
func TestNotesChain(t *testing.T) {
	t.Parallel()
	b, _ := annotated(t)
	const count = 6
	l := open(t, b, log.Options{})
	read := func() (n int, err error) {
		for _, e := range l.Notes(t.Context(), "run") {
			if err = e; err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	n, err := read()
	require.NoError(t, err)
	require.Equal(t, count, n)
	values := map[uint64][]byte{}
	b.onEntry = func(_ string, e *driver.Entry) bool {
		for number := uint64(1); number <= count; number++ {
			if bytes.Equal(e.Key, log.NoteKey(number)) {
				values[number] = bytes.Clone(e.Value)
			}
		}
		return true
	}
	_, err = read()
	require.NoError(t, err)
	for name, change := range map[string]func(number uint64, e *driver.Entry) bool{
		"missing": func(uint64, *driver.Entry) bool { return false },
		"cut":     func(_ uint64, e *driver.Entry) bool { e.Value = e.Value[:len(e.Value)-1]; return true },
		"a space": func(_ uint64, e *driver.Entry) bool { e.Value = append(e.Value, ' '); return true },
		"empty":   func(_ uint64, e *driver.Entry) bool { e.Value = nil; return true },
		"another": func(n uint64, e *driver.Entry) bool { e.Value = values[1+n%count]; return true },
		"time": func(_ uint64, e *driver.Entry) bool {
			e.Value = bytes.Replace(e.Value, []byte(`"at":"20`), []byte(`"at":"21`), 1)
			return true
		},
		"writer": func(_ uint64, e *driver.Entry) bool {
			e.Value = bytes.Replace(e.Value, []byte(`"writer":"`), []byte(`"writer":"x`), 1)
			return true
		},
		"more to it": func(_ uint64, e *driver.Entry) bool {
			e.Value = append(e.Value[:len(e.Value)-1], `,"x":1}`...)
			return true
		},
	} {
		for number := uint64(1); number <= count; number++ {
			b.onEntry = func(_ string, e *driver.Entry) bool {
				return !bytes.Equal(e.Key, log.NoteKey(number)) || change(number, e)
			}
			_, err := read()
			require.ErrorIs(t, err, log.ErrCorrupt, "%s: %d", name, number)
			rep, err := l.Verify(t.Context(), "run")
			require.NoError(t, err)
			require.False(t, rep.Intact(), "%s: %d", name, number)
			require.ErrorIs(t, rep.Problems[0], log.ErrCorrupt)
			_, _, err = exported(t, l)
			require.ErrorIs(t, err, log.ErrCorrupt, "%s: %d", name, number)
		}
	}
	b.onEntry = nil
	requireIntact(t, l, "run")
}

func exported(t *testing.T, l *log.Log) (m log.Manifest, parts []log.Part, err error) {
	m, all, err := l.Export(t.Context(), "run")
	require.NoError(t, err)
	for part, err := range all {
		if err != nil {
			return m, parts, err
		}
		parts = append(parts, part)
	}
	return m, parts, nil
}

// TestForgedMarks changes what notes come to: Verify finds it, whatever note says it.
func TestForgedMarks(t *testing.T) {
	t.Parallel()
	b, _ := annotated(t)
	l := open(t, b, log.Options{})
	for name, change := range map[string]func(e *driver.Entry) bool{
		"missing": func(e *driver.Entry) bool { return false },
		"another value": func(e *driver.Entry) bool {
			e.Value = bytes.Replace(e.Value, []byte("red"), []byte("rad"), 1)
			return true
		},
		"a pin more": func(e *driver.Entry) bool {
			e.Value = bytes.Replace(e.Value, []byte("{"), []byte(`{"pinned":true,`), 1)
			return true
		},
		"unlabelled":      func(e *driver.Entry) bool { e.Value = []byte(`{"unlabelled":{"color":true}}`); return true },
		"of other events": func(e *driver.Entry) bool { e.Key[4] += 3; return true },
		"no JSON":         func(e *driver.Entry) bool { e.Value = []byte("{"); return true },
		"a key too long":  func(e *driver.Entry) bool { e.Key = append(e.Key, 0); return true },
	} {
		for _, seq := range []byte{0, 7} {
			b.onEntry = func(_ string, e *driver.Entry) bool {
				return !bytes.Equal(e.Key, []byte{'m', 0, 0, 0, seq}) || change(e)
			}
			rep, err := l.Verify(t.Context(), "run")
			require.NoError(t, err)
			require.False(t, rep.Intact(), "%s of %d", name, seq)
			require.ErrorIs(t, rep.Problems[0], log.ErrCorrupt)
		}
	}
	b.onEntry = nil
	requireIntact(t, l, "run")
}

// TestNotesAreGoneWithTheRun: a new life of a run has no notes, marks and index of the one
// before.
func TestNotesAreGoneWithTheRun(t *testing.T) {
	t.Parallel()
	b, l := annotated(t)
	require.NoError(t, l.Delete(t.Context(), "run"))
	nothing(t, b, "run")
	for range l.Notes(t.Context(), "run") {
		t.Fatal("a note")
	}
	_, err := l.Marks(t.Context(), "run")
	require.ErrorIs(t, err, log.ErrNotFound)
	require.ErrorIs(t, l.AddNote(t.Context(), "run", log.Note{Kind: "test"}), log.ErrNotFound)
	require.ErrorIs(t, l.Pin(t.Context(), "run", 0), log.ErrNotFound)
	add(t, l, event("run", "a"))
	marks, err := l.Marks(t.Context(), "run")
	require.NoError(t, err)
	require.Zero(t, marks)
	require.Empty(t, collectNotes(t, l, "run"))
	requireIntact(t, l, "run")
}

// TestNotesRefused: what can't be a note, or is not a caller's to say, changes nothing.
func TestNotesRefused(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	add(t, l, event("run", "a"))
	ctx, long := t.Context(), strings.Repeat("x", log.MaxID+1)
	for name, c := range map[string]struct{ have, want error }{
		"no kind":           {l.AddNote(ctx, "run", log.Note{}), log.ErrInvalid},
		"no run":            {l.AddNote(ctx, "", log.Note{Kind: "a"}), log.ErrInvalid},
		"no JSON":           {l.AddNote(ctx, "run", log.Note{Kind: "a", Data: []byte("{")}), log.ErrInvalid},
		"an unknown run":    {l.AddNote(ctx, "none", log.Note{Kind: "a"}), log.ErrNotFound},
		"no label":          {l.Label(ctx, "run", 1, "", "v"), log.ErrInvalid},
		"a long label":      {l.Label(ctx, "run", 1, long, "v"), log.ErrTooLarge},
		"a long value":      {l.Label(ctx, "run", 1, "k", long), log.ErrTooLarge},
		"no UTF-8":          {l.Label(ctx, "run", 1, "k", "\xff"), log.ErrInvalid},
		"an unknown event":  {l.Label(ctx, "run", 2, "k", "v"), log.ErrNotFound},
		"a pin of it":       {l.Pin(ctx, "run", 2), log.ErrNotFound},
		"a far event":       {l.Pin(ctx, "run", 1<<40), log.ErrNotFound},
		"an event of none":  {l.Unlabel(ctx, "none", 1, "k"), log.ErrNotFound},
		"a pin of no run":   {l.Unpin(ctx, "", 0), log.ErrInvalid},
		"a redaction of it": {func() error { _, err := l.Redact(ctx, "run", []uint64{2}, "r"); return err }(), log.ErrNotFound},
		"one without a why": {func() error { _, err := l.Redact(ctx, "run", []uint64{1}, ""); return err }(), log.ErrInvalid},
		"one of no eraser":  {func() error { _, err := l.Redact(ctx, "run", []uint64{1}, "r"); return err }(), errors.ErrUnsupported},
	} {
		require.ErrorIs(t, c.have, c.want, name)
	}
	for _, kind := range []string{"prune", "redact", "anchor", "label", "unlabel", "pin", "unpin"} {
		err := l.AddNote(ctx, "run", log.Note{Kind: kind, Events: []log.Range{{First: 1, Last: 1}}})
		require.ErrorIs(t, err, log.ErrInvalid, kind)
		require.ErrorContains(t, err, "flowlog makes such notes itself")
	}
	require.Empty(t, collectNotes(t, l, "run"))
	_, err := l.At(ctx, "run", 1)
	require.NoError(t, err)
}

// TestNotesOfTwoWriters: notes of two Logs are one chain, each with its writer.
func TestNotesOfTwoWriters(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	mine, other := open(t, b, log.Options{}), another(t, b)
	add(t, mine, event("run", "a"))
	// Each time the other is faster.
	n := 0
	b.onApply = nil
	for range 5 {
		b.meanwhile(func() {
			require.NoError(t, other.Label(t.Context(), "run", 1, "other", fmt.Sprint(n)))
			n++
		}, func() { add(t, other, event("run", "b")) })
		require.NoError(t, mine.Label(t.Context(), "run", 1, "mine", fmt.Sprint(n)))
	}
	var writers []string
	for _, n := range collectNotes(t, mine, "run") {
		writers = append(writers, n.Writer)
	}
	require.Equal(t, slices.Repeat([]string{other.Writer(), mine.Writer()}, 5), writers)
	require.NotEqual(t, mine.Writer(), other.Writer())
	marks, err := other.Marks(t.Context(), "run")
	require.NoError(t, err)
	require.Equal(t, map[uint64]log.Mark{1: {Labels: map[string]string{"mine": "4", "other": "4"}}}, marks.Events)
	requireIntact(t, mine, "run")
}

// TestVerifyNotesOfADamagedHead: where the head is damaged, that is what Verify says, and
// not that the notes were changed.
func TestVerifyNotesOfADamagedHead(t *testing.T) {
	t.Parallel()
	b, _ := annotated(t)
	l := open(t, &heads{b, "run", func(h *driver.Head) { h.Sum++ }}, log.Options{})
	rep, err := l.Verify(t.Context(), "run")
	require.NoError(t, err)
	require.Len(t, rep.Problems, 1)
	require.ErrorContains(t, rep.Problems[0], "head does not match its checksum")
	require.Equal(t, []uint64{70, 5, 2}, []uint64{rep.Events, rep.Pruned, rep.Redacted})
	ev, err := l.Header(t.Context(), "run", 5)
	require.NoError(t, err)
	require.Equal(t, "key", ev.PrunedBy.Policy)
	marks, err := l.Marks(t.Context(), "run")
	require.NoError(t, err)
	require.Equal(t, "red", marks.Run.Labels["color"])
}

// TestVerifyWhileLabels: what is noted while a run is verified is no damage.
func TestVerifyWhileLabels(t *testing.T) {
	t.Parallel()
	b, _ := annotated(t)
	other := another(t, b)
	l := open(t, b, log.Options{})
	n := 0
	b.onEntry = func(_ string, e *driver.Entry) bool {
		if n < 5 && bytes.Equal(e.Key, log.NoteKey(6)) { // all notes were read, the marks were not
			n++
			require.NoError(t, other.Label(t.Context(), "run", 9, "n", fmt.Sprint(n)))
		}
		return true
	}
	requireIntact(t, l, "run")
	require.Positive(t, n)
}
