package checkpoint_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// savers is how many goroutines save in a process that is killed.
const savers = 4

func init() { children["saver"] = saverChild }

// saverChild saves transcripts until it is killed: each goroutine to a run of its
// own and, every third time, to one that they share.
func saverChild(args []string) int {
	var t inChild
	ctx := context.Background()
	s, err := checkpoint.NewSQLiteStore(args[0])
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range savers {
		wg.Go(func() {
			own := fmt.Sprint("own-", g)
			text := filler(500)
			last, err := s.Load(ctx, own)
			if !errors.Is(err, checkpoint.ErrNotFound) {
				require.NoError(t, err)
				text = string(last.State)
			}
			for i := 0; ; i++ {
				if text = text[:len(text)-1] + filler(200 + 50*number(10))[1:]; len(text) > 20_000 {
					text = text[:500] + `"`
				}
				run := own
				if i%3 == 2 {
					run = "shared"
				}
				c := &checkpoint.Checkpoint{RunID: run, NodeID: own, State: json.RawMessage(text)}
				require.NoError(t, s.Save(ctx, c))
				acknowledge(c, c.Parent, own)
			}
		})
	}
	wg.Wait()
	return 0
}

// TestKill holds that a process that is killed at any moment takes nothing with
// it that was acknowledged, and leaves nothing half done.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 50
	if brief() {
		kills = 10
	}
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	told := map[string]map[uint64]string{} // hashes of states, by run and seq
	total, unanswered := 0, 0
	for kill := range kills {
		cmd := child(t, "saver", path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		until, killed := 15+number(40), false
		for n := 0; lines.Scan(); n++ { // to its end: what was said before the kill counts
			a := parseAcknowledged(t, lines.Text()+"\n")
			if told[a.run] == nil {
				told[a.run] = map[uint64]string{}
			}
			require.NotContains(t, told[a.run], a.seq)
			told[a.run][a.seq] = a.hash
			total++
			if n == until {
				require.NoError(t, cmd.Process.Kill())
				killed = true
			}
		}
		require.NoError(t, lines.Err())
		require.Error(t, cmd.Wait())
		require.True(t, killed, "it went by itself")

		// Every other time the next process is the first to write again.
		var opts []checkpoint.Option
		if kill%2 == 1 {
			opts = append(opts, checkpoint.WithReadOnly())
		}
		s, err := checkpoint.NewSQLiteStore(path, opts...)
		require.NoError(t, err)
		found := 0
		for run, err := range s.Runs(t.Context(), checkpoint.RunsOptions{}) {
			require.NoError(t, err)
			found += requireTold(t, s.EventStore, run.ID, told[run.ID])
		}
		require.NoError(t, s.Close())
		before := unanswered
		unanswered = found - total
		require.LessOrEqual(t, unanswered-before, savers, "kill %d: more events than saves under way", kill)
	}
	t.Logf("%d kills: %d events acknowledged, %d more written", kills, total, unanswered)
}

// requireTold verifies a run, in which each event that was acknowledged must be,
// and returns how many it has in all.
func requireTold(t *testing.T, s *checkpoint.EventStore, run string, told map[uint64]string) int {
	t.Helper()
	all := events(t, s, run, checkpoint.HistoryOptions{HeadersOnly: true})
	bySeq := map[uint64]string{}
	for _, ev := range all {
		bySeq[ev.Seq] = ev.SHA256.String()
	}
	for seq, hash := range told {
		require.Equal(t, hash, bySeq[seq], "%s seq %d was acknowledged", run, seq)
	}
	requireIntact(t, s, run)
	return len(all)
}
