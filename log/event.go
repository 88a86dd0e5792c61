package log

import "github.com/flowlog/checkpoint/driver"

// Digest is a SHA-256. Its text form is 64 hexadecimal digits.
type Digest = driver.Digest

// Encoding says how a state is stored: plain, zstd, as a delta, or pruned.
type Encoding = driver.Encoding

// Position is a place in a run: an event, and the event's place in the hash chain. The
// hash covers the life of the run and everything that led to the event. So a position
// of another life, or of a run that was restored to an earlier state, is recognised.
type Position struct {
	Seq  uint64 `json:"seq"`
	Hash Digest `json:"hash,omitzero"`
}

// Event is an entry of a run as it is read.
type Event struct {
	Header
	// Hash is the event's place in the run's hash chain.
	Hash Digest
	// Pruned says that the state was dropped.
	Pruned bool
	// PrunedBy says by what, when and why, and whether it was redacted: the error that
	// asking for the state gives. It is nil if the state is there.
	PrunedBy *PrunedError
	// Encoding says how the state is stored. Stored is the size in bytes of the header
	// and the stored state.
	Encoding Encoding
	Stored   int64
	// StateStored is the state's part of Stored. It is approximate if Shared is set,
	// which says that states of the sealed event's segment are compressed together.
	StateStored int64
	Shared      bool
	// Base is the seq of the event whose state this one's is stored as a difference
	// from: an earlier one, or of a sealed event mostly a later one. 0 if it is stored
	// whole.
	Base uint64
	// State is nil when only headers were asked for, or the state was pruned. It belongs
	// to the caller.
	State []byte
}

// Position returns the event's position.
func (e *Event) Position() Position { return Position{e.Seq, e.Hash} }

// record is an event as stored, in the tail or in a segment.
type record struct {
	driver.Record
	// note is the number of the note that says why the state of a pruned record was
	// dropped. Of one in a segment: what it takes in it, and its state alone, in bytes;
	// the segment's first seq; and whether the state is compressed together with
	// others. Zero for one of the tail.
	note                uint64
	sealed, sealedState int64
	first               uint64
	shared              bool
	alone               bool // no other state is in the same memory as State
}

// fromTail returns records of the tail as the engine has them.
func fromTail(recs []driver.Record) []record {
	out := make([]record, len(recs))
	for i := range recs {
		out[i] = tailRecord(recs[i])
	}
	return out
}

func tailRecord(r driver.Record) record {
	rec := record{Record: r}
	if r.Encoding == driver.Pruned {
		rec.note = r.Base
	}
	return rec
}

// taken reports whether recovery can take the event: it has no role, and its state was
// not dropped.
func (r *record) taken() bool {
	return r.Flags&driver.Passed == 0 && r.Encoding != driver.Pruned
}
