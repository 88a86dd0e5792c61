package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/flowlog/checkpoint/statediff"
)

// screen is where data goes: a terminal, a pipe or a file. It is buffered, and
// remembers the first failure, so that its users need not look at each.
type screen struct {
	w     *bufio.Writer
	tty   bool
	width int // in columns; 0 if it isn't a terminal
	color bool
	rest  []byte // of a rune whose other bytes are still to come
}

func newScreen(file *os.File, w io.Writer, color string) (*screen, error) {
	s := &screen{w: bufio.NewWriterSize(w, 32<<10)}
	if file != nil && term.IsTerminal(int(file.Fd())) {
		s.tty = true
		s.width, _, _ = term.GetSize(int(file.Fd()))
	}
	switch color {
	case "auto":
		s.color = s.tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	case "always":
		s.color = true
	case "never":
	default:
		return s, usage("--color %q: it is auto, always or never", color)
	}
	return s, nil
}

// Write implements io.Writer. On a terminal it writes what nobody should see raw as JSON
// escapes it, whatever wrote it: JSON means the same then.
func (s *screen) Write(p []byte) (int, error) {
	if !s.tty {
		return s.w.Write(p)
	}
	safe, rest := harmless(append(s.rest, p...))
	s.rest = append([]byte(nil), rest...)
	_, err := s.w.Write(safe)
	return len(p), err
}

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s, format, args...) }

// flush writes what is buffered, and returns the first failure.
func (s *screen) flush() error {
	s.w.Write(s.rest)
	s.rest = nil
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("the output is cut off: %w", err)
	}
	return nil
}

// The colours: what stands out, what stands back, what went well, what did not.
const (
	bold  = text.Bold
	faint = text.Faint
	green = text.FgGreen
	red   = text.FgRed
	blue  = text.FgCyan
)

// paint colours s on a screen that has colours.
func (s *screen) paint(color text.Color, words string) string {
	if !s.color || words == "" {
		return words
	}
	return text.Escape(words, color.EscapeSeq())
}

// printable returns s with everything escaped that would move a terminal's cursor
// or change what it shows: names and messages may hold anything.
func printable(s string) string { return escape(s, func(r rune) bool { return !isHarmless(r) }) }

// printableText is printable for a text of many lines.
func printableText(s string) string {
	return escape(s, func(r rune) bool { return r != '\n' && r != '\t' && !isHarmless(r) })
}

func isHarmless(r rune) bool {
	// Cf is what nobody sees, such as the marks that turn the direction of text.
	return !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) && r != '\u2028' && r != '\u2029'
}

// harmless escapes, as JSON does, what is not ASCII and what a terminal obeys or hides, DEL
// too. Other control characters are in no JSON, and texts have them escaped. rest is the
// beginning of a rune that is not whole.
func harmless(b []byte) (safe, rest []byte) {
	if end := len(b) - 1; end >= 0 { // a rune has up to 4 bytes
		for i := end; i >= max(0, end-3); i-- {
			if utf8.RuneStart(b[i]) {
				if !utf8.FullRune(b[i:]) {
					b, rest = b[:i], b[i:]
				}
				break
			}
		}
	}
	if utf8.Valid(b) && bytes.IndexFunc(b, isHarmful) < 0 {
		return b, rest
	}
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			safe = append(safe, `\ufffd`...)
		case !isHarmful(r):
			safe = append(safe, b[i:i+size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			safe = fmt.Appendf(safe, `\u%04x\u%04x`, high, low)
		default:
			safe = fmt.Appendf(safe, `\u%04x`, r)
		}
		i += size
	}
	return safe, rest
}

func isHarmful(r rune) bool { return r >= 0x7f && !isHarmless(r) }

// escape writes the runes that are bad as JSON and Go do, and bytes that are no
// UTF-8 as \x and two digits.
func escape(s string, bad func(rune) bool) string {
	var b strings.Builder
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !bad(r):
			b.WriteString(s[i : i+size])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// kindColor is the colour of what came, went or changed.
func kindColor(kind statediff.Kind) text.Color {
	switch kind {
	case statediff.Added:
		return green
	case statediff.Removed:
		return red
	}
	return blue
}
