package main

import (
	"bufio"
	"context"
	"os"
	"strings"

	"golang.org/x/term"
)

// mayAsk refuses a verb that would have to ask before it drops something and can't.
func (c *cli) mayAsk(verb string) error {
	if file, ok := c.stdin.(*os.File); ok && !term.IsTerminal(int(file.Fd())) {
		return usage("%s asks before it drops anything, and stdin is no terminal: -n only lists what would go, --yes drops it without asking", verb)
	}
	return nil
}

// confirm asks on stderr whether to go on. Only y or yes says so.
func (c *cli) confirm(ctx context.Context, question string) error {
	c.out.flush()
	s, err := newScreen(nil, c.stderr, "never")
	if err != nil {
		return err
	}
	s.printf("%s [y/N] ", printable(question))
	s.flush() // who does not see it can't say yes
	answered := make(chan string, 1)
	go func() { // which a Ctrl-C leaves behind: the process ends
		line, err := bufio.NewReader(c.stdin).ReadString('\n')
		if err != nil {
			s.printf("\n") // there is no answer, and no end of the line
			s.flush()
		}
		answered <- line
	}()
	select {
	case <-ctx.Done():
		s.printf("\n")
		s.flush()
		return ctx.Err()
	case line := <-answered:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
	}
	return noMatch("nothing was dropped")
}
