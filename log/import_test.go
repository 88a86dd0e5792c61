package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// packed is an export in memory.
type packed struct {
	log.Manifest
	parts []log.Part
}

// pack exports a run.
func pack(t *testing.T, l *log.Log, run string) packed {
	t.Helper()
	m, parts, err := l.Export(t.Context(), run)
	require.NoError(t, err)
	p := packed{Manifest: m}
	for part, err := range parts {
		require.NoError(t, err)
		p.parts = append(p.parts, part)
	}
	return p
}

// unpack imports an export; between is called before each part, and before the end.
func unpack(ctx context.Context, l *log.Log, p packed, between func(int)) (log.Run, error) {
	return l.Import(ctx, p.Manifest, p.each(between), log.ImportOptions{})
}

func (p packed) each(between func(int)) iter.Seq2[log.Part, error] {
	return func(yield func(log.Part, error) bool) {
		for i, part := range p.parts {
			if between != nil {
				between(i)
			}
			if !yield(part, nil) {
				return
			}
		}
		if between != nil {
			between(len(p.parts))
		}
	}
}

// long appends n small events and prunes the third, so that the export has several
// parts, and notes.
func long(t *testing.T, l *log.Log, run string, n int) {
	t.Helper()
	for i := range n {
		add(t, l, log.Append{Header: log.Header{RunID: run, NodeID: fmt.Sprint("n", i%3), Kind: log.JSON}, State: fmt.Appendf(nil, `{"i":%d}`, i)})
	}
	_, err := l.Prune(t.Context(), run, []uint64{3}, "test")
	require.NoError(t, err)
}

// nothing wants no trace of a run in a storage.
func nothing(t *testing.T, b *tapped, run string) {
	t.Helper()
	_, err := b.Backend.Head(t.Context(), driver.HeadRequest{Run: run})
	require.ErrorIs(t, err, log.ErrNotFound)
	segs, err := b.Backend.Segments(t.Context(), driver.SegmentsRequest{Run: run, From: 1, To: log.MaxSeq, Limit: 1})
	require.NoError(t, err)
	require.Empty(t, segs)
	entries, err := b.Backend.Entries(t.Context(), driver.EntriesRequest{Run: run, Limit: 1})
	require.NoError(t, err)
	require.Empty(t, entries)
}

// unseen wants a run not to be there for anybody.
func unseen(t *testing.T, l *log.Log, run string) {
	t.Helper()
	requireNoRun(t, l, run)
	_, err := l.Newest(t.Context(), run)
	require.ErrorIs(t, err, log.ErrNotFound)
	_, err = l.Verify(t.Context(), run)
	require.ErrorIs(t, err, log.ErrNotFound)
	_, _, err = l.Export(t.Context(), run)
	require.ErrorIs(t, err, log.ErrNotFound)
	require.ErrorIs(t, l.AddNote(t.Context(), run, log.Note{Kind: "test"}), log.ErrNotFound)
	for r, err := range l.Runs(t.Context(), log.RunsOptions{}) {
		require.NoError(t, err)
		require.NotEqual(t, run, r.ID)
	}
	for tail, err := range l.Tails(t.Context()) {
		require.NoError(t, err)
		require.NotContains(t, tail.Run, run)
	}
	for range l.Notes(t.Context(), run) {
		t.Fatal("a note of a run that is not there")
	}
}

func TestImportIsSeenAsAWhole(t *testing.T) {
	t.Parallel()
	from := open(t, newTapped(t), log.Options{})
	long(t, from, "run", 600)
	p := pack(t, from, "run")
	require.Len(t, p.parts, 4)

	b := newTapped(t)
	l := open(t, b, log.Options{})
	other := another(t, b)
	long(t, l, "other", 3)
	run, err := unpack(t.Context(), l, p, func(int) { unseen(t, l, "run"); unseen(t, other, "run") })
	require.NoError(t, err)
	require.Equal(t, p.Head, run.Hash)
	for _, l := range []*log.Log{l, other} {
		again := pack(t, l, "run")
		require.Equal(t, p, again)
	}
	require.Len(t, collectNotes(t, other, "run"), 1)

	_, err = unpack(t.Context(), other, p, nil)
	require.ErrorIs(t, err, log.ErrConflict)
	require.ErrorContains(t, err, "600 events")
	require.Equal(t, p, pack(t, l, "run"))
}

func collectNotes(t *testing.T, l *log.Log, run string) (notes []log.Note) {
	for n, err := range l.Notes(t.Context(), run) {
		require.NoError(t, err)
		notes = append(notes, n)
	}
	return notes
}

// TestImportStopsAnywhere lets each step of an import fail, and crash.
func TestImportStopsAnywhere(t *testing.T) {
	t.Parallel()
	from := open(t, newTapped(t), log.Options{})
	long(t, from, "run", 600)
	p := pack(t, from, "run")
	broken := errors.New("broken")
	for _, crash := range []bool{false, true} {
		for k := 0; ; k++ {
			b := newTapped(t)
			l := open(t, b, log.Options{})
			n := 0
			b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
				if n++; n == k+1 || crash && n > k {
					return nil, &driver.NotAppliedError{Err: broken}
				}
				return apply(ctx, changes)
			}
			_, err := unpack(t.Context(), l, p, nil)
			if err == nil {
				require.Equal(t, 6, k, "three parts, notes, what they come to, and the end")
				break
			}
			require.ErrorIs(t, err, broken)
			after := another(t, b)
			unseen(t, after, "run")
			if !crash {
				nothing(t, b, "run")
			}
			_, err = unpack(t.Context(), after, p, nil)
			require.NoError(t, err, "after it stopped at change %d", k)
			require.Equal(t, p, pack(t, after, "run"))
		}
	}
}

// halfway leaves in b what an import leaves there that was killed before its part n.
func halfway(t *testing.T, b *tapped, p packed, n int) {
	t.Helper()
	killed := &tapped{Backend: b.Backend}
	_, err := unpack(t.Context(), open(t, killed, log.Options{}), p, func(i int) {
		if i == n {
			killed.onApply = func(context.Context, []driver.Change, applyFunc) ([]driver.Result, error) {
				return nil, &driver.NotAppliedError{Err: errors.New("killed")}
			}
		}
	})
	require.Error(t, err)
	_, err = b.Backend.Head(t.Context(), driver.HeadRequest{Run: p.RunID})
	require.NoError(t, err, "something is left")
}

func TestWhoSavesGoesBeforeWhoImports(t *testing.T) {
	t.Parallel()
	from := open(t, newTapped(t), log.Options{})
	long(t, from, "run", 600)
	p := pack(t, from, "run")
	for at := 1; at <= len(p.parts); at++ {
		b := newTapped(t)
		l := open(t, b, log.Options{})
		for _, saver := range []*log.Log{l, another(t, b)} {
			_, err := unpack(t.Context(), l, p, func(i int) {
				if i == at {
					add(t, saver, event("run", "mine"))
				}
			})
			require.ErrorIs(t, err, log.ErrConflict)
			require.Equal(t, []string{"1<0 mine"}, lineage(t, l, "run"))
			require.Empty(t, collectNotes(t, l, "run"))
			require.NoError(t, l.Delete(t.Context(), "run"))
			nothing(t, b, "run")
		}
		// Also after a crash, and with an expectation.
		halfway(t, b, p, at)
		a := event("run", "mine")
		a.Begin = true
		add(t, l, a)
		require.Equal(t, []string{"1<0 mine"}, lineage(t, l, "run"))
	}
}

func TestSecondImportGoesBeforeTheFirst(t *testing.T) {
	t.Parallel()
	from := open(t, newTapped(t), log.Options{})
	long(t, from, "run", 600)
	p := pack(t, from, "run")
	for at := 1; at <= len(p.parts); at++ {
		b := newTapped(t)
		l, other := open(t, b, log.Options{}), another(t, b)
		_, err := unpack(t.Context(), l, p, func(i int) {
			if i == at {
				_, err := unpack(t.Context(), other, p, nil)
				require.NoError(t, err)
			}
		})
		require.ErrorIs(t, err, log.ErrConflict)
		require.Equal(t, p, pack(t, l, "run"))
		require.Equal(t, p, pack(t, other, "run"))
	}
}

func TestDeleteAndSweepRemoveHalfAnImport(t *testing.T) {
	t.Parallel()
	from := open(t, newTapped(t), log.Options{})
	long(t, from, "run", 600)
	p := pack(t, from, "run")
	for at := 1; at <= len(p.parts); at++ {
		b := newTapped(t)
		l := open(t, b, log.Options{})
		long(t, l, "other", 3)
		halfway(t, b, p, at)
		require.NoError(t, l.Delete(t.Context(), "run"))
		nothing(t, b, "run")

		halfway(t, b, p, at)
		n, err := l.Sweep(t.Context(), time.Now().Add(-time.Hour))
		require.NoError(t, err)
		require.Zero(t, n, "it may still be under way")
		n, err = l.Sweep(t.Context(), time.Now())
		require.NoError(t, err)
		require.Positive(t, n)
		nothing(t, b, "run")
		require.Equal(t, uint64(3), pack(t, l, "other").Events)

		_, err = unpack(t.Context(), l, p, func(i int) { // one that is only slow
			if i == at {
				_, err := another(t, b).Sweep(t.Context(), time.Now())
				require.NoError(t, err)
			}
		})
		require.ErrorIs(t, err, log.ErrConflict)
		nothing(t, b, "run")
	}
}

func TestCompactionSweeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := open(t, newTapped(t), log.Options{})
		long(t, from, "run", 600)
		b := newTapped(t)
		l := open(t, b, log.Options{})
		halfway(t, b, pack(t, from, "run"), 2)
		_, err := compaction.Compact(t.Context(), l, compaction.Options{})
		require.NoError(t, err)
		_, err = b.Backend.Head(t.Context(), driver.HeadRequest{Run: "run"})
		require.NoError(t, err, "it may still be under way")
		time.Sleep(11 * time.Minute)
		_, err = compaction.Compact(t.Context(), l, compaction.Options{})
		require.NoError(t, err)
		nothing(t, b, "run")

		halfway(t, b, pack(t, from, "run"), 3)
		c := compaction.New(compaction.BackgroundOptions{})
		c.Start(l)
		defer c.Close()
		time.Sleep(2 * time.Hour)
		nothing(t, b, "run")
	})
}

// TestImportAfterDelete imports a run that others remember from before it was deleted.
func TestImportAfterDelete(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l, other := open(t, b, log.Options{}), another(t, b)
	for i := range 10 {
		add(t, l, event("run", fmt.Sprint(i)))
	}
	p := pack(t, l, "run")
	for i := range 10 {
		add(t, other, event("run", fmt.Sprint("later ", i)))
	}
	_, err := other.Newest(t.Context(), "run")
	require.NoError(t, err)
	require.NoError(t, l.Delete(t.Context(), "run"))
	_, err = unpack(t.Context(), l, p, nil)
	require.NoError(t, err)
	for i := range 10 {
		add(t, l, event("run", fmt.Sprint("anew ", i)))
	}
	newest, err := other.Newest(t.Context(), "run")
	require.NoError(t, err)
	require.Equal(t, "anew 9", newest.NodeID)
	require.Equal(t, string(event("run", "anew 9").State), string(newest.State))

	// And one that has fewer events than the other saw.
	require.NoError(t, l.Delete(t.Context(), "run"))
	_, err = unpack(t.Context(), l, p, nil)
	require.NoError(t, err)
	add(t, other, event("run", "mine"))
	lines := lineage(t, l, "run")
	require.Equal(t, "11<10 mine", lines[len(lines)-1], "the newest that is there")
}

// TestImportOfWhatDoesNotFit changes what is imported in ways that no checksum finds.
func TestImportOfWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	from := open(t, newTapped(t), log.Options{})
	long(t, from, "run", 600)
	long(t, from, "other", 300)
	require.NoError(t, from.Label(t.Context(), "run", 7, "color", "red"))
	good, foreign := pack(t, from, "run"), pack(t, from, "other")
	require.NoError(t, from.Delete(t.Context(), "run"))
	long(t, from, "run", 600)
	later := pack(t, from, "run") // another life
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for name, change := range map[string]func(p *packed){
		"no parts":        func(p *packed) { p.parts = nil },
		"first left out":  func(p *packed) { p.parts = p.parts[1:] },
		"one left out":    func(p *packed) { p.parts = slices.Delete(p.parts, 1, 2) },
		"last left out":   func(p *packed) { p.parts = slices.Delete(p.parts, 2, 3) },
		"notes left out":  func(p *packed) { p.parts = p.parts[:3] },
		"notes first":     func(p *packed) { p.parts = []log.Part{p.parts[3], p.parts[0], p.parts[1], p.parts[2]} },
		"a note left out": func(p *packed) { p.parts[3].Notes = p.parts[3].Notes[:1] },
		"notes swapped":   func(p *packed) { slices.Reverse(p.parts[3].Notes) },
		"a label changed": func(p *packed) {
			p.parts[3].Notes[1] = bytes.Replace(p.parts[3].Notes[1], []byte("red"), []byte("rad"), 1)
		},
		"twice":               func(p *packed) { p.parts = []log.Part{p.parts[0], p.parts[0], p.parts[1], p.parts[2], p.parts[3]} },
		"swapped":             func(p *packed) { p.parts[0], p.parts[1] = p.parts[1], p.parts[0] },
		"data swapped":        func(p *packed) { p.parts[0].Data, p.parts[1].Data = p.parts[1].Data, p.parts[0].Data },
		"of another run":      func(p *packed) { p.parts[0] = foreign.parts[0] },
		"of another life":     func(p *packed) { p.parts[1] = later.parts[1] },
		"all of another life": func(p *packed) { p.parts = later.parts },
		"another id":          func(p *packed) { p.RunID = "copy" },
		"another life":        func(p *packed) { p.Life = later.Life },
		"another head":        func(p *packed) { p.Head[0]++ },
		"fewer events":        func(p *packed) { p.Events-- },
		"more events":         func(p *packed) { p.Events++ },
		"no events":           func(p *packed) { p.Events, p.parts = 0, nil },
		"events as notes":     func(p *packed) { p.parts[2] = log.Part{Notes: [][]byte{p.parts[2].Index}} },
		"notes as events":     func(p *packed) { p.parts[3] = log.Part{Index: p.parts[3].Notes[0]} },
		"another note": func(p *packed) {
			p.parts[3].Notes[0] = bytes.Replace(p.parts[3].Notes[0], []byte("test"), []byte("tset"), 1)
		},
		"no JSON as a note": func(p *packed) { p.parts[3].Notes[0] = []byte("{") },
		"empty":             func(p *packed) { p.parts[1] = log.Part{} },
		"cut":               func(p *packed) { p.parts[1].Data = p.parts[1].Data[:len(p.parts[1].Data)-1] },
		"flipped":           func(p *packed) { p.parts[1].Index[len(p.parts[1].Index)/2] ^= 1 },
		"data flipped":      func(p *packed) { p.parts[1].Data[8] ^= 1 },
	} {
		p := packed{good.Manifest, nil}
		for _, part := range good.parts {
			p.parts = append(p.parts, log.Part{Notes: cloneAll(part.Notes), Index: bytes.Clone(part.Index), Data: bytes.Clone(part.Data)})
		}
		change(&p)
		_, err := unpack(t.Context(), l, p, nil)
		require.ErrorIs(t, err, log.ErrCorrupt, name)
		var placed *log.Error
		require.ErrorAs(t, err, &placed, name)
		require.NotEmpty(t, placed.Run, name)
		nothing(t, b, p.RunID)
	}
	for _, change := range []func(*packed){func(p *packed) { p.Version = 3 }, func(p *packed) { p.Version = 1 }, func(p *packed) { p.Suite = 2 }} {
		other := good
		change(&other)
		_, err := unpack(t.Context(), l, other, nil)
		require.ErrorIs(t, err, log.ErrUnsupportedVersion)
	}
	_, err := unpack(t.Context(), open(t, newTapped(t), log.Options{MaxState: 4}), good, nil)
	require.ErrorIs(t, err, log.ErrTooLarge)
	_, err = unpack(t.Context(), open(t, b, log.Options{ReadOnly: true}), good, nil)
	require.ErrorIs(t, err, log.ErrReadOnly)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = unpack(ctx, l, good, func(i int) {
		if i == 2 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	nothing(t, b, "run")
	broken := errors.New("broken")
	_, err = l.Import(t.Context(), good.Manifest, iter.Seq2[log.Part, error](func(yield func(log.Part, error) bool) {
		_ = yield(good.parts[0], nil) && yield(log.Part{}, broken)
	}), log.ImportOptions{})
	require.ErrorIs(t, err, broken)
	nothing(t, b, "run")
}

func cloneAll(all [][]byte) (out [][]byte) {
	for _, b := range all {
		out = append(out, bytes.Clone(b))
	}
	return out
}

// TestImportIsWatchedByAWriter saves while it hears how far an import has come.
func TestImportIsWatchedByAWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which finds a deadlock
		from := open(t, newTapped(t), log.Options{})
		long(t, from, "run", 600)
		p := pack(t, from, "run")
		l := open(t, newTapped(t), log.Options{})
		heard := 0
		_, err := l.Import(t.Context(), p.Manifest, p.each(nil), log.ImportOptions{Progress: func(uint64) {
			heard++
			add(t, l, log.Append{Header: log.Header{RunID: "progress", NodeID: "n", Kind: log.JSON}, State: []byte(`{}`)})
		}})
		require.NoError(t, err)
		run, err := l.Run(t.Context(), "progress")
		require.NoError(t, err)
		require.EqualValues(t, heard, run.Last)
	})
}
