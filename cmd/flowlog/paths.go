package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/flowlog/checkpoint/statediff"
)

// pathSize is what a value in a state takes.
type pathSize struct {
	Path  statediff.Pointer `json:"path"`
	Type  string            `json:"type"`
	Size  int               `json:"size"`            // in bytes
	Items int               `json:"items,omitempty"` // values right in it
}

// listPace is how many values are listed between two looks at whether someone still
// wants them.
const listPace = 1 << 12

// pathsOf returns the values in a document, in their order; the document itself if there
// is none in it.
func pathsOf(ctx context.Context, doc *statediff.Document) ([]pathSize, error) {
	list := []pathSize{}
	within := []int{} // by depth, where in list the container on the way is
	for v := range doc.All() {
		if len(list)%listPace == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		depth := v.Depth()
		if within = within[:depth]; depth > 0 {
			list[within[depth-1]].Items++
		}
		within = append(within, len(list))
		list = append(list, pathSize{v.Pointer(), v.Type().String(), len(v.Raw()), 0})
	}
	if len(list) == 1 { // it holds none
		return list, nil
	}
	return list[1:], nil // the first is the document
}

// largestPaths returns the values in a document that take most, 0 for all of them. One
// in which a single value takes nearly all is left out for that.
func largestPaths(ctx context.Context, doc *statediff.Document, limit int) ([]pathSize, error) {
	type use struct{ size, items int }
	uses := []use{} // by place in the document; size 0 for what is left out
	within := []int{}
	for v := range doc.All() {
		if len(uses)%listPace == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		depth, size := v.Depth(), len(v.Raw())
		if within = within[:depth]; depth > 0 {
			parent := &uses[within[depth-1]]
			parent.items++
			if size*10 >= parent.size*9 {
				parent.size = 0
			}
		}
		within = append(within, len(uses))
		uses = append(uses, use{size: size})
	}
	uses[0].size = 0 // the document
	sizes := make([]int, len(uses))
	for i, u := range uses {
		sizes[i] = u.size
	}
	slices.Sort(sizes)
	if limit > 0 && limit < len(sizes) {
		sizes = sizes[len(sizes)-limit:]
	}
	least := max(sizes[0], 1)
	larger, _ := slices.BinarySearch(sizes, least+1)
	ofLeast := larger // how many of those that are as small as that: a path can be long
	list, i := []pathSize{}, 0
	for v := range doc.All() {
		use := uses[i]
		if i++; use.size < least || use.size == least && ofLeast == 0 {
			continue
		}
		if use.size == least {
			ofLeast--
		}
		list = append(list, pathSize{v.Pointer(), v.Type().String(), use.size, use.items})
	}
	slices.SortStableFunc(list, func(a, b pathSize) int { return cmp.Compare(b.Size, a.Size) })
	return list, nil
}

// itemCount says how many values are right in one; of a value that holds none, nothing.
func itemCount(p pathSize) string {
	if p.Type != "array" && p.Type != "object" {
		return ""
	}
	return humanize.Comma(int64(p.Items))
}
