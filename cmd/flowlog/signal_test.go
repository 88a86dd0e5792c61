//go:build unix

package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

func TestInterruptEndsTheDemoAndItsAgent(t *testing.T) {
	t.Parallel()
	r := startDemo(t)
	agent := r.until(t, `in process (\d+)`)[1]
	r.until(t, `write#2`)
	require.NoError(t, r.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, 130, exitCode(r.cmd.Wait()))
	require.Equal(t, "flowlog: interrupted\n", r.stderr.String())
	requireGone(t, agent)
	r.requireIntact(t)
}

func TestTheAgentEndsWhenTheDemoIsKilled(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "bolt"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			killDemo(t, backend)
		})
	}
}

func killDemo(t *testing.T, backend string) {
	t.Helper()
	r := startDemo(t, "--backend", backend)
	r.until(t, `write#5`)
	agent := r.until(t, `Process (\d+) resumes`)[1]
	r.until(t, `write#5`)
	require.NoError(t, r.cmd.Process.Kill())
	require.Error(t, r.cmd.Wait())
	requireGone(t, agent)
	r.requireIntact(t)
}

func TestTheDemoEndsQuietlyWhenNobodyReadsOn(t *testing.T) {
	t.Parallel()
	r := startDemo(t)
	agent := r.until(t, `in process (\d+)`)[1]
	require.NoError(t, r.stdout.Close())
	require.Error(t, r.cmd.Wait())
	require.Equal(t, syscall.SIGPIPE, r.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.Empty(t, r.stderr.String())
	requireGone(t, agent)
	r.requireIntact(t)
}

func TestOutputThatIsCutOffIsAnError(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return // not every Unix has one
	}
	require.NoError(t, err)
	defer full.Close()
	cmd := exec.CommandContext(t.Context(), "flowlog", "demo", "--pace", "1ms")
	cmd.Dir, cmd.Stdout = t.TempDir(), full
	require.Equal(t, 2, exitCode(cmd.Run()))
}

func TestInterruptEndsCompact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saveState(t, dir, `{}`)
	holdLease(t, dir)
	cmd := exec.CommandContext(t.Context(), "flowlog", "compact", "--idle", "0s")
	var stdout strings.Builder
	cmd.Stdout = &stdout
	requireInterrupted(t, dir, cmd, "what was done is kept; `flowlog compact` goes on from there")
	require.Regexp(t, `^nothing was sealed yet; [\d.]+ KiB on disk, as before\n$`, stdout.String())
}

func TestProgressGoesAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saveState(t, dir, `"`+strings.Repeat("It is worth being sealed. ", 100)+`"`)
	shown := onTerminal(t, dir, 45, nil, "compact", "--idle", "0s")
	lines := strings.Split(shown, "\r")
	require.Equal(t, "", lines[0])
	require.Equal(t, "checking the file\x1b[K", lines[1])
	require.Regexp(t, `^sealing  \x1b\[2m·{20}\x1b\[0m  0 of 1 event\x1b\[K$`, lines[2])
	for _, line := range lines[1:] { // each erases what is left of the one before
		require.Contains(t, line, "\x1b[K")
	}
	require.Regexp(t, `^\x1b\[Ksealed 1 event of 1 run in 1 segment: [^\n]*\n$`, lines[len(lines)-1])

	narrow := t.TempDir() // where the line would wrap, it is cut
	saveState(t, narrow, `{}`)
	require.Contains(t, onTerminal(t, narrow, 20, []string{"NO_COLOR=1"}, "compact", "--idle", "0s"), "\rsealing  ··········\x1b[K\r")
	require.NotContains(t, onTerminal(t, dir, 80, []string{"TERM=dumb"}, "compact"), "\x1b")
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Contains(t, onTerminal(t, dir, 100, nil, "demo", "--pace", "1ms"), "\x1b[32mintact\x1b[0m")
	require.NotContains(t, onTerminal(t, dir, 100, []string{"NO_COLOR=1"}, "runs"), "\x1b")
	require.NotContains(t, onTerminal(t, dir, 100, []string{"TERM=dumb"}, "runs"), "\x1b")
	require.NotContains(t, onTerminal(t, dir, 100, nil, "runs", "--color", "never"), "\x1b")

	runs := onTerminal(t, dir, 100, nil, "runs")
	require.Contains(t, runs, "\x1b[1messay-")
	require.Regexp(t, `(just now|\ds ago)`, runs)

	history := onTerminal(t, dir, 60, []string{"NO_COLOR=1"}, "history", "@last")
	require.Regexp(t, `\n  1   ●    plan#1 +\d\d:\d\d:\d\d\.\d +901 B +`, history)
	for line := range strings.SplitSeq(strings.TrimRight(history, "\n"), "\n") {
		require.LessOrEqual(t, len([]rune(line)), 70, line) // the last line is no table's
	}
}

func TestTerminalIsSafeFromWhatStatesHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saveState(t, dir, "{\"text\":\"\u202etxt\u009b2J\x7f\"}")
	shown := onTerminal(t, dir, 80, nil, "show", "@last")
	require.Contains(t, shown, `"text": "\u202etxt\u009b2J\u007f"`)
	require.Contains(t, flowlog(t, dir, "show", "@last"), "\u202etxt\u009b2J\x7f")
}

// onTerminal runs the command on a terminal of so many columns and returns what it
// wrote.
func onTerminal(t *testing.T, dir string, columns uint16, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "flowlog", args...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "TERM=xterm", "NO_COLOR=", "PAGER=cat"), env...)
	ours, theirs, err := pty.Open()
	require.NoError(t, err)
	defer ours.Close()
	require.NoError(t, pty.Setsize(ours, &pty.Winsize{Rows: 50, Cols: columns}))
	cmd.Stdout, cmd.Stderr = theirs, theirs
	var out strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			out.Write(buf[:n])
			if err != nil {
				return // the other side is closed
			}
		}
	}()
	err = cmd.Run()
	theirs.Close()
	<-done
	require.NoError(t, err, out.String())
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

// requireGone waits for a process to end, or to be a zombie that nobody waits for.
func requireGone(t *testing.T, pid string) {
	t.Helper()
	id, err := strconv.Atoi(pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		return errors.Is(syscall.Kill(id, 0), syscall.ESRCH) || strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, 5*time.Millisecond, "process %d goes on", id)
}

// requireInterrupted interrupts a command that waits for another to compact, which then
// says what became of its work.
func requireInterrupted(t *testing.T, dir string, cmd *exec.Cmd, says string) {
	t.Helper()
	lines := startCompact(t, dir, cmd)
	require.Contains(t, lines(), "waiting")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Equal(t, says, lines())
	require.Equal(t, "flowlog: interrupted", lines())
	require.Empty(t, lines())
	require.Equal(t, 130, exitCode(cmd.Wait()))
}
