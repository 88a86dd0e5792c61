package main

import (
	"strings"
	"time"

	"github.com/flowlog/checkpoint"
)

// failureText says in a line what went wrong.
func failureText(f *checkpoint.Failure) string {
	text, _, _ := strings.Cut(f.Text, "\n")
	if f.Type != "" && text != "" {
		text = ": " + text
	}
	verb := "failed: "
	if f.Final {
		verb = "failed for good: "
	}
	return verb + f.Type + text
}

// failure writes the facts of what went wrong; of nil none.
func (c *cli) failure(f *checkpoint.Failure, fact func(name, format string, args ...any)) {
	if f == nil {
		return
	}
	name := "error"
	for line := range strings.Lines(strings.TrimPrefix(f.Type+": "+f.Text, ": ")) {
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
