//go:build amd64 || arm64

package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/flowlog/checkpoint"
)

// A child process has the kernel fail its system calls, so that what is tested is
// what happens when a disk fails: no layer in between knows of the test.

// deny makes the kernel answer system calls with an error from now on: those of
// all threads of this process, or of the calling one, which must be locked.
func deny(all bool, errno unix.Errno, calls ...uint32) error {
	statement := func(code uint16, k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: code, K: k, Jf: skip}
	}
	program := []unix.SockFilter{statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0)} // the call's number
	for _, call := range calls {
		program = append(program,
			statement(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, call, 1),
			statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|uint32(errno), 0),
		)
	}
	program = append(program, statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW, 0))

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	const setModeFilter = 1
	var flags uintptr
	if all {
		flags = unix.SECCOMP_FILTER_FLAG_TSYNC
	}
	if r, _, e := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, flags, uintptr(unsafe.Pointer(&filter))); e != 0 || r != 0 {
		return fmt.Errorf("install the filter: %d, %w", r, e)
	}
	return nil
}

func init() { children["failing sync"] = saveWithFailingSync }

// says prints a line to the parent.
func says(what string, err error) {
	for name, sentinel := range map[string]error{
		"unknown": checkpoint.ErrUnknownOutcome, "read-only": checkpoint.ErrReadOnly, "none": nil,
	} {
		if errors.Is(err, sentinel) {
			what += " " + name
		}
	}
	fmt.Printf("%s|%v\n", what, err)
}

// saveWithFailingSync saves, has the disk fail, and says what it is told.
func saveWithFailingSync(args []string) int {
	ctx := context.Background()
	s, err := checkpoint.NewSQLiteStore(args[0])
	says("open", err)
	for i := range 20 {
		says("save", s.Save(ctx, small("run", i)))
	}
	says("filter", deny(true, unix.EIO, unix.SYS_FSYNC, unix.SYS_FDATASYNC))

	var wg sync.WaitGroup
	errs := make([]error, 8)
	start := make(chan struct{})
	for g := range errs {
		wg.Go(func() {
			<-start
			errs[g] = s.Save(ctx, small(fmt.Sprint("batch-", g%4), g))
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		says("batch", err)
	}
	says("later save", s.Save(ctx, small("run", 99)))
	says("later delete", s.Delete(ctx, "run"))
	_, err = s.Prune(ctx, "run", []uint64{1}, "")
	says("later prune", err)
	c, err := s.Load(ctx, "run")
	says(fmt.Sprint("load ", c != nil && c.Seq == 20), err)
	list, err := s.List("run")
	says(fmt.Sprint("list ", len(list)), err)
	n := 0
	for _, e := range s.History(ctx, "run", checkpoint.HistoryOptions{}) {
		n, err = n+1, errors.Join(err, e)
	}
	says(fmt.Sprint("history ", n), err)
	rep, err := s.Verify(ctx, "run")
	says(fmt.Sprint("verify ", rep.Intact()), err)
	return 0
}

// TestFailedSync holds that what a failed sync leaves in doubt is called that, to
// everyone whom it concerns, and that nothing is written on top.
func TestFailedSync(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	out, err := child(t, "failing sync", path).Output()
	require.NoError(t, err, "%s", out)
	said := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		what, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "|")
		said[what] = append(said[what], text)
	}
	require.Len(t, said["open none"], 1, "%s", out)
	require.Len(t, said["save none"], 20)
	require.Len(t, said["filter none"], 1, "%s", out)
	require.Empty(t, said["batch none"], "nothing is acknowledged any more")
	require.NotEmpty(t, said["batch unknown"])
	require.Len(t, append(said["batch unknown"], said["batch read-only"]...), 8, "all that shared the commit, and those that came after: %s", out)
	for _, text := range said["batch unknown"] {
		require.Contains(t, text, "outcome unknown")
		require.Contains(t, text, "disk I/O error")
		require.Contains(t, text, "the change may have been made or not; open the store again and look")
	}
	for _, what := range []string{"later save read-only", "later delete read-only", "later prune read-only"} {
		require.Len(t, said[what], 1, "%s: %s", what, out)
		require.Contains(t, said[what][0], "since a sync failed")
		require.Contains(t, said[what][0], "nothing was written now; close the store, make sure that its disk is sound, and open it again")
	}
	for _, what := range []string{"load true none", "list 20 none", "history 20 none", "verify true none"} {
		require.Len(t, said[what], 1, "%s: %s", what, out)
	}

	s, err := checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, 20, len(events(t, s.EventStore, "run", checkpoint.HistoryOptions{})))
	requireIntact(t, s.EventStore, "run")
	for i, id := range runs(t, s.EventStore, checkpoint.RunsOptions{Prefix: "batch-"}) {
		rep := requireIntact(t, s.EventStore, id) // there or not, but never in part
		require.LessOrEqual(t, rep.Events, uint64(2), i)
	}
	require.EqualValues(t, 21, saved(t, s.EventStore, "run", "node", `1`).Seq, "the store works again")
	require.NoError(t, s.Delete(ctx, "run"))
}
