package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"github.com/flowlog/checkpoint"
)

// errPagerLeft is why a verb ends whose reader has seen enough.
var errPagerLeft = errors.New("the pager was left")

// pager shows what is written to it screen by screen, in a program of its own that
// is started by the first write. It is for one goroutine.
type pager struct {
	words  []string // the program and its arguments
	stdout io.Writer
	stderr io.Writer
	leave  context.CancelCauseFunc // called when the program ends

	held   *bytes.Buffer // what waits until release; nil if nothing has to
	cmd    *exec.Cmd
	pipe   io.WriteCloser
	ended  chan struct{}
	direct bool // there is no such program
}

// pagerWords returns the pager to use: $PAGER, or less, which ends by itself when all
// fits the screen.
func pagerWords() []string {
	if given, ok := os.LookupEnv("PAGER"); ok {
		words := strings.Fields(given)
		if len(words) == 1 && words[0] == "cat" {
			return nil
		}
		return words
	}
	return []string{"less"}
}

// Write hands p to the program. What comes after the program has ended is dropped.
func (p *pager) Write(b []byte) (int, error) {
	if p.held != nil {
		return p.held.Write(b)
	}
	if p.cmd == nil && !p.direct {
		p.start()
	}
	if p.direct {
		return p.stdout.Write(b)
	}
	if _, err := p.pipe.Write(b); err != nil {
		p.leave(errPagerLeft)
	}
	return len(b), nil
}

func (p *pager) start() {
	cmd := exec.Command(p.words[0], p.words[1:]...)
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	cmd.Env = os.Environ()
	if _, ok := os.LookupEnv("LESS"); !ok {
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.direct = true
		return
	}
	p.cmd, p.pipe, p.ended = cmd, pipe, make(chan struct{})
	go func() {
		defer close(p.ended)
		cmd.Wait() // how the pager ends is its own affair
		p.leave(errPagerLeft)
	}()
}

// release shows what was held back.
func (p *pager) release() {
	if held := p.held; held != nil {
		p.held = nil
		if held.Len() > 0 {
			p.Write(held.Bytes())
		}
	}
}

// close waits until the reader has seen it all. A Ctrl-C is the program's own affair
// by then: without us, it and the shell would both read from the terminal.
func (p *pager) close() {
	if p.cmd != nil {
		signal.Ignore(os.Interrupt)
		p.pipe.Close()
		<-p.ended
	}
}

// look opens the store for looking only, and lets a verb look. On a terminal what it
// shows goes through the pager.
func (c *cli) look(ctx context.Context, verb func(looker) error) error {
	at, err := c.place()
	if err != nil {
		return err
	}
	store, err := c.openToLook(at)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	if words := pagerWords(); c.out.tty && !c.noPager && len(words) > 0 && os.Getenv("TERM") != "dumb" {
		c.pager = &pager{words: words, stdout: c.stdout, stderr: c.stderr, leave: leave}
		if at.kind == boltKind { // nobody can write it while somebody reads here
			c.pager.held = &bytes.Buffer{}
		}
		c.out.w.Reset(c.pager)
	}
	unreadable := 0
	err = verb(looker{store: store, ctx: ctx, damaged: func(err error) {
		unreadable++
		c.say("%v", err)
	}})
	if err == nil && unreadable > 0 {
		err = fmt.Errorf("%w: %s could not be read; `flowlog verify` looks for more", checkpoint.ErrCorrupt, count(unreadable, "state"))
	}
	if e := store.Close(); err == nil {
		err = e
	}
	if context.Cause(ctx) == errPagerLeft {
		err = nil
	}
	return c.turnOver(err)
}

// turnOver writes what is left to be shown, waits for the pager, and then says what
// had to wait for it.
func (c *cli) turnOver(err error) error {
	if c.pager == nil {
		return err
	}
	c.out.flush()
	c.pager.release()
	c.pager.close()
	c.pager = nil
	c.out.w.Reset(c.stdout)
	for _, line := range c.said {
		c.say("%s", line)
	}
	return err
}
