package checkpoint_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func init() { children["lock holder"] = lockHolderChild }

// lockHolderChild holds SQLite's write lock each time that it is told a line, until the
// next.
func lockHolderChild(args []string) int {
	var t inChild
	db, err := sql.Open("sqlite", "file:"+args[0]+"?_pragma=busy_timeout(60000)")
	require.NoError(t, err)
	conn, err := db.Conn(context.Background())
	require.NoError(t, err)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		_, err = conn.ExecContext(context.Background(), `BEGIN IMMEDIATE`)
		require.NoError(t, err)
		fmt.Println("held")
		lines.Scan()
		_, err = conn.ExecContext(context.Background(), `ROLLBACK`)
		require.NoError(t, err)
		fmt.Println("free")
	}
	return 0
}

// lockHolder is another process that holds the lock of a SQLite file.
type lockHolder struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

func holdLocks(t *testing.T, path string) *lockHolder {
	t.Helper()
	cmd := child(t, "lock holder", path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // the end of the test has killed it
	})
	return &lockHolder{t, in, bufio.NewScanner(out)}
}

func (h *lockHolder) tell(want string) {
	h.t.Helper()
	_, err := fmt.Fprintln(h.in)
	require.NoError(h.t, err)
	require.True(h.t, h.out.Scan())
	require.Equal(h.t, want, h.out.Text())
}

func (h *lockHolder) hold() { h.t.Helper(); h.tell("held") }
func (h *lockHolder) free() { h.t.Helper(); h.tell("free") }

// What a call with a deadline may take: patience, and a little for a machine that is busy
// with other things.
const patience, overtime = 200 * time.Millisecond, 50 * time.Millisecond

// deadlined calls do with a context that ends after patience, and returns by how much it came
// late, and its error.
func deadlined(do func(ctx context.Context) error) (late time.Duration, err error) {
	began := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), began.Add(patience))
	defer cancel()
	err = do(ctx)
	return time.Since(began) - patience, err
}

// requireLeaves holds that do gives up at its deadline, within overtime once in a few
// tries: other tests use the machine as well.
func requireLeaves(t *testing.T, what string, do func(ctx context.Context) error) {
	t.Helper()
	var late time.Duration
	for range 5 {
		var err error
		late, err = deadlined(do)
		require.ErrorIs(t, err, context.DeadlineExceeded, what)
		require.NotErrorIs(t, err, checkpoint.ErrUnknownOutcome, what)
		require.NotErrorIs(t, err, checkpoint.ErrLocked, what)
		require.Greater(t, late, -time.Millisecond, "%s: it waits as long as it may", what)
		if late <= overtime {
			return
		}
	}
	require.LessOrEqual(t, late, overtime, what)
}

// TestADeadlineUnderAnotherProcessesLock: whoever can wait no longer gets his answer in
// time, and what he wanted to write is not there, then or later.
//
// It is not parallel: it measures.
func TestADeadlineUnderAnotherProcessesLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	s := openFile(t, "sqlite", path, checkpoint.WithoutCompaction())
	defer s.Close()
	for range 3 {
		saved(t, s, "run", "node", `1`)
	}
	lock := holdLocks(t, path)
	lock.hold()
	for _, run := range []string{"run", "new"} {
		requireLeaves(t, "Save to "+run, func(ctx context.Context) error {
			err := s.Save(ctx, small(run, 99))
			require.ErrorContains(t, err, "nothing was written")
			return err
		})
	}
	for what, do := range map[string]func(ctx context.Context) error{
		"Append": func(ctx context.Context) error {
			_, err := s.Append(ctx, small("run", 99), checkpoint.AfterSeq(3))
			return err
		},
		"Fork":     func(ctx context.Context) error { _, err := s.Fork(ctx, "run", 1, "fork"); return err },
		"Label":    func(ctx context.Context) error { return s.Label(ctx, "run", 1, "a", "b") },
		"Pin":      func(ctx context.Context) error { return s.Pin(ctx, "run", 0) },
		"Prune":    func(ctx context.Context) error { _, err := s.Prune(ctx, "run", []uint64{1}, "test"); return err },
		"Redact":   func(ctx context.Context) error { _, err := s.Redact(ctx, "run", []uint64{1}, "test"); return err },
		"Truncate": func(ctx context.Context) error { _, err := s.TruncateFront(ctx, "run", 2, "test"); return err },
		"Delete":   func(ctx context.Context) error { return s.Delete(ctx, "run") },
	} {
		requireLeaves(t, what, do)
	}
	untouched := func() {
		t.Helper()
		reader := openFile(t, "sqlite", path, checkpoint.WithReadOnly())
		defer func() { require.NoError(t, reader.Close()) }()
		for _, s := range []*checkpoint.EventStore{s, reader} {
			require.Equal(t, []string{"run"}, runs(t, s, checkpoint.RunsOptions{}))
			rep := requireIntact(t, s, "run")
			require.EqualValues(t, 3, rep.Events)
			require.Zero(t, rep.Pruned+rep.Anchor)
			m, err := s.Marks(t.Context(), "run")
			require.NoError(t, err)
			require.Equal(t, checkpoint.Marks{}, m)
		}
	}
	untouched() // reading goes on under the lock
	lock.free()
	time.Sleep(50 * time.Millisecond) // in which a write that was left behind would be made
	untouched()
	require.EqualValues(t, 4, saved(t, s, "run", "node", `1`).Seq)
}

// TestADeadlineInACompanysCommit: callers that share a commit wait for another process's
// lock, and some of them can't any longer. They get their answer in time, and the others
// go on waiting, and get through.
//
// It is not parallel: it measures.
func TestADeadlineInACompanysCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	s := openFile(t, "sqlite", path, checkpoint.WithoutCompaction())
	defer s.Close()
	saved(t, s, "run", "node", `1`)
	lock := holdLocks(t, path)
	const patient, hurried = 6, 3
	inTime := 0
	for round := range 5 {
		lock.hold()
		// The first waits for the lock alone, so that the others are queued behind it, and
		// leaves when they are there: one of them takes all that is queued.
		ctx, leave := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- s.Save(ctx, small("run", -1)) }()
		time.Sleep(20 * time.Millisecond)
		through := make(chan error, patient)
		for i := range patient {
			go func() {
				through <- s.Save(context.Background(), &checkpoint.Checkpoint{RunID: []string{"run", "other"}[i%2], NodeID: "patient", State: []byte(`1`)})
			}()
		}
		type answer struct {
			err  error
			late time.Duration
		}
		left := make(chan answer, hurried)
		for range hurried {
			go func() {
				late, err := deadlined(func(ctx context.Context) error {
					return s.Save(ctx, &checkpoint.Checkpoint{RunID: "run", NodeID: "hurried", State: []byte(`1`)})
				})
				left <- answer{err, late}
			}()
		}
		time.Sleep(20 * time.Millisecond)
		leave()
		require.ErrorIs(t, <-first, context.Canceled)
		for range hurried {
			a := <-left
			require.ErrorIs(t, a.err, context.DeadlineExceeded)
			require.NotErrorIs(t, a.err, checkpoint.ErrUnknownOutcome)
			if a.late <= overtime {
				inTime++
			}
		}
		require.Empty(t, through, "the others wait")
		lock.free()
		var errs error
		for range patient {
			errs = errors.Join(errs, <-through)
		}
		require.NoError(t, errs, "the others get through")
		var nodes []string
		for _, run := range []string{"run", "other"} {
			for _, ev := range events(t, s, run, checkpoint.HistoryOptions{}) {
				nodes = append(nodes, ev.NodeID)
			}
			requireIntact(t, s, run)
		}
		require.NotContains(t, nodes, "hurried")
		require.Len(t, nodes, 1+patient*(round+1))
		if round > 0 && inTime >= 2*hurried {
			break
		}
	}
	require.GreaterOrEqual(t, inTime, 2*hurried, "answers in time")
}
