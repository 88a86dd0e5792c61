package checkpoint_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func init() { children["compacting saver"] = compactingSaverChild }

// compactingSaverChild saves until it is killed, compacts in the background, and
// calls Compact over and over. Each goroutine saves to a run of its own, which it
// deletes when it has grown, and says what it begins and what was acknowledged.
func compactingSaverChild(args []string) int {
	var t inChild
	ctx := context.Background()
	opts := []checkpoint.Option{checkpoint.WithIdle(20 * time.Millisecond), checkpoint.WithDurability(checkpoint.DurabilityOff)}
	s := openFile(t, args[0], args[1], opts...)
	var wg sync.WaitGroup
	for g := range savers {
		wg.Go(func() {
			own := fmt.Sprint("own-", g)
			text := filler(5000)
			last, err := s.Load(ctx, own)
			if !errors.Is(err, checkpoint.ErrNotFound) {
				require.NoError(t, err)
				text = string(last.State)
			}
			for i := 1; ; i++ {
				if i%300 == 0 {
					fmt.Println("deleting", own)
					require.NoError(t, s.Delete(ctx, own))
					fmt.Println("deleted", own)
				}
				if text = text[:len(text)-1] + filler(20 + number(200))[1:]; len(text) > 20_000 {
					text = text[:5000] + `"`
				}
				state := text
				if g > 1 { // small ones
					state = fmt.Sprintf(`{"i":%d,"text":%s}`, i, filler(10+number(100)))
				}
				c := &checkpoint.Checkpoint{RunID: own, NodeID: own, State: json.RawMessage(state)}
				require.NoError(t, s.Save(ctx, c))
				fmt.Println("saved", own, c.Seq, c.Parent, sum(c.State))
			}
		})
	}
	for {
		_, err := s.Compact(ctx, checkpoint.CompactOptions{Idle: time.Duration(number(2)) * time.Hour})
		require.NoError(t, err)
		time.Sleep(time.Duration(number(20)) * time.Millisecond)
	}
}

// openFile opens a store in a file.
func openFile(t require.TestingT, kind, path string, opts ...checkpoint.Option) *checkpoint.EventStore {
	if kind == "bolt" {
		s, err := checkpoint.NewBoltStore(path, opts...)
		require.NoError(t, err)
		return s.EventStore
	}
	s, err := checkpoint.NewSQLiteStore(path, opts...)
	require.NoError(t, err)
	return s.EventStore
}

// toldLine is what a child said of an event: its parent and the hash of its state.
type toldLine struct {
	parent uint64
	hash   string
}

// killed is what children said of the runs of a store before they were killed.
type killed struct {
	runs     map[string]map[uint64]toldLine
	deleting map[string]bool
	events   int
}

func (k *killed) hear(t *testing.T, line string) {
	words := strings.Fields(line)
	run := words[1]
	switch words[0] {
	case "deleting":
		k.deleting[run] = true
	case "deleted":
		delete(k.runs, run)
		delete(k.deleting, run)
	case "saved":
		var seq uint64
		var ev toldLine
		_, err := fmt.Sscan(strings.Join(words[2:], " "), &seq, &ev.parent, &ev.hash)
		require.NoError(t, err, line)
		if k.runs[run] == nil {
			k.runs[run] = map[uint64]toldLine{}
		}
		require.NotContains(t, k.runs[run], seq)
		k.runs[run][seq] = ev
		k.events++
	default:
		t.Errorf("a child said %q", line)
	}
}

// check holds a store to what was said, and takes over what was under way: at most
// one event of each run, or its deletion.
func (k *killed) check(t *testing.T, s *checkpoint.EventStore, when string) {
	t.Helper()
	for i := range savers {
		run := fmt.Sprint("own-", i)
		found := map[uint64]toldLine{}
		for ev, err := range s.History(context.Background(), run, checkpoint.HistoryOptions{}) {
			if errors.Is(err, checkpoint.ErrNotFound) {
				break
			}
			require.NoError(t, err, "%s: %s", when, run)
			found[ev.Seq] = toldLine{ev.Parent, sum(ev.State)}
		}
		switch {
		case k.deleting[run] && len(found) == 0:
		default:
			for seq, ev := range k.runs[run] {
				require.Equal(t, ev, found[seq], "%s: %s seq %d was acknowledged", when, run, seq)
			}
			require.LessOrEqual(t, len(found), len(k.runs[run])+1, "%s: %s", when, run)
		}
		if k.runs[run] = found; len(found) > 0 {
			requireIntact(t, s, run)
		}
	}
	clear(k.deleting)
}

// TestKillDuringCompaction kills a process that saves and compacts, over and over on
// one file. Nothing that was acknowledged may be gone or another, every run verifies,
// and the next compaction leaves nothing that belongs to nothing.
func TestKillDuringCompaction(t *testing.T) {
	t.Parallel()
	kills := 8
	if brief() {
		kills = 3
	}
	if os.Getenv("FLOWLOG_LONG") == "1" {
		kills = 100
	}
	for name, d := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "checkpoints.db")
			k := &killed{runs: map[string]map[uint64]toldLine{}, deleting: map[string]bool{}}
			var sealed checkpoint.CompactReport
			for kill := range kills {
				when := fmt.Sprint("kill ", kill)
				cmd := child(t, "compacting saver", name, path)
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				lines := bufio.NewScanner(out)
				var timer *time.Timer
				for lines.Scan() { // to its end: what was said before the kill counts
					if timer == nil { // it is at work
						timer = time.AfterFunc(time.Duration(number(200))*time.Millisecond, func() { cmd.Process.Kill() })
					}
					k.hear(t, lines.Text())
				}
				require.NoError(t, lines.Err())
				require.EqualError(t, cmd.Wait(), "signal: killed", when)

				b, err := d.open(path)
				require.NoError(t, err, when)
				expireLease(t, b)
				s, err := checkpoint.Open(b, checkpoint.WithoutCompaction())
				require.NoError(t, err, when)
				k.check(t, s, when)
				// Every other time the next process finds what was left as it is.
				if kill%2 == 1 {
					rep, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
					require.NoError(t, err, when)
					require.Empty(t, rep.Skipped, when)
					sealed.Sealed.Add(rep.Sealed)
					k.check(t, s, when+", compacted")
					requireTiled(t, b, when)
				}
				require.NoError(t, s.Close(), when)
				if kill%2 == 1 {
					d.orphans(t, path, when)
				}
			}
			t.Logf("%d kills: %d events acknowledged; %d events were left to be sealed by the compactions after them", kills, k.events, sealed.Sealed.Events)
		})
	}
}
