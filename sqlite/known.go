package sqlite

import "github.com/flowlog/checkpoint/driver"

// lastWrite is the state of a run after this Backend's last write to it.
type lastWrite struct {
	revision, last uint64
	place          uint64 // runs.place, which others may have moved forward since
	class          int    // runs.class if last is still the last event; -1 if it isn't known
	version        int64  // Backend.seen then
}

// inLife returns s if it belongs to the run's life with a given revision, or else the
// zero value.
func (s lastWrite) inLife(revision uint64) lastWrite {
	if s.revision>>32 != revision>>32 {
		return lastWrite{class: -1}
	}
	return s
}

// followedBy reports whether nobody has written to the run since, if the appending
// change can be made.
func (s lastWrite) followedBy(c *driver.Change) bool {
	return s.revision == c.Revision && s.last != 0 && s.last+1 == c.Append[0].Seq
}

// rowFits reports whether the run's row needs no new place or class for what the change
// appends.
func (s lastWrite) rowFits(c *driver.Change) bool {
	return c.Append[len(c.Append)-1].Recency < s.place+driver.Lag && (c.Class == nil || s.class == int(*c.Class))
}

// maxKnown bounds the runs whose last write is known.
const maxKnown = 1 << 16

func (b *Backend) remember(run string, s lastWrite) {
	if _, ok := b.known[run]; !ok && len(b.known) >= maxKnown {
		clear(b.known)
	}
	b.known[run] = s
}

// learn records that a change's records were appended at a revision.
func (b *Backend) learn(c *driver.Change, revision uint64) {
	s := b.known[c.Run].inLife(revision)
	if s.last != 0 && !s.followedBy(c) {
		s.class = -1
	}
	s.revision, s.last, s.version = revision, c.Append[len(c.Append)-1].Seq, b.seen
	b.remember(c.Run, s)
}
