package main

import (
	"strings"
	"time"

	"github.com/flowlog/checkpoint"
)

// failureText says in a line what went wrong.
func failureText(f *checkpoint.Failure) string {
	first, _, _ := strings.Cut(failureWords(f), "\n")
	if f.Final {
		return "failed for good: " + first
	}
	return "failed: " + first
}

// failureWords are the type of an error and what it says.
func failureWords(f *checkpoint.Failure) string {
	if f.Type == "" || f.Text == "" {
		return f.Type + f.Text
	}
	return f.Type + ": " + f.Text
}

// failure writes the facts of what went wrong; of nil none.
func (c *cli) failure(f *checkpoint.Failure, fact func(name, format string, args ...any)) {
	if f == nil {
		return
	}
	name := "error"
	for line := range strings.Lines(failureWords(f)) {
		fact(name, "%s", strings.TrimSuffix(line, "\n"))
		name = ""
	}
	switch {
	case f.Final:
		fact("retry", "not to be tried again")
	case !f.NotBefore.IsZero():
		fact("retry", "not before %s", f.NotBefore.UTC().Format(time.RFC3339))
	}
}
