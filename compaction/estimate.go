package compaction

import "github.com/flowlog/checkpoint/log"

// By how much less a run takes once states of it are gone is estimated from headers
// alone, by these rules:
//
//   - A state that stays, and is stored as a difference from one that goes, takes over
//     what it needs of those that go: the differences up to the next state that stays, or
//     to the one stored whole that all rest on, each less a quarter, and in a segment less
//     half, for what several say of the same place. But no more than it would take whole,
//     if it compressed as that one does.
//   - Of states stored whole and compressed together one takes most, if they are alike,
//     and the others little: as long as any stays, so does that much. It is taken to
//     compress to a third when it is alone, and to be no more than half of all.
//   - What lies with others on a page of the file takes a third more: pages are not full.
//   - A small state in a segment has no stored hash, and leaves one behind.
//   - The note that says what dropped the states has to be stored.
//
// What else goes comes back. On growing transcripts, edited documents, small states that
// are alike and unrelated ones, sealed or not, that was 0.4 to 2 times what the file
// really got smaller by, where this was more than some pages.
const (
	alone    = 3 // to what part of its size a state compresses that is alone
	pageSize = 4 << 10
	noteSize = 768 // in bytes, with what it takes to find it
	hashSize = 32
)

// freed estimates by how many bytes a run gets smaller when the states go of those
// events, in order and without gaps, for which why is empty.
func freed(events []Event, why []string) int64 {
	var sum int64
	var together, gone group
	for i := range events {
		e, goes := &events[i], why[i] == ""
		switch {
		case e.Pruned:
		case e.Base == 0 && e.Shared:
			together.add(e)
			if goes {
				gone.add(e)
			}
			if goes && e.Size <= log.MaxUnhashed {
				sum -= hashSize
			}
		case goes:
			sum += onPages(e, e.Stored)
		case e.Base != 0:
			sum += onPages(e, e.Stored) - onPages(e, left(events, why, e))
		}
	}
	return max(0, sum+together.without(gone)-noteSize)
}

// onPages is what n bytes take that an event stores.
func onPages(e *Event, n int64) int64 {
	if e.Shared || n > pageSize {
		return n
	}
	return n + n/3
}

// left is what a state that stays, and is stored as a difference, takes in the end.
func left(events []Event, why []string, e *Event) int64 {
	need, stays := e.Stored, false
	root := e
	for range events { // a damaged header may lead in a circle
		i := root.Base - events[0].Seq
		if root.Base == 0 || i >= uint64(len(events)) {
			break
		}
		root = &events[i]
		if stays = stays || why[i] != ""; stays && need == e.Stored {
			return e.Stored // it leans on nothing that goes
		}
		switch {
		case stays:
		case root.Base == 0:
			need += root.Stored
		case root.Base > root.Seq: // mostly of what the older state has not
			need += root.Stored / 2
		default:
			need += root.Stored * 3 / 4
		}
	}
	whole := float64(e.Size) * float64(root.Stored) / float64(max(root.Size, 1))
	return max(e.Stored, min(need, int64(whole)))
}

// group is states stored whole and compressed together.
type group struct{ n, size, stored int64 }

func (g *group) add(e *Event) {
	g.n++
	g.size += e.Size
	g.stored += e.Stored
}

// without is by how much less they take without some of them.
func (g group) without(gone group) int64 {
	if gone.n == 0 || gone.n == g.n {
		return gone.stored
	}
	share := g.stored / g.n
	first := max(share, min(g.size/g.n/alone, g.stored/2))
	others := float64(g.stored - first)
	return int64(others * min(1, float64(gone.stored)/float64(max(1, g.stored-share))))
}
