package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// column is a column of a table.
type column struct {
	name  string
	right bool // its cells are numbers
	long  bool // its cells are never shortened, but cut at the end of the row
	color text.Color
	cells []string
	least int // how wide it is at least
}

func left(name string) *column  { return &column{name: name} }
func right(name string) *column { return &column{name: name, right: true} }

func (c *column) in(color text.Color) *column { c.color = color; return c }

func (c *column) add(cell string) { c.cells = append(c.cells, cell) }

// hasCells reports whether there is something in the column.
func (c *column) hasCells() bool {
	return slices.ContainsFunc(c.cells, func(cell string) bool { return cell != "" })
}

// writeTable writes columns side by side without lines around them. On a terminal
// a cell that is too long is cut, and so is a row: it never wraps.
func writeTable(s *screen, indent string, columns ...*column) {
	writeRows(s, indent, true, columns...)
}

// writeRows is writeTable, or goes on with a table that was written before: a column
// gets no narrower.
func writeRows(s *screen, indent string, header bool, columns ...*column) {
	w := table.NewWriter()
	w.SetStyle(plainStyle(s.width - len(indent)))
	w.SuppressTrailingSpaces()
	head := make(table.Row, len(columns))
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		head[i] = s.paint(faint, c.name)
		configs[i] = table.ColumnConfig{Number: i + 1, Align: text.AlignLeft, AlignHeader: text.AlignLeft}
		if c.right {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	if header {
		w.AppendHeader(head)
	}
	for r := range columns[0].cells {
		row := make(table.Row, len(columns))
		for i, c := range columns {
			cell := c.cells[r]
			if s.tty && !c.long {
				cell = shorten(cell)
			}
			if c.color != 0 {
				cell = s.paint(c.color, cell)
			}
			row[i] = cell
			c.least = max(c.least, text.StringWidthWithoutEscSequences(cell))
		}
		w.AppendRow(row)
	}
	for i, c := range columns {
		if header {
			c.least = max(c.least, text.StringWidth(c.name))
		}
		configs[i].WidthMin = c.least
	}
	w.SetColumnConfigs(configs)
	for row := range strings.SplitSeq(w.Render(), "\n") {
		s.printf("%s%s\n", indent, row)
	}
}

// maxCell is the most that a cell takes on a terminal, in columns.
const maxCell = 28

// shorten cuts the middle out of a long cell: both ends of an id tell more, and
// the visit is at the end.
func shorten(cell string) string {
	if text.StringWidth(cell) <= maxCell {
		return cell
	}
	runes := []rune(cell)
	head, tail := 0, len(runes)
	for width := 0; head < tail && width < maxCell/2; head++ {
		width += text.RuneWidth(runes[head])
	}
	for width := 0; tail > head && width < maxCell/2-2; tail-- {
		width += text.RuneWidth(runes[tail-1])
	}
	return string(runes[:head]) + "…" + string(runes[tail:])
}

// plainStyle is a table without lines, two spaces between its columns.
func plainStyle(width int) table.Style {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Size.WidthMax = max(width, 0)
	return style
}

// size says bytes as people do.
func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }

// times says by which factor a is larger than b.
func times(a, b int64) string {
	switch f := float64(a) / float64(max(b, 1)); {
	case f < 10:
		return fmt.Sprintf("%.1f times", f)
	default:
		return fmt.Sprintf("%.0f times", f)
	}
}

// count says how many things there are.
func count[N int | int64 | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return humanize.Comma(int64(n)) + " " + thing + "s"
}
