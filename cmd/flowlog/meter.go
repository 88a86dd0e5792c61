package main

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/flowlog/checkpoint"
)

// meter shows how far compact or prune has come: on a terminal in one line of stderr that
// is written over and gone at the end. Elsewhere it says only that it waits.
type meter struct {
	*screen
	file  *os.File // the terminal; nil if there is none
	step  string
	drawn time.Time
}

func (c *cli) meter() (*meter, error) {
	file, _ := c.stderr.(*os.File)
	s, err := newScreen(file, c.stderr, c.color)
	m := &meter{screen: s}
	if s.tty && os.Getenv("TERM") != "dumb" {
		m.file = file
	}
	return m, err
}

// redraw is how long a line stands at least, so that it can be read.
const redraw = 100 * time.Millisecond

// show shows progress, unless what is shown is nearly as new.
func (m *meter) show(p checkpoint.CompactProgress) {
	step := stepText(p)
	if step == m.step && (m.file == nil || time.Since(m.drawn) < redraw) {
		return
	}
	m.step, m.drawn = step, time.Now()
	switch {
	case m.file != nil:
		m.line(progressText(m.screen, step, p))
	case p.Step == checkpoint.CompactWaiting:
		m.printf("%s\n", step)
	}
	m.flush() // there is nobody to tell that stderr is gone
}

// line writes over the line that is shown, and only then erases what is left of it:
// so it does not flicker.
func (m *meter) line(words string) {
	width, _, err := term.GetSize(int(m.file.Fd())) // it may have changed
	if err != nil || width <= 0 {
		width = 80
	}
	m.printf("\r%s%s", text.Trim(words, width-1), eraseRest)
}

// eraseRest is the terminal's command to erase from the cursor to the line's end.
const eraseRest = "\x1b[K"

// clear takes the line away.
func (m *meter) clear() {
	if m.file != nil && m.step != "" {
		m.printf("\r%s", eraseRest)
		m.flush()
	}
	m.step = ""
}

func stepText(p checkpoint.CompactProgress) string {
	switch p.Step {
	case checkpoint.CompactWaiting:
		return fmt.Sprintf("waiting: another process compacts this store (if it was killed, up to %s)", checkpoint.CompactLease)
	case checkpoint.CompactChecking:
		return "checking the file"
	case checkpoint.CompactSealing:
		return "sealing"
	case checkpoint.CompactPruning:
		return "dropping what was listed"
	case checkpoint.CompactPurging:
		return "erasing what that replaced"
	case checkpoint.CompactReclaiming:
		return "giving disk space back"
	}
	return string(p.Step)
}

func progressText(s *screen, step string, p checkpoint.CompactProgress) string {
	if p.Total <= 0 {
		return step
	}
	done, total := min(p.Done, p.Total), p.Total
	far := fmt.Sprintf("%s of %s", size(done), size(total))
	if p.Step == checkpoint.CompactSealing || p.Step == checkpoint.CompactPruning {
		far = fmt.Sprintf("%s of %s", humanize.Comma(done), count(total, "event"))
	}
	const width = 20
	bar := bar(float64(done)/float64(total), width)
	return fmt.Sprintf("%s  %s%s  %s", step, s.paint(blue, bar), s.paint(faint, strings.Repeat("·", width-utf8.RuneCountInString(bar))), far)
}

// bar draws a share of 1 as a bar of that share of width, in eighths of a column.
func bar(share float64, width int) string {
	eighths := []rune(" ▏▎▍▌▋▊▉")
	n := int(min(max(share, 0), 1)*float64(width*8) + 0.5)
	b := strings.Repeat("█", n/8)
	if n%8 > 0 {
		b += string(eighths[n%8])
	}
	return b
}
