package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// TestPagesOfAnAppend holds how many pages an append writes: the last of its run and those
// that lead to it, also when every 64th comes with entries. The driver before this format
// wrote 6.31 with one run and 182.1 with 64.
func TestPagesOfAnAppend(t *testing.T) {
	t.Parallel()
	for runs, most := range map[int]float64{1: 6.31, 64: 182.1} {
		for _, every := range []uint64{0, 64} {
			b := open(t, filepath.Join(t.TempDir(), "x.db"), bolt.Options{Durability: driver.Off})
			changes := make([]driver.Change, runs)
			for i := range changes {
				changes[i] = driver.Change{Run: fmt.Sprint("run-", i), Head: row(1)}
			}
			events := uint64(10_000 / runs)
			before := b.Pages()
			for seq := uint64(1); seq <= events; seq++ {
				for i := range changes {
					c := &changes[i]
					c.Append, c.Put = records(c.Run, seq, seq, 440), nil
					c.Append[0].Recency = seq * 1e7 // 100 a second
					c.Append[0].Header = state("header", seq, 260)
					for n := range 5 {
						if every > 0 && seq%every == 0 {
							c.Put = append(c.Put, driver.Entry{Key: fmt.Appendf(nil, "n%d%08d", n, seq), Value: state("entry", seq, 25)})
						}
					}
				}
				results, err := b.Apply(t.Context(), request(changes...))
				require.NoError(t, err)
				for i, res := range results {
					require.NoError(t, res.Err)
					changes[i].Revision, changes[i].Head = res.Revision, nil
				}
			}
			pages := float64(b.Pages()-before) / float64(events)
			t.Logf("%d runs, entries every %d: %.2f pages for a commit", runs, every, pages)
			require.LessOrEqual(t, pages, most)
			size, free, err := b.Space(t.Context())
			require.NoError(t, err)
			require.Less(t, (size-free)/10_000, int64(1100), "four events of 800 bytes have room on a page")
		}
	}
}

// TestContextWhileWriting has callers wait for another writer until their contexts are
// done: then nothing of theirs is written, also later.
func TestContextWhileWriting(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "x.db"), bolt.Options{Durability: driver.Off})
	someRuns(t, b, 2)
	met, resume := make(chan struct{}), make(chan struct{})
	b.OnStep(func(done string) {
		if done == "copy" {
			close(met)
			<-resume
		}
	})
	erased := make(chan error)
	go func() { erased <- b.Erase(context.Background()) }()
	<-met
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := b.Apply(ctx, request(driver.Change{Run: "late", Head: row(1)}))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, notApplied := errors.AsType[*driver.NotAppliedError](err)
	require.True(t, notApplied)
	_, err = b.SetSlot(ctx, driver.SlotChange{Key: "late", Value: []byte("late")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, notApplied = errors.AsType[*driver.NotAppliedError](err)
	require.True(t, notApplied)
	_, err = b.Purge(ctx, driver.PurgeRequest{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), time.Second)
	wantSome(t, b, 0) // readers don't wait
	close(resume)
	require.NoError(t, <-erased)
	_, err = b.Head(t.Context(), driver.HeadRequest{Run: "late"})
	require.ErrorIs(t, err, driver.ErrNotFound)
	_, err = b.Slot(t.Context(), driver.SlotRequest{Key: "late"})
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// TestFailedCommit has the file fail: the outcome is unknown, and nothing is written after
// that.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	writes := map[string]func(b *bolt.Backend) error{
		"apply": func(b *bolt.Backend) error {
			_, err := b.Apply(t.Context(), request(driver.Change{Run: "more", Head: row(1)}))
			return err
		},
		"set a slot": func(b *bolt.Backend) error {
			_, err := b.SetSlot(t.Context(), driver.SlotChange{Key: "slot", Value: []byte("value")})
			return err
		},
		"purge": func(b *bolt.Backend) error {
			_, err := b.Purge(t.Context(), driver.PurgeRequest{})
			return err
		},
	}
	for first, fail := range writes {
		b, err := bolt.Open(filepath.Join(t.TempDir(), "x.db"), bolt.Options{})
		require.NoError(t, err)
		revisions := someRuns(t, b, 2)
		apply(t, b, driver.Change{Run: "run-0", Revision: revisions[0], Drop: true})
		require.NoError(t, b.CloseFile())
		err = fail(b)
		require.Error(t, err, first)
		require.NotErrorIs(t, err, driver.ErrReadOnly, first)
		_, notApplied := errors.AsType[*driver.NotAppliedError](err)
		require.False(t, notApplied, first)
		for then, write := range writes {
			err := write(b)
			require.ErrorIs(t, err, driver.ErrReadOnly, "%s after %s", then, first)
			require.ErrorContains(t, err, "nothing was written")
		}
		wantSome(t, b, 1) // reading continues
		require.Error(t, b.Close())
	}
}
