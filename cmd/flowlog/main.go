// Command flowlog looks into the checkpoints of workflow runs, and makes them small.
//
//	flowlog demo                   an agent is killed, resumes and goes back
//	flowlog runs [QUERY]           the runs of a store
//	flowlog history RUN            the events of a run, and what each step changed
//	flowlog show RUN@SEQ           one event and its state
//	flowlog diff [REF] REF         what differs between two events
//	flowlog blame REF [PATH]       which event set a value, and what it was before
//	flowlog grep PATTERN [RUN]     where a text came into the states
//	flowlog stats RUN              what takes the time and the space of a run
//	flowlog branches RUN           the tree of a run
//	flowlog fork REF [NEWRUN]      a new run that begins where another one stood
//	flowlog label REF NAME=VALUE   label a run or an event
//	flowlog pin REF                keep a run or an event from being pruned; unpin lets it go
//	flowlog tail [RUN]             the newest events, and with -f those that come
//	flowlog du [RUN]               what takes the space
//	flowlog compact                make a store smaller, losing nothing
//	flowlog prune                  drop states or runs that are no longer needed
//	flowlog redact REF[..REF]      drop states for good, leaving no copy in the store
//	flowlog export RUN             a run as a file
//	flowlog import FILE...         runs of files, also of flowgraph's databases
//	flowlog verify [RUN]           check runs against their hashes
//	flowlog completion SHELL       a script that completes verbs, runs and nodes
//
// All but demo, fork, label, pin, unpin, compact, prune, redact and import open a store for looking only. A SQLite store may be in use
// by a program meanwhile, also when it is compacted; a bbolt store can be open in one
// process at a time, so the command waits for its turn, as long as --wait says. Data goes to stdout and all else to stderr, so the verbs can
// be piped.
//
// A verb is a file with a method of cli that returns its cobra.Command; root adds it.
//
// # Exit codes
//
//	0    fine
//	1    it differs, is damaged, or nothing matched
//	2    wrong use, or a failure
//	3    no such run, event, state or value
//	4    another process holds the store, for longer than --wait
//	130  interrupted
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

func main() { os.Exit(run()) }

// run does what the arguments ask for and returns the exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	c := &cli{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	err := c.root().ExecuteContext(ctx)
	if c.out != nil {
		if e := c.out.flush(); err == nil {
			err = e
		}
	}
	return c.report(ctx, err)
}

// The exit codes.
const (
	codeDiffers     = 1
	codeDamaged     = 1
	codeNoMatch     = 1
	codeFailure     = 2
	codeNotFound    = 3
	codeLocked      = 4
	codeInterrupted = 130
)

// exitError is an error with its exit code. Without a message there is nothing to
// be said: stdout says it.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

func usage(format string, args ...any) error {
	return &exitError{codeFailure, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &exitError{codeNotFound, fmt.Sprintf(format, args...)}
}

func noMatch(format string, args ...any) error {
	return &exitError{codeNoMatch, fmt.Sprintf(format, args...)}
}

// report says in one line what went wrong, and returns the exit code.
func (c *cli) report(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		fmt.Fprintln(c.stderr, "flowlog: interrupted")
		return codeInterrupted
	}
	if message := errorText(err); message != "" {
		fmt.Fprintln(c.stderr, "flowlog: "+printable(c.withStore(message)))
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, checkpoint.ErrNotFound), errors.Is(err, checkpoint.ErrPruned), errors.Is(err, statediff.ErrNotFound):
		return codeNotFound
	case errors.Is(err, checkpoint.ErrLocked):
		return codeLocked
	case errors.Is(err, checkpoint.ErrCorrupt):
		return codeDamaged
	}
	return codeFailure
}
