package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// table is what a measure prints: what was measured and, beside it, the limit that
// it has to keep. Only sizes are judged: times depend on the machine.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, title string) *table {
	fmt.Fprintf(out, "\n%s\n", title)
	t := &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.w, "  side\twhat\tmeasured\tlimit\t\t")
	return t
}

// flush prints the table.
func (t *table) flush() { t.w.Flush() }

// note is a line without a limit.
func (t *table) note(side, what, measured string) {
	fmt.Fprintf(t.w, "  %s\t%s\t%s\t\t\t\n", side, what, measured)
}

// timing is a line that is not judged.
func (t *table) timing(side, what, measured, limit string) {
	fmt.Fprintf(t.w, "  %s\t%s\t%s\t%s\t\t\n", side, what, measured, limit)
}

// ratio is a line about a size as a multiple of another.
func (t *table) ratio(side, what string, have, of int64, limit float64) {
	r := float64(have) / float64(of)
	fmt.Fprintf(t.w, "  %s\t%s\t%s B: %.3f\tat most %.3g\t%s\t\n", side, what, comma(have), r, limit, verdict(r <= limit))
}

// judged is a line about anything that does not depend on the machine's speed.
func (t *table) judged(side, what, measured, limit string, ok bool) {
	fmt.Fprintf(t.w, "  %s\t%s\t%s\t%s\t%s\t\n", side, what, measured, limit, verdict(ok))
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "OVER"
}

func comma(n int64) string { return humanize.Comma(n) }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }

// speed says how many bytes a second that was.
func speed(bytes int64, d time.Duration) string {
	return fmt.Sprintf("%.0f MB/s", float64(bytes)/1e6/d.Seconds())
}

// progress tells whoever waits.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
