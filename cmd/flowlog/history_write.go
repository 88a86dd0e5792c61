package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// historyWriter writes what history found, a page at a time.
type historyWriter interface {
	page(rows []row) error
	end() error
}

func (h *historian) writer() historyWriter {
	if *h.output == formatText {
		return &historyText{historian: h, clock: h.clockOf(h.run)}
	}
	return &historyJSON{historian: h}
}

// historyText writes tables, one for each page.
type historyText struct {
	*historian
	clock func(time.Time) string
	peaks peaks // of all rows
}

func (h *historyText) page(rows []row) error {
	if h.peaks.rows > 0 {
		h.out.printf("\n")
	}
	t := newHistoryTable(h.clock, h.backward)
	if h.drawn {
		t.tree = h.chart.tree()
	}
	for _, r := range rows {
		h.peaks.see(r)
	}
	var marked *peaks
	if h.run.Events() <= pageRows { // else there may be larger and slower ones to come
		marked = &h.peaks
	}
	for _, r := range rows {
		t.add(r.entry)
		t.addChanges(h.out, r, marked)
		t.marks.add(marksText(r.pinned, r.labels))
	}
	t.addHanded(h.out, rows)
	if h.historyFlags.stored {
		t.writeStored(h.out, "")
	} else {
		t.writeChanges(h.out)
	}
	return h.out.flush()
}

func (h *historyText) end() error {
	if h.peaks.rows == 0 {
		return nil
	}
	h.out.printf("\n%s\n", summary(h.out, h.run))
	if m := h.marks.Run; m.Pinned || len(m.Labels) > 0 {
		h.out.printf("the run is marked: %s\n", marksText(m.Pinned, m.Labels))
	}
	of := ""
	if uint64(h.shown) < h.run.Events() {
		of = " of these"
	}
	if p := h.peaks; p.sizeVaries {
		h.out.printf("largest state%s: %s, at %d (%s)\n", of, size(p.largest.Size), p.largest.Seq, p.largest.visit())
	}
	if p := h.peaks; p.tookVary {
		h.out.printf("longest wait%s: %s, for %d (%s); a pause before a resume counts\n", of, took(p.slowest.took), p.slowest.Seq, p.slowest.visit())
	}
	return nil
}

// rowJSON is a row as -o json gives it.
type rowJSON struct {
	eventJSON
	// TookSeconds is the time since the parent; absent where it is not known.
	TookSeconds *float64 `json:"took_seconds,omitempty"`
	// Changes are absent if NotCompared says why, or --stored left them out.
	Changes     *[]changeJSON `json:"changes,omitempty"`
	NotCompared string        `json:"not_compared,omitempty"`
	Coarse      []coarseJSON  `json:"coarse,omitempty"`
}

func (r row) facts() rowJSON {
	j := rowJSON{eventJSON: r.json(), NotCompared: r.why, Coarse: r.coarse}
	j.Pinned, j.Labels = r.pinned, r.labels
	if r.timed {
		seconds := r.took.Seconds()
		j.TookSeconds = &seconds
	}
	if r.changes != nil {
		j.Changes = &r.changes
	}
	return j
}

// historyJSON writes one document, or a line for each row.
type historyJSON struct {
	*historian
	rows int
}

func (h *historyJSON) page(rows []row) error {
	for _, r := range rows {
		if *h.output == formatJSONL {
			if err := writeJSON(h.out, formatJSONL, r.facts()); err != nil {
				return err
			}
			continue
		}
		if err := h.open(); err != nil {
			return err
		}
		if h.rows++; h.rows > 1 {
			h.out.printf(",")
		}
		h.out.printf("\n    ")
		if err := writeIndented(h.out, r.facts(), "    "); err != nil {
			return err
		}
	}
	return h.out.flush()
}

// open writes the document up to its first row.
func (h *historyJSON) open() error {
	if h.rows > 0 {
		return nil
	}
	h.out.printf("{\n  \"run\": ")
	if err := writeIndented(h.out, markedRun(h.run, h.marks), "  "); err != nil {
		return err
	}
	h.out.printf(",\n  \"events\": [")
	return nil
}

func (h *historyJSON) end() error {
	if *h.output == formatJSONL {
		return nil
	}
	if err := h.open(); err != nil {
		return err
	}
	if h.rows > 0 {
		h.out.printf("\n  ")
	}
	h.out.printf("]\n}\n")
	return nil
}

// writeIndented writes a value that lies so far to the right in a document.
func writeIndented(s *screen, v any, prefix string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := s.Write(bytes.TrimRight(b.Bytes(), "\n"))
	return err
}
