package checkpoint_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// inChild lets a child process use require: what fails ends the process.
type inChild struct{}

func (inChild) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) }
func (inChild) FailNow()                          { os.Exit(1) }

// acknowledged is an append that a child process was told had succeeded.
type acknowledged struct {
	run         string
	seq, parent uint64
	meant       uint64 // the parent that the writer had in mind
	token       string // which of a kind it is
	hash        string // of the state
}

// acknowledge prints an append, in one write.
func acknowledge(c *checkpoint.Checkpoint, meant uint64, token string) {
	fmt.Printf("%s %d %d %d %s %s\n", c.RunID, c.Seq, c.Parent, meant, token, sum(c.State))
}

func sum(state []byte) string { return fmt.Sprintf("%x", sha256.Sum256(state)) }

func parseAcknowledged(t *testing.T, line string) acknowledged {
	t.Helper()
	var a acknowledged
	_, err := fmt.Sscanf(line, "%s %d %d %d %s %s\n", &a.run, &a.seq, &a.parent, &a.meant, &a.token, &a.hash)
	require.NoError(t, err, "%q", line)
	return a
}

const (
	writers    = 8
	sharedRuns = 4
)

func init() { children["writer"] = writerChild }

// writerChild appends for a while, to the runs that all writers share and to one
// of its own.
func writerChild(args []string) int {
	var t inChild
	ctx := context.Background()
	path, own := args[0], args[1]
	duration, err := time.ParseDuration(args[2])
	require.NoError(t, err)
	s, err := checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	conflicts := 0
	seen := map[string]checkpoint.Position{}
	const newest = math.MaxUint64
	end := time.Now().Add(duration)
	for i := 0; time.Now().Before(end); i++ {
		run := own
		if i%3 > 0 {
			run = fmt.Sprint("shared-", number(sharedRuns))
		}
		token := rand.Text()
		c := &checkpoint.Checkpoint{RunID: run, NodeID: own, State: json.RawMessage(
			fmt.Sprintf(`{"token":%q,"text":%s}`, token, filler(10+number(4)*3000)))}
		var opts []checkpoint.AppendOption
		var meant uint64
		switch how := number(5); {
		case seen[run].Seq == 0, how == 0: // only if nobody came between
			last, err := s.Load(ctx, run)
			if errors.Is(err, checkpoint.ErrNotFound) {
				opts = []checkpoint.AppendOption{checkpoint.BeginRun()}
				break
			}
			require.NoError(t, err)
			seen[run], meant = last.Position(), last.Seq
			opts = []checkpoint.AppendOption{checkpoint.After(last.Position())}
		case how == 1: // aside
			meant = 1 + uint64(number(int(seen[run].Seq)))
			c.Seq = meant
		case how == 2:
			opts = []checkpoint.AppendOption{checkpoint.AsRoot()}
		case how == 3: // from whatever is the newest
			meant = newest
		default: // from what this process has seen last
			meant = seen[run].Seq
			c.Seq, c.Hash = meant, seen[run].Hash
		}
		at, err := s.Append(ctx, c, opts...)
		if len(opts) == 1 && errors.Is(err, checkpoint.ErrConflict) {
			conflicts++
			continue
		}
		require.NoError(t, err)
		require.False(t, at.Repeated)
		if seen[run] = at.Position; meant == newest {
			meant = at.Seq - 1
		}
		acknowledge(c, meant, token)
	}
	require.NoError(t, s.Close())
	fmt.Println("conflicts", conflicts)
	return 0
}

// number returns a random number from 0 to n-1 that is another in each process.
func number(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err)
	}
	return int(v.Int64())
}

// TestProcesses holds that processes that write one file at the same time lose,
// double and mix up nothing, and that none of them is turned away.
//
// It is not parallel: it needs the machine for itself.
func TestProcesses(t *testing.T) {
	duration := 3 * time.Second
	if os.Getenv("FLOWLOG_LONG") == "1" {
		duration = 10 * time.Second
	}
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	var outputs [writers]bytes.Buffer
	wait := [writers]func() error{}
	for i := range writers {
		cmd := child(t, "writer", path, fmt.Sprint("own-", i), duration.String())
		cmd.Stdout = &outputs[i]
		require.NoError(t, cmd.Start())
		wait[i] = cmd.Wait
	}
	conflicts := 0
	byRun := map[string]map[uint64]acknowledged{}
	for i := range writers {
		require.NoError(t, wait[i](), "writer %d met an error", i)
		mine := 0
		for line := range strings.Lines(outputs[i].String()) {
			if n, ok := strings.CutPrefix(line, "conflicts "); ok {
				met, err := strconv.Atoi(strings.TrimSpace(n))
				require.NoError(t, err)
				conflicts += met
				continue
			}
			a := parseAcknowledged(t, line)
			if byRun[a.run] == nil {
				byRun[a.run] = map[uint64]acknowledged{}
			}
			require.NotContains(t, byRun[a.run], a.seq, "two appends to %s were given one seq", a.run)
			byRun[a.run][a.seq] = a
			mine++
		}
		require.Positive(t, mine, "writer %d never had its turn", i)
	}

	s, err := checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Len(t, byRun, sharedRuns+writers)
	runs := 0
	for run, err := range s.Runs(t.Context(), checkpoint.RunsOptions{}) {
		require.NoError(t, err)
		require.Contains(t, byRun, run.ID)
		runs++
	}
	require.Equal(t, len(byRun), runs)
	total, branches := 0, 0
	nodes := map[string]string{} // by writer: each of them has a node of its own
	for run, told := range byRun {
		all := events(t, s.EventStore, run, checkpoint.HistoryOptions{})
		require.Len(t, all, len(told), "events of %s", run)
		for _, ev := range all {
			a, ok := told[ev.Seq]
			require.True(t, ok, "%s seq %d is nobody's", run, ev.Seq)
			require.Equal(t, a.meant, ev.Parent, "%s seq %d", run, ev.Seq)
			require.Equal(t, a.parent, ev.Parent, "%s seq %d", run, ev.Seq)
			require.Equal(t, a.hash, sum(ev.State), "%s seq %d", run, ev.Seq)
			require.Contains(t, string(ev.State), a.token, "%s seq %d", run, ev.Seq)
			if ev.Parent != ev.Seq-1 {
				branches++
			}
			if node, ok := nodes[ev.Writer]; ok {
				require.Equal(t, node, ev.NodeID)
			}
			nodes[ev.Writer] = ev.NodeID
		}
		requireIntact(t, s.EventStore, run)
		total += len(all)
	}
	require.Len(t, nodes, writers)
	t.Logf("%d writers in %v: %d events (%.0f per second), %d branches, %d conflicts", writers, duration, total, float64(total)/duration.Seconds(), branches, conflicts)
}
