package checkpoint_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
	"github.com/flowlog/checkpoint/internal/archive"
)

// noRuns wants a store to list none.
func noRuns(t tester, s *checkpoint.EventStore) {
	t.Helper()
	for run, err := range s.Runs(context.Background(), checkpoint.RunsOptions{}) {
		require.NoError(t, err)
		require.Fail(t, "there is a run", run.ID)
	}
}

// smallFile is a sealed file with two segments and one of notes.
func smallFile(t *testing.T) []byte {
	t.Helper()
	s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
	t.Cleanup(func() { s.Close() })
	for i := range 5 {
		saved(t, s.EventStore, "run", "node", fmt.Sprintf(`{"i":%d}`, i))
		if i == 2 {
			_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
	}
	saved(t, s.EventStore, "run", "node", filler(5000))
	saved(t, s.EventStore, "run", "node", filler(5001))
	_, err := s.Prune(t.Context(), "run", []uint64{2}, "old")
	require.NoError(t, err)
	return sealedFile(t, s.EventStore, "run")
}

// TestDamagedFileIsRefused flips each byte of a file, and cuts it off at each: it is
// refused, the place is named, and nothing of it is in the store.
func TestDamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	file := smallFile(t)
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	refused := func(b []byte, from, to int64) {
		_, err := s.Import(t.Context(), bytes.NewReader(b), checkpoint.ImportOptions{})
		var e *checkpoint.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, checkpoint.ErrCorrupt)
		require.GreaterOrEqual(t, e.Offset, from, "%v", err)
		require.LessOrEqual(t, e.Offset, to, "%v", err)
		noRuns(t, s.EventStore)
	}
	for i := range file {
		refused(file[:i], int64(i), int64(i))
		b := bytes.Clone(file)
		b[i] ^= 1 << (i % 8)
		if i == len(archive.Magic) {
			_, err := s.Import(t.Context(), bytes.NewReader(b), checkpoint.ImportOptions{})
			require.ErrorIs(t, err, checkpoint.ErrUnsupportedVersion)
			continue
		}
		refused(b, 0, int64(i))
	}
	imported(t, s.EventStore, file)
	requireIntact(t, s.EventStore, "run")
}

// TestForgedFileIsRefused flips bytes of what the frames hold, and makes the file's
// checksums anew: what is in it has checksums and hashes of its own.
func TestForgedFileIsRefused(t *testing.T) {
	t.Parallel()
	file := smallFile(t)
	m, parts := unpacked(t, file)
	s := checkpoint.NewMemoryStore()
	defer s.Close()
	every := 1
	if brief() {
		every = 7
	}
	for i := range parts {
		for _, bytes := range [][]byte{parts[i].Index, parts[i].Data} {
			for at := 0; at < len(bytes); at += every {
				bytes[at] ^= 1
				_, err := s.Import(t.Context(), packedFile(t, m, parts), checkpoint.ImportOptions{})
				require.Error(t, err, "part %d byte %d", i, at)
				bytes[at] ^= 1
			}
		}
	}
	noRuns(t, s.EventStore)
	notes := 0
	for i := range parts {
		for _, note := range parts[i].Notes {
			notes++
			for at := 0; at < len(note); at += every {
				note[at] ^= 1
				_, err := s.Import(t.Context(), packedFile(t, m, parts), checkpoint.ImportOptions{})
				require.Error(t, err, "note %d byte %d", notes, at)
				note[at] ^= 1
			}
		}
	}
	require.Equal(t, 1, notes)
	_, err := s.Import(t.Context(), packedFile(t, m, parts[:len(parts)-1]), checkpoint.ImportOptions{})
	require.Error(t, err, "without the notes")
	noRuns(t, s.EventStore)
	_, err = s.Import(t.Context(), packedFile(t, m, parts), checkpoint.ImportOptions{})
	require.NoError(t, err)
}

// FuzzImport gives the store any file: it imports a sound run, or none.
func FuzzImport(f *testing.F) {
	s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
	defer s.Close()
	for i := range 4 {
		saved(f, s.EventStore, "run", "node", fmt.Sprintf(`{"i":%d}`, i))
	}
	small := sealedFile(f, s.EventStore, "run")
	story(f, s.EventStore, "story")
	f.Add(small)
	f.Add(small[:len(small)-40])
	f.Add(sealedFile(f, s.EventStore, "story"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction(), checkpoint.WithMaxState(1<<20))
		defer s.Close()
		// Without its own checksums, which a fuzzer would never get past.
		m, parts, err := laxly(b)
		if err == nil {
			_, err = s.Import(context.Background(), packedFile(t, m, parts), checkpoint.ImportOptions{})
		}
		if err != nil {
			noRuns(t, s.EventStore)
			return
		}
		requireIntact(t, s.EventStore, m.RunID)
		file := sealedFile(t, s.EventStore, m.RunID)
		require.NoError(t, s.Delete(context.Background(), m.RunID))
		imported(t, s.EventStore, file)
	})
}

func init() { children["importer"] = importerChild }

// importerChild imports a file and says how far it has come.
func importerChild(args []string) int {
	var t inChild
	s := openFile(t, args[0], args[1], checkpoint.WithoutCompaction())
	file, err := os.ReadFile(args[2])
	require.NoError(t, err)
	_, err = s.Import(context.Background(), bytes.NewReader(file), checkpoint.ImportOptions{Progress: func(p checkpoint.ImportProgress) {
		fmt.Println("step", p.Done, p.Total)
	}})
	require.NoError(t, err)
	fmt.Println("imported")
	return 0
}

// TestKilledImportLeavesNothing kills a process at each step of an import.
func TestKilledImportLeavesNothing(t *testing.T) {
	t.Parallel()
	from := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
	defer from.Close()
	for i := range 1200 {
		saved(t, from.EventStore, "run", "node", fmt.Sprintf(`{"i":%d}`, i))
	}
	_, err := from.Prune(t.Context(), "run", []uint64{7}, "old")
	require.NoError(t, err)
	file := sealedFile(t, from.EventStore, "run")
	fileAt := filepath.Join(t.TempDir(), "run.flowlog")
	require.NoError(t, os.WriteFile(fileAt, file, 0o600))
	for _, kind := range []string{"sqlite", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "checkpoints.db")
			every := 1
			if brief() {
				every = 3
			}
			for n := 1; ; n += every {
				done := killAtLine(t, n, child(t, "importer", kind, path, fileAt))
				s := openFile(t, kind, path)
				if _, err := s.Run(t.Context(), "run"); err == nil || done {
					requireIntact(t, s, "run")
					require.Equal(t, file, sealedFile(t, s, "run"))
					require.NoError(t, s.Delete(t.Context(), "run"))
				} else {
					noRuns(t, s)
					require.ErrorIs(t, err, checkpoint.ErrNotFound)
				}
				if n%2 == 0 { // else the next import meets what is left
					imported(t, s, file)
					requireIntact(t, s, "run")
					require.NoError(t, s.Delete(t.Context(), "run"))
				}
				require.NoError(t, s.Close())
				if done {
					require.Greater(t, n, 5)
					return
				}
			}
		})
	}
}

// TestExportWhileOthersWork exports a run that is saved to, sealed and pruned all the
// while: each file is a sound beginning of the run.
func TestExportWhileOthersWork(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t, checkpoint.WithoutCompaction())
		saved(t, s, "run", "node", filler(9000))
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; i < 600 && ctx.Err() == nil; i++ {
				saved(t, s, "run", "node", filler(9000+i%50))
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
				require.NoError(t, err)
			}
		})
		wg.Go(func() {
			for seq := uint64(1); ctx.Err() == nil; seq++ {
				_, err := s.Prune(t.Context(), "run", []uint64{seq % 100, seq}, "test")
				require.NoError(t, err)
			}
		})
		for range 12 {
			to := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
			run := imported(t, to.EventStore, sealedFile(t, s, "run"))
			all := events(t, to.EventStore, "run", checkpoint.HistoryOptions{HeadersOnly: true})
			require.Len(t, all, int(run.Last))
			for ev, err := range s.History(t.Context(), "run", checkpoint.HistoryOptions{To: run.Last, HeadersOnly: true}) {
				require.NoError(t, err)
				require.Equal(t, ev.Hash, all[ev.Seq-1].Hash)
			}
			require.NoError(t, to.Close())
		}
		stop()
		wg.Wait()
		requireIntact(t, s, "run")
	})
}

// TestExportIsSmall: a run of 65 MB of states is a file of less than its last state.
func TestExportIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("saves 65 MB")
	}
	t.Parallel()
	s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
	defer s.Close()
	var last, all int
	for i, state := range workload.Transcript(200, 7) {
		last, all = len(state), all+len(state)
		saved(t, s.EventStore, "agent", fmt.Sprint("step", i%3), string(state))
	}
	tail := sealedFile(t, s.EventStore, "agent")
	_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
	require.NoError(t, err)
	sealed := sealedFile(t, s.EventStore, "agent")
	t.Logf("states of %d bytes, the last of %d: in a file %d, sealed before %d", all, last, len(tail), len(sealed))
	require.Less(t, len(sealed), last)
	require.Less(t, len(tail), last)
}

var writeGolden = flag.Bool("update", false, "write the golden files anew")

// TestGoldenFile imports a file that was written when the format was made: what it holds
// is the same still, and makes the same file.
func TestGoldenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "v2.flowlog")
	if *writeGolden {
		s := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
		defer s.Close()
		story(t, s.EventStore, "story")
		require.NoError(t, os.WriteFile(path, sealedFile(t, s.EventStore, "story"), 0o600))
	}
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	onAll := storages(t)
	for _, st := range onAll {
		s := st.open(t, checkpoint.WithoutCompaction())
		run := imported(t, s, file)
		requireIntact(t, s, "story")
		require.Equal(t, uint64(47), run.Last)
		require.Equal(t, file, sealedFile(t, s, "story"), st.name)
	}
	marks, err := onAll[0].open(t).Marks(t.Context(), "story")
	require.NoError(t, err)
	require.Equal(t, checkpoint.Marks{
		Run:    checkpoint.Mark{Labels: map[string]string{"case": "4711"}},
		Events: map[uint64]checkpoint.Mark{5: {Labels: map[string]string{"gold": "yes"}}, 7: {Pinned: true}},
	}, marks)
	// All but the times of the notes, the run's incarnation and the hashes is known.
	want := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
	defer want.Close()
	story(t, want.EventStore, "story")
	require.Equal(t, lines(t, want.EventStore, "story"), lines(t, onAll[0].open(t), "story"))
}
