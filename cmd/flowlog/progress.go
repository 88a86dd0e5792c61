package main

import (
	"time"

	"github.com/dustin/go-humanize"
)

// tell shows on a terminal how far a long piece of work has come: in bytes if what it
// counts has no name. Total is 0 where it is not known.
func (m *meter) tell(step string, done, total uint64, thing string) {
	if m.file == nil || step == m.step && time.Since(m.drawn) < redraw {
		return
	}
	m.step, m.drawn = step, time.Now()
	words := func(n uint64) string {
		if thing == "" {
			return size(int64(n))
		}
		return humanize.Comma(int64(n))
	}
	far := words(done)
	if total > 0 {
		far += " of " + words(total)
	}
	if thing != "" {
		far += " " + thing
	}
	m.line(printable(step) + "  " + far)
	m.flush() // there is nobody to tell that stderr is gone
}
