package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// child is a process of its own that does an agent's task.
type child struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	reports *json.Decoder
	stderr  bytes.Buffer
}

// startChild starts this binary once more. It is killed when ctx is done, and
// ends by itself if this process dies.
func startChild(ctx context.Context, task agentTask) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	c := &child{cmd: exec.CommandContext(ctx, exe, task.args()...)}
	c.cmd.Args[0] = "flowlog"
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = 5 * time.Second
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.reports = json.NewDecoder(stdout)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process for the agent: %w", err)
	}
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// next returns the next report; false when there are no more.
func (c *child) next() (agentReport, bool) {
	var r agentReport
	err := c.reports.Decode(&r)
	return r, err == nil
}

// kill ends the process at once: SIGKILL on Unix. It returns what was still
// reported before.
func (c *child) kill() ([]agentReport, error) {
	if err := c.cmd.Process.Kill(); err != nil {
		return nil, fmt.Errorf("kill the agent: %w", err)
	}
	var late []agentReport
	for r, ok := c.next(); ok; r, ok = c.next() {
		late = append(late, r)
	}
	err := c.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("kill the agent: %w", err)
	}
	return late, nil
}

// wait waits for the process to end by itself.
func (c *child) wait(ctx context.Context) error {
	err := c.cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		said := strings.TrimPrefix(strings.TrimSpace(c.stderr.String()), "flowlog: ")
		return fmt.Errorf("the agent's process failed (%w): %s", err, said)
	}
	return nil
}
