package main

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// tree draws the branches of a run beside its events, a column a branch:
//
//	●      plan#1
//	●─╮    review#1
//	● │    write#2
//	  ●    write#3, which continues from review#1
//
// An event's first child goes on in its column, any other begins one of its own,
// which is free again after the branch's last event. A failure, which nothing continues
// from, is beside the line that it left.
type tree struct {
	dropped uint64           // the seq before the first event's; seqs count from there
	columns [][]branch       // by column, in the order of the rows
	of      []int            // column by seq-1
	begins  map[uint64][]int // columns of the branches that begin at an event
}

// branch is a line of events and the rows that it is drawn on, as seqs: from the
// parent of its first event, or that itself if it has none, to its last one.
type branch struct{ start, first, last uint64 }

// maxColumns is how many branches side by side are drawn; more would not fit.
const maxColumns = 12

// newTree returns the tree of a run, given the parents of its events 1, 2, 3 …, and which
// of them are the first that go on from these.
func newTree(parents []uint64, first []bool) *tree {
	branches, of := branchesOf(parents, first)
	t := &tree{of: make([]int, len(parents)), begins: map[uint64][]int{}}
	column := make([]int, len(branches))
	order := make([]int, len(branches))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(branches[a].start, branches[b].start), cmp.Compare(branches[a].first, branches[b].first))
	})
	for _, i := range order {
		b, left := branches[i], 0
		if b.start != b.first { // to the right of the one it comes from
			left = column[of[b.start-1]] + 1
		}
		column[i] = t.place(b, left)
		if b.start != b.first {
			t.begins[b.start] = append(t.begins[b.start], column[i])
		}
	}
	for i := range of {
		t.of[i] = column[of[i]]
	}
	return t
}

// branchesOf returns the branches, and by seq-1 which of them an event is on.
func branchesOf(parents []uint64, first []bool) (branches []branch, of []int) {
	of = make([]int, len(parents))
	for i, parent := range parents {
		seq := uint64(i) + 1
		if first[i] {
			of[i] = of[parent-1]
			branches[of[i]].last = seq
			continue
		}
		start := seq
		if parent > 0 {
			start = parent
		}
		of[i] = len(branches)
		branches = append(branches, branch{start, seq, seq})
	}
	return branches, of
}

// place puts a branch into the first free column from left on.
func (t *tree) place(b branch, left int) int {
	for c := left; c < len(t.columns); c++ {
		if n := len(t.columns[c]); n == 0 || t.columns[c][n-1].last < b.start {
			t.columns[c] = append(t.columns[c], b)
			return c
		}
	}
	for len(t.columns) < left {
		t.columns = append(t.columns, nil)
	}
	t.columns = append(t.columns, []branch{b})
	return len(t.columns) - 1
}

// worthDrawing reports whether there is a branch to be seen, and room for all.
func (t *tree) worthDrawing() bool { return len(t.columns) > 1 && len(t.columns) <= maxColumns }

// row draws an event's row; upward if the rows go from the newest to the oldest.
func (t *tree) row(seq uint64, pruned, upward bool) string {
	seq -= t.dropped
	own, begins := t.of[seq-1], t.begins[seq]
	end := own
	if len(begins) > 0 {
		end = slices.Max(begins)
	}
	var b strings.Builder
	for c := range t.columns {
		across := c > own && c <= end
		switch {
		case c == own && pruned:
			b.WriteString("○")
		case c == own:
			b.WriteString("●")
		case across && slices.Contains(begins, c):
			b.WriteString(corner(c == end, upward))
		case t.passes(c, seq) && across:
			b.WriteString("┼")
		case t.passes(c, seq):
			b.WriteString("│")
		case across:
			b.WriteString("─")
		default:
			b.WriteString(" ")
		}
		if c >= own && c < end {
			b.WriteString("─")
		} else {
			b.WriteString(" ")
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func corner(last, upward bool) string {
	switch {
	case last && upward:
		return "╯"
	case last:
		return "╮"
	case upward:
		return "┴"
	}
	return "┬"
}

// passes reports whether a branch in a column goes through an event's row.
func (t *tree) passes(column int, seq uint64) bool {
	list := t.columns[column]
	i := sort.Search(len(list), func(i int) bool { return list[i].last >= seq })
	return i < len(list) && list[i].start < seq
}
