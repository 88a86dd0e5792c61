package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestCompactOfADamagedFile puts one page of a file in the place of another. What
// can still be read then can be read after Compact too: to erase from a tree that is
// damaged takes more of it.
func TestCompactOfADamagedFile(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x")
			s := openFile(t, kind, path, checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
			fillHalfSealed(t, s)
			require.NoError(t, s.Close())
			file, err := os.ReadFile(path)
			require.NoError(t, err)
			const page = pageSize
			r := rand.New(rand.NewPCG(1, 1))
			refused, compacted, tries := 0, 0, 40
			if brief() {
				tries = 12
			}
			for try := range tries {
				to, from := 2+r.IntN(len(file)/page-2), r.IntN(len(file)/page)
				damaged := bytes.Clone(file)
				copy(damaged[to*page:(to+1)*page], file[from*page:])
				require.NoError(t, os.WriteFile(path, damaged, 0o600))
				before := readable(t, kind, path)
				s, err := tryOpen(kind, path, checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
				if err != nil {
					require.ErrorIs(t, err, checkpoint.ErrCorrupt)
					continue
				}
				_, err = s.Compact(t.Context(), checkpoint.CompactOptions{})
				require.NoError(t, s.Close())
				if err != nil {
					require.ErrorIs(t, err, checkpoint.ErrCorrupt)
					refused++
				} else {
					compacted++
				}
				after := readable(t, kind, path)
				for key, state := range before {
					require.Equal(t, state, after[key], "try %d, page %d in the place of %d: %s, Compact: %v", try, from, to, key, err)
				}
			}
			require.NotZero(t, refused)
			require.NotZero(t, compacted)
		})
	}
}

const damagedRuns, damagedEvents = 6, 68

func fillHalfSealed(t *testing.T, s *checkpoint.EventStore) {
	t.Helper()
	for _, part := range []struct{ runs, to int }{{damagedRuns, 60}, {3, damagedEvents}} {
		for run := range part.runs {
			for n := 1; n <= part.to; n++ {
				if part.to == damagedEvents && n <= 60 {
					continue
				}
				state, err := json.Marshal(map[string]any{"n": n, "text": bytes.Repeat([]byte{byte(run), byte(n)}, 20*n)})
				require.NoError(t, err)
				require.NoError(t, s.Save(t.Context(), &checkpoint.Checkpoint{RunID: fmt.Sprint("run-", run), NodeID: "n", State: state}))
			}
		}
		if part.to == 60 {
			_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
			require.NoError(t, err)
		}
	}
}

// readable returns of every fifth state, by run and seq, those that can be read.
func readable(t *testing.T, kind, path string) map[string]string {
	t.Helper()
	found := map[string]string{}
	s, err := tryOpen(kind, path, checkpoint.WithReadOnly())
	if err != nil {
		return found
	}
	for run := range damagedRuns {
		for seq := uint64(1); seq <= damagedEvents; seq += 5 {
			if cp, err := s.LoadSeq(t.Context(), fmt.Sprint("run-", run), seq); err == nil {
				found[fmt.Sprint(run, " ", seq)] = string(cp.State)
			}
		}
	}
	require.NoError(t, s.Close())
	return found
}

func tryOpen(kind, path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error) {
	if kind == "bolt" {
		s, err := checkpoint.NewBoltStore(path, opts...)
		if err != nil {
			return nil, err
		}
		return s.EventStore, nil
	}
	s, err := checkpoint.NewSQLiteStore(path, opts...)
	if err != nil {
		return nil, err
	}
	return s.EventStore, nil
}
