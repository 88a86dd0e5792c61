package log

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// formatVersion is the version of the engine's format: heads, headers, sums, notes and
// hash chains. A run of another version is refused, never guessed at.
const formatVersion = 2

// Class is the class of a run. Runs can be listed by class. The values are stored.
type Class uint8

// The classes of runs.
const (
	// ClassOpen is a run that can continue.
	ClassOpen Class = 0
	// ClassFinished is a run that ended with an event of role End.
	ClassFinished Class = 1
	// ClassFailed is a run that ended with a final failure.
	ClassFailed Class = 2
	// classStaged is a run that is being imported: it is invisible yet.
	classStaged Class = 255
)

// Run is the summary of a run: everything in it can be derived from its events.
type Run struct {
	ID string `json:"run_id"`
	// Life is the run's incarnation id. It is new each time a deleted run id is used
	// again.
	Life string `json:"life"`
	// Last is the seq of the newest event, Hash its place in the hash chain.
	Last uint64 `json:"last"`
	Hash Digest `json:"hash"`
	// Tip is the seq of the newest recoverable event, whose line is the run's current
	// line; 0 if there is no such event.
	Tip uint64 `json:"tip,omitempty"`
	// Class says whether the run is open, finished or failed.
	Class Class `json:"class,omitempty"`
	// Anchor is the seq of the last event that [Log.TruncateFront] dropped: the run's
	// events are those after it. It is 0 if no event was dropped.
	Anchor uint64 `json:"anchor,omitempty"`
	// GraphID, NodeID, NextNode and Size (the state's, in bytes) are those of the newest
	// event.
	GraphID  string `json:"graph_id,omitempty"`
	NodeID   string `json:"node_id"`
	NextNode string `json:"next_node,omitempty"`
	Size     int64  `json:"size"`
	// CreatedAt and UpdatedAt are the times of the first and the newest event.
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// SavedAt is when the newest event was appended, by the clock of the process that
	// appended it. It never goes back within a run. An import keeps it. UpdatedAt is the
	// newest event's CreatedAt, which the caller may set.
	SavedAt time.Time `json:"saved_at"`
	// Pruned counts the events whose state was dropped. Notes counts the run's notes.
	Pruned uint64 `json:"pruned,omitempty"`
	Notes  uint64 `json:"notes,omitempty"`
	// Bytes is the size of all states as given. Stored is the size of headers and states
	// as stored. Both are in bytes and without pruned states.
	Bytes  int64 `json:"bytes"`
	Stored int64 `json:"stored"`

	row      row
	headErr  error // the head is damaged: what it says was made up from the events
	beginErr error // and what event 1 said, which later events inherit, is unknown
	lastErr  error // the newest record is damaged: what is said of it is not to be trusted
	revision uint64
	recency  uint64
	tail     uint64
	line     line // of the newest event
	listed   listed
}

// line holds a record's fields about its line: see [driver.Record].
type line struct {
	Recoverable uint64 `json:"recoverable,omitempty"`
	Since       uint64 `json:"since,omitempty"`
}

// Events returns how many events the run has: those after the anchor.
func (r *Run) Events() uint64 { return r.Last - r.Anchor }

// Unsealed returns how many events have a record of their own.
func (r *Run) Unsealed() uint64 { return r.Last + 1 - r.tail }

// Position returns the position of the newest event.
func (r *Run) Position() Position { return Position{r.Last, r.Hash} }

// row is what a head stores: what the newest record does not say.
type row struct {
	Version   int       `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	Common    Common    `json:"common,omitzero"` // as event 1 says it
	// Pruned counts the dropped states. PrunedBytes and Freed are their size, as given
	// and as stored; they are subtracted from the running totals of the newest record.
	// So an append and a change of the row never contradict each other.
	Pruned      uint64 `json:"pruned,omitempty"`
	PrunedBytes int64  `json:"pruned_bytes,omitempty"`
	Freed       int64  `json:"freed,omitempty"`
	// Rewrites counts the changes to stored states. A delta that was made before a
	// rewrite may depend on a state that no longer exists. An import begins at a random
	// number, so that cached data of an earlier life of the same run is not mistaken
	// for this one's.
	Rewrites uint64 `json:"rewrites,omitempty"`
	// Staged is the time of an unfinished import's last progress; zero for a visible run.
	Staged time.Time `json:"staged,omitzero"`
	// LikeVisits says that an event's node has, or had, an id that could also name a
	// visit: see likeVisit.
	LikeVisits bool `json:"like_visits,omitempty"`
	// Notes is the number of notes, and the end of their hash chain. Marked is the
	// number of the newest note about labels or pins.
	Notes  noted  `json:"notes,omitzero"`
	Marked uint64 `json:"marked,omitempty"`
	// Anchor is the last event that was dropped with its header, nil if none was.
	Anchor *anchored `json:"anchor,omitempty"`
	// Sealed is the last event in a segment: the run's newest event if its tail is
	// empty.
	Sealed *sealedLast `json:"sealed,omitempty"`
	// Claim names the holder that may continue the run. Nothing sets it yet.
	Claim *claim `json:"claim,omitempty"`

	stored []byte // the data that this was read from, nil if it is new
}

// noted is the end of a run's notes.
type noted struct {
	Count uint64 `json:"count"`
	Hash  Digest `json:"hash"`
}

// claim is an epoch, which only grows, and a random word that the holder chose.
type claim struct {
	Epoch uint64 `json:"epoch"`
	Word  string `json:"word"`
}

// anchored is what a head keeps about the last dropped event, which the next event
// follows.
type anchored struct {
	Seq    uint64 `json:"seq"`
	Hash   Digest `json:"hash"`
	Bytes  int64  `json:"bytes"` // the record's running totals
	Stored int64  `json:"stored"`
	Note   uint64 `json:"note"` // the number of the note that says why
}

// anchorAt puts the beginning of the run after an event that was dropped.
func (r *Run) anchorAt(a anchored) { r.Anchor, r.row.Anchor = a.Seq, &a }

// first returns the seq of the run's oldest event.
func (r *Run) first() uint64 { return r.Anchor + 1 }

// sealedLast is what a head must know of an event whose record is gone.
type sealedLast struct {
	Seq       uint64    `json:"seq"`
	Hash      Digest    `json:"hash"`
	Tip       uint64    `json:"tip,omitempty"`
	Line      line      `json:"line,omitzero"`
	GraphID   string    `json:"graph_id,omitempty"`
	NodeID    string    `json:"node_id"`
	NextNode  string    `json:"next_node,omitempty"`
	Size      int64     `json:"size"`
	CreatedAt time.Time `json:"created_at"`
	Bytes     int64     `json:"bytes"` // the record's running totals
	Stored    int64     `json:"stored"`
}

func sealedAt(h *Header, rec *driver.Record) sealedLast {
	return sealedLast{
		Seq: rec.Seq, Hash: rec.Hash, Tip: rec.Tip, Line: lineOf(rec),
		GraphID: h.Metadata.GraphID, NodeID: h.NodeID, NextNode: h.NextNode,
		Size: h.Size, CreatedAt: h.CreatedAt, Bytes: rec.Bytes, Stored: rec.Stored,
	}
}

func lineOf(rec *driver.Record) line { return line{rec.Recoverable, rec.Since} }

// newRun returns the summary of a run without events, which is never stored.
func newRun(id string) Run {
	var life [16]byte
	rand.Read(life[:]) // never fails: see crypto/rand
	r := Run{ID: id, Life: hex.EncodeToString(life[:]), tail: 1}
	r.row = row{Version: formatVersion}
	return r
}

// staged reports whether the run is being imported: it is not there for anybody yet.
func (r *Run) staged() bool { return !r.row.Staged.IsZero() }

// head returns the run's row.
func (r *Run) head() (*driver.Head, error) {
	data, err := marshalOver(r.row.stored, &r.row)
	if err != nil {
		return nil, &Error{Run: r.ID, Reason: fmt.Sprintf("head can't be written as JSON: %v", err), Err: ErrInvalid}
	}
	h := &driver.Head{Run: r.ID, Suite: suiteSHA256, Recency: r.recency, Tail: r.tail, Data: data}
	if _, err := hex.Decode(h.Life[:], []byte(r.Life)); err != nil || len(r.Life) != 2*len(h.Life) {
		return nil, corrupt(r.ID, 0, fmt.Sprintf("incarnation id %q is not 32 hexadecimal digits", r.Life))
	}
	h.Sum = headSum(h)
	return h, nil
}

// parseHead reads a stored head.
func parseHead(h *driver.Head) (Run, error) {
	if err := checkHead(h); err != nil {
		return Run{}, err
	}
	r := summary(h)
	err := json.Unmarshal(h.Data, &r.row)
	if err != nil || r.row.Version != formatVersion || h.Suite != suiteSHA256 {
		return Run{}, otherHead(h, err)
	}
	r.row.stored = h.Data
	r.CreatedAt, r.Notes = r.row.CreatedAt, r.row.Notes.Count
	if a := r.row.Anchor; a != nil {
		r.Anchor = a.Seq
	}
	if h.Last == nil {
		s := r.row.Sealed
		if s == nil || s.Seq != r.tail-1 {
			return Run{}, corrupt(h.Run, 0, "head of a run without events")
		}
		r.stand(s.Seq, s.Hash, s.Bytes, s.Stored)
		r.Tip, r.line = s.Tip, s.Line
		r.GraphID, r.NodeID, r.NextNode, r.Size, r.UpdatedAt = s.GraphID, s.NodeID, s.NextNode, s.Size, s.CreatedAt
		return r, nil
	}
	r.standAt(h.Last)
	return r, nil
}

// summary returns the fields of a head outside its data.
func summary(h *driver.Head) Run {
	return Run{
		ID: h.Run, Life: hex.EncodeToString(h.Life[:]), Class: Class(h.Class),
		SavedAt: savedAt(h.Recency), revision: h.Revision, recency: h.Recency, tail: h.Tail, listed: listed{place: h.Place, recency: h.Recency},
	}
}

func savedAt(recency uint64) time.Time {
	return time.Unix(0, int64(min(recency, math.MaxInt64))).UTC()
}

// checkHead checks a head's checksum, which is the same in every version. It comes before the
// version is looked at, so a damaged head is reported as damage, and is derived from the
// run's events.
func checkHead(h *driver.Head) error {
	if sum := headSum(h); sum != h.Sum {
		return &Error{Run: h.Run, Reason: "head does not match its checksum",
			Want: fmt.Sprintf("%08x", h.Sum), Have: fmt.Sprintf("%08x", sum), Err: ErrCorrupt}
	}
	return nil
}

// otherHead says why an undamaged head can't be read: it is of another version, or else
// it is not as this version writes it.
func otherHead(h *driver.Head, err error) error {
	var v struct{ Version int }
	if unread := json.Unmarshal(h.Data, &v); h.Suite != suiteSHA256 || unread == nil && v.Version != formatVersion {
		return &Error{Run: h.Run, Reason: "the run was written by another version of flowlog; open it with that version",
			Want: fmt.Sprintf("version %d, suite %d", formatVersion, suiteSHA256), Have: fmt.Sprintf("version %d, suite %d", v.Version, h.Suite), Err: ErrUnsupportedVersion}
	}
	return corrupt(h.Run, 0, fmt.Sprintf("head: %v", err))
}

// standAt sets the summary to its newest record. A damaged record loses its own event
// and no other.
func (r *Run) standAt(last *driver.Record) {
	hdr, err := Header{}, checkSum(r.ID, r.Life, last)
	if err == nil {
		hdr, err = r.parse(last)
	}
	if err != nil {
		r.Last, r.lastErr = last.Seq, err
		return
	}
	r.setLast(&hdr, last)
}

// setLast makes an event the newest of the summary.
func (r *Run) setLast(h *Header, rec *driver.Record) {
	if h.Seq == 1 && r.Last == 0 && r.row.stored == nil {
		r.begunBy(h)
	}
	r.stand(h.Seq, rec.Hash, rec.Bytes, rec.Stored)
	r.Tip, r.line = rec.Tip, lineOf(rec)
	r.recency = max(r.recency, rec.Recency)
	r.SavedAt = savedAt(r.recency)
	r.GraphID, r.NodeID, r.NextNode, r.Size = h.Metadata.GraphID, h.NodeID, h.NextNode, h.Size
	r.UpdatedAt = h.CreatedAt
}

// begunBy takes from event 1 what the head has of it.
func (r *Run) begunBy(h *Header) {
	r.began(h.CreatedAt, h.common())
}

func (r *Run) began(at time.Time, c Common) {
	r.CreatedAt, r.row.CreatedAt, r.row.Common, r.beginErr = at, at, c, nil
}

// stand puts the summary at an event; bytes and stored are its running totals.
func (r *Run) stand(seq uint64, hash Digest, bytes, stored int64) {
	r.Last, r.Hash = seq, hash
	r.Pruned = r.row.Pruned
	r.Bytes, r.Stored = bytes-r.row.PrunedBytes, stored-r.row.Freed
}

// classAfter returns the run's class once an event was appended.
func (r *Run) classAfter(h *Header) Class {
	switch {
	case h.Role == End:
		return ClassFinished
	case h.Role == Failure && h.Failure != nil && h.Failure.Final:
		return ClassFailed
	case h.Role == Recoverable:
		return ClassOpen
	}
	return r.Class
}

// stored is what a record takes, in bytes, but for the database's own overhead.
func stored(r *record) int64 {
	if r.sealed > 0 {
		return r.sealed
	}
	return int64(len(r.Header)) + max(r.StateLen, int64(len(r.State)))
}
