package main

import (
	"bytes"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// historian shows a run's events, a page of them at a time: of a long run the first
// page is there at once.
type historian struct {
	historyFlags
	*cli
	redactor
	l     looker
	run   checkpoint.Run
	path  statediff.Path // of --changed
	drawn bool           // the branches, if there are some

	chart *chart // up to the page at hand, at least; nil if only what is shown is read
	shown int

	marks checkpoint.Marks
}

// row is a row of a history. It keeps no state.
type row struct {
	entry
	prior
	brief   string
	changes []changeJSON
	coarse  []coarseJSON
	why     string // there are no changes to be told
	pinned  bool
	labels  map[string]string // in effect
}

func (h *historian) show() error {
	list := h.listing
	if h.changed != "" {
		list.limit = 0 // it is of what changed
	}
	grows := !h.backward && h.isWhole() && !h.graph
	var err error
	switch {
	case grows:
		h.chart = &chart{}
	case h.graph || !h.isPart() || h.run.Events() <= pageRows:
		if h.chart, err = h.l.chart(h.run); err != nil {
			return err
		}
	default:
		h.drawn = false
	}
	if h.marks, err = h.l.store.Marks(h.l.ctx, h.run.ID); err != nil {
		return err
	}
	out := h.writer()
	for page, err := range h.l.pages(h.run, list) {
		if err != nil {
			return err
		}
		if grows {
			for _, e := range page {
				h.chart.see(e.Event)
			}
		}
		rows, err := h.rows(page)
		if err != nil {
			return err
		}
		if h.limit > 0 && len(rows) > h.limit-h.shown {
			rows = rows[:h.limit-h.shown]
		}
		if h.shown += len(rows); len(rows) > 0 {
			if err := out.page(rows); err != nil {
				return err
			}
		}
		if h.limit > 0 && h.shown == h.limit {
			break
		}
	}
	if err := out.end(); err != nil {
		return err
	}
	return h.howMany()
}

// isPart reports whether only some events are asked for, which may be few of many.
func (h *historian) isPart() bool { return h.limit > 0 || h.line != nil && h.line.part }

// howMany says on stderr what was left out.
func (h *historian) howMany() error {
	run := h.run
	if h.shown == 0 && (h.line == nil || !h.line.isEmpty()) {
		if err := h.l.noMatchOf(run, h.node); err != nil {
			return err
		}
	}
	switch {
	case h.line != nil && h.line.isEmpty():
		return h.l.emptyRange(h.asked)
	case h.shown == 0 && h.changed != "":
		hint, err := h.l.nothingAt(ref{run, head(run)}, h.path)
		if err != nil {
			return err
		}
		return noMatch("none of these events of run %q changed %s%s`flowlog show %s --paths` lists what there is", run.ID, h.changed, hint, quote(run.ID))
	case h.shown == 0 && h.node != "":
		return noMatch("none of these events of run %q is of node %q; `flowlog history %s` shows all", run.ID, h.node, quote(run.ID))
	case uint64(h.shown) < run.Events():
		h.say("%s of the run's %s; `flowlog history %s` shows all", humanize.Comma(int64(h.shown)), count(run.Events(), "event"), quote(run.ID))
	}
	return nil
}

// rows returns what is to be shown of a page.
func (h *historian) rows(page []entry) (rows []row, err error) {
	if h.backward {
		slices.Reverse(page)
		defer func() { slices.Reverse(rows) }()
	}
	priors, err := h.priors(page)
	if err != nil {
		return nil, err
	}
	if h.stored && h.changed == "" {
		for _, e := range page {
			rows = append(rows, h.row(e, priors[e.Seq]))
		}
		return rows, nil
	}
	for st, err := range h.l.steps(page) {
		if err != nil {
			return nil, err
		}
		changes := st.changes()
		if h.changed != "" {
			changes = st.under(h.path)
			if len(changes) == 0 && (st.diff != nil || !has(st.new, h.path)) {
				continue
			}
		}
		r := h.row(st.entry, priors[st.Seq])
		h.tell(&r, st, changes)
		rows = append(rows, r)
	}
	return rows, nil
}

// priors returns what is to be said of the events before those of a page, by seq.
func (h *historian) priors(page []entry) (map[uint64]prior, error) {
	priors, known := make(map[uint64]prior, len(page)), make(map[uint64]*checkpoint.Event, len(page))
	for _, e := range page {
		known[e.Seq] = e.Event
		if h.chart != nil {
			priors[e.Seq] = h.chart.prior(e.Seq)
			continue
		}
		var err error
		if priors[e.Seq], err = h.l.before(h.run, e.Event, known); err != nil {
			return nil, err
		}
	}
	return priors, nil
}

func (h *historian) row(e entry, before prior) row {
	ev := *e.Event
	ev.State = nil
	r := row{entry: entry{&ev}, prior: before}
	r.mark(h.marks)
	return r
}

// mark puts into a row what was said of its event.
func (r *row) mark(m checkpoint.Marks) {
	mark := m.Events[r.Seq]
	r.pinned, r.labels = mark.Pinned, mark.On(r.Metadata.Labels)
}

// tell puts into a row what a step changed, and keeps nothing of its states.
func (h *historian) tell(r *row, st step, changes []statediff.Change) {
	r.why = st.why
	if *h.output == formatText {
		r.brief = st.inBrief(h.out, changes, h.redactor)
		return
	}
	if st.diff == nil {
		return
	}
	r.coarse = coarseFacts(st.diff.Coarse)
	r.changes = st.changesJSON(changes, h.redactor)
	for i, c := range r.changes {
		r.changes[i].Old, r.changes[i].New = bytes.Clone(c.Old), bytes.Clone(c.New)
	}
}

// peaks are the largest state and the slowest step of some rows.
type peaks struct {
	largest, slowest     row
	sizeVaries, tookVary bool
	rows, timed          int
}

func (p *peaks) see(r row) {
	if p.rows++; p.rows > 1 && r.Size != p.largest.Size {
		p.sizeVaries = true
	}
	if p.rows == 1 || r.Size > p.largest.Size {
		p.largest = r
	}
	if !r.timed {
		return
	}
	if p.timed++; p.timed > 1 && r.took != p.slowest.took {
		p.tookVary = true
	}
	if p.timed == 1 || r.took > p.slowest.took {
		p.slowest = r
	}
}

func (p *peaks) isLargest(r row) bool { return p.sizeVaries && r.Seq == p.largest.Seq }
func (p *peaks) isSlowest(r row) bool { return p.tookVary && r.timed && r.Seq == p.slowest.Seq }
